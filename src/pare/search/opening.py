"""From a task to a study that can begin: the data split, the margin known, the ladder drawn, and the user told."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pare.artifacts import write_whole
from pare.data import Dataset, Task, prepare, write_quarantine
from pare.errors import InputError, MissingExtra
from pare.evaluation.metrics import Metric, bar_metric
from pare.families import read_config
from pare.families.tokens import script_advice, scripts_unknown, token_facts
from pare.kinds import kind_of
from pare.logs.incumbent import INCUMBENT, Incumbent
from pare.methods.base import MAX_LENGTH, BuildContext
from pare.methods.lineage import BUILDERS, versions_of
from pare.planner import estimate
from pare.proof.looks import look_alpha
from pare.proof.power import above_power, smallest_provable_margin
from pare.runtimes import this_device
from pare.search import bases
from pare.search.build import cache_folder
from pare.search.incumbent import known_incumbent
from pare.search.listener import Listener
from pare.search.proving import deal, draws_units, independent, kind_of_test, largest_unit
from pare.search.space import BASELINE, Space, ladder, needs_no_base
from pare.search.study import KNOWN_INCUMBENT, QUARANTINE, TASK, Facts, Study, job_file
from pare.search.survivors import ASSUMED_DISCORDANCE, Goal
from pare.store import UserLedger
from pare.types import Bar, DataFacts
from pare.units import percent

LEAST_MARGIN = 0.02
MOST_MARGIN = 0.5


@dataclass(frozen=True)
class Session:
    """A study with what is needed to work on it. ``missing`` is why only the light rungs can be built, or None."""

    study: Study
    dataset: Dataset
    space: Space
    ctx: BuildContext
    base_key: str
    missing: MissingExtra | None


def open_session(task: Task, run: Path, listener: Listener) -> Session:
    """Opens a run, new or interrupted, and says what the data can prove.

    Raises InputError for bad data, a bar that cannot be proven, limits that nothing can meet, or a run folder that holds
    another task's study.
    """
    measure = bar_metric(task.bar.metric, task.kind)
    user = UserLedger()
    try:
        dataset = prepare(task.data, user.sides(), task.kind)
        study = Study(run)
        binding = _binding(study, task, dataset)
        look = _coming_look(study, task.bar, user.looks(dataset.test.ids))
        folder, missing = _base(task)
        facts, notes = _data_facts(dataset, folder)
        goal = _goal(task, measure, dataset, look)
        space = ladder(task, read_config(folder) if folder else None, facts)
        _possible(space, task)
        incumbent = known_incumbent(task, dataset, job_file(task, run, INCUMBENT))
        # nothing is written before all of the above is found to be sound
        study.ledger.set_fact("binding", binding)
        if incumbent is not None:
            study.ledger.set_fact(KNOWN_INCUMBENT, incumbent)
        user.record(dataset.membership() | dataset.seen())
    finally:
        user.close()
    write_whole(run / TASK, task.to_yaml(run))
    write_quarantine(run / QUARANTINE, dataset.quarantined)
    notes = [*_describe(task, dataset, run), *notes, *_unpriced(incumbent)]
    for note in (*notes, *_provable(task, goal, dataset, look)):
        listener.say(note)
    known = study.ledger.fact("facts", Facts)
    study.ledger.set_fact("facts", _facts(dataset, goal, look, tuple(notes), facts, known))
    study.begin(space)
    ctx = BuildContext(
        train=dataset.train,
        dev=dataset.dev,
        labels=dataset.labels,
        base=folder or Path(task.base),
        teacher=None,
        seed=task.seed,
        fidelity=1.0,
        threads=this_device().cores,
        cache=cache_folder(run),
        progress=lambda share, words: None,
        data=dataset.hash,
        unlabelled=dataset.unlabelled,
        kind=task.kind,
    )
    missing = None if needs_no_base(task) else missing
    return Session(study, dataset, space, ctx, bases.identity(folder) if folder else "", missing)


def _unpriced(incumbent: Incumbent | None) -> list[str]:
    if incumbent is None or incumbent.usd_per_1k is not None:
        return []
    if not incumbent.model:
        return ["incumbent: no model is named, so its cost is unknown; name it: --incumbent PROVIDER:MODEL"]
    return [f"incumbent: the price of {incumbent.model} is not known, so its cost is not shown"]


def _binding(study: Study, task: Task, dataset: Dataset) -> dict[str, str]:
    """What a run folder belongs to, once something was tried in it: one data set, kind, base, reference and seed.
    Bar, limits and budget may change. Raises InputError where it belongs to others.
    """
    binding = {
        "data": dataset.hash,
        "base": task.base,
        "reference": task.reference,
        "seed": str(task.seed),
        "kind": task.kind,
    }
    known = (study.ledger.fact("binding", dict[str, str]) if study.trials else None) or binding
    for field, value in binding.items():
        before = known.get(field, "classify")
        if before != value:
            what = (
                "data: other rows, labels, units or sides, or others to train on beside them"
                if field == "data"
                else field
            )
            raise InputError(
                f"{study.path} holds a study with another {what} ({before}, now {value}); "
                "give --run another folder, or remove this one"
            )
    return binding


def _base(task: Task) -> tuple[Path | None, MissingExtra | None]:
    """The base model's folder, or why it cannot be trained here. Unknown names are errors; a missing extra is not."""
    from importlib.util import find_spec

    try:
        if find_spec("torch") is None or find_spec("transformers") is None:
            raise MissingExtra("torch", "build", "building encoders")
        return bases.locate(task.base), None
    except MissingExtra as missing:
        return None, missing


