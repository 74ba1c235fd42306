"""Exact unconditional test that the accuracy of a candidate drops by less than a margin.

Both models answer the same n samples. Only two counts matter: `losses` (reference right, candidate wrong) and `gains`
(the other way round). They are trinomial with probabilities p_loss and p_gain, the drop is p_loss - p_gain, and the
null hypothesis is drop >= margin. Samples are ordered by Tango's score statistic; the p-value is the largest null
probability of a sample at least as extreme, over the one unknown that is left, the discordance s = p_loss + p_gain.

Why the supremum may be taken at drop = margin only: a region that with (l, g) also holds (l - 1, g) and (l, g + 1) is
less likely when p_loss grows and more likely when p_gain grows, so from any point of the null one may walk to the
boundary without making the region less likely (Barnard's convexity; Sidik 2003). Tango's regions have this shape; we
close them under these two steps all the same, which can only enlarge the p-value.

Why it is fast: given the number d of discordant pairs the losses are binomial(d, (s + margin) / 2s), a region is a
critical count c(d), and c(d + 1) - c(d) is 0 or 1, so all P(losses <= c(d) | d) follow from the first by a running sum.

Why the supremum can be trusted: in the angle phi, s = |m| + (1 - |m|) sin(phi)^2, one unit of 2 sqrt(n) phi is at most
one standard deviation of the data (Fisher length). The grid steps by one of them, the best local maxima are refined,
and the result is raised by 1 part in 1,000 (`_TOLERANCE`); grids 20 times as fine found at most 1.4 parts in 10,000
more, so this is a numerical margin several times the observed need, not a proof.

Sources: T. Tango, Statistics in Medicine 17 (1998) 891-908, eq. 8-12; H. Hsueh, J. Liu, J. Chen, Biometrics 57 (2001)
478-483; K. Sidik, Statistics in Medicine 22 (2003) 265-278.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pare.proof.bracket import close_in, normal_quantile

__all__ = [
    "critical_losses",
    "drop_exceeds",
    "drop_limits",
    "drop_within",
    "region_probability",
    "tango_score",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STEP = 1.0  # grid step in standard deviations of the data
_TOLERANCE = 1e-3  # relative; added to every supremum
_LOST = 1e-12  # absolute; bounds the mass outside the summation windows (Bernstein, 8 sd + 40: below e^-32 a side)
_TIE = 1e-9  # scores closer than this are one score
_CHUNK = 2_000_000  # matrix elements held at once


def drop_within(losses: int, gains: int, n: int, margin: float) -> float:
    """p-value of H0: drop >= margin; small means "the drop is smaller than the margin" is proven.

    losses, gains: counts among the n pairs. margin: accuracy points as a fraction in (-1, 1); 0 asks for "better",
    a negative one for "better by more than that".
    Raises ValueError if the counts are negative or exceed n, or the margin is outside (-1, 1).
    Source: Tango 1998, eq. 10 (order); Hsueh et al. 2001, section 2 (unconditional p-value).
    """
    _check(losses, gains, n, margin)
    return supremum(_critical(n, margin, float(tango_score(losses, gains, n, margin))), n, margin)


def drop_exceeds(losses: int, gains: int, n: int, margin: float) -> float:
    """p-value of H0: drop <= margin; small means "the drop is larger than the margin" is proven.

    It is `drop_within` with the models swapped and the margin negated. Arguments and errors as there.
    """
    return drop_within(gains, losses, n, -margin)


def drop_limits(losses: int, gains: int, n: int, alpha: float) -> tuple[float, float]:
    """(lower, upper): each a one-sided 1 - alpha confidence limit of the drop, from the tests above.

    `upper` is the tightest drop that is proven: at larger margins `drop_within` is at most alpha. The p-value ripples a
    little as the margin grows; ripples above alpha that show on eight points within a quarter of a standard error
    push the limit out. Limits are rounded outwards to 1e-5.
    Raises ValueError as `drop_within`, and if alpha is outside (0, 0.5].
    """
    check_alpha(alpha)
    _check(losses, gains, n, 0.0)
    return -_upper(gains, losses, n, alpha), _upper(losses, gains, n, alpha)


def tango_score(losses: int | Ints, gains: int | Ints, n: int, margin: float) -> Floats:
    """Tango's score statistic, broadcast over the counts: negative where the drop looks smaller than the margin.

    (losses - gains - n margin) / sqrt(n (2q + margin (1 - margin))), q the most likely p_gain at drop = margin.
    Source: Tango 1998, eq. 10-12.
    """
    lost, won = np.asarray(losses, np.float64), np.asarray(gains, np.float64)
    b = (2 * n - lost + won) * margin - lost - won
    root = np.sqrt(np.maximum(b * b + 8 * n * won * margin * (1 - margin), 0.0))
    # two forms of the same root; the second avoids cancellation where b > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.where(b <= 0, (root - b) / (4 * n), 2 * won * margin * (1 - margin) / (root + b))
    q = np.maximum(np.nan_to_num(q), max(0.0, -margin))
    difference = lost - won - n * margin
    deviation = np.sqrt(n * np.maximum(2 * q + margin * (1 - margin), 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        score = difference / deviation
    return np.where(np.abs(difference) < _TIE, 0.0, score)


@lru_cache(maxsize=256)
def critical_score(n: int, margin: float, alpha: float) -> float:
    """Score whose region has a null probability of at most alpha at every discordance.

    The largest such score to 1e-4, or the first one met that spends 99 % of alpha.
    """
    target = normal_quantile(alpha)

    def excess(score: float) -> float:
        return normal_quantile(supremum(_critical(n, margin, score), n, margin)) - target

    near = target - normal_quantile(0.99 * alpha)
    lowest = float(tango_score(0, n, n, margin)) - 1  # below every score: an empty region
    return close_in(excess, (lowest, 1.0), target - 0.01, 1.0, 1e-4, near=near)[0]


def critical_losses(n: int, margin: float, alpha: float) -> Ints:
    """The test as a table, shape (n + 1,): with d discordant pairs, H0 is rejected if losses <= table[d] (-1: never).

    Raises ValueError if n < 1, the margin is outside (-1, 1) or alpha outside (0, 0.5].
    """
    _check(0, 0, n, margin)
    check_alpha(alpha)
    return _critical(n, margin, critical_score(n, margin, alpha))


def region_probability(critical: Ints, n: int, discordance: Floats, drop: float) -> Floats:
    """P(losses <= critical[d]) at each discordance, shape (k,), and one true drop, |drop| <= discordance; shape (k,).

    critical: shape (n + 1,), non-decreasing by steps of 0 or 1. Exact but for rounding (about 1e-12).
    """
    step = np.diff(critical)
    if not (np.all(step >= 0) and np.all(step <= 1)):
        raise ValueError("critical counts must grow by 0 or 1 from one discordant total to the next")
    tables = _Tables(critical, n)
    width = int(8 * math.sqrt(n)) + 82
    rows = max(1, _CHUNK // width)
    s = np.clip(discordance, max(abs(drop), 1e-14), 1.0)
    parts = [tables.probability(s[i : i + rows], drop, width) for i in range(0, len(s), rows)]
    return np.clip(np.concatenate(parts), 0.0, 1.0)


def supremum(critical: Ints, n: int, margin: float) -> float:
    """Largest probability of a region over the null's discordances, with `_TOLERANCE` and `_LOST` added."""

    def probability(phi: Floats) -> Floats:
        s = abs(margin) + (1 - abs(margin)) * np.sin(phi) ** 2
        return region_probability(critical, n, s, margin)

    points = int(math.pi * math.sqrt(n) / _STEP) + 9
    phi = np.linspace(0.0, math.pi / 2, points)
    p = probability(phi)
    inner = np.r_[-1.0, p, -1.0]
    peaks = np.flatnonzero((p >= inner[:-2]) & (p >= inner[2:]))
    centre = phi[peaks[np.argsort(p[peaks])[-4:]]]
    best, reach = float(p.max()), phi[1]
    for _ in range(2):
        near = np.clip(centre[:, None] + reach * np.linspace(-1, 1, 9), 0.0, math.pi / 2)
        values = probability(near.ravel()).reshape(near.shape)
        best, reach = max(best, float(values.max())), reach / 4
        centre = near[np.arange(len(near)), values.argmax(axis=1)]
    return min(1.0, best * (1 + _TOLERANCE) + _LOST)


