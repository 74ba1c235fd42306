"""A frozen plan and the sealed rows' values become a verdict.

The exact test serves shares of independent rows, such as accuracy. Everything else that is additive is tested by betting
in one fixed random order: other bounded metrics, rows that come in units, classes that count alike, and plans that may grow.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np

from pare.data import Dataset, Task
from pare.data.task import COLUMN
from pare.evaluation.metrics import Floats, Ints, Logits, Metric, metric, value
from pare.kinds import kind_of
from pare.proof import betting, evidence, power, rounds
from pare.proof.evidence import Evidence as Test
from pare.proof.looks import look_alpha
from pare.proof.partial import Reviewed
from pare.proof.sequence import Decision, decide
from pare.search import imitation
from pare.types import Evidence, ProofPlan, Verdict
from pare.units import percent


@dataclass(frozen=True)
class Sheet:
    """The sealed rows as a test sees them: ids, units (ids where rows are independent), and targets over ``classes``.

    ``parts`` are the ends of all but the last part of a growing plan's rows: later rows are ordered among themselves.
    ``truths`` is what people said of rows whose ``targets`` are a large model's answers.
    """

    ids: Sequence[str]
    units: Sequence[str]
    targets: Ints
    classes: tuple[str, ...]
    parts: tuple[int, ...] = ()
    truths: imitation.Truths = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """A model's values on the sealed rows, (n,), and what it decided, in the form of the targets."""

    values: Floats
    predicted: Ints


def outcome_of(measure: Metric, logits: Logits, targets: Ints, classes: Sequence[str]) -> Outcome:
    """What a metric makes of logits."""
    return Outcome(measure.values(logits, targets, classes), kind_of(measure.kind).decide(logits))


def independent(task: Task, dataset: Dataset) -> bool:
    """Whether sealed rows are draws of their own: no unit is named, or no unit has two of them."""
    return task.data.unit is None or dataset.test.units == dataset.test.n


def draws_units(task: Task, dataset: Dataset) -> bool:
    """Whether the test draws units instead of rows. A growing plan with a unit does, whatever its first rows look like."""
    return task.data.unit is not None and (task.bar.growing or not independent(task, dataset))


@dataclass(frozen=True)
class Deal:
    """How sealed rows are dealt into the rounds that a betting test plays: ``rounds`` of ``rows`` independent rows each,
    where up to ``most`` may come, out of ``labels_per_round`` labelled ones. One row a round where rows are independent.
    """

    rounds: int
    rows: int = 1
    most: int = 1
    labels_per_round: float = 1.0

    def labels(self, margin: float, discordance: float, drop: float, alpha: float, growing: bool) -> int | None:
        """About how many labelled rows prove the margin with 80 % power; None if the drop is not below it."""
        if drop >= margin:
            return None
        needed = power.betting_labels_needed(
            margin, discordance, drop, alpha, growing=growing, rows=self.rows, most=self.most
        )
        return None if needed is None else math.ceil(needed * self.labels_per_round)

    def power(self, margin: float, discordance: float, alpha: float, growing: bool) -> float:
        """The power at this margin if there is no true drop."""
        return power.betting_power(
            self.rounds, margin, discordance, 0.0, alpha, growing=growing, rows=self.rows, most=self.most
        )


def deal(measure: Metric, classes: Mapping[str, int], n: int, units: int, by_unit: bool, unit_rows: int) -> Deal:
    """The deal of ``n`` sealed rows in so many ``units`` and ``classes``.

    A round over all classes averages a batch of each; it varies as the mean of as many independent rows as give the same
    variance, which is what ``rows`` counts.
    """
    if measure.reduce == "class_mean" and classes:
        rounds = min(classes.values())
        draws = round(len(classes) ** 2 / sum(rounds / count for count in classes.values()))
        return Deal(rounds, max(1, draws), max(1, draws), n / rounds)
    if by_unit:
        mean = n / max(1, units)
        return Deal(max(1, units), max(1, round(min(mean, unit_rows))), unit_rows, mean)
    return Deal(max(1, n))


def dealt(measure: Metric, sheet: Sheet, plan: ProofPlan) -> Deal:
    """The deal of a plan's rows."""
    by_class = measure.reduce == "class_mean"
    classes = Counter(sheet.classes[target] for target in sheet.targets) if by_class else {}
    return deal(measure, classes, len(sheet.ids), len(set(sheet.units)), plan.by_unit, plan.unit_rows)


def largest_unit(dataset: Dataset) -> int:
    """The most rows that a unit has outside the sealed side: what a plan declares of the sealed ones."""
    counts = Counter(sample.unit for sample in (*dataset.real, *dataset.dev, *dataset.calibration))
    return max(counts.values(), default=1)


