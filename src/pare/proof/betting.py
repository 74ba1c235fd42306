"""Betting test for the mean of bounded values: any metric with one value per sample, units, strata, growing data.

H0: mean <= bar. Start with wealth 1 and bet before each value x that it will exceed the bar: wealth is multiplied by
1 + bet (x - bar). Under H0 no strategy makes money on average, so by Ville's inequality P(wealth ever >= 1 / alpha)
<= alpha: 1 / peak wealth is a p-value at every time at once. Nothing but the bounds and independent rounds (or just
E[x | past] <= bar) is assumed. For "the mean drop is less than a margin", x is candidate minus reference and the bar is
-margin.

Two bettors, both chosen before the data:
- growing (horizon None): six fixed bets, each with its share of the money; good whenever the data happen to end.
- horizon n: bets what is needed to reach 1 / alpha in the rounds that are left, sqrt(2 log(target / wealth) / (rounds
  left x second moment so far)), and stops when there. More power at n, little after a bad start: the money is spent.

Units (rows of one customer): a round is a unit, x - bar becomes the sum over its rows, the bound is multiplied by the
declared largest unit, and the mean is that over rows.

Sources: I. Waudby-Smith, A. Ramdas, JRSS B 86 (2024) 1-27, Theorem 1 and section 4; V. Voracek, F. Orabona,
"STaR-Bets", NeurIPS 2025, arXiv:2505.22422 (horizon; our cap on the bet and start of the second moment differ).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pare.proof.exact import check_alpha

__all__ = ["BettingPlan", "BettingState", "advance", "lower_limit", "mirror", "p_value", "peaks", "start"]

Floats = NDArray[np.float64]

_BETS = 0.9 / 2.0 ** np.arange(6)  # shares of the largest bet that cannot ruin
_SHARES = np.array([4, 6, 5, 3, 2, 1]) / 21
_CAP = 0.7  # of that largest bet, for the bettor with a horizon


@dataclass(frozen=True)
class BettingPlan:
    """H0: mean <= bar, for values in [low, high]; frozen before the data are read.

    horizon: number of rounds after which the test ends, or None for a plan that may grow. alpha is the level that a
    plan with a horizon aims at. unit_rows: declared largest number of rows in a unit.
    Raises ValueError unless low < bar, low < high, alpha in (0, 0.5], horizon >= 1 and unit_rows >= 1.
    """

    bar: float
    low: float = -1.0
    high: float = 1.0
    alpha: float = 0.05
    horizon: int | None = None
    unit_rows: int = 1

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        if not (self.low < self.high and self.low < self.bar):
            raise ValueError(f"low must be below high and bar but low {self.low}, high {self.high}, bar {self.bar}")
        if self.unit_rows < 1 or (self.horizon is not None and self.horizon < 1):
            raise ValueError(f"unit_rows and horizon must be at least 1 but are {self.unit_rows} and {self.horizon}")


@dataclass(frozen=True)
class BettingState:
    """Where a test stands: all that is needed to go on with new rows, bit for bit.

    log_wealth: one per bet. log_peak: largest log of the total wealth so far (0 at the start). squares: running sum of
    squared (x - bar), with its starting value.
    """

    log_wealth: tuple[float, ...]
    log_peak: float
    squares: float
    rounds: int


def start(plan: BettingPlan) -> BettingState:
    """The state before the first row."""
    table = _Table(plan, np.array([plan.bar]))
    return table.state()


def advance(plan: BettingPlan, state: BettingState, sums: ArrayLike, sizes: ArrayLike | None = None) -> BettingState:
    """The state after more rounds, in the order given; in one go or in parts, the result is the same to the bit.

    sums: shape (rounds,), the values, or per unit the sum over its rows. sizes: shape (rounds,), rows per unit; or 1.
    Raises ValueError if a value is out of bounds, a unit is larger than declared, or the horizon is overrun.
    """
    x, rows = _rounds(plan, sums, sizes)
    if plan.horizon is not None and state.rounds + len(x) > plan.horizon:
        raise ValueError(f"the plan ends after {plan.horizon} rounds but got {state.rounds} and {len(x)} more")
    table = _Table(plan, np.array([plan.bar]), state)
    table.play(x - plan.bar * rows)
    return table.state()


def p_value(state: BettingState) -> float:
    """1 / peak wealth, at most 1; valid at any time, also when more rows follow."""
    return math.exp(-state.log_peak)


def lower_limit(plan: BettingPlan, sums: ArrayLike, sizes: ArrayLike | None = None) -> float:
    """One-sided 1 - alpha lower confidence limit of the mean: the largest bar below which every bar is rejected.

    plan.bar is ignored; arguments and errors as `advance`. Accurate to (high - low) / 30,000, rounded down; with a
    horizon the p-value is not quite monotone in the bar, and the limit is the lowest crossing seen on the grid. Returns
    plan.low where nothing can be said. For an upper limit: -lower_limit(mirror(plan), -sums).
    Source: Waudby-Smith & Ramdas 2024, Theorem 1 (inversion).
    """
    x, rows = _rounds(plan, sums, sizes)
    if plan.horizon is not None and len(x) > plan.horizon:
        raise ValueError(f"the plan ends after {plan.horizon} rounds but got {len(x)}")
    low, high = plan.low, plan.high
    for _ in range(3):
        bars = np.linspace(low, high, 33)[1:]
        table = _Table(plan, bars)
        table.play(x[:, None] - bars * rows[:, None])
        kept = np.flatnonzero(table.peak < -math.log(plan.alpha))
        first = int(kept[0]) if len(kept) else len(bars) - 1
        low, high = (low if first == 0 else float(bars[first - 1])), float(bars[first])
    return low


def mirror(plan: BettingPlan) -> BettingPlan:
    """The test of the other side, H0: mean >= bar, to be fed with the negated values."""
    return replace(plan, bar=-plan.bar, low=-plan.high, high=-plan.low)


def peaks(plan: BettingPlan, sums: Floats, sizes: Floats | float = 1.0) -> Floats:
    """Log of the peak wealth of many studies at once, for simulation. sums, sizes: (rounds, studies) -> (studies,)."""
    table = _Table(plan, np.full(sums.shape[1], plan.bar))
    table.play(sums - plan.bar * sizes)
    return table.peak


class _Table:
    """Several games side by side, one per bar: log wealth (k, bets), peak and squares (k,)."""

    def __init__(self, plan: BettingPlan, bars: Floats, state: BettingState | None = None) -> None:
        k = len(bars)
        self.plan, self.rounds = plan, state.rounds if state else 0
        self.worst = plan.unit_rows * (bars - plan.low)  # x - bar is at least -worst
        width = len(_BETS) if plan.horizon is None else 1
        self.log_wealth = np.tile(np.array(state.log_wealth), (k, 1)) if state else np.zeros((k, width))
        self.peak = np.full(k, state.log_peak if state else 0.0)
        # one pretended round with a deviation of half the bound keeps the first bets small
        self.squares = np.full(k, state.squares) if state else (self.worst / 2) ** 2

    def state(self) -> BettingState:
        wealth = tuple(float(w) for w in self.log_wealth[0])
        return BettingState(wealth, float(self.peak[0]), float(self.squares[0]), self.rounds)

    def play(self, gains: Floats) -> None:
        """gains: x - bar, shape (rounds,) or (rounds, k)."""
        fixed = _BETS / self.worst[:, None]
        log_shares = np.log(_SHARES)
        for gain in gains if gains.ndim == 2 else gains[:, None]:
            bets = fixed if self.plan.horizon is None else self._aimed(self.plan.horizon)[:, None]
            self.log_wealth += np.log1p(bets * gain[:, None])
            if self.plan.horizon is None:
                parts = self.log_wealth + log_shares
                top = parts.max(axis=1)
                total = top + np.log(np.exp(parts - top[:, None]).sum(axis=1))
            else:
                total = self.log_wealth[:, 0]
            self.peak = np.maximum(self.peak, total)
            self.squares = self.squares + gain * gain
            self.rounds += 1

    def _aimed(self, horizon: int) -> Floats:
        missing = np.maximum(-math.log(self.plan.alpha) - self.log_wealth[:, 0], 0.0)
        second_moment = self.squares / (self.rounds + 1)
        bet = np.sqrt(2 * missing / ((horizon - self.rounds) * second_moment))
        return np.asarray(np.minimum(bet, _CAP / self.worst))


def _rounds(plan: BettingPlan, sums: ArrayLike, sizes: ArrayLike | None) -> tuple[Floats, Floats]:
    x = np.asarray(sums, np.float64)
    rows = np.ones(x.shape) if sizes is None else np.asarray(sizes, np.float64)
    if x.ndim != 1 or rows.shape != x.shape:
        raise ValueError(f"sums and sizes must be one-dimensional and alike but are {x.shape} and {rows.shape}")
    if rows.size and not (rows.min() >= 1 and rows.max() <= plan.unit_rows):
        raise ValueError(f"units must have 1 to {plan.unit_rows} rows but have {rows.min():g} to {rows.max():g}")
    slack = 1e-9 * (plan.high - plan.low)
    if not np.all((x >= plan.low * rows - slack) & (x <= plan.high * rows + slack)):
        raise ValueError(f"values must lie in [{plan.low}, {plan.high}] but range over [{x.min()}, {x.max()}]")
    return np.clip(x, plan.low * rows, plan.high * rows), rows
