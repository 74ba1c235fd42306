"""A fake study for tests and for looking at reports: a real run folder with made-up models, figures and verdicts.

Nothing is trained. Every model answers right where its made-up skill exceeds a row's made-up difficulty, so that scores,
paired drops and logits agree with one another as they do in a real study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pare.artifacts import Store, seal
from pare.benchmark import energy
from pare.data.task import COLUMN, Task
from pare.evaluation.metrics import known_metrics, metrics_of, value
from pare.evaluation.score import paired
from pare.families import family_of
from pare.logs.incumbent import Incumbent
from pare.proof.binomial import wilson
from pare.search.halving import FULL
from pare.search.space import BASELINE, INCUMBENT, REFERENCE
from pare.search.study import KNOWN_INCUMBENT, LEDGER, PLANS, TASK, Asked, Facts, Study
from pare.search.survivors import Goal
from pare.store import Ledger
from pare.testing.minilm import MINILM
from pare.testing.verdicts import Answer, made_up
from pare.types import (
    Candidate,
    DataSpec,
    Device,
    Measurement,
    Part,
    Quantity,
    Sample,
    Score,
    Shape,
    Step,
    Trial,
)

Logits = NDArray[np.float32]
LABELS = (
    "cancel_order",
    "card_not_arrived",
    "change_address",
    "delivery_status",
    "gift_card",
    "opening_hours",
    "payment_failed",
    "refund_status",
    "return_item",
    "warranty",
)
_ASKS = {
    "cancel_order": (
        "please cancel what I ordered",
        "I want to call off my order",
        "stop the order, I changed my mind",
    ),
    "card_not_arrived": ("my new card still isn't here", "where's the card you posted", "no card in the mail yet"),
    "change_address": ("I've moved house", "use my new address from now on", "you have my old street on file"),
    "delivery_status": ("where is my parcel", "the van never came", "tracking hasn't moved"),
    "gift_card": ("the voucher code won't work", "my gift card says zero", "can I use two gift cards"),
    "opening_hours": ("are you open on Sunday", "when does the shop close", "what time do you open on the holiday"),
    "payment_failed": ("my card was declined twice", "it won't take my money", "checkout fails at the bank page"),
    "refund_status": ("still waiting for my money back", "has the refund gone through", "you owe me 40 pounds"),
    "return_item": ("how do I send this back", "the shoes don't fit", "I want to return a lamp"),
    "warranty": ("it broke after a month", "is this still under guarantee", "the kettle died, who fixes it"),
}
_OPENINGS = ("", "hi, ", "hello again: ", "sorry to bother you, ", "URGENT!! ", "hey ", "good morning, ", "um so ")
_ENDINGS = ("", "?", " thx", ", it's the third time I ask", ". Order 55120.", " pls help", "!!", ", anyone there?")


@dataclass(frozen=True, slots=True)
class Model:
    """A made-up model: its skill is its accuracy; ``quirk`` is how far it strays from the others' mistakes."""

    name: str
    skill: float
    size_mb: float
    p50_ms: float
    per_s: float
    layers: int = 0
    vocabulary: int = 30522
    bits: float = 32.0
    runtime: str = "openvino"
    memory_mb: float = 210.0
    quirk: float = 0.012


MODELS = (
    Model("linear", 0.905, 1.62, 0.21, 8400, runtime="arrays", bits=8, memory_mb=74, quirk=0.03),
    Model(REFERENCE, 0.942, 91.6, 4.6, 431, layers=6, memory_mb=402),
    Model(BASELINE, 0.942, 90.9, 12.4, 188, layers=6, runtime="pytorch", memory_mb=655),
    Model("static", 0.889, 3.4, 0.12, 21000, vocabulary=5702, runtime="arrays", memory_mb=81, quirk=0.035),
    Model("student-1", 0.931, 15.9, 0.93, 2650, layers=1, vocabulary=5702, memory_mb=188),
    Model("student-1-w8", 0.930, 4.21, 0.88, 2790, layers=1, vocabulary=5702, bits=8, memory_mb=173),
    Model("student-1-int8", 0.928, 4.13, 0.66, 6010, layers=1, vocabulary=5702, bits=8, memory_mb=171),
    Model("student-2", 0.939, 23.0, 1.62, 1410, layers=2, vocabulary=5702, memory_mb=204),
    Model("student-2-w8", 0.938, 6.02, 1.55, 1495, layers=2, vocabulary=5702, bits=8, memory_mb=184),
    Model("student-2-int8", 0.936, 5.94, 1.08, 3360, layers=2, vocabulary=5702, bits=8, memory_mb=180),
    Model("encoder-int8", 0.938, 23.4, 2.31, 1120, layers=6, bits=8, memory_mb=236),
    Model("encoder-trim-int8", 0.937, 13.5, 2.30, 1130, layers=6, vocabulary=5702, bits=8, memory_mb=221),
)


