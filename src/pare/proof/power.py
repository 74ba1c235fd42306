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
from pare.proof.bracket import close_in, normal_quantile
from pare.proof.exact import check_alpha, critical_losses, region_probability

__all__ = ["betting_labels_needed", "betting_power", "exact_power", "labels_needed", "smallest_provable_margin"]

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


def betting_power(
    n: int, margin: float, discordance: float, drop: float = 0.0, alpha: float = 0.05, growing: bool = False
) -> float:
    """Power of the betting test on n rounds, simulated on differences of -1, 0 and 1 with a fixed seed.

    For other bounded values read `discordance` as the mean square of the difference, which makes this a fair guess.
    growing: the plan without a horizon. Raises ValueError as `exact_power`, or if n < 1.
    """
    _check(discordance, drop)
    plan = BettingPlan(bar=-margin, alpha=alpha, horizon=None if growing else n)
    studies = 600 if n <= 5000 else 200
    u = np.random.default_rng(20240501).random((n, studies), dtype=np.float32)
    loss, gain = (discordance + drop) / 2, (discordance - drop) / 2
    values = (u > 1 - gain).astype(np.float64) - (u < loss)
    return float(np.mean(peaks(plan, values) >= -math.log(alpha)))


def betting_labels_needed(
    margin: float,
    discordance: float = 0.04,
    drop: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
    *,
    growing: bool = False,
) -> int | None:
    """About how many rounds (rows, or units) the betting test needs: by simulation up to 20,000, scaled above.

    None if drop >= margin. Errors as `betting_power`. Two figures are good, as the simulation and the scaling allow.
    """
    _check(discordance, drop)
    _check_power(power)
    check_alpha(alpha)
    if drop >= margin:
        return None
    usual = 1.9 if growing else 1.2  # times the normal approximation
    n = math.ceil(usual * _normal_labels(margin, discordance, drop, alpha, power)) + 30
    for _ in range(3):
        tried = min(n, _MOST)
        reached = betting_power(tried, margin, discordance, drop, alpha, growing=growing)
        ratio = _normal_sum(alpha, power) / max(_normal_sum(alpha, min(max(reached, 0.002), 0.998)), 0.3)
        n = math.ceil(tried * ratio**2)
        if n > 5000 or abs(n - tried) < 0.02 * n:
            break
    return n


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
