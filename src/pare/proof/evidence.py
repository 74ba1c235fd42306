"""What one candidate's sealed rows say, in one shape for every test, ready for `sequence.decide`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pare.proof import betting, binomial, exact

__all__ = ["Evidence", "accuracy_at_least", "accuracy_within", "mean_at_least", "mean_within"]


@dataclass(frozen=True)
class Evidence:
    """p-values of the bar being missed (p_pass, small proves that it is met) and being met (p_fail), and limits.

    estimate, lower, upper: of the drop (bar `within`) or of the quality (bar `at_least`), as a fraction; each limit is
    one-sided at 1 - alpha.
    """

    name: str
    p_pass: float
    p_fail: float
    estimate: float
    lower: float
    upper: float


def accuracy_within(name: str, losses: int, gains: int, n: int, margin: float, alpha: float) -> Evidence:
    """Accuracy against a reference, by the exact test. Arguments and errors as `exact.drop_within`, `drop_limits`."""
    lower, upper = exact.drop_limits(losses, gains, n, alpha)
    p_pass = exact.drop_within(losses, gains, n, margin)
    p_fail = exact.drop_exceeds(losses, gains, n, margin)
    return Evidence(name, p_pass, p_fail, (losses - gains) / n, lower, upper)


def accuracy_at_least(name: str, correct: int, n: int, bar: float, alpha: float) -> Evidence:
    """Accuracy against a fixed bar, by the exact binomial test. Arguments and errors as `binomial.accuracy_above`."""
    lower, upper = binomial.clopper_pearson(correct, n, alpha)
    above, below = binomial.accuracy_above(correct, n, bar), binomial.accuracy_below(correct, n, bar)
    return Evidence(name, above, below, correct / n, lower, upper)


def mean_at_least(name: str, plan: betting.BettingPlan, sums: ArrayLike, sizes: ArrayLike | None = None) -> Evidence:
    """A bounded mean against plan.bar, by betting on all rounds so far. Arguments and errors as `betting.advance`."""
    other, negated = betting.mirror(plan), -np.asarray(sums, np.float64)
    p_pass = betting.p_value(betting.advance(plan, betting.start(plan), sums, sizes))
    p_fail = betting.p_value(betting.advance(other, betting.start(other), negated, sizes))
    rows = len(negated) if sizes is None else float(np.sum(sizes))
    lower, upper = betting.lower_limit(plan, sums, sizes), -betting.lower_limit(other, negated, sizes)
    return Evidence(name, p_pass, p_fail, float(-negated.sum() / max(rows, 1)), lower, upper)


def mean_within(name: str, plan: betting.BettingPlan, sums: ArrayLike, sizes: ArrayLike | None = None) -> Evidence:
    """A bounded metric against a reference: sums hold candidate minus reference, plan.bar = -margin.

    The limits are of the drop. Arguments and errors as `betting.advance`.
    """
    e = mean_at_least(name, plan, sums, sizes)
    return Evidence(name, e.p_pass, e.p_fail, -e.estimate, -e.upper, -e.lower)
