"""Paired bootstrap for metrics that are no mean over samples, such as macro-F1. Approximate: for display, never a bar.

Samples with the same (gold, reference, candidate) labels are one cell; a resample is a multinomial draw of cell counts,
so thousands of resamples cost a few matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pare.proof.exact import check_alpha

__all__ = ["BootstrapDrop", "macro_f1", "macro_f1_drop"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class BootstrapDrop:
    """The drop of a metric, reference minus candidate, and an approximate two-sided 1 - alpha interval."""

    drop: float
    lower: float
    upper: float
    approximate: bool = True


def macro_f1(gold: Ints, predicted: Ints, weights: Floats, classes: int) -> Floats:
    """Mean over classes of 2 TP / (2 TP + FP + FN); a class with neither gold nor predicted rows counts as 0.

    gold, predicted: shape (cells,), values in [0, classes). weights: rows per cell, shape (resamples, cells). Returns
    shape (resamples,).
    """
    eye = np.eye(classes)
    hits = weights @ (eye[gold] * (gold == predicted)[:, None])
    total = weights @ (eye[gold] + eye[predicted])
    return np.asarray(np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0).mean(axis=1))


def macro_f1_drop(
    gold: Sequence[str],
    reference: Sequence[str],
    candidate: Sequence[str],
    *,
    alpha: float = 0.05,
    resamples: int = 2000,
    seed: int = 0,
) -> BootstrapDrop:
    """Macro-F1 of the reference minus that of the candidate, with a paired percentile interval. Labels: (n,) each.

    The average is over all labels that occur in any of the three. Rows are resampled one by one: with dependent rows
    the interval is too narrow.
    Raises ValueError if the lengths differ or are 0, alpha is outside (0, 0.5], or resamples < 1.
    Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.
    """
    check_alpha(alpha)
    if not len(gold) == len(reference) == len(candidate) or not len(gold):
        raise ValueError(f"labels must be alike and not empty but are {len(gold)}, {len(reference)}, {len(candidate)}")
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1 but is {resamples}")
    names, flat = np.unique(np.array([gold, reference, candidate]).ravel(), return_inverse=True)
    cells, counts = np.unique(flat.reshape(3, -1).T, axis=0, return_counts=True)
    n, k = len(gold), len(names)
    draws = np.random.default_rng(seed).multinomial(n, counts / n, size=resamples)
    weights = np.vstack([counts, draws]).astype(np.float64)
    drops = macro_f1(cells[:, 0], cells[:, 1], weights, k) - macro_f1(cells[:, 0], cells[:, 2], weights, k)
    lower, upper = np.quantile(drops[1:], [alpha / 2, 1 - alpha / 2])
    return BootstrapDrop(float(drops[0]), float(lower), float(upper))
