"""Chooses the survivors, freezes the plan, reads the sealed split, and records the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from pare import runtimes
from pare.data import Dataset, Sealed
from pare.data.task import COLUMN
from pare.errors import InputError
from pare.evaluation.metrics import bar_metric
from pare.kinds import kind_of
from pare.methods.calibrate import calibrated, fit_temperature, fit_threshold
from pare.proof import power
from pare.search.imitation import review_bets
from pare.search.incumbent import answer_logits
from pare.search.listener import Listener
from pare.search.proving import (
    Outcome,
    Sheet,
    draws_units,
    independent,
    judge,
    kind_of_test,
    largest_unit,
    outcome_of,
    plan_id,
)
from pare.search.space import BASELINE, INCUMBENT, REFERENCE
from pare.search.study import UNREAD, Study
from pare.search.survivors import ASSUMED_DISCORDANCE, Goal, choose
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
    survivors = choose(here, study.aim, study.cost, study.broken, study.reference_name)
    unread = [] if survivors else [_without_survivors(study, dataset)]
    study.ledger.set_fact(UNREAD, unread)
    if unread:
        return unread[0]
    plan = _interrupted(study, dataset) or _freeze(study, dataset, survivors)
    study.ask_for(plan_id(plan))
    for known, _, verdict in study.ledger.proofs():
        if known == plan_id(plan) and verdict is not None:
            return verdict
    names = ", ".join(plan.names)
    listener.say(
        f"proof: plan {plan_id(plan)} frozen: {names}, from the safest to the cheapest; reading the sealed rows"
    )
    return _judge(study, dataset, plan, Growth((dataset.test.n,), ()))


def _interrupted(study: Study, dataset: Dataset) -> ProofPlan | None:
    """The plan for the task's bar that was frozen, perhaps read, and never judged: it is replayed, not chosen again."""
    proof = study.proof
    if proof is None or proof[2] is not None or proof[1].rows != dataset.test.hash:
        return None
    plan = proof[1]
    built = [id for id in (*plan.artifacts, plan.reference) if id and not id.startswith(COLUMN)]
    return plan if all(map(study.store.has, built)) else None


def grow(study: Study, dataset: Dataset, fresh: Sealed, listener: Listener) -> Verdict:
    """Continues a growing plan on fresh rows, with candidates and order as they were frozen.

    Raises InputError where the study has no growing plan, or none of the rows is fresh.
    """
    proof = study.proof
    if proof is None or proof[2] is None:
        raise InputError(f"{study.path} has no finished proof to continue; run pare find first")
    plan = proof[1]
    if not plan.growing:
        raise InputError(
            f"the plan of {study.path} was not declared as growing, so more rows cannot join it; "
            "declare bar.growing: true in a new run, or test fresh rows alone: pare prove A --against B --data FILE"
        )
    before = growth_of(study, dataset)
    rows = _unread(plan_id(plan), fresh.open(plan_id(plan)))
    if not rows:
        raise InputError(f"none of the {len(fresh)} rows is fresh: another proof has read each of them; label others")
    read = f"; {len(fresh) - len(rows)} are left out, another proof has read them" if len(rows) < len(fresh) else ""
    listener.say(f"proof: {len(rows)} fresh rows join plan {plan_id(plan)}{read}")
    parts = (*before.parts, before.parts[-1] + len(rows))
    return _judge(study, dataset, plan, Growth(parts, (*before.more, *rows)))


def judge_again(study: Study, dataset: Dataset) -> Verdict:
    """Judges the frozen plan once more, with the labels that people gave since: the same look, at any stopping."""
    proof = study.proof
    if proof is None:
        raise InputError(f"{study.path} has no proof to judge again; run pare find first")
    return _judge(study, dataset, proof[1], growth_of(study, dataset))


def _unread(plan: str, fresh: Sequence[Sample]) -> list[Sample]:
    """The rows that no other plan has read: who has seen how a batch turns out must not choose whether it joins."""
    user = UserLedger()
    try:
        return [row for row in fresh if not {known for known, _ in user.looks([row.id])} - {plan}]
    finally:
        user.close()


def growth_of(study: Study, dataset: Dataset) -> Growth:
    """What the study's plan has read so far."""
    proof = study.proof
    raw = study.ledger.state(proof[0]) if proof else None
    return msgspec.json.decode(raw, type=Growth) if raw else Growth((dataset.test.n,), ())


def _freeze(study: Study, dataset: Dataset, survivors: Sequence[Trial]) -> ProofPlan:
    """The plan on calibrated artifacts, stored before anything sealed is read."""
    task, goal = study.task, study.facts.goal
    measure = bar_metric(goal.metric, task.kind)
    by_unit = draws_units(task, dataset)
    share, bets = 0.0, tuple[float, ...]()
    if task.imitates and goal.margin is not None:
        share, bets = review_bets(dataset.test.n, goal.margin, survivors[0].discordance or 0.0, goal.alpha)
    plan = ProofPlan(
        reference=_reference(study, dataset),
        artifacts=tuple(_calibrated(study, dataset, trial).id for trial in survivors),
        names=tuple(trial.candidate.name for trial in survivors),
        metric=goal.metric,
        within=goal.margin,
        at_least=goal.at_least,
        alpha=1 - task.bar.confidence,
        test=kind_of_test(measure, independent(task, dataset), task.bar.growing),
        order_seed=task.seed,
        growing=task.bar.growing,
        by_unit=by_unit,
        unit_rows=largest_unit(dataset) if by_unit else 1,
        rows=dataset.test.hash,
        imitates=task.imitates,
        share=share,
        bets=bets,
    )
    study.ledger.freeze(plan_id(plan), plan)
    study.ask_for(plan_id(plan))
    return plan