def _data_facts(dataset: Dataset, folder: Path | None) -> tuple[DataFacts, list[str]]:
    """What the planner needs of the data, and what the base model's tokenizer makes of it."""
    texts = [*(sample.text for sample in dataset.train), *dataset.unlabelled]
    rows, classes = len(dataset.train), len(dataset.labels)
    if folder is None:
        return DataFacts(classes, rows, sum(map(len, texts)) / len(texts) / 4, None, len(dataset.unlabelled)), []
    found = token_facts(folder, texts, MAX_LENGTH)
    notes = [
        f"tokens: {found.tokens_per_row:.1f} a row; {percent(found.unknown_share, 2)} of them unknown to the base model; "
        f"{percent(found.truncated_share)} of the rows are longer than {MAX_LENGTH} tokens and are cut"
    ]
    advice = script_advice(scripts_unknown(folder, texts))
    notes.extend([advice] if advice else [])
    return DataFacts(classes, rows, found.tokens_per_row, found.tokens_in_use, len(dataset.unlabelled)), notes


def _goal(task: Task, measure: Metric, dataset: Dataset, look: int) -> Goal:
    """The bar as a test. The default margin is the larger of two points and what the sealed rows can prove."""
    if measure.reduce == "class_mean" and not independent(task, dataset):
        raise InputError(
            f"{measure.name} cannot be proven where rows share a unit ({dataset.test.n} sealed rows in "
            f"{dataset.test.units} units); use accuracy"
        )
    if measure.reduce == "class_mean" and task.bar.growing:
        raise InputError(f"{measure.name} cannot be proven by a growing plan; use accuracy, or leave bar.growing out")
    exact = kind_of_test(measure, independent(task, dataset), task.bar.growing) == "exact"
    if task.imitates and not (exact and measure.name == "accuracy"):
        raise InputError(
            f"without labels a proof needs accuracy, on rows that share no unit, in a plan that does not grow, but got "
            f"{measure.name}; leave bar.metric, data.unit and bar.growing out, or give labels"
        )
    alpha = look_alpha(1 - task.bar.confidence, look)
    margin = task.bar.within
    if margin is None and task.bar.at_least is None:
        margin = max(LEAST_MARGIN, provable(task, measure, dataset, alpha))
    return Goal(task.bar.metric, margin, task.bar.at_least, alpha, max(1, dataset.test.n))


def _coming_look(study: Study, bar: Bar, looks: Sequence[tuple[str, int]]) -> int:
    """The number of the look that this study has booked for the bar already, or of the one that it is about to take."""
    own = {asked.plan for asked in study.asked() if asked.bar == bar}
    return next((look for plan, look in looks if plan in own), len(looks) + 1)


def provable(task: Task, measure: Metric, dataset: Dataset, alpha: float) -> float:
    """The smallest margin that these sealed rows prove with 80 % power if a candidate is as good as the reference."""
    alone = independent(task, dataset)
    if kind_of_test(measure, alone, task.bar.growing) == "exact":
        n = max(1, dataset.test.n)
        return round(min(MOST_MARGIN, smallest_provable_margin(n, alpha, 0.8, ASSUMED_DISCORDANCE)), 4)
    by_unit = draws_units(task, dataset)
    rows = deal(
        measure,
        dataset.test.classes,
        dataset.test.n,
        dataset.test.units,
        by_unit,
        largest_unit(dataset) if by_unit else 1,
    )
    low, high = 0.0, MOST_MARGIN
    while high - low > 0.002:
        middle = (low + high) / 2
        enough = rows.power(middle, ASSUMED_DISCORDANCE, alpha, task.bar.growing) >= 0.8
        low, high = (low, middle) if enough else (middle, high)
    return round(high, 4)


def _possible(space: Space, task: Task) -> None:
    """Raises InputError where no candidate can meet the limits, with what would."""
    rest = [entry for entry in space.entries if entry.name != BASELINE]
    reasons = [estimate.excludes(entry.shape, task.limits) for entry in rest]
    if rest and all(reasons):
        closest = estimate.nearest_to_limits([(entry.name, entry.shape) for entry in rest])
        raise InputError(
            f"no candidate can meet the limits: {closest}; raise limits.size_mb or limits.parameters above it"
        )


