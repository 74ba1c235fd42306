"""How to review: a plan from what dev shows, and how many labels it takes until the margin is proven.

The validity is in `partial`; here only labels and power are at stake. Forecasts are simulated with a fixed seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pare.proof import exact
from pare.proof.partial import BET_CAP, Reviewed, ReviewPlan, checked, filled, give_way, log_peaks
from pare.proof.power import exact_power

__all__ = ["LabelForecast", "labels_left", "labels_to_decide", "plan_review"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SPREAD = np.array([0.5, 1.0, 2.0])  # the three bets, in shares of the one that suits the guess
_EARLY = (0.8, 0.5, 0.2)  # shares of alpha that may go to the bets
_GIVEN_UP = 0.02  # power that the bets may cost where every disagreement is labelled
_EXACT = 20_000  # rows up to which power is exact
_ENOUGH = 0.8  # power that `enough` labels have


@dataclass(frozen=True)
class LabelForecast:
    """Labels until the plan proves its margin, if the truth is as assumed.

    open: disagreements still without a label. least: fewest that can prove it, all of them gains (None: cannot).
    expected: mean number until proven or out of rows. enough: number by which 80 % of such studies are proven (None:
    fewer ever are). chance: proven once all have a label.
    """

    open: int
    least: int | None
    expected: float
    enough: int | None
    chance: float


def plan_review(
    n: int,
    margin: float,
    disagreement: float,
    *,
    alpha: float = 0.05,
    neither: float = 0.2,
    error: float = 0.0,
    blind: bool = True,
    share: float | None = None,
) -> ReviewPlan:
    """A plan for n sealed rows when models disagree on this share of the dev rows, `neither` of which both got wrong.

    The bets grow fastest at no true drop. Their share of alpha, unless given, is the largest of 0.8, 0.5, 0.2 that costs
    at most two points of power where everything is labelled; else 0. A bad guess costs labels or power, not validity.
    Raises ValueError as `ReviewPlan`, or unless 0 < disagreement <= 1 and 0 <= neither < 1.
    """
    plan = ReviewPlan(n, margin, alpha, error=error, blind=blind)
    if not 0 < disagreement <= 1:
        raise ValueError(f"disagreement must be above 0 and at most 1 but is {disagreement}")
    _check_neither(neither)
    target, decisive = plan.reported(margin), disagreement * (1 - neither)
    gap = target - plan.penalty * disagreement
    if gap <= 0:
        return plan
    if share is None:
        full = _power(n, gap, decisive, alpha)
        share = next((w for w in _EARLY if _power(n, gap, decisive, (1 - w) * alpha) >= full - _GIVEN_UP), 0.0)
    if share == 0:
        return plan
    most = BET_CAP / (1 + plan.penalty - target)
    bets = np.minimum(_SPREAD * _growing_bet(target, plan.penalty, disagreement, neither, most), most)
    return ReviewPlan(n, margin, alpha, share, tuple(float(bet) for bet in bets), error, blind)


def labels_to_decide(plan: ReviewPlan, disagreements: int, neither: float = 0.2, drop: float = 0.0) -> LabelForecast:
    """The forecast before the first label. neither: share of the disagreements that both get wrong.

    drop: the true one, by default none, so that half of the decisive disagreements are gains. Up to 1,000 studies are
    simulated with a fixed seed. Raises ValueError unless disagreements is a count up to plan.n and the shares fit it.
    """
    if not 0 <= disagreements <= plan.n:
        raise ValueError(f"disagreements must be a count among {plan.n} rows but is {disagreements}")
    rng = np.random.default_rng(20240502)
    places = np.sort(rng.random((_studies(disagreements), disagreements)), axis=1) * (plan.n - disagreements)
    before = np.floor(places).astype(np.int64) + np.arange(disagreements)
    ends = np.full((len(before), 1), plan.n)
    return _forecast(plan, np.hstack([before, ends]), np.full(disagreements, math.nan), neither, drop)


def labels_left(plan: ReviewPlan, reviewed: Reviewed, neither: float = 0.2, drop: float = 0.0) -> LabelForecast:
    """The forecast from here on; a row without a label that precedes the last label is undecided and stays so.

    Arguments and errors as `labels_to_decide`, `partial_p`.
    """
    r = checked(plan, reviewed)
    return _forecast(plan, r.before[None, :], r.values, neither, drop)


def _power(n: int, margin: float, discordance: float, level: float) -> float:
    """Of the exact test at no true drop; by the normal approximation where that is as good and much faster."""
    if n <= _EXACT:
        return exact_power(n, margin, discordance, 0.0, level)
    return NormalDist().cdf(margin * math.sqrt(n / discordance) + NormalDist().inv_cdf(level))


def _growing_bet(target: float, penalty: float, disagreement: float, neither: float, most: float) -> float:
    """The bet under which wealth grows fastest at no true drop; the growth is concave in it."""
    bets = np.linspace(0.0, most, 513)[1:]
    decisive = disagreement * (1 - neither) / 2
    growth = (1 - disagreement) * np.log1p(bets * target) + disagreement * neither * np.log1p(bets * (target - penalty))
    growth += decisive * (np.log1p(bets * (target - penalty - 1)) + np.log1p(bets * (target - penalty + 1)))
    return float(bets[growth.argmax()])


def _forecast(plan: ReviewPlan, before: Ints, values: Floats, neither: float, drop: float) -> LabelForecast:
    """before: (studies or 1, D + 1); values: (D,), those after the last label are drawn."""
    _check_neither(neither)
    total = len(values)
    tilt = drop * plan.n / total if total else 0.0
    if abs(tilt) > 1 - neither:
        raise ValueError(f"drop must fit among {total} disagreements in {plan.n} rows but is {drop}")
    labelled = np.flatnonzero(~np.isnan(values))
    start = int(labelled[-1]) + 1 if len(labelled) else 0
    u = np.random.default_rng(20240503).random((_studies(total), total))
    drawn = (u > (1 + neither + tilt) / 2).astype(np.float64) - (u < (1 - neither + tilt) / 2)
    drawn[:, :start] = filled(values)[:start]
    first = _first_proven(plan, before, drawn, start)
    best = np.where(np.arange(total) < start, filled(values), 1.0)
    least = int(_first_proven(plan, before[:1], best[None, :], start)[0]) - start
    enough = int(np.sort(first)[math.ceil(_ENOUGH * len(first)) - 1])
    expected = float(np.mean(np.minimum(first, total))) - start
    left = total - start
    return LabelForecast(
        left,
        least if least <= left else None,
        expected,
        enough - start if enough <= total else None,
        float(np.mean(first <= total)),
    )


def _first_proven(plan: ReviewPlan, before: Ints, values: Floats, start: int) -> Ints:
    """Labels, from `start` on, at which each study is proven; D + 1 for never. values: (studies, D), in order."""
    total, target, level = values.shape[1], plan.reported(plan.margin), (1 - plan.share) * plan.alpha
    give, spent = give_way(plan, total, level)
    seen = np.zeros((len(values), 1), dtype=np.int64)
    gains = np.hstack([seen, (values > 0).cumsum(axis=1)])
    losses = np.hstack([seen, (values < 0).cumsum(axis=1)]) + np.arange(total, -1, -1)
    proven = np.zeros(gains.shape, dtype=bool)
    if target - give > -1:
        table = exact.critical_losses(plan.n, round(target - give, 6), level - spent)
        proven |= losses <= table[losses + gains]
    if plan.share > 0:  # the few bets that are won while missing labels count as losses are left out
        proven |= log_peaks(plan, target, before, values) >= -math.log(plan.share * plan.alpha)
    proven[:, :start] = False
    return np.asarray(np.where(proven.any(axis=1), proven.argmax(axis=1), total + 1))


def _studies(disagreements: int) -> int:
    return max(100, min(1000, 1_000_000 // max(disagreements, 1)))


def _check_neither(neither: float) -> None:
    if not 0 <= neither < 1:
        raise ValueError(f"neither must be at least 0 and below 1 but is {neither}")