def check_alpha(alpha: float) -> None:
    """Raises ValueError unless 0 < alpha <= 0.5."""
    if not 0 < alpha <= 0.5:
        raise ValueError(f"alpha must be above 0 and at most 0.5 but is {alpha}")


class _Tables:
    """What region_probability needs per discordant total d, independent of the probabilities."""

    def __init__(self, critical: Ints, n: int) -> None:
        self.n, self.critical = n, critical
        self.log_factorial = np.r_[0.0, np.cumsum(np.log(np.arange(1.0, n + 2)))]
        d = np.arange(n + 1)
        self.log_pairs = self.log_choose(np.full(n + 1, n), d)
        self.grows = np.r_[np.diff(critical) > 0, False]
        with np.errstate(invalid="ignore"):
            self.log_last = np.where(critical >= 0, self.log_choose(d, np.maximum(critical, 0)), -np.inf)
            self.log_next = np.where(self.grows, self.log_choose(d + 1, np.maximum(critical, -1) + 1), -np.inf)

    def log_choose(self, n: Ints, k: Ints) -> Floats:
        inside = (k >= 0) & (k <= n)
        k = np.clip(k, 0, n)
        out = self.log_factorial[n] - self.log_factorial[k] - self.log_factorial[n - k]
        return np.where(inside, out, -np.inf)

    def probability(self, s: Floats, drop: float, width: int) -> Floats:
        n = self.n
        share = np.clip((s + drop) / (2 * s), 1e-15, 1 - 1e-15)[:, None]  # of losses among discordant pairs
        log_loss, log_gain = np.log(share), np.log1p(-share)
        s = np.clip(s, 1e-15, 1 - 1e-15)[:, None]
        start = np.maximum(n * s - 8 * np.sqrt(n * s * (1 - s)) - 40, 0).astype(np.int64)
        d = start + np.arange(width)
        inside = d <= n
        d = np.minimum(d, n)
        weight = np.exp(self.log_pairs[d] + d * np.log(s) + (n - d) * np.log1p(-s)) * inside
        # P(losses <= c(d+1) | d+1) = P(losses <= c(d) | d) - share b(c(d); d) + [c grows] b(c(d)+1; d+1)
        c = self.critical[d]
        change = np.exp(self.log_next[d] + (c + 1) * log_loss + (d - c) * log_gain)
        change -= share * np.exp(self.log_last[d] + c * log_loss + (d - c) * log_gain)
        first = self.below(start, self.critical[start], share, width)
        tail = first + np.cumsum(np.hstack([np.zeros_like(first), change[:, :-1]]), axis=1)
        return np.asarray((weight * tail).sum(axis=1))

    def below(self, d: Ints, c: Ints, share: Floats, width: int) -> Floats:
        """P(binomial(d, share) <= c), shape (k, 1)."""
        low = np.maximum(d * share - 8 * np.sqrt(d * share * (1 - share)) - 40, 0).astype(np.int64)
        k = low + np.arange(width)
        log_p = self.log_choose(np.broadcast_to(d, k.shape), k) + k * np.log(share) + (d - k) * np.log1p(-share)
        return np.asarray((np.exp(log_p) * (k <= c)).sum(axis=1, keepdims=True))


