"""One model against a fixed accuracy: exact binomial test and limits, and Wilson's interval for display."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pare.proof.exact import check_alpha

__all__ = ["accuracy_above", "accuracy_below", "clopper_pearson", "wilson"]


def accuracy_above(correct: int, n: int, bar: float) -> float:
    """p-value of H0: accuracy <= bar, P(binomial(n, bar) >= correct); small means "better than the bar" is proven.

    bar: a fraction in [0, 1]. Raises ValueError if 0 <= correct <= n, n >= 1 or the bar's range is broken.
    """
    _check(correct, n, bar)
    return _upper_tail(correct, n, bar)


def accuracy_below(correct: int, n: int, bar: float) -> float:
    """p-value of H0: accuracy >= bar, P(binomial(n, bar) <= correct); small means "worse than the bar" is proven.

    Arguments and errors as `accuracy_above`.
    """
    _check(correct, n, bar)
    return _upper_tail(n - correct, n, 1 - bar)


def clopper_pearson(correct: int, n: int, alpha: float) -> tuple[float, float]:
    """(lower, upper): each an exact one-sided 1 - alpha limit of the accuracy (together a 1 - 2 alpha interval).

    Rounded outwards to 1e-12. Raises ValueError for counts as `accuracy_above`, or alpha outside (0, 0.5].
    Source: C. Clopper, E. Pearson, Biometrika 26 (1934) 404-413.
    """
    _check(correct, n, 0.5)
    check_alpha(alpha)
    return _lower(correct, n, alpha), 1 - _lower(n - correct, n, alpha)


def wilson(correct: int, n: int, alpha: float) -> tuple[float, float]:
    """Wilson's two-sided 1 - alpha score interval of the accuracy: approximate, for display, not for a verdict.

    Raises ValueError for counts as `accuracy_above`, or alpha outside (0, 0.5].
    Source: E. Wilson, JASA 22 (1927) 209-212.
    """
    _check(correct, n, 0.5)
    check_alpha(alpha)
    z, p = NormalDist().inv_cdf(1 - alpha / 2), correct / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def _lower(correct: int, n: int, alpha: float) -> float:
    low, high = 0.0, correct / n
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if _upper_tail(correct, n, middle) <= alpha else (low, middle)
    return low


def _upper_tail(correct: int, n: int, p: float) -> float:
    if correct == 0 or p >= 1:
        return 1.0
    if p <= 0:
        return 0.0
    k = np.arange(correct, n + 1)
    log_factorial: NDArray[np.float64] = np.r_[0.0, np.cumsum(np.log(np.arange(1.0, n + 1)))]
    log_choose = log_factorial[n] - log_factorial[k] - log_factorial[n - k]
    return min(1.0, float(np.exp(log_choose + k * math.log(p) + (n - k) * math.log1p(-p)).sum()))


def _check(correct: int, n: int, bar: float) -> None:
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"correct must be a count among n >= 1 samples but is {correct} of {n}")
    if not 0 <= bar <= 1:
        raise ValueError(f"bar must be a fraction between 0 and 1 but is {bar}")
