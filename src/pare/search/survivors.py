"""Which trials go before the sealed split, in which order: chosen on dev, before anything sealed is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from pare.search.space import BASELINE, INCUMBENT, REFERENCE
from pare.types import Trial

AT_MOST = 4
ASSUMED_DISCORDANCE = 0.04
"""The share of sealed rows on which a good candidate and the reference are assumed to differ, before anything is known."""
WORTH = 0.3
"""A cheaper candidate joins the sequence if its predicted chance to be proven is at least this."""


@dataclass(frozen=True, slots=True)
class Goal:
    """The bar as a test: ``margin`` is None for a fixed bar ``at_least``. ``alpha`` is the level of the coming look."""

    metric: str
    margin: float | None
    at_least: float | None
    alpha: float
    sealed: int


def chance(trial: Trial, goal: Goal) -> float:
    """The predicted chance that a trial's candidate is proven, from its paired dev result.

    The sealed difference is predicted as normal around dev's with the variances of both sides added; it is proven when
    its one-sided limit stays within the margin. A guide for ordering, never a verdict.
    """
    found = trial.scores[goal.metric]
    if goal.margin is None:
        assert goal.at_least is not None
        spread = math.sqrt(max(found.value * (1 - found.value), 1 / found.n))
        room = found.value - goal.at_least
    else:
        if trial.drop is None or trial.discordance is None:
            return 0.0
        spread = math.sqrt(max(trial.discordance - trial.drop**2, 1 / found.n))
        room = goal.margin - trial.drop
    normal = NormalDist()
    reach = room - normal.inv_cdf(1 - goal.alpha) * spread / math.sqrt(goal.sealed)
    return normal.cdf(reach / (spread * math.sqrt(1 / goal.sealed + 1 / found.n)))


def choose(
    trials: Sequence[Trial],
    goal: Goal,
    cost: Callable[[Trial], float],
    broken: Callable[[Trial], str],
    reference_name: str = REFERENCE,
) -> list[Trial]:
    """The survivors, from the safest towards the cheapest.

    Only trials that meet the limits and cost less than the reference (an incumbent's size is unknown and larger) take part.
    The safest comes first, then those that are cheaper than the one before and have a fair chance, at most ``AT_MOST`` in
    all. Nothing measured decides but what the task minimises: the same data and seed give the same plan.
    """
    reference = next((trial for trial in trials if trial.candidate.name == reference_name != INCUMBENT), None)
    able = [
        trial
        for trial in trials
        if trial.candidate.name not in (reference_name, BASELINE)
        and trial.state == "done"
        and trial.artifact
        and not broken(trial)
        and (reference is None or cost(trial) < cost(reference))
    ]
    if not able:
        return []
    chances = {trial.candidate.name: chance(trial, goal) for trial in able}
    order = sorted(able, key=lambda trial: (-chances[trial.candidate.name], cost(trial)))
    chosen = [order[0]]
    for trial in sorted(able, key=cost, reverse=True):
        dominated = any(
            cost(other) <= cost(trial) and chances[other.candidate.name] > chances[trial.candidate.name]
            for other in able
        )
        fair = chances[trial.candidate.name] >= WORTH and not dominated
        if fair and cost(trial) < cost(chosen[-1]):
            chosen.append(trial)
    return chosen if len(chosen) <= AT_MOST else [chosen[0], *chosen[-(AT_MOST - 1) :]]