def _describe(task: Task, dataset: Dataset, run: Path) -> list[str]:
    """What was read, and what was set aside."""
    facts = dataset.facts
    sides = (
        f"{len(dataset.real):,} to train, {len(dataset.dev):,} to select, {len(dataset.calibration):,} to calibrate, "
        f"{dataset.test.n:,} sealed"
    )
    extra = {"synthetic rows": len(dataset.train) - len(dataset.real), "unlabelled texts": len(dataset.unlabelled)}
    named = " and ".join(f"{count:,} {what}" for what, count in extra.items() if count)
    beside = f"; beside them, to train only: {named}" if named else ""
    notes = [f"data: {facts.read:,} rows, {len(dataset.labels)} classes: {sides}{beside}"]
    if task.kind == "multilabel":
        sizes = [len(kind_of(task.kind).parts(sample.label)) for sample in dataset.train]
        none = percent(sizes.count(0) / len(sizes))
        notes.append(f"labels: {sum(sizes) / len(sizes):.2f} a train row; {none} of the train rows name none")
    share = dataset.test.n / (len(dataset.real) + len(dataset.dev) + len(dataset.calibration) + dataset.test.n)
    if facts.recorded and task.data.test is None and abs(share - task.data.test_share) > 0.05:
        notes.append(
            f"sides: {facts.recorded:,} rows keep the side they were given before, so {share:.0%} are sealed; "
            f"test_share {task.data.test_share:g} holds for new rows only"
        )
    if dataset.quarantined:
        reasons = Counter(
            item.reason.split(" as line ")[0].split(" of ")[0].split(" has ")[0].rstrip(".")
            for item in dataset.quarantined
        )
        most = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
        notes.append(f"set aside: {len(dataset.quarantined):,} rows ({most}); listed in {run / QUARANTINE}")
    if facts.rare:
        named = ", ".join(f"{label} ({count})" for label, count in sorted(facts.rare.items())[:6])
        more = f" and {len(facts.rare) - 6} more" if len(facts.rare) > 6 else ""
        merge = "" if task.kind == "tag" else "; --rare other merges them into one class"
        notes.append(f"rare labels, under {facts.rare_minimum} rows: {named}{more}{merge}")
    return notes


def _provable(task: Task, goal: Goal, dataset: Dataset, look: int) -> list[str]:
    """What the sealed rows can prove, said before any training."""
    if goal.at_least is not None:
        return [_provable_level(task, goal, dataset, look)]
    measure = bar_metric(task.bar.metric, task.kind)
    smallest = provable(task, measure, dataset, goal.alpha)
    notes = [
        f"provable: {dataset.test.n:,} sealed rows prove 'within {100 * smallest:.2f} points' with 80 % power at "
        f"{percent(1 - goal.alpha)} (look {look}), if a candidate is as good as the reference and differs on "
        f"{ASSUMED_DISCORDANCE:.0%} of the rows (assumed)"
    ]
    if goal.margin is not None and task.bar.within is None:
        notes.append(
            f"bar: within {100 * goal.margin:.2f} points of the reference, the larger of 2 points and the above"
        )
    elif goal.margin is not None and goal.margin < smallest:
        notes.append(
            f"bar: within {100 * goal.margin:.2f} points is tighter than that; expect 'unproven', or label more"
        )
    return notes


def _provable_level(task: Task, goal: Goal, dataset: Dataset, look: int) -> str:
    """How good a candidate must be to be proven against a fixed bar: by the binomial test, for other metrics a guide."""
    bar, n = goal.at_least or 0.0, max(1, dataset.test.n)
    low, high = bar, 1.0
    while high - low > 0.0005:
        middle = (low + high) / 2
        low, high = (low, middle) if above_power(n, bar, middle, goal.alpha) >= 0.8 else (middle, high)
    if high == 1.0:
        return (
            f"provable: {n:,} sealed rows cannot prove 'at least {percent(bar)}' with 80 % power; expect 'unproven', "
            f"or label more"
        )
    return (
        f"provable: {n:,} sealed rows prove 'at least {percent(bar)}' in {task.bar.metric} with 80 % power at "
        f"{percent(1 - goal.alpha)} (look {look}) if the truth is {percent(high)} or more"
    )


def _facts(
    dataset: Dataset, goal: Goal, look: int, notes: tuple[str, ...], facts: DataFacts, known: Facts | None
) -> Facts:
    device = this_device()
    return Facts(
        data=dataset.hash,
        labels=dataset.labels,
        sides={
            "train": len(dataset.real),
            "dev": len(dataset.dev),
            "calibration": len(dataset.calibration),
            "test": dataset.test.n,
        },
        rows_read=dataset.facts.read,
        quarantined=len(dataset.quarantined),
        tokens_per_row=facts.tokens_per_row,
        started=known.started if known else datetime.now(UTC).date().isoformat(),
        goal=goal,
        look=look,
        device=device,
        threads=device.cores,
        versions={"python": platform.python_version(), **versions_of(BUILDERS)},
        notes=notes,
        synthetic=len(dataset.train) - len(dataset.real),
        unlabelled=len(dataset.unlabelled),
    )
