"""Root finding for the searches of this room: a few guided steps, then bisection, so that jumps do no harm."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

__all__ = ["close_in", "normal_quantile"]

_GUIDED = 8


def close_in(
    f: Callable[[float], float],
    bracket: tuple[float, float],
    guess: float,
    slope: float,
    tolerance: float,
    *,
    near: float = 0.0,
) -> tuple[float, float]:
    """(low, high) at most `tolerance` apart with f(low) < 0 <= f(high), f taken to be so at the ends of `bracket`.

    slope: about df/dx near the root, for the first guesses. Each guess is pushed a little past the root, so that both
    ends close in. Stops early when -near <= f(low) < 0.
    """
    low, high = bracket
    steps = 0
    while high - low > tolerance:
        if steps >= _GUIDED or not low < guess < high:
            guess = (low + high) / 2
        x = min(max(guess, low + tolerance / 2), high - tolerance / 2)
        value = f(x)
        steps += 1
        if value >= 0:
            high = x
        else:
            low = x
            if value >= -near:
                break
        guess = x - value / slope + (-0.4 if value >= 0 else 0.4) * tolerance
    return low, high


def normal_quantile(p: float) -> float:
    """The standard normal quantile of p, p kept within 1e-12 of 0 and 1."""
    return NormalDist().inv_cdf(min(max(p, 1e-12), 1 - 1e-12))