def _critical(n: int, margin: float, score: float) -> Ints:
    """The region {score(l, d - l) <= score} as its largest l for each d; -1 where none. Shape (n + 1,)."""
    d = np.arange(n + 1)
    low, high = np.full(n + 1, -1), d.copy()  # invariant: low is in (or -1); above high is out
    while np.any(low < high):
        middle = (low + high + 1) // 2
        inside = tango_score(middle, d - middle, n, margin) <= score + _TIE
        low, high = np.where(inside, middle, low), np.where(inside, high, middle - 1)
    closed = np.maximum.accumulate(low)  # (l, g) in => (l, g + 1) in
    return np.asarray(np.maximum.accumulate((closed - d)[::-1])[::-1] + d)  # (l, g) in => (l - 1, g) in


def _upper(losses: int, gains: int, n: int, alpha: float) -> float:
    """Smallest margin (up to 1e-5) above which drop_within stays at most alpha."""
    drop = (losses - gains) / n
    error = math.sqrt(max((losses + gains) / n - drop * drop, 1 / n) / n)
    low, high = max(drop, -1 + 1e-5), 1.0  # p(low) > alpha, p(high) = 0
    while True:
        high = _crossing(losses, gains, n, alpha, (low, high))
        ripples = [high + error * k / 32 for k in range(8, 0, -1) if high + error * k / 32 < 1]
        above = [m for m in ripples if drop_within(losses, gains, n, m) > alpha]
        if not above:
            return high
        low, high = above[0], min(above[0] + error / 32, 1.0)
        while high < 1 and drop_within(losses, gains, n, high) > alpha:
            high = min(high + error / 32, 1.0)


def _crossing(losses: int, gains: int, n: int, alpha: float, bracket: tuple[float, float]) -> float:
    """A margin in the bracket (p-value above alpha, not above alpha) where it falls to alpha, rounded up to 1e-5."""
    drop, z = (losses - gains) / n, -normal_quantile(alpha)
    error = math.sqrt(max((losses + gains) / n - drop * drop, 1 / n) / n)

    def excess(margin: float) -> float:
        return -z - normal_quantile(drop_within(losses, gains, n, margin))

    return close_in(excess, bracket, drop + z * error, 1 / error, 1e-5)[1]


def _check(losses: int, gains: int, n: int, margin: float) -> None:
    if n < 1:
        raise ValueError(f"n must be at least 1 but is {n}")
    if losses < 0 or gains < 0 or losses + gains > n:
        raise ValueError(f"losses and gains must be counts among {n} pairs but are {losses} and {gains}")
    if not -1 < margin < 1:
        raise ValueError(f"margin must be a fraction between -1 and 1 but is {margin}")
