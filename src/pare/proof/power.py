"""What n labels can prove, and how many labels a proof needs: said before anything is trained.

For the exact test nothing is simulated: the test is a table of critical counts and the power is its probability at the
assumed truth. For the betting test 600 studies (200 above 5,000 rounds) are simulated with a fixed seed: the
standard error is 2 (3) points of power.
`discordance` is the share of samples on which exactly one of the two models is right; 4 % is typical of a good student.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pare.proof.betting import BettingPlan, peaks
from pare.proof.binomial import accuracy_above
from pare.proof.bracket import close_in, normal_quantile
from pare.proof.exact import check_alpha, critical_losses, region_probability

__all__ = [
    "above_power",
    "betting_labels_needed",
    "betting_power",
    "exact_power",
    "labels_needed",
    "labels_needed_above",
    "smallest_provable_margin",
]

Floats = NDArray[np.float64]

_MOST = 20_000


def exact_power(n: int, margin: float, discordance: float, drop: float = 0.0, alpha: float = 0.05) -> float:
    """P(exact.drop_within <= alpha) when the discordance and the drop are true; exact for the table used.

    All but n are fractions. Raises ValueError unless |drop| <= discordance <= 1, and as `exact.critical_losses`.
    """
    _check(discordance, drop)
    table = critical_losses(n, round(margin, 6), alpha)
    return float(region_probability(table, n, np.array([discordance]), drop)[0])


def smallest_provable_margin(n: int, alpha: float = 0.05, power: float = 0.8, discordance: float = 0.04) -> float:
    """Smallest margin, rounded up to 1e-4, that n pairs prove with this power if there is no true drop; 1.0 if none.

    Power has small teeth in the margin: a smaller one may by luck of the counts do too.
    Raises ValueError if power is outside (0, 1), and as `exact_power`.
    """
    _check(discordance, 0.0)
    _check_power(power)
    high = 0.9999
    if exact_power(n, high, discordance, 0.0, alpha) < power:
        return 1.0
    guess = 1.02 * _normal_sum(alpha, power) * math.sqrt(discordance / n)

    def excess(margin: float) -> float:
        return normal_quantile(exact_power(n, margin, discordance, 0.0, alpha)) - normal_quantile(power)

    slope = _normal_sum(alpha, power) / guess
    margin = close_in(excess, (0.0, high), guess, slope, 1e-4)[1]
    return math.ceil(margin * 1e4 - 1e-6) / 1e4


def labels_needed(
    margin: float, discordance: float = 0.04, drop: float = 0.0, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """Number of pairs at which the exact test reaches this power; None if drop >= margin.

    Power has small teeth in n; the answer is a crossing, within 0.5 %, with the power reached at the answer itself.
    Above 20,000 it is the normal approximation plus 2 %.
    Raises ValueError as `exact_power` and `smallest_provable_margin`.
    """
    _check(discordance, drop)
    _check_power(power)
    check_alpha(alpha)
    if drop >= margin:
        return None
    guess = _normal_labels(margin, discordance, drop, alpha, power)
    if guess > _MOST:
        return math.ceil(1.02 * guess)

    def excess(root: float) -> float:
        reached = exact_power(math.ceil(root * root), margin, discordance, drop, alpha)
        return normal_quantile(reached) - normal_quantile(power)

    root = math.sqrt(guess)  # z_alpha + z_power grows as the square root of n
    slope = _normal_sum(alpha, power) / root
    high = close_in(excess, (0.1, 2 * math.sqrt(_MOST)), root, slope, 0.0025 * root)[1]
    return math.ceil(high * high)


def labels_needed_above(bar: float, accuracy: float, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """Number of rows at which the exact binomial test proves accuracy > bar with this power; None if accuracy <= bar.

    As `labels_needed` a crossing, within 0.5 %; above 20,000 the normal approximation plus 2 %.
    Raises ValueError for an alpha or a power out of range.
    """
    _check_power(power)
    check_alpha(alpha)
    if accuracy <= bar:
        return None
    deviations = -normal_quantile(alpha) * math.sqrt(bar * (1 - bar)) + normal_quantile(power) * math.sqrt(
        accuracy * (1 - accuracy)
    )
    guess = math.ceil((deviations / (accuracy - bar)) ** 2) + 1
    if guess > _MOST:
        return math.ceil(1.02 * guess)
    low, high = 0, 2 * guess + math.ceil(math.log(alpha) / math.log(max(bar, 1e-9))) + 2
    while high - low > max(1, 0.005 * high):
        middle = (low + high) // 2
        low, high = (low, middle) if above_power(middle, bar, accuracy, alpha) >= power else (middle, high)
    return high


def above_power(n: int, bar: float, accuracy: float, alpha: float) -> float:
    """P(binomial.accuracy_above <= alpha) on n rows when this accuracy is true."""
    least, most = 0, n + 1  # counts that do not prove it, and that do
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if accuracy_above(middle, n, bar) <= alpha else (middle, most)
    return accuracy_above(most, n, accuracy) if most <= n else 0.0


def betting_power(
    n: int,
    margin: float,
    discordance: float,
    drop: float = 0.0,
    alpha: float = 0.05,
    growing: bool = False,
    rows: int = 1,
    most: int = 1,
) -> float:
    """Power of the betting test on n rounds, simulated on differences of -1, 0 and 1 with a fixed seed.

    A round is the sum of ``rows`` independent rows where up to ``most`` may come (a unit), or their mean where both are
    the same (one round over all classes). For other bounded values read `discordance` as the mean square of the
    difference, which makes this a fair guess. growing: the plan without a horizon.
    Raises ValueError as `exact_power`, or if n < 1.
    """
    _check(discordance, drop)
    plan = BettingPlan(bar=-margin, alpha=alpha, horizon=None if growing else n)
    studies = 600 if n <= 5000 else 200
    rng = np.random.default_rng(20240501)
    loss, gain = (discordance + drop) / 2, (discordance - drop) / 2
    if rows == 1:
        u = rng.random((n, studies), dtype=np.float32)
        sums = (u > 1 - gain).astype(np.float64) - (u < loss)
    else:
        losses = rng.binomial(rows, loss, (n, studies))
        sums = rng.binomial(rows - losses, gain / (1 - loss)).astype(np.float64) - losses
    values = (sums + rows * margin) / max(rows, most) - margin  # the bet on a unit, in shares of its bound
    return float(np.mean(peaks(plan, values) >= -math.log(alpha)))


def betting_labels_needed(
    margin: float,
    discordance: float = 0.04,
    drop: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
    *,
    growing: bool = False,
    rows: int = 1,
    most: int = 1,
) -> int | None:
    """About how many rounds the betting test needs: by simulation up to 20,000, scaled above.

    ``rows`` and ``most`` as in `betting_power`. None if drop >= margin. Errors as `betting_power`. Two figures are good,
    as the simulation and the scaling allow.
    """
    _check(discordance, drop)
    _check_power(power)
    check_alpha(alpha)
    if drop >= margin:
        return None

    def enough(n: int) -> bool:
        return betting_power(n, margin, discordance, drop, alpha, growing, rows, most) >= power

    usual = 1.9 if growing else 1.2  # times the normal approximation
    low, high = 0, math.ceil(usual * _normal_labels(margin, discordance, drop, alpha, power) / rows) + 30
    while high < _MOST and not enough(high):
        low, high = high, 2 * high
    if high >= _MOST:
        return high
    while high - low > 0.02 * high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _normal_labels(margin: float, discordance: float, drop: float, alpha: float, power: float) -> float:
    spread = discordance - drop * drop
    return max(2.0, spread * (_normal_sum(alpha, power) / (margin - drop)) ** 2)


def _normal_sum(alpha: float, power: float) -> float:
    return normal_quantile(power) - normal_quantile(alpha)


def _check(discordance: float, drop: float) -> None:
    if not abs(drop) <= discordance <= 1:
        raise ValueError(f"discordance must be from |drop| to 1 but is {discordance} at a drop of {drop}")


def _check_power(power: float) -> None:
    if not 0 < power < 1:
        raise ValueError(f"power must be between 0 and 1 but is {power}")