def plan_id(plan: ProofPlan) -> str:
    """A hash of what a plan would test. Artifact ids are content hashes, so the same id means the same test."""
    return hashlib.sha256(msgspec.json.encode(plan, order="deterministic")).hexdigest()[:16]


def kind_of_test(measure: Metric, alone: bool, growing: bool) -> Literal["exact", "betting"]:
    """``exact`` for a share of independent rows (``alone``) and a closed plan, else ``betting``."""
    return "exact" if measure.binary and alone and not growing else "betting"


def judge(plan: ProofPlan, sheet: Sheet, reference: Outcome | None, outcomes: Sequence[Outcome], look: int) -> Verdict:
    """Tests the plan's candidates in order. ``reference`` is None only for a fixed bar."""
    measure = metric(plan.metric)
    alpha = look_alpha(plan.alpha, look)
    tests = [
        _test(plan, measure, sheet, reference, outcome, alpha, name)
        for name, outcome in zip(plan.names, outcomes, strict=True)
    ]
    decision = decide(tests, alpha)
    found = tuple(_evidence(plan, measure, sheet, index, outcome, decision) for index, outcome in enumerate(outcomes))
    winner = "" if decision.winner is None else plan.names[decision.winner]
    needed = _labels_needed(plan, sheet, reference, outcomes, tests, alpha) if decision.verdict == "unproven" else None
    reference_value = None if reference is None else _value(measure, sheet, reference)
    sentence = _sentence(plan, decision, found, len(sheet.ids), needed)
    if plan.imitates and plan.within is not None and decision.verdict == "unproven" and found:
        first = _reviewed(plan, sheet, outcomes[0])
        sentence = imitation.sentence(plan.names[0], plan, first, found[0].drop_high, alpha)
    return Verdict(
        answer=decision.verdict,
        sentence=sentence,
        winner=winner,
        evidence=found,
        n=len(sheet.ids),
        look=look,
        alpha=alpha,
        test=plan.test,
        metric=plan.metric,
        reference_value=reference_value,
        within=plan.within,
        at_least=plan.at_least,
        labels_needed=needed,
    )


def _reviewed(plan: ProofPlan, sheet: Sheet, outcome: Outcome) -> Reviewed:
    said, answered = ([sheet.classes[i] for i in places] for places in (outcome.predicted, sheet.targets))
    return imitation.reviewed(plan, sheet.ids, said, answered, sheet.truths)


def _value(measure: Metric, sheet: Sheet, outcome: Outcome) -> float:
    return value(measure, outcome.values, outcome.predicted, sheet.targets, sheet.classes)


def _test(
    plan: ProofPlan,
    measure: Metric,
    sheet: Sheet,
    reference: Outcome | None,
    outcome: Outcome,
    alpha: float,
    name: str,
) -> Test:
    n = len(sheet.ids)
    if plan.imitates and plan.within is not None:
        return imitation.evidence(name, plan, _reviewed(plan, sheet, outcome), alpha)
    if plan.test == "exact" and plan.at_least is not None:
        return evidence.accuracy_at_least(name, int(outcome.values.sum()), n, bar=plan.at_least, alpha=alpha)
    if plan.test == "exact":
        assert reference is not None
        assert plan.within is not None
        losses = int((reference.values > outcome.values).sum())
        gains = int((reference.values < outcome.values).sum())
        return evidence.accuracy_within(name, losses, gains, n, margin=plan.within, alpha=alpha)
    low, high = measure.bounds
    if plan.at_least is not None:
        sums, sizes = _rounds(plan, measure, sheet, outcome.values)
        return evidence.mean_at_least(name, _bets(plan, plan.at_least, (low, high), alpha, sums), sums, sizes)
    assert reference is not None
    assert plan.within is not None
    spread = high - low
    sums, sizes = _rounds(plan, measure, sheet, outcome.values - reference.values)
    bets = _bets(plan, -plan.within, (-spread, spread), alpha, sums)
    return evidence.mean_within(name, bets, sums, sizes)


def _bets(plan: ProofPlan, bar: float, bounds: tuple[float, float], alpha: float, sums: Floats) -> betting.BettingPlan:
    horizon = None if plan.growing else len(sums)
    return betting.BettingPlan(bar, bounds[0], bounds[1], alpha, horizon, plan.unit_rows)


def _rounds(plan: ProofPlan, measure: Metric, sheet: Sheet, values: Floats) -> tuple[Floats, Floats | None]:
    """What is bet on, in the plan's order: rows, sums of units with their sizes, or rounds over all classes."""
    order = _order(plan, sheet)
    if measure.reduce == "class_mean":
        names = [sheet.classes[target] for target in sheet.targets[order]]
        return rounds.stratified_rounds(values[order], names, sorted(set(names))), None
    if not plan.by_unit:
        return values[order], None
    capped = _capped([sheet.units[i] for i in order], plan.unit_rows)
    return rounds.unit_sums(values[order[capped]], [sheet.units[i] for i in order[capped]])