@dataclass(frozen=True)
class FakeStudy:
    """An open study and the samples that its recorded logits are of."""

    study: Study
    dev: tuple[Sample, ...]
    calibration: tuple[Sample, ...]


def fake_study(
    folder: Path,
    answer: Answer | None = "pass",
    *,
    name: str = "support",
    models: Sequence[Model] = MODELS,
    labels: Sequence[str] = LABELS,
    measured: bool = True,
    recorded: bool = True,
    look: int = 1,
    at_least: float | None = None,
    truncated: bool = False,
    texts: Sequence[str] = (),
    rows: int = 420,
    notes: Sequence[str] = (
        "930 sealed rows can prove a margin of 1.8 points with 80 % power (about 4 % discordance).",
    ),
) -> FakeStudy:
    """Writes a study with ``models`` into ``folder`` and opens it.

    ``answer`` is the verdict, None for a study without a proof. ``measured`` False leaves the measurements out,
    ``recorded`` False the logits. ``texts`` replace the first dev texts. Bars are within 2 points unless ``at_least``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    task = Task(name=name, data=DataSpec(str(folder / "messages.csv"), "text", "intent"))
    (folder / TASK).write_text(task.to_yaml(folder), encoding="utf-8")
    dev = _samples(rows, 0, labels, texts)
    calibration = _samples(rows, 1, labels)
    alpha = 0.05 * 6 / (np.pi * look) ** 2
    goal = Goal("accuracy", None if at_least else 0.02, at_least, float(alpha), 930)
    ledger = Ledger(folder / LEDGER)
    ledger.set_fact("facts", _facts(goal, tuple(labels), look, rows, tuple(notes)))
    store = Store(folder / "artifacts")
    trials = _complete(models, dev, calibration, tuple(labels), ledger, store, measured, recorded)
    for trial in [*_halved(models), *trials]:
        ledger.add_trial(trial)
    if truncated:
        ledger.add_event("truncated", "the budget of 4 minutes ended before 3 candidates were tried")
    if answer is not None:
        plan, verdict = made_up(answer, trials, goal, look)
        ledger.freeze("fake", plan)
        ledger.set_verdict("fake", verdict)
        ledger.set_fact(PLANS, [Asked(task.bar, "fake")])
    ledger.close()
    return FakeStudy(Study.open(folder), dev, calibration)


def against(found: FakeStudy, known: Incumbent, *, imitates: bool = False) -> FakeStudy:
    """The same study, its candidates held against a large model's logged answers, which are right on every dev row.

    ``imitates``: the answers are all that is known of the truth.
    """
    study = found.study
    spec = replace(study.task.data, answer="answer", target="answer" if imitates else study.task.data.target)
    task = replace(study.task, data=spec, reference=f"{COLUMN}answer")
    (study.path / TASK).write_text(task.to_yaml(study.path), encoding="utf-8")
    targets = np.array([study.facts.labels.index(sample.label) for sample in found.dev])
    logits = np.eye(len(study.facts.labels), dtype=np.float32)[targets]
    study.ledger.set_fact(KNOWN_INCUMBENT, known)
    study.ledger.add_output("column:fake", "dev", logits.tobytes())
    candidate = Candidate(INCUMBENT, "", (), "remote")
    study.tell(
        Trial(
            candidate,
            FULL,
            1.0,
            "done",
            artifact="column:fake",
            scores=_scores(logits, targets, study.facts.labels),
            drop=0.0,
        )
    )
    study.close()
    return replace(found, study=Study.open(study.path))


def _facts(goal: Goal, labels: tuple[str, ...], look: int, rows: int, notes: tuple[str, ...]) -> Facts:
    return Facts(
        data="7c1f0a52be9d3344",
        labels=labels,
        sides={"train": 1412, "dev": rows, "calibration": rows, "test": goal.sealed},
        rows_read=1412 + 2 * rows + goal.sealed + 23,
        quarantined=23,
        tokens_per_row=11.4,
        started="2026-05-04",
        goal=goal,
        look=look,
        device=Device("Intel(R) Xeon(R) Platinum 8488C", 2, 8_240_000_000, ("avx512_vnni", "avx512_bf16")),
        threads=2,
        versions={"pare": "0.1.0", "python": "3.11.9", "openvino": "2026.4.1", "torch": "2.13.0"},
        notes=notes,
    )


def _samples(n: int, seed: int, labels: Sequence[str], texts: Sequence[str] = ()) -> tuple[Sample, ...]:
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        label = labels[int(min(rng.exponential(len(labels) / 3), len(labels) - 1))]
        asks = _ASKS.get(label, (f"something about {label}",))
        text = rng.choice(_OPENINGS) + rng.choice(asks) + rng.choice(_ENDINGS)
        found.append(Sample(f"{seed}-{i}", texts[i] if i < len(texts) else str(text), label, f"{seed}-{i}"))
    return tuple(found)


def _complete(
    models: Sequence[Model],
    dev: Sequence[Sample],
    calibration: Sequence[Sample],
    labels: tuple[str, ...],
    ledger: Ledger,
    store: Store,
    measured: bool,
    recorded: bool,
) -> list[Trial]:
    targets = np.array([labels.index(sample.label) for sample in dev])
    answers = {model.name: _answers(model, dev, labels, seed=0) for model in models}
    reference = answers.get(REFERENCE)
    found = []
    for model in models:
        shape = _shape(model, labels)
        artifact = _artifact(model, shape, labels, dev, store)
        if recorded:
            ledger.add_output(artifact, "dev", answers[model.name].tobytes())
            ledger.add_output(artifact, "calibration", _answers(model, calibration, labels, seed=1).tobytes())
        drop, discordance = (
            paired(known_metrics()["accuracy"], reference, answers[model.name], targets, labels)
            if reference is not None
            else (None, None)
        )
        found.append(
            Trial(
                candidate=Candidate(model.name, "all-MiniLM-L6-v2", (Step("finetune"),), model.runtime),
                rung=FULL,
                fidelity=1.0,
                state="done",
                artifact=artifact,
                shape=shape,
                size_bytes=round(model.size_mb * 1e6),
                scores=_scores(answers[model.name], targets, labels),
                drop=drop,
                discordance=discordance,
                measurement=_measurement(model, artifact) if measured else None,
                seconds=4.0 + 38.0 * model.layers,
            )
        )
    return found


def _halved(models: Sequence[Model]) -> list[Trial]:
    """Small rungs, and what was dropped, excluded or failed, if there are students at all."""
    if not any(model.layers for model in models):
        return []
    found = []
    for depth, accuracy in enumerate((0.871, 0.884, 0.889, 0.886, 0.881), start=1):
        low, high = wilson(round(accuracy * 420), 420, 0.05)
        found.append(
            Trial(
                candidate=Candidate(f"student-{depth}", "all-MiniLM-L6-v2", (Step("distil"),), "openvino"),
                rung=0,
                fidelity=round(0.31 / depth, 3),
                state="done",
                shape=family_of(MINILM).shape({**MINILM, "num_hidden_layers": depth}, 10),
                scores={"accuracy": Score("accuracy", accuracy, low, high, 420)},
                seconds=9.0 + 4 * depth,
            )
        )
    for depth in (3, 4, 5):
        why = "the rung keeps its 2 cheapest hopeful candidates"
        candidate = Candidate(f"student-{depth}", "all-MiniLM-L6-v2", (Step("distil"),), "openvino")
        found.append(Trial(candidate=candidate, rung=FULL, fidelity=1.0, state="dropped", why=why))
    candidate = Candidate("encoder-trim", "all-MiniLM-L6-v2", (Step("trim_vocab"),), "openvino")
    why = "its weights alone are 53.2 MB, over the limit of 50 MB"
    found.append(Trial(candidate=candidate, rung=FULL, fidelity=1.0, state="excluded", why=why))
    candidate = Candidate("encoder-w8", "all-MiniLM-L6-v2", (Step("quantize"),), "openvino")
    why = "quantize: nncf ran out of memory"
    return [*found, Trial(candidate=candidate, rung=FULL, fidelity=1.0, state="failed", why=why, seconds=31.0)]


def _answers(model: Model, samples: Sequence[Sample], labels: tuple[str, ...], seed: int) -> Logits:
    """Logits of a model: right where its skill exceeds the row's difficulty, surer the larger the difference."""
    shared = np.random.default_rng(seed)
    own = np.random.default_rng([seed, *model.name.removesuffix("-pytorch").encode()])
    difficulty = (shared.permutation(len(samples)) + 0.5) / len(samples) + own.normal(0, model.quirk, len(samples))
    room = np.array([model.skill]) - difficulty
    targets = np.array([labels.index(sample.label) for sample in samples])
    wrong = (targets + 1 + own.integers(0, max(1, min(3, len(labels) - 1)), len(samples))) % len(labels)
    logits = own.normal(0, 0.4, (len(samples), len(labels)))
    sure = 1.6 + 6.0 * np.abs(room) + own.exponential(0.5, len(samples))
    logits[np.arange(len(samples)), np.where(room > 0, targets, wrong)] += 1.5 + sure
    return logits.astype(np.float32)


