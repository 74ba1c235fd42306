"""From rows to the independent rounds that a betting test plays: one fixed order, sums per unit, strata."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["fixed_order", "stratified_rounds", "unit_sums"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def fixed_order(keys: Sequence[str], seed: int) -> Ints:
    """Indices that put rows (or units) in one random order, by a keyed hash of each key; shape (len(keys),).

    Depends on the seed and the keys alone: not on how the file is sorted, nor on library versions. Rows that arrive
    later are ordered among themselves and appended. Equal keys keep their order.
    """
    salt = str(seed).encode()
    digests = [blake2b(key.encode(), digest_size=16, key=salt[:64]).digest() for key in keys]
    return np.array(sorted(range(len(keys)), key=digests.__getitem__), dtype=np.int64)


def unit_sums(values: ArrayLike, units: Sequence[str]) -> tuple[Floats, Floats]:
    """(sums, sizes), each of shape (units,), units in the order of their first row. values: shape (rows,).

    Raises ValueError if values and units differ in length.
    """
    x = np.asarray(values, np.float64)
    if x.shape != (len(units),):
        raise ValueError(f"values and units must have the same length but have {x.shape} and {len(units)}")
    index: dict[str, int] = {}
    where = np.array([index.setdefault(unit, len(index)) for unit in units], dtype=np.int64)
    sizes: Floats = np.bincount(where).astype(np.float64)
    return np.bincount(where, weights=x).astype(np.float64), sizes


def stratified_rounds(values: ArrayLike, classes: Sequence[str], expected: Sequence[str]) -> Floats:
    """Rounds whose mean is the class-balanced mean, for balanced accuracy; shape (R,), R the smallest class's count.

    Each class's rows, in the order given, are cut into R disjoint batches of nearly equal size; round t is the mean
    over classes of the means of their batches t. Given the class counts the rounds are independent, each with the
    balanced mean as its expectation, and they keep the values' bounds. Bet on them as on plain values.
    values: shape (rows,). expected: the classes that the metric averages over, fixed before.
    Raises ValueError if lengths differ, a class has no row, or a row has a class that is not expected.
    """
    x, labels = np.asarray(values, np.float64), np.asarray(classes)
    if x.shape != labels.shape:
        raise ValueError(f"values and classes must have the same length but have {x.shape} and {labels.shape}")
    strangers = sorted(set(classes) - set(expected))
    if strangers:
        raise ValueError(f"every class must be expected but these are not: {', '.join(strangers)}")
    parts = [x[labels == name] for name in expected]
    count = min((len(part) for part in parts), default=0)
    if count == 0:
        absent = [name for name, part in zip(expected, parts, strict=True) if len(part) == 0]
        raise ValueError(f"every class needs at least one row but these have none: {', '.join(absent)}")
    cuts = [np.arange(count + 1) * len(part) // count for part in parts]
    means = [np.add.reduceat(part, cut[:-1]) / np.diff(cut) for part, cut in zip(parts, cuts, strict=True)]
    return np.asarray(np.mean(means, axis=0))
