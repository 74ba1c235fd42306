"""The service level: which sessions count as served. Planner, benchmark and admission share these functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

DEFAULT_MIN_TPS = 10.0
"""Tokens a second that a reader follows: about twice the pace of silent reading."""

SLACK = 1e-9
"""Share of a level that rounding may take: a pace of exactly the level holds, whichever way its floats fall."""


def tokens_per_second(tokens: int, decode_s: float) -> float:
    """The pace of a request after its first token: (tokens - 1) / decode time; infinite where there is one token only."""
    if tokens <= 1:
        return float("inf")
    return (tokens - 1) / decode_s if decode_s > 0 else float("inf")


def held(tokens: int, decode_s: float, min_tps: float = DEFAULT_MIN_TPS) -> bool:
    """Whether a request of so many tokens, decoded in so many seconds after the first one, was served at the level."""
    return tokens_per_second(tokens, decode_s) >= min_tps * (1 - SLACK)


def held_each(
    tokens: NDArray[np.int64], decode_s: NDArray[np.float64], min_tps: float = DEFAULT_MIN_TPS
) -> NDArray[np.bool_]:
    """``held`` for many requests at once, arrays (requests,)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        pace = np.where((tokens <= 1) | (decode_s <= 0), np.inf, (tokens - 1) / decode_s)
    found: NDArray[np.bool_] = pace >= min_tps * (1 - SLACK)
    return found


def largest_batch(itl_s: Callable[[int], float], min_tps: float = DEFAULT_MIN_TPS, most: int = 1 << 20) -> int:
    """The most sessions decoded together whose time between tokens still gives ``min_tps``; 0 where one alone does not.

    ``itl_s`` gives seconds between tokens at a batch size and must not fall with it.
    """

    def holds(batch: int) -> bool:
        return itl_s(batch) * min_tps * (1 - SLACK) <= 1.0

    if most < 1 or not holds(1):
        return 0
    good, bad = 1, 2
    while bad <= most and holds(bad):
        good, bad = bad, 2 * bad
    bad = min(bad, most + 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    return good
