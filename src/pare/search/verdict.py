"""Chooses the survivors, freezes the plan, reads the sealed split, and records the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from pare import runtimes
from pare.data import Dataset
from pare.errors import InputError
from pare.evaluation.metrics import bar_metric
from pare.methods.calibrate import calibrated, fit_temperature, fit_threshold
from pare.search.listener import Listener
from pare.search.proving import Outcome, Sheet, independent, judge, kind_of_test, plan_id
from pare.search.run import targets
from pare.search.space import REFERENCE
from pare.search.study import UNREAD, Study
from pare.search.survivors import choose
from pare.store import UserLedger
from pare.types import Artifact, ProofPlan, Sample, Trial, Verdict

COVERAGE = 0.95
"""The share of calibration rows that a deployment answers; the rest is 'none of these'."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What a growing plan has read: the row counts of its parts, and the rows that were added after the first."""

    parts: tuple[int, ...]
    more: tuple[Sample, ...]


def prove(study: Study, dataset: Dataset, listener: Listener) -> Verdict:
    """Takes the study to its verdict. A proof that was killed replays its frozen plan; a finished one is returned."""
    here = [trial for trial in study.complete if study.store.has(trial.artifact)]
    survivors = choose(here, study.facts.goal, study.cost, study.broken)
    unread = [] if survivors else [_without_survivors(study, dataset)]
    study.ledger.set_fact(UNREAD, unread)
    if unread:
        return unread[0]
    plan = _freeze(study, dataset, survivors)
    for known, _, verdict in study.ledger.proofs():
        if known == plan_id(plan) and verdict is not None:
            return verdict
    names = ", ".join(plan.names)
    listener.say(
        f"proof: plan {plan_id(plan)} frozen: {names}, from the safest to the cheapest; reading the sealed rows"
    )
    return _judge(study, dataset, plan, Growth((dataset.test.n,), ()))


def grow(study: Study, dataset: Dataset, fresh: Sequence[Sample], listener: Listener) -> Verdict:
    """Continues a growing plan on fresh rows, with candidates and order as they were frozen.

    Raises InputError where the study has no growing plan, or none of the rows is fresh.
    """
    proofs = study.ledger.proofs()
    if not proofs or proofs[-1][2] is None:
        raise InputError(f"{study.path} has no finished proof to continue; run pare find first")
    plan = proofs[-1][1]
    if not plan.growing:
        raise InputError(
            f"the plan of {study.path} was not declared as growing, so more rows cannot join it; "
            "declare bar.growing: true in a new run, or test fresh rows alone: pare prove A --against B --data FILE"
        )
    raw = study.ledger.state(plan_id(plan))
    before = msgspec.json.decode(raw, type=Growth) if raw else Growth((dataset.test.n,), ())
    known = set(dataset.membership()) | {sample.id for sample in before.more}
    rows = [sample for sample in fresh if sample.id not in known and sample.label in dataset.labels]
    if not rows:
        raise InputError(f"none of the {len(fresh)} rows is fresh: each was read before or has a label the study lacks")
    listener.say(
        f"proof: {len(rows)} fresh rows join plan {plan_id(plan)}; {len(fresh) - len(rows)} are known or foreign"
    )
    parts = (*before.parts, before.parts[-1] + len(rows))
    return _judge(study, dataset, plan, Growth(parts, (*before.more, *rows)))


def _freeze(study: Study, dataset: Dataset, survivors: Sequence[Trial]) -> ProofPlan:
    """The plan on calibrated artifacts, stored before anything sealed is read."""
    task, goal = study.task, study.facts.goal
    measure = bar_metric(goal.metric)
    reference = study.reference
    plan = ProofPlan(
        reference=_calibrated(study, dataset, reference).id if reference else "",
        artifacts=tuple(_calibrated(study, dataset, trial).id for trial in survivors),
        names=tuple(trial.candidate.name for trial in survivors),
        metric=goal.metric,
        within=goal.margin,
        at_least=goal.at_least,
        alpha=1 - task.bar.confidence,
        test=kind_of_test(measure, independent(task, dataset), task.bar.growing),
        order_seed=task.seed,
        growing=task.bar.growing,
        unit_rows=_largest_unit(dataset) if task.data.unit else 1,
    )
    study.ledger.freeze(plan_id(plan), plan)
    return plan


