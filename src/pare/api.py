"""What a Python user calls. The command line is a thin layer over this."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pare import runtimes
from pare.benchmark.measure import Comparison, compare
from pare.capacity import gather
from pare.capacity.asked import Asked
from pare.data import Task, prepare, prepare_more
from pare.data.read import Columns
from pare.errors import InputError, Interrupted, MissingExtra
from pare.families import family_of, read_config
from pare.kinds import KINDS
from pare.logs import read_log
from pare.logs.contract import Contract
from pare.methods.recipe import parse
from pare.planner.types import Plan
from pare.remote import Progress
from pare.report import page
from pare.runtimes.base import Engine
from pare.scan import label as labelling
from pare.scan import rows as extracting
from pare.scan import scan as scanning
from pare.scan import synthesize as inventing
from pare.scan.label import Labelled
from pare.scan.rows import LABELS, Extracted
from pare.scan.scan import Scan
from pare.scan.synthesize import Synthesized
from pare.search import bases
from pare.search import compress as compressing
from pare.search import export as exporting
from pare.search import predictions as predicting
from pare.search import review as reviewing
from pare.search import run as searching
from pare.search import tidy as tidying
from pare.search import verdict as proving
from pare.search.compress import Built
from pare.search.export import Exported
from pare.search.listener import Listener, Silent
from pare.search.opening import open_session
from pare.search.origin import find_origin
from pare.search.review import Review, Reviewed
from pare.search.space import REFERENCE
from pare.search.study import TASK, Study, artifact_at, locked
from pare.search.workplace import all_builds
from pare.store import UserLedger
from pare.types import Kind, Side, Step, Verdict

__all__ = [
    "Built",
    "Study",
    "all_builds",
    "bench",
    "build",
    "export",
    "extract",
    "find",
    "gc",
    "kind_of_model",
    "label",
    "load",
    "plan",
    "prove",
    "prove_more",
    "replay",
    "review",
    "scan",
    "show",
    "synthesize",
    "take_labels",
]

RUNS = Path("runs")
NO_DECODERS = "pare build builds decoders; find for kind generate is not there yet"


@dataclass(frozen=True, slots=True)
class Replayed:
    """A logged request's line, and the answer in the caller's form; None where the request is for the incumbent."""

    line: int
    answer: str | None


def find(task: Task | str | Path, run: str | Path | None = None, listener: Listener | None = None) -> Study:
    """Finds the smallest model that clears the task's bar, proves it, and writes the report.

    ``task`` is a Task or the path of a task.yaml. ``run`` is the run's folder, by default ``runs/<task's name>``; an
    interrupted study in it goes on where it stopped. Raises InputError for bad input, MissingExtra where only the light
    rungs could be built, Interrupted on Ctrl-C.
    """
    task = task if isinstance(task, Task) else Task.read(task)
    folder = Path(run) if run is not None else RUNS / task.name
    listener = listener or Silent()
    _check_models(task)
    study: Study | None = None
    try:
        with locked(folder):
            session = open_session(task, folder, listener)
            study = session.study
            if not proving.too_few(study, session.dataset):
                searching.explore(session, listener)
                proving.prove(study, session.dataset, listener)
                searching.measure_side_by_side(session, listener)
            page.write(study, session.dataset.dev, session.dataset.calibration)
    except KeyboardInterrupt:
        done = len(study.trials) if study else 0
        raise Interrupted(
            f"stopped; {done} finished trials are kept in {folder}; run the same command again to go on"
        ) from None
    return study


def _check_models(task: Task) -> None:
    """Refuses an unknown base or reference, and what no study can be on, before a run belongs to it. A missing extra is left
    to the study.
    """
    if task.kind == "generate":
        raise InputError(f"kind must be one of {', '.join(KINDS)} for a study but got generate; {NO_DECODERS}")
    if task.reference != "finetune" and not task.has_incumbent:
        if not Path(task.reference).exists():
            raise InputError(
                f"reference must be finetune or the folder of an artifact or a run but '{task.reference}' does not exist"
            )
        artifact_at(task.reference)
    with suppress(MissingExtra):
        family = family_of(read_config(bases.locate(task.base)))
        if family.decoder:
            raise InputError(f"base {task.base} is a decoder ({family.name}); {NO_DECODERS}")


def build(
    model: str | Path,
    recipe: str | Sequence[Step],
    task: Task | str | Path | None,
    out: str | Path,
    *,
    teacher: str | Path | None = None,
    listener: Listener | None = None,
) -> Built:
    """Runs a recipe on a model and writes the artifact to the folder ``out``, which is absent or empty.

    ``model`` is the folder of an artifact, a run (its winner) or a model, a carried name or a hub id; ``recipe`` a text
    (``methods/recipe.py``) or steps. ``task`` gives the data: None is that of the run. The sealed side is not read.
    Raises InputError for bad input before anything is trained, MissingExtra, and Interrupted on Ctrl-C.
    """
    steps = parse(recipe) if isinstance(recipe, str) else tuple(recipe)
    origin = find_origin(str(model))
    task = task if task is not None else origin.task
    if task is None:
        raise InputError(f"{model} is no run with a task of its own; give --data: a task.yaml or a data file")
    task = task if isinstance(task, Task) else Task.read(task)
    folder = Path(out) if Path(out).name else Path(out).resolve()
    return compressing.compress(origin, steps, task, folder, teacher, listener or Silent())


def kind_of_model(model: str | Path) -> Kind | None:
    """What a model answers; None for a base encoder, whose head decides. Raises InputError where there is no model."""
    return find_origin(str(model)).kind


def export(path: str | Path, to: str, out: str | Path, width: str | None = None) -> Exported:
    """Writes an artifact, or a run's winner, in the form of others into the folder ``out``: ``hf``, ``onnx`` or ``gguf``.

    ``width`` is how a GGUF file stores its matrices. Raises InputError for what has no such form, with the reason.
    """
    return exporting.export(path, to, Path(out) if Path(out).name else Path(out).resolve(), width)


def load(path: str | Path, runtime: str | None = None, threads: int | None = None) -> Engine:
    """Loads what a path stands for: an artifact's folder, or a run (its winner, else its reference).

    Raises InputError where there is neither.
    """
    return runtimes.load(artifact_at(path)[1], runtime, threads)


def scan(
    log: str | Path, format: str | None = None, progress: Callable[[int, int], None] = lambda done, step: None
) -> Scan:
    """Finds the jobs in a log of a large model. ``progress`` gets the requests read and the pass, 1 or 2.

    Raises InputError where the log cannot be read, MissingExtra without genai-prices.
    """
    return scanning.scan(Path(log), format, progress)


def label(
    inputs: str | Path,
    out: str | Path,
    *,
    labels: str | Path,
    column: str = "text",
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[Progress], None] | None = None,
    **asked: Any,
) -> Labelled:
    """Lets a teacher label the texts of a file and writes them as CSV. ``asked`` are the fields of ``scan.label.Asked``:
    teacher (URL), model, key_env, price_in, price_out, cap, passes.

    Raises InputError for bad input, an estimate above the cap, or an endpoint that refuses; MissingExtra without aiohttp;
    Interrupted on Ctrl-C. Answers that had arrived are kept in each case.
    """
    return labelling.label(Path(inputs), column, Path(labels), Path(out), labelling.Asked(**asked), say, progress)


def synthesize(
    source: str | Path,
    *,
    per_class: int | None = None,
    check: bool = False,
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[Progress], None] | None = None,
    **asked: Any,
) -> Synthesized:
    """Lets a teacher invent messages for classes of few train rows; ``synthetic.csv`` beside the task holds them.

    ``source`` is a run's folder or a task.yaml. Classes are filled up to ``per_class`` rows, by default their median and 20
    at least; ``check`` keeps only what the teacher itself labels so. ``asked`` are the fields of ``scan.label.Asked``.
    Give the file to ``find`` as ``data.synthetic``. Raises as ``label`` does, and InputError where no class is thin.
    """
    path = Path(source)
    file = path / TASK if path.is_dir() else path
    given = labelling.Asked(**asked)
    return inventing.synthesize(Task.read(file), file.parent, given, per_class, check, say, progress)


def extract(
    log: str | Path,
    job: int,
    run: str | Path,
    labels: str | Path | None = None,
    columns: Columns = LABELS,
    format: str | None = None,
    progress: Callable[[int, int], None] = lambda done, step: None,
) -> Extracted:
    """Writes a job of a log into a run's folder as data for ``find``: rows, prompt contract, facts of the incumbent.

    ``labels`` is a table of what people said; its ``columns`` are text and label unless they are named otherwise. Raises
    InputError where there is no such job, or where its answers are no labels.
    """
    said = Path(labels) if labels else None
    return extracting.extract(Path(log), job, Path(run), said, columns, format, progress)


def replay(run: str | Path, log: str | Path, format: str | None = None) -> Iterator[Replayed]:
    """Answers logged requests as a server with this model would: in the caller's form, or not at all.

    Raises InputError where the model carries no prompt contract.
    """
    _, artifact = artifact_at(run)
    if not artifact.manifest.contract:
        raise InputError(
            f"{run} carries no prompt contract: it was not built from a log; pare find LOG --job N builds one"
        )
    contract = Contract.of(artifact.manifest.contract)
    engine = runtimes.load(artifact)
    try:
        for request in read_log(Path(log), format):
            text = contract.text(request)
            if text is None:
                yield Replayed(request.line, None)
                continue
            found = engine.classify([text])[0]
            yield Replayed(request.line, contract.answer(found.label, found.confidence))
    finally:
        engine.close()


def review(run: str | Path) -> Review:
    """The sealed rows whose labels would decide a study on logged answers. Raises InputError where none would."""
    study = Study.open(run)
    try:
        dataset = prepare(study.task.data, _recorded(), study.task.kind)
        study.same_data(dataset)
        return reviewing.review_of(study, dataset)
    finally:
        study.close()


def take_labels(run: str | Path, labels: Mapping[str, str], reviewer: str = "me") -> Reviewed:
    """Judges a study on logged answers with what a reviewer said (row id → label), and writes its report anew.

    Raises InputError where an id or a label is none of those asked about.
    """
    study = Study.open(run)
    with locked(study.path):
        dataset = prepare(study.task.data, _recorded(), study.task.kind)
        study.same_data(dataset)
        found = reviewing.take(study, dataset, labels, reviewer)
        page.write(study, dataset.dev, dataset.calibration)
    study.close()
    return found


def show(run: str | Path) -> Study:
    """Opens a finished or interrupted study."""
    return Study.open(run)


def bench(run: str | Path, against: str = "", threads: int | None = None, rounds: int = 8) -> Comparison:
    """Measures a run's winner against its reference in interleaved rounds, each in a fresh serving process.

    ``against`` names another candidate of the run: ``encoder-pytorch`` is the reference in PyTorch fp32. Without a
    winner the cheapest trial on the frontier takes its place.
    """
    study = Study.open(run)
    try:
        winner = study.winner or next(iter(study.frontier), None)
        if winner is None:
            raise InputError(f"{run} has no finished trial to measure; run pare find first")
        other = against or REFERENCE
        dataset = prepare(study.task.data, _recorded(), study.task.kind)
        texts = [sample.text for sample in dataset.dev[: searching.MEASURED_TEXTS]]
        pairs = [(name, study.deployed(name), _runtime(study, name)) for name in (winner.candidate.name, other)]
        return compare(pairs, threads or runtimes.this_device().cores, texts, rounds)
    finally:
        study.close()


def prove_more(run: str | Path, data: str | Path, listener: Listener | None = None) -> Study:
    """Continues a run's growing proof on fresh labelled rows, with candidates and order frozen."""
    study = Study.open(run)
    with locked(study.path):
        spec = study.task.data
        dataset = prepare(spec, _recorded(), study.task.kind)
        study.same_data(dataset)
        fresh, _ = prepare_more(
            spec,
            str(data),
            dataset.labels,
            (*proving.growth_of(study, dataset).more, *dataset.beside),
            study.task.kind,
        )
        proving.grow(study, dataset, fresh, listener or Silent())
        page.write(study, dataset.dev, dataset.calibration)
    return study