def _capped(units: Sequence[str], most: int) -> list[int]:
    """The places of each unit's first rows, at most so many: a larger unit than declared would void the test's bound."""
    seen: Counter[str] = Counter()
    kept = []
    for place, unit in enumerate(units):
        seen[unit] += 1
        if seen[unit] <= most:
            kept.append(place)
    return kept


def _order(plan: ProofPlan, sheet: Sheet) -> Ints:
    """The fixed random order of rows. Rows of a unit stay together; later parts of a growing plan come after."""
    bounds = [*sheet.parts, len(sheet.ids)] if sheet.parts else [len(sheet.ids)]
    ordered: list[int] = []
    start = 0
    for end in bounds:
        keys = (sheet.units if plan.by_unit else sheet.ids)[start:end]
        ordered.extend(start + int(i) for i in rounds.fixed_order(keys, plan.order_seed))
        start = end
    return np.array(ordered, dtype=np.int64)


def _evidence(
    plan: ProofPlan, measure: Metric, sheet: Sheet, index: int, outcome: Outcome, decision: Decision
) -> Evidence:
    test = decision.evidences[index]
    return Evidence(
        name=plan.names[index],
        artifact=plan.artifacts[index],
        value=_value(measure, sheet, outcome),
        p_pass=test.p_pass,
        p_fail=test.p_fail,
        drop=test.estimate,
        drop_low=test.lower,
        drop_high=test.upper,
        tested=index <= len(decision.proven),
        proven=index in decision.proven,
    )


def _labels_needed(
    plan: ProofPlan,
    sheet: Sheet,
    reference: Outcome | None,
    outcomes: Sequence[Outcome],
    tests: Sequence[Test],
    alpha: float,
) -> int | None:
    """How many sealed rows the test in use would need for 80 % power, if the safest candidate's result is the truth."""
    if not outcomes or (plan.imitates and plan.within is not None):
        return None
    found = tests[0].estimate
    if plan.at_least is not None:
        if plan.test == "exact":
            return power.labels_needed_above(plan.at_least, found, alpha)
        low, high = metric(plan.metric).bounds
        bar, level = ((value - low) / (high - low) for value in (plan.at_least, found))
        return dealt(metric(plan.metric), sheet, plan).labels(
            max(level - bar, 0.0), max(level * (1 - level), 1e-4), 0.0, alpha, plan.growing
        )
    if reference is None or plan.within is None:
        return None
    difference = reference.values - outcomes[0].values
    drop = float(max(0.0, found))
    discordance = float(max((difference**2).mean(), drop, 1 / len(difference)))
    if plan.test == "exact":
        return power.labels_needed(plan.within, discordance, drop, alpha)
    return dealt(metric(plan.metric), sheet, plan).labels(plan.within, discordance, drop, alpha, plan.growing)


def _drop(limit: float) -> str:
    """A proven limit of the drop in words; below zero it is a gain."""
    if limit < 0:
        return f"it is better by at least {-100 * limit:.2f} points"
    return f"the drop is at most {100 * limit:.2f} points"


def _sentence(plan: ProofPlan, decision: Decision, found: Sequence[Evidence], n: int, needed: int | None) -> str:
    sure = percent(1 - decision.alpha)
    against = "the incumbent's logged answers" if plan.reference.startswith(COLUMN) else "the reference"
    # of rows whose labels are those answers, nothing is known but how often they are given again
    quality = f"agreement with {against}" if plan.imitates and plan.within is None else plan.metric
    goal = (
        f"within {100 * plan.within:.3g} points of {against}"
        if plan.within is not None
        else f"at least {percent(plan.at_least or 0.0)}"
    )
    if decision.winner is not None:
        best = found[decision.winner]
        limit = _drop(best.drop_high) if plan.within is not None else f"it is at least {percent(best.drop_low)}"
        return f"pass: {best.name} is proven {goal} in {quality} on {n} sealed rows ({limit}, {sure} sure)"
    if decision.verdict == "fail":
        return f"fail: every candidate is proven to miss the bar ({goal} in {quality}) on {n} sealed rows, {sure} sure"
    if not found:
        return f"unproven: no candidate was left to test for {goal} in {quality}"
    best = found[0]
    reached = (
        f"the tightest drop that is proven is {100 * best.drop_high:.2f} points"
        if plan.within is not None
        else f"the highest level that is proven is {percent(best.drop_low)}"
    )
    advice = (
        f"label {needed - n:,} more sealed rows ({needed:,} in all)"
        if needed is not None and needed > n
        else "widen the bar, or train on more rows"
    )
    return f"unproven: {best.name} is not proven {goal} in {quality} on {n} sealed rows; {reached}; {advice}"
