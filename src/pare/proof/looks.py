"""The error budget of repeated looks at the same sealed rows."""

from __future__ import annotations

import math

from pare.proof.exact import check_alpha

__all__ = ["look_alpha"]


def look_alpha(alpha: float, look: int) -> float:
    """The level of look k = 1, 2, ...: alpha 6 / (pi^2 k^2).

    The levels of all looks, however many, add up to alpha, so by the union bound the chance that any look ever errs is
    at most alpha. The first look is tested at 0.61 alpha. Continuing a growing plan is the same look, not a new one.
    Raises ValueError if look < 1 or alpha is outside (0, 0.5].
    """
    check_alpha(alpha)
    if look < 1:
        raise ValueError(f"look must be at least 1 but is {look}")
    return alpha * 6 / (math.pi * look) ** 2