def _reference(study: Study, dataset: Dataset) -> str:
    """What stands for the reference in a plan: its calibrated artifact, or the hash of the logged answers."""
    reference = study.reference
    if reference is None or study.task.has_incumbent:
        return reference.artifact if reference else ""
    return _calibrated(study, dataset, reference).id


def _calibrated(study: Study, dataset: Dataset, trial: Trial) -> Artifact:
    """The trial's artifact with a temperature and a threshold fitted on the calibration side."""
    logits = study.logits(trial.artifact, "calibration")
    artifact = study.store.get(trial.artifact)
    if logits is None or not len(logits):
        return artifact
    kind = kind_of(dataset.kind)
    temperature = fit_temperature(*kind.choices(logits, dataset.targets(dataset.calibration)))
    threshold = fit_threshold(kind.confidence(logits, temperature), COVERAGE)
    with study.store.scratch() as scratch:
        return study.store.put(calibrated(artifact, temperature, threshold, scratch / "out", study.contract))


def _judge(study: Study, dataset: Dataset, plan: ProofPlan, growth: Growth) -> Verdict:
    identity = plan_id(plan)
    ids = [*dataset.test.ids, *(sample.id for sample in growth.more)]
    user = UserLedger()
    try:
        look = user.look(identity, ids, f"{study.task.name}: {', '.join(plan.names)}")
        user.record(dict.fromkeys((sample.id for sample in growth.more), "test"))
    finally:
        user.close()
    rows = (*dataset.test.open(identity), *growth.more)
    sheet = Sheet(
        ids=ids,
        units=ids if study.task.data.unit is None else [row.unit for row in rows],
        targets=dataset.targets(rows),
        classes=dataset.labels,
        parts=growth.parts[:-1],
        truths=study.said(),
    )
    reference = None
    if study.task.has_incumbent:
        reference = _valued(study, answer_logits(rows, dataset.labels), sheet)
    elif plan.reference:
        reference = _outcome(study, study.store.get(plan.reference), REFERENCE, rows, sheet)
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
    return _valued(study, logits / artifact.manifest.decoding.get("temperature", 1.0), sheet)


def _valued(study: Study, logits: NDArray[np.float32], sheet: Sheet) -> Outcome:
    measure = bar_metric(study.facts.goal.metric, study.task.kind)
    return outcome_of(measure, logits, sheet.targets, sheet.classes)


def too_few(study: Study, dataset: Dataset) -> Verdict | None:
    """The verdict on data that are too few to be split: unproven. None where every side has rows."""
    goal = study.facts.goal
    sides = {"select on": len(dataset.dev), "calibrate on": len(dataset.calibration), "prove on": dataset.test.n}
    empty = [purpose for purpose, rows in sides.items() if not rows]
    if not empty:
        return None
    if goal.margin is None:
        needed = power.labels_needed_above(goal.at_least or 0.0, (1 + (goal.at_least or 0.0)) / 2, goal.alpha)
    else:
        needed = power.labels_needed(goal.margin, ASSUMED_DISCORDANCE, 0.0, goal.alpha)
    rows = len(dataset.real) + sum(sides.values())
    share = f", {study.task.data.test_share:.0%} of all" if study.task.data.test is None else ""
    advice = f"about {needed:,} sealed rows are needed{share}" if needed else "label more rows"
    sentence = f"{rows} rows leave none to {' or '.join(empty)}; {advice}"
    verdict = replace(_unread_verdict(goal, dataset, "unproven", sentence), labels_needed=needed)
    study.ledger.set_fact(UNREAD, [verdict])
    return verdict


def _without_survivors(study: Study, dataset: Dataset) -> Verdict:
    """The verdict where nothing can be tested: fail if the limits exclude everything, else unproven."""
    goal = study.facts.goal
    others = [trial for trial in study.complete if trial.candidate.name not in (BASELINE, INCUMBENT)]
    broken = [f"{trial.candidate.name}: {study.broken(trial)}" for trial in others if study.broken(trial)]
    untried = study.untried
    answer: Literal["fail", "unproven"]
    if not broken or len(broken) < len(others):
        answer, sentence = "unproven", f"no candidate costs less than the reference ({study.task.minimise}); try more"
    elif untried:
        answer = "unproven"
        sentence = (
            f"nothing that was tried meets the limits (nearest: {broken[0]}), and {', '.join(untried[:5])} "
            "could not be tried; see why with pare show, and run the same command again"
        )
    else:
        answer, sentence = "fail", f"nothing meets the limits; nearest: {broken[0]}"
    return _unread_verdict(goal, dataset, answer, sentence)


def _unread_verdict(goal: Goal, dataset: Dataset, answer: Literal["fail", "unproven"], sentence: str) -> Verdict:
    return Verdict(
        answer=answer,
        sentence=f"{answer}: {sentence}",
        winner="",
        evidence=(),
        n=dataset.test.n,
        look=0,
        alpha=goal.alpha,
        test="none: the sealed rows were not read",
        metric=goal.metric,
        reference_value=None,
        within=goal.margin,
        at_least=goal.at_least,
    )