def _largest_unit(dataset: Dataset) -> int:
    """The most rows that a unit has outside the sealed side."""
    counts = Counter(sample.unit for sample in (*dataset.train, *dataset.dev, *dataset.calibration))
    return max(counts.values())


def _calibrated(study: Study, dataset: Dataset, trial: Trial) -> Artifact:
    """The trial's artifact with a temperature and a threshold fitted on the calibration side."""
    logits = study.logits(trial.artifact, "calibration")
    artifact = study.store.get(trial.artifact)
    if logits is None or not len(logits):
        return artifact
    temperature = fit_temperature(logits, targets(dataset.labels, dataset.calibration))
    threshold = fit_threshold(logits, temperature, COVERAGE)
    with study.store.scratch() as scratch:
        return study.store.put(calibrated(artifact, temperature, threshold, scratch / "out"))


def _judge(study: Study, dataset: Dataset, plan: ProofPlan, growth: Growth) -> Verdict:
    identity = plan_id(plan)
    ids = [*dataset.test.ids, *(sample.id for sample in growth.more)]
    user = UserLedger()
    try:
        look = user.look(identity, ids, f"{study.task.name}: {', '.join(plan.names)}")
    finally:
        user.close()
    rows = (*dataset.test.open(identity), *growth.more)
    sheet = Sheet(
        ids=ids,
        units=ids if study.task.data.unit is None else [row.unit for row in rows],
        targets=targets(dataset.labels, rows),
        classes=dataset.labels,
        parts=growth.parts[:-1],
    )
    reference = _outcome(study, study.store.get(plan.reference), REFERENCE, rows, sheet) if plan.reference else None
    outcomes = [
        _outcome(study, study.store.get(artifact), name, rows, sheet)
        for artifact, name in zip(plan.artifacts, plan.names, strict=True)
    ]
    verdict = judge(plan, sheet, reference, outcomes, look)
    study.ledger.set_verdict(identity, verdict, msgspec.json.encode(growth).decode())
    return verdict


def _outcome(study: Study, artifact: Artifact, name: str, rows: Sequence[Sample], sheet: Sheet) -> Outcome:
    runtime = next(trial.candidate.runtime for trial in study.complete if trial.candidate.name == name)
    engine = runtimes.load(artifact, runtime, study.facts.threads)
    try:
        logits = engine.logits([row.text for row in rows])
    finally:
        engine.close()
    values = bar_metric(study.facts.goal.metric).values(logits, sheet.targets)
    return Outcome(values, logits.argmax(axis=1).astype(np.int64))


def _without_survivors(study: Study, dataset: Dataset) -> Verdict:
    """The verdict where nothing can be tested: fail if the limits exclude everything, else unproven."""
    goal = study.facts.goal
    others = [trial for trial in study.complete if not trial.candidate.name.startswith("encoder-pytorch")]
    broken = [f"{trial.candidate.name}: {study.broken(trial)}" for trial in others if study.broken(trial)]
    all_broken = bool(others) and len(broken) == len(others)
    sentence = (
        f"fail: nothing meets the limits; nearest: {broken[0]}"
        if all_broken
        else f"unproven: no candidate costs less than the reference ({study.task.minimise}); try more candidates"
    )
    return Verdict(
        answer="fail" if all_broken else "unproven",
        sentence=sentence,
        winner="",
        evidence=(),
        n=dataset.test.n,
        look=0,
        alpha=goal.alpha,
        test="none: the sealed rows were not read",
        metric=goal.metric,
        reference_value=0.0,
        within=goal.margin,
        at_least=goal.at_least,
    )
