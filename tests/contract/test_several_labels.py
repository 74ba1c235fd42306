"""Several labels a text: every method learns them, every engine answers with them, a study proves them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import pare
from pare import api, runtimes
from pare.cli import group
from pare.data.task import with_flags
from pare.errors import InputError
from pare.evaluation.metrics import METRICS
from pare.kinds import KINDS
from pare.methods import method
from pare.methods.base import BuildContext
from pare.testing.contexts import LABELS, several_samples, tiny_context
from pare.types import Artifact, Step

KIND = KINDS["multilabel"]
Build = Callable[[Step, Artifact | None], Artifact]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> BuildContext:
    pytest.importorskip("torch", reason="the build extra is not installed")
    rows = several_samples(240)
    made = tiny_context(tmp_path_factory.mktemp("several"), samples=rows[:200], kind="multilabel")
    return replace(made, dev=rows[200:])


@pytest.fixture(scope="module")
def reference(context: BuildContext, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    out = tmp_path_factory.mktemp("reference")
    return method(Step("finetune", {"epochs": 40.0, "rate": 3e-3})).apply(None, context, out)


def quality(artifact: Artifact, context: BuildContext) -> float:
    """Example F1 on the dev rows, as served."""
    engine = runtimes.load(artifact, threads=1)
    logits = engine.logits([sample.text for sample in context.dev])
    engine.close()
    assert logits.shape == (len(context.dev), len(LABELS))
    return float(METRICS["example_f1"].values(logits, context.targets(context.dev), LABELS).mean())


def best_constant(context: BuildContext) -> float:
    """The most that the same answer to every text reaches."""
    targets = context.targets(context.dev)
    answers = np.array(list(product((-1.0, 1.0), repeat=len(LABELS))), dtype=np.float32)
    values = METRICS["example_f1"].values
    return max(float(values(np.tile(one, (len(targets), 1)), targets, LABELS).mean()) for one in answers)


STEPS: Mapping[str, tuple[Step, ...]] = {
    "linear": (Step("linear"),),
    "static": (Step("static", {"width": 16, "tokens": 300, "epochs": 60.0}),),
    "student": (Step("drop_layers", {"keep": 1}), Step("distil", {"epochs": 10.0, "copies": 1, "rate": 1e-3})),
    "int8": (Step("lower"), Step("quantize", {"ranges": 16})),
}


@pytest.mark.parametrize("name", STEPS)
def test_every_method_learns_several_labels(
    name: str, context: BuildContext, reference: Artifact, tmp_path: Path
) -> None:
    ctx = replace(context, teacher=reference)
    made = None if name in ("linear", "static") else reference
    for place, step in enumerate(STEPS[name]):
        out = tmp_path / str(place)
        out.mkdir()
        made = method(step).apply(made, ctx, out)
    assert made is not None
    assert made.manifest.kind == "multilabel"
    assert quality(made, context) > best_constant(context) + 0.05


def test_an_engine_answers_with_the_cell_its_labels_and_its_least_sure_decision(
    reference: Artifact, context: BuildContext
) -> None:
    engine = runtimes.load(reference, threads=1)
    texts = [sample.text for sample in context.dev]
    logits = engine.logits(texts)
    for found, row in zip(engine.classify(texts), logits, strict=True):
        assert found.labels == tuple(label for label, logit in zip(LABELS, row, strict=True) if logit > 0)
        assert found.label == ("|".join(found.labels) or "[]")
        assert found.confidence == pytest.approx(1 / (1 + np.exp(-np.abs(row).min())), abs=1e-5)
    engine.close()


# -- from a file to a verdict -----------------------------------------------------------------------------------------


def written(path: Path, rows: int, first: int = 0) -> Path:
    """Rows of several labels, as lists of a JSON Lines file. Each holds words of its own, so that none are alike."""
    rng = np.random.default_rng(first)
    lines = []
    for i, sample in enumerate(several_samples(rows)):
        noise = " ".join(f"{rng.integers(10**9):x}" for _ in range(4))
        lines.append(
            json.dumps({"text": f"{sample.text} {first + i} {noise}", "topics": list(KIND.parts(sample.label))})
        )
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_a_study_takes_several_labels_to_a_verdict_and_serves_them(tmp_path: Path) -> None:
    data = written(tmp_path / "data.jsonl", 800)
    task = pare.Task.of(
        data, input="text", target="topics", kind="multilabel", candidates="linear", at_least=0.8, name="several"
    )
    assert task.bar.metric == "example_f1"
    study = pare.find(task, tmp_path / "run")
    verdict = study.verdict
    assert verdict is not None
    assert (verdict.answer, verdict.metric, verdict.test) == ("pass", "example_f1", "betting")
    assert study.facts.labels == LABELS
    assert set(study.complete[0].scores) == {"example_f1", "hamming", "subset_accuracy", "label_f1"}
    deployed = study.deployed("linear").manifest
    assert deployed.kind == "multilabel"
    assert deployed.decoding["threshold"] > 0
    study.close()
    assert pare.find(task, tmp_path / "run").verdict == verdict

    found = CliRunner().invoke(
        group, ["run", str(tmp_path / "run"), "my card and phone", "please help, my day is lost"]
    )
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert [line["labels"] for line in lines] == [["card", "phone"], []]
    assert all("label" not in line and 0 < line["confidence"] <= 1 for line in lines)

    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "example_f1" in page
    assert CliRunner().invoke(group, ["show", str(tmp_path / "run")]).exit_code == 0

    pairs = pare.Task.of(
        written(tmp_path / "more.jsonl", 700, first=5_000),
        input="text",
        target="topics",
        kind="multilabel",
        candidates="linear",
        within=0.2,
        reference=str(tmp_path / "run"),
    )
    against = pare.find(pairs, tmp_path / "against")
    assert against.reference is not None
    assert against.verdict is not None
    assert against.complete[0].drop is not None
    page = (tmp_path / "against" / "report.html").read_text(encoding="utf-8")
    assert "gets wholly right" in page
    assert "share wholly right among the answered" in page
    assert "when wrong, mostly" not in page

    exact = replace(task, bar=replace(task.bar, metric="subset_accuracy"))
    other = pare.find(exact, tmp_path / "run").verdict
    assert other is not None
    assert (other.answer, other.metric, other.test, other.look) == ("pass", "subset_accuracy", "exact", 2)

    one = replace(task, kind="classify", bar=replace(task.bar, metric="accuracy"))
    with pytest.raises(InputError, match=r"label but got \[\"card\"\]|must hold one label"):
        pare.find(one, tmp_path / "other")


def test_a_run_is_proven_against_a_file_of_predicted_labels(tmp_path: Path) -> None:
    task = pare.Task.of(
        written(tmp_path / "data.jsonl", 600),
        input="text",
        target="topics",
        kind="multilabel",
        candidates="linear",
        at_least=0.5,
    )
    pare.find(task, tmp_path / "run").close()
    fresh = written(tmp_path / "fresh.jsonl", 300, first=10_000)
    cells = [json.loads(line)["topics"] for line in fresh.read_text().splitlines()]
    right = tmp_path / "right.csv"
    right.write_text("prediction\n" + "".join(f"{';'.join(cell) or '[]'}\n" for cell in cells))
    verdict = api.prove(tmp_path / "run", right, fresh, target="topics", within=0.1)
    assert (verdict.answer, verdict.metric, verdict.reference_value) == ("pass", "example_f1", 1.0)
    with pytest.raises(InputError, match="of kind classify"):
        api.prove(tmp_path / "run", right, fresh, target="topics", metric="accuracy")


def test_a_run_belongs_to_one_kind_of_task(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    rows = [json.loads(line) for line in written(tmp_path / "rows.jsonl", 400).read_text().splitlines()]
    one = ({"text": row["text"], "label": (row["topics"] or ["card"])[0]} for row in rows)
    data.write_text("".join(f"{json.dumps(row)}\n" for row in one))
    task = pare.Task.of(data, input="text", target="label", candidates="linear", at_least=0.3)
    pare.find(task, tmp_path / "run").close()
    other = with_flags(task, {"kind": "multilabel"})
    with pytest.raises(InputError, match=r"another kind \(classify, now multilabel\)"):
        pare.find(other, tmp_path / "run")
    again = with_flags(other, {"bar.within": 0.3, "reference": str(tmp_path / "run")})
    with pytest.raises(InputError, match="of kind classify, the task is of kind multilabel"):
        pare.find(again, tmp_path / "again")


def test_logged_answers_are_for_one_label_a_text(tmp_path: Path) -> None:
    data = written(tmp_path / "data.jsonl", 20)
    with pytest.raises(InputError, match="kind classify but got kind multilabel"):
        pare.Task.of(data, input="text", target="topics", kind="multilabel", reference="column:answer")
