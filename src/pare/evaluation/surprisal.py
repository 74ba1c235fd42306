"""Bits per byte: what a side's answers cost a decoder, over their UTF-8 bytes.

It is the cross-entropy of the answers given their prompts in bits, over bytes and not over tokens, so that models with
different tokenizers compare (Gao et al. 2020, "The Pile", section 3.1). Less is better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pare.evaluation.score import bootstrap
from pare.types import Score

BITS_PER_BYTE = "bits_per_byte"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def bits_per_byte(bits: Floats, answers: Sequence[str], confidence: float = 0.95) -> Score:
    """The bits of all answers over their bytes. ``bits``: what each answer costs, (n,), as ``Generator.surprisal`` gives it.

    The interval is a percentile bootstrap over samples, marked approximate. ``answers`` are not empty.
    """
    sizes = _bytes(answers)
    return _resampled(BITS_PER_BYTE, lambda rows: float(bits[rows].sum() / sizes[rows].sum()), len(bits), confidence)


def added_bits(before: Floats, after: Floats, answers: Sequence[str], confidence: float = 0.95) -> Score:
    """How many bits a byte the same answers cost more: ``after`` less ``before``, both (n,), paired in every draw."""
    sizes = _bytes(answers)
    more = after - before
    return _resampled("drop", lambda rows: float(more[rows].sum() / sizes[rows].sum()), len(more), confidence)


def _bytes(answers: Sequence[str]) -> Floats:
    return np.array([len(answer.encode("utf-8", "surrogatepass")) for answer in answers], dtype=np.float64)


def _resampled(name: str, figure: Callable[[Ints], float], n: int, confidence: float) -> Score:
    low, high = bootstrap(figure, n, confidence)
    return Score(name, figure(np.arange(n)), low, high, n, confidence, approximate=True)
