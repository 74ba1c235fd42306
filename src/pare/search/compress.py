"""``pare build``: one recipe on one model, its quality on dev before and after, and what serving it costs.

The sealed side is split off and recorded like that of a study, and never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pare import runtimes
from pare.artifacts import MANIFEST, publish, read
from pare.benchmark.decoding import measure_decoders
from pare.benchmark.measure import measure_together
from pare.data import Dataset, Task, prepare
from pare.errors import InputError, Interrupted
from pare.evaluation.metrics import bar_metric
from pare.families.tokens import token_facts
from pare.methods.base import MAX_LENGTH, BuildContext
from pare.methods.recipe import Plan, plan, written
from pare.planner import estimate
from pare.search.assess import Quality, assess
from pare.search.build import Builder, Made, cache_folder
from pare.search.listener import NO_RUNG, Listener, Progress
from pare.search.origin import TAUGHT_BY, Origin, take_in
from pare.search.study import artifact_at
from pare.search.workplace import OPEN, Workplace, workplace
from pare.store import UserLedger
from pare.types import Artifact, DataFacts, Measurement, Shape, Step
from pare.units import duration, megabytes

MEASURED_TEXTS = 256
MEASURED_SECONDS = 0.25
"""Of each round, batch and artifact."""
MEASURED_TOKENS = 64
"""The tokens of a prompt that a decoder reads, and as many that it makes, or half its length."""
ROUNDS = 3
"""Rounds in which the artifact and what it was built from are measured in turns."""
ONE_BY_ONE = ("gguf",)
"""Formats whose engine answers one text at a time: a batch says nothing of it."""
FP32 = 4
"""Bytes of a parameter as models are trained."""


@dataclass(frozen=True, slots=True)
class BuiltStep:
    """A step as it was run. ``why`` says why it was put in where the recipe does not name it; else it is empty.

    ``seconds`` are those that it took when it was built; ``known``: that was in an earlier build.
    """

    step: str
    why: str
    artifact: str
    seconds: float
    size_bytes: int
    known: bool


@dataclass(frozen=True, slots=True)
class Built:
    """What a recipe gave. ``recipe`` is the one that ran; ``fp32_bytes`` are the parameters of the start at 32 bits.

    ``quality`` is None, and ``runtime`` empty, where nothing here loads the format; ``notes`` say why. ``before`` is what
    ``measurement`` is of what the quality is compared with, taken in turns with it; None where there is no such artifact.
    """

    path: Path
    artifact: str
    model: str
    recipe: str
    steps: tuple[BuiltStep, ...]
    format: str
    runtime: str
    shape: Shape
    size_bytes: int
    fp32_bytes: int
    quality: Quality | None
    measurement: Measurement | None
    before: Measurement | None
    notes: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """How many times smaller its files are than the parameters of the start at 32 bits."""
        return self.fp32_bytes / self.size_bytes


def compress(
    origin: Origin, recipe: Sequence[Step], task: Task, out: Path, teacher: str | Path | None, listener: Listener
) -> Built:
    """Builds a recipe on the train side of a task and writes its artifact to ``out``.

    Raises InputError where the recipe cannot run, the model and the task do not fit, or ``out`` holds something else, before
    anything is trained; Interrupted on Ctrl-C, after which the same command goes on.
    """
    _refuse_filled(out)
    task = _fitting(origin, task)
    user = UserLedger()
    try:
        dataset = prepare(task.data, user.sides(), task.kind)
        taught_by = _teacher(teacher, origin, dataset)
        start = origin.start(len(dataset.labels), each_token=task.kind == "tag", taught=taught_by is not None)
        planned = plan(recipe, start, _facts(dataset, origin))
        user.record(dataset.membership() | dataset.seen())
    finally:
        user.close()
    for note in planned.notes:
        listener.say(note)
    with workplace(origin.name, origin.key, dataset.hash, str(task.seed)) as place:
        try:
            place.ledger.set_fact(OPEN, True)
            built = _build(origin, planned, task, dataset, out, taught_by, place, listener)
            place.ledger.set_fact(OPEN, False)
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped; the finished steps are kept in {place.path}; run the same command again to go on"
            ) from None
    return built


def _build(
    origin: Origin,
    planned: Plan,
    task: Task,
    dataset: Dataset,
    out: Path,
    teacher: Artifact | None,
    place: Workplace,
    listener: Listener,
) -> Built:
    parent = (
        take_in(origin, place.ledger, place.store) if origin.artifact is None and origin.decoder else origin.artifact
    )
    steps = planned.steps
    ctx = _context(origin, task, dataset, place, teacher or _first_teacher(parent, steps))
    given = f":{teacher.id}" if teacher else ""
    builder = Builder(ctx, place.ledger, place.store, f"{dataset.hash}:{origin.key}:{ctx.seed}{given}")
    known = builder.known(steps, 1.0, parent)
    _refuse_other(out, known)
    made: list[Made] = []

    def progress(share: float, words: str) -> None:
        listener.progress(Progress(NO_RUNG, f"step {len(made) + 1} of {len(steps)}", share, words))

    for one in builder.each(steps, 1.0, progress, parent):
        made.append(one)
        listener.say(_finished(one, len(made), len(steps)))
    before = parent or (made[0].artifact if steps[0].method == "finetune" else None)
    before = before if before and _runtime(before)[0] else None
    _refuse_other(out, made[-1].artifact.id)
    result = read(out) if (out / MANIFEST).is_file() else publish(made[-1].artifact, out)
    runtime, notes = _runtime(result)
    quality = assess(task, dataset, before, result, place.ledger, ctx.threads) if runtime else None
    was, measured = _measured(before, result, dataset) if runtime else (None, None)
    start = origin.start(len(dataset.labels), each_token=task.kind == "tag", taught=True)
    return Built(
        path=out,
        artifact=result.id,
        model=origin.name,
        recipe=written(steps),
        steps=tuple(
            BuiltStep(written([one.step]), plan.why, one.artifact.id, one.seconds, one.artifact.size_bytes, one.known)
            for one, plan in zip(made, planned.planned, strict=True)
        ),
        format=result.manifest.format,
        runtime=runtime,
        shape=result.manifest.shape,
        size_bytes=result.size_bytes,
        fp32_bytes=FP32 * estimate.parameters(start.shape),
        quality=quality,
        measurement=measured,
        before=was,
        notes=notes,
    )


def _context(origin: Origin, task: Task, dataset: Dataset, place: Workplace, teacher: Artifact | None) -> BuildContext:
    return BuildContext(
        train=dataset.train,
        dev=dataset.dev,
        labels=dataset.labels,
        base=origin.folder,
        teacher=teacher,
        seed=task.seed,
        fidelity=1.0,
        threads=runtimes.this_device().cores,
        cache=cache_folder(place.path),
        progress=lambda share, words: None,
        data=dataset.hash,
        unlabelled=dataset.unlabelled,
        kind=task.kind,
    )


# -- what fits ----------------------------------------------------------------------------------------------------------


def _fitting(origin: Origin, task: Task) -> Task:
    """The task, if the model can do it. Raises InputError where their kinds differ."""
    kind = origin.kind
    if kind is not None and kind != task.kind:
        raise InputError(
            f"{origin.name} is of kind {kind} but the task is of kind {task.kind}; give data of kind {kind}"
        )
    if kind is None and task.kind == "generate":
        raise InputError(f"{origin.name} is an encoder, which writes no text, but the kind is generate; give a decoder")
    if task.kind != "generate":
        bar_metric(task.bar.metric, task.kind)
    return task


def _teacher(given: str | Path | None, origin: Origin, dataset: Dataset) -> Artifact | None:
    """The named teacher. Raises InputError where it, or the model itself, does not know the labels of the data."""
    if origin.artifact is not None:
        _same_labels(origin.name, origin.artifact, dataset)
    if given is None:
        return None
    name, artifact = artifact_at(given)
    if artifact.manifest.format not in TAUGHT_BY or artifact.manifest.kind != dataset.kind:
        raise InputError(
            f"--teacher must be a trained model (format {' or '.join(TAUGHT_BY)}) of kind {dataset.kind} but {given} is of "
            f"format {artifact.manifest.format} and kind {artifact.manifest.kind}; give what it was lowered from"
        )
    _same_labels(name, artifact, dataset)
    return artifact


def _same_labels(name: str, artifact: Artifact, dataset: Dataset) -> None:
    if artifact.manifest.labels != dataset.labels:
        known, found = (", ".join(labels[:5]) for labels in (artifact.manifest.labels, dataset.labels))
        raise InputError(f"{name} knows the labels {known} …, the data have {found} …; give data with the same labels")


def _first_teacher(parent: Artifact | None, steps: Sequence[Step]) -> Artifact | None:
    """The model itself, where it is trained and the recipe does not begin by training it further."""
    if parent is None or parent.manifest.format not in TAUGHT_BY or steps[0].method == "finetune":
        return None
    return parent


def _refuse_filled(out: Path) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file()):
        raise InputError(f"--out {out} is there and is not empty; name another folder, or remove it")


def _refuse_other(out: Path, id: str) -> None:
    """Raises InputError where a folder holds another artifact than the one of that id."""
    if (out / MANIFEST).is_file() and read(out).id != id:
        raise InputError(
            f"--out {out} holds another artifact than this recipe gives; name another folder, or remove it"
        )


def _facts(dataset: Dataset, origin: Origin) -> DataFacts:
    texts = [sample.text + sample.label if dataset.kind == "generate" else sample.text for sample in dataset.train]
    texts += dataset.unlabelled
    classes, rows = len(dataset.labels), len(dataset.train)
    if not (origin.folder / "tokenizer.json").is_file():  # a model of n-grams: about four characters a token
        return DataFacts(classes, rows, sum(map(len, texts)) / len(texts) / 4, None, len(dataset.unlabelled))
    found = token_facts(origin.folder, texts, MAX_LENGTH)
    return DataFacts(classes, rows, found.tokens_per_row, found.tokens_in_use, len(dataset.unlabelled))


# -- what came out ------------------------------------------------------------------------------------------------------


def _finished(made: Made, number: int, count: int) -> str:
    took = "built before, taken from the store" if made.known else duration(made.seconds)
    return f"step {number} of {count}  {written([made.step])}: {megabytes(made.artifact.size_bytes)}, {took}"


def _runtime(artifact: Artifact) -> tuple[str, tuple[str, ...]]:
    """What serves an artifact here, or an empty name and why nothing does."""
    try:
        return runtimes.runtime_for(artifact), ()
    except InputError as error:
        return "", (f"not scored and not measured: {error}",)


def _measured(
    before: Artifact | None, after: Artifact, dataset: Dataset
) -> tuple[Measurement | None, Measurement | None]:
    """What fresh serving processes take of both, in turns; of the first None where it is the same artifact.

    Both are None where there are no dev texts to send.
    """
    texts = [sample.text for sample in dataset.dev[:MEASURED_TEXTS]]
    if not texts:
        return None, None
    device = runtimes.this_device()
    others = [before] if before is not None and before.id != after.id else []
    served = [(artifact, runtimes.runtime_for(artifact)) for artifact in (*others, after)]
    if dataset.kind != "generate":
        found = measure_together(served, device, device.cores, texts, ROUNDS, MEASURED_SECONDS)
    else:
        tokens = min(MEASURED_TOKENS, *(artifact.manifest.max_length // 2 for artifact, _ in served))
        batches = (1,) if any(artifact.manifest.format in ONE_BY_ONE for artifact, _ in served) else (1, 8)
        found = measure_decoders(
            served, device, device.cores, texts, batches=batches, prompt=tokens, new=tokens, rounds=ROUNDS
        )
    return (found[0] if others else None), found[-1]