def _scores(logits: Logits, targets: NDArray[np.int64], labels: Sequence[str]) -> dict[str, Score]:
    n = len(targets)
    found = {}
    for measure in metrics_of("classify").values():
        values, predicted = measure.values(logits, targets, labels), logits.argmax(axis=1)
        figure = value(measure, values, predicted, targets, labels)
        low, high = wilson(round(figure * n), n, 0.05)
        found[measure.name] = Score(measure.name, figure, low, high, n, approximate=measure.name != "accuracy")
    return found


def _measurement(model: Model, artifact: str) -> Measurement:
    def clock(number: float, unit: str) -> Quantity:
        return Quantity(number, unit, "measured", "monotonic clock inside the serving process")

    return Measurement(
        artifact=artifact,
        runtime=model.runtime,
        device="Intel(R) Xeon(R) Platinum 8488C",
        boundary="process",
        workload="256 texts, batch 1 and 32, 2 threads",
        figures={
            "latency_p50_ms": clock(model.p50_ms, "ms"),
            "latency_p95_ms": clock(model.p50_ms * 1.42, "ms"),
            "latency_p99_ms": clock(model.p50_ms * 1.9, "ms"),
            "throughput_per_s": clock(model.per_s, "1/s"),
            "load_ms": clock(3.1 * model.size_mb + 24, "ms"),
            "memory_mb": Quantity(model.memory_mb, "MB", "measured", "peak resident memory of a fresh serving process"),
            "energy_j_per_1k": energy.per_1k_j(model.per_s, 2, None, 0),
            "power_w": energy.power_w(2, None, 0.0),
            "cost_usd_per_1k": energy.cost_per_1k_usd(model.per_s, 2),
        },
    )


