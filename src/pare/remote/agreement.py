"""How often a teacher agrees with itself: the same prompts, asked twice. It bounds what any student can agree with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pare.errors import InputError
from pare.remote.types import Answer

Interval = Callable[[int, int, float], tuple[float, float]]
"""(agreements, n, alpha) → (low, high), such as `pare.proof.binomial.wilson`; this room may not import it."""


@dataclass(frozen=True, slots=True)
class SelfAgreement:
    """``share`` of ``n`` prompts whose two answers are the same, with its two-sided 1 - alpha interval.

    ``left_out`` prompts lack an answer in a pass, or have a truncated one.
    """

    share: float
    low: float
    high: float
    n: int
    left_out: int
    alpha: float


def self_agreement(
    first: Sequence[Answer | None],
    second: Sequence[Answer | None],
    interval: Interval,
    *,
    alpha: float = 0.05,
    same: Callable[[str, str], bool] | None = None,
) -> SelfAgreement:
    """The share of prompts on which two passes say the same: equal texts but for outer space, or what ``same`` says.

    Raises ValueError where the passes differ in length, InputError where no prompt was answered whole in both.
    """
    alike = same or (lambda one, other: one.strip() == other.strip())
    pairs = [
        (one.text, other.text)
        for one, other in zip(first, second, strict=True)
        if one is not None and other is not None and not one.truncated and not other.truncated
    ]
    if not pairs:
        raise InputError(f"none of {len(first)} prompts has two whole answers: ask in two passes, raise max_tokens")
    agreed = sum(alike(one, other) for one, other in pairs)
    low, high = interval(agreed, len(pairs), alpha)
    return SelfAgreement(agreed / len(pairs), low, high, len(pairs), len(first) - len(pairs), alpha)
