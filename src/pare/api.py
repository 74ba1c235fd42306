"""What a Python user calls. The command line is a thin layer over this."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pare import artifacts, runtimes
from pare.benchmark.measure import Comparison, compare
from pare.data import Task, prepare, prepare_more
from pare.errors import InputError, Interrupted, MissingExtra
from pare.evaluation.metrics import bar_metric
from pare.families import family_of, read_config
from pare.report import page
from pare.runtimes.base import Engine
from pare.search import bases
from pare.search import run as searching
from pare.search import verdict as proving
from pare.search.listener import Listener, Silent
from pare.search.opening import open_session
from pare.search.predictions import judged
from pare.search.proving import judge, kind_of_test, plan_id
from pare.search.space import REFERENCE
from pare.search.study import Study, locked
from pare.search.survivors import choose
from pare.store import UserLedger
from pare.types import Artifact, ProofPlan, Side, Verdict

__all__ = ["Study", "bench", "find", "gc", "load", "prove", "prove_more", "show"]

RUNS = Path("runs")


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
            searching.explore(session, listener)
            proving.prove(study, session.dataset, listener)
            page.write(study, session.dataset.dev, session.dataset.calibration)
    except KeyboardInterrupt:
        done = len(study.trials) if study else 0
        raise Interrupted(
            f"stopped; {done} finished trials are kept in {folder}; run the same command again to go on"
        ) from None
    return study


def _check_models(task: Task) -> None:
    """Refuses an unknown base or reference before a run belongs to it. A missing extra is left to the study."""
    if task.reference != "finetune":
        if not Path(task.reference).exists():
            raise InputError(
                f"reference must be finetune or the folder of an artifact but got '{task.reference}', which does not exist"
            )
        artifacts.read(task.reference)
    with suppress(MissingExtra):
        family_of(read_config(bases.locate(task.base)))


def load(path: str | Path, runtime: str | None = None, threads: int | None = None) -> Engine:
    """Loads what a path stands for: an artifact's folder, or a run (its winner, else its reference).

    Raises InputError where there is neither.
    """
    return runtimes.load(resolve(path)[1], runtime, threads)


def resolve(path: str | Path, name: str = "") -> tuple[str, Artifact]:
    """(name, artifact) of an artifact's folder, or of a run's candidate: the named one, its winner, its reference."""
    path = Path(path)
    if (path / artifacts.MANIFEST).is_file():
        return path.name, artifacts.read(path)
    study = Study.open(path)
    try:
        winner = study.winner
        chosen = name or (winner.candidate.name if winner else REFERENCE)
        return chosen, _deployed(study, chosen)
    finally:
        study.close()


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
        dataset = prepare(study.task.data, _recorded())
        texts = [sample.text for sample in dataset.dev[: searching.MEASURED_TEXTS]]
        pairs = [(name, _deployed(study, name), _runtime(study, name)) for name in (winner.candidate.name, other)]
        return compare(pairs, threads or runtimes.this_device().cores, texts, rounds)
    finally:
        study.close()


def prove_more(run: str | Path, data: str | Path, listener: Listener | None = None) -> Study:
    """Continues a run's growing proof on fresh labelled rows, with candidates and order frozen."""
    study = Study.open(run)
    with locked(study.path):
        spec = study.task.data
        dataset = prepare(spec, _recorded())
        fresh, _ = prepare_more(spec, str(data), dataset.labels)
        proving.grow(study, dataset, fresh.open("growing"), listener or Silent())
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
    metric: str = "accuracy",
    confidence: float = 0.95,
) -> Verdict:
    """The proof alone: is ``candidate`` within so many points of ``against`` on labelled rows?

    Both are artifacts, runs, or files of predictions (one per row of ``data``, in its order). Reading rows that an
    earlier plan has read is a further look and is tested at its smaller level. Raises InputError for bad input.
    """
    measure = bar_metric(metric)
    rows = judged(Path(data), input, target, measure, [Path(candidate), Path(against)])
    names = (Path(candidate).name,)
    plan = ProofPlan(
        reference=rows.identities[1],
        artifacts=(rows.identities[0],),
        names=names,
        metric=metric,
        within=within,
        at_least=None,
        alpha=1 - confidence,
        test=kind_of_test(measure, rows.sheet.independent, False),
        order_seed=0,
    )
    user = UserLedger()
    try:
        look = user.look(plan_id(plan), rows.sheet.ids, f"prove {names[0]}")
    finally:
        user.close()
    return judge(plan, rows.sheet, rows.outcomes[1], [rows.outcomes[0]], look)


def gc(run: str | Path) -> tuple[int, int]:
    """Removes a run's artifacts that nothing points to any more: (artifacts removed, bytes freed).

    Kept are the frontier, the reference and its PyTorch form, what a proof would test, and everything in a proof plan.
    Trials, scores and the report stay; a step that the study needs again is built again.
    """
    study = Study.open(run)
    with locked(study.path):
        kept = [*study.frontier, study.reference, study.baseline]
        if study.complete:
            kept += choose(study.complete, study.facts.goal, study.cost, study.broken)
        keep = {trial.artifact for trial in kept if trial is not None}
        for _, plan, _ in study.ledger.proofs():
            keep.update((*plan.artifacts, plan.reference))
        gone = [id for id in study.store.ids() if id not in keep]
        freed = sum(study.store.remove(id) for id in gone)
        study.store.sweep()
    study.close()
    return len(gone), freed


def _deployed(study: Study, name: str) -> Artifact:
    """As ``Study.deployed``; where ``pare gc`` removed the artifact, the error names those that are left."""
    known = {trial.candidate.name: trial.artifact for trial in study.complete}
    try:
        return study.deployed(name)
    except InputError:
        if name not in known or study.store.has(known[name]):
            raise
        left = ", ".join(other for other, artifact in known.items() if study.store.has(artifact))
        raise InputError(
            f"the artifact of {name} is gone (pare gc removed it); {study.path} still has: {left}"
        ) from None


def _runtime(study: Study, name: str) -> str:
    return next(trial.candidate.runtime for trial in study.complete if trial.candidate.name == name)


def _recorded() -> dict[str, Side]:
    user = UserLedger()
    try:
        return user.sides()
    finally:
        user.close()