def prove(
    candidate: str | Path,
    against: str | Path,
    data: str | Path,
    *,
    input: str = "text",
    target: str = "label",
    within: float = 0.02,
    metric: str | None = None,
    confidence: float = 0.95,
) -> Verdict:
    """The proof alone: is ``candidate`` within so many points of ``against`` on labelled rows?

    Both are artifacts, runs, or files of predictions (one per row of ``data``, in its order). Reading rows that an
    earlier plan has read is a further look and is tested at its smaller level. ``metric`` is by default that of the kind
    of the models. Raises InputError for bad input, and where an artifact or a run may have been built with some of the rows;
    no look is booked then.
    """
    return predicting.prove(Path(candidate), Path(against), Path(data), input, target, within, metric, confidence)


def plan(*models: str | Path, **asked: Any) -> Plan:
    """What it takes to run models, on every server and behind every API: a run, an artifact, a model's folder, a name of the
    catalogue or an API's model each. ``asked`` are the fields of ``capacity.asked.Asked``.

    Raises InputError for bad input, MissingExtra where a price or a grid needs a package that is not there.
    """
    return gather.plan(Asked(models=tuple(map(str, models)), **asked))


def gc(run: str | Path) -> tuple[int, int]:
    """Removes a run's artifacts that nothing points to any more: (artifacts removed, bytes freed).

    Kept are the frontier, the reference and its PyTorch form, what a proof would test, and everything in a proof plan.
    Trials, scores and the report stay; a step that the study needs again is built again. ``run`` may also be a folder of
    ``all_builds``: of a build that is finished, its steps go.
    """
    return tidying.tidy(Path(run))


def _runtime(study: Study, name: str) -> str:
    return next(trial.candidate.runtime for trial in study.complete if trial.candidate.name == name)


def _recorded() -> dict[str, Side]:
    user = UserLedger()
    try:
        return user.sides()
    finally:
        user.close()