def _shape(model: Model, labels: tuple[str, ...]) -> Shape:
    if model.name == "linear":
        parts = (
            Part("features", 20_000 * len(labels), bits=8, flops_per_request=2 * 160.0 * len(labels)),
            Part("scales", 40_000, flops_per_request=960.0),
            Part("bias", len(labels), flops_per_request=float(len(labels))),
        )
        return Shape("linear", parts, vocabulary=20_000)
    config = {**MINILM, "num_hidden_layers": model.layers, "vocab_size": model.vocabulary}
    shape = family_of(MINILM).shape(config, len(labels))
    return replace(shape, parts=tuple(replace(part, bits=model.bits) for part in shape.parts))


def _artifact(model: Model, shape: Shape, labels: tuple[str, ...], dev: Sequence[Sample], store: Store) -> str:
    """A sealed folder with a tokenizer and the calibrated decoding, but no weights."""
    with store.scratch() as scratch:
        out = scratch / model.name
        out.mkdir()
        (out / "fake.txt").write_text(model.name, encoding="utf-8")
        if model.layers or model.name == "static":
            _tokenizer(dev).save(str(out / "tokenizer.json"))
        made = seal(
            out,
            format="openvino" if model.runtime == "openvino" else "linear",
            labels=labels,
            shape=shape,
            max_length=128,
            decoding={"temperature": 1.12, "threshold": 0.62},
        )
        return store.put(made).id


def _tokenizer(dev: Sequence[Sample]) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = sorted({word for sample in dev for word in sample.text.split()})
    vocabulary = {word: index for index, word in enumerate(["[UNK]", *words])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return made
