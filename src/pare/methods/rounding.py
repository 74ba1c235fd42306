"""Matrices in few bits: round-to-nearest, GPTQ and AWQ, on arrays alone.

A row's weights are cut into groups of columns; each group has a scale (16 bits) and, where wanted, a zero point of the
codes' width. What the matrix multiplies enters as its Gram matrix, the sum of x xᵀ over the inputs x: with it the squared
error that codes cause in the product is tr((W - Ŵ) G (W - Ŵ)ᵀ), which GPTQ and AWQ both make small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

DAMPING = 0.01
"""What GPTQ adds to the Gram matrix's diagonal, as a share of its mean (Frantar et al. 2022, section 3.3)."""
BLOCK = 128
"""Columns after which GPTQ brings the remaining ones up to date (section 3.3, lazy batch updates): no group crosses it,
for groups are 16 to 128 columns, or all.
"""
NARROWER = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""Shares of a group's range that are tried where the inputs are known: what clipping costs, a finer grid can regain."""
STEPS = 20
"""How many strengths of scaling AWQ tries."""


class Grid(NamedTuple):
    """The values that codes stand for: ``(code - zero) * scale``; ``scale`` and ``zero`` (rows, groups), codes from ``low``
    to ``high``. Without zero points ``zero`` is all 0.
    """

    scale: Floats
    zero: Floats
    low: int
    high: int

    def codes(self, values: Floats) -> Floats:
        """The nearest codes; ``values`` (rows, groups, columns of a group) or, of one column, (rows, 1)."""
        more = values.ndim - self.scale.ndim
        scale, zero = (part.reshape(part.shape + (1,) * more) for part in (self.scale, self.zero))
        return np.clip(np.rint(values / scale) + zero, self.low, self.high)

    def values(self, codes: Floats) -> Floats:
        """What codes stand for, in their shape."""
        more = codes.ndim - self.scale.ndim
        scale, zero = (part.reshape(part.shape + (1,) * more) for part in (self.scale, self.zero))
        return (codes - zero) * scale


class Packed(NamedTuple):
    """A quantised matrix: ``codes`` (rows, columns), its ``grid``, the ``bits`` of a code, the columns of a ``group``, and
    whether zero points are stored.
    """

    codes: NDArray[np.int16]
    grid: Grid
    bits: int
    group: int
    zero_points: bool

    @property
    def matrix(self) -> NDArray[np.float32]:
        """The values, (rows, columns)."""
        rows, columns = self.codes.shape
        grouped = self.codes.reshape(rows, -1, self.group).astype(np.float64)
        return self.grid.values(grouped).reshape(rows, columns).astype(np.float32)


def group_of(columns: int, group: int) -> int:
    """The columns that share a scale: ``group``, or the first of its halves that divides ``columns`` and is at least 16; all
    columns where ``group`` is -1; 0 where none divides them.
    """
    if group == -1:
        return columns
    while group >= 16:
        if columns % group == 0:
            return group
        group //= 2
    return 0


def grid_of(weight: Floats, bits: int, group: int, zero_points: bool, power: Floats | None = None) -> Grid:
    """The grid that just holds each group's extremes; where ``power``, (columns,), the inputs' mean squares, is given, of it
    and narrower ones the grid of the least squared error.

    Without zero points the extreme of the larger magnitude gets the code -2^(bits-1), whichever its sign, by a scale of the
    other sign: so no code is lost.
    """
    grouped = weight.reshape(len(weight), -1, group)
    least, most = grouped.min(axis=2), grouped.max(axis=2)
    half = 2 ** (bits - 1)
    if zero_points:
        least, most = np.minimum(least, 0), np.maximum(most, 0)
        scale = (most - least) / (2 * half - 1)
        low, high = 0, 2 * half - 1
    else:
        scale = -np.where(-least >= most, least, most) / half
        low, high = -half, half - 1
    best, smallest = None, np.full(scale.shape, np.inf)
    for share in NARROWER if power is not None else (1.0,):
        held = _storable(scale * share)
        zero = np.clip(np.rint(-least / held), low, high) if zero_points else np.zeros_like(held)
        grid = Grid(held, zero, low, high)
        if best is None:
            best = grid
        if power is not None:
            error = (((grid.values(grid.codes(grouped)) - grouped) ** 2) * power.reshape(-1, group)).sum(axis=2)
            better = error < smallest
            best = Grid(np.where(better, held, best.scale), np.where(better, zero, best.zero), low, high)
            smallest = np.minimum(error, smallest)
    assert best is not None
    return best


def rtn(weight: Floats, bits: int, group: int, zero_points: bool, power: Floats | None = None) -> Packed:
    """Each weight to its nearest code; ``power`` as for ``grid_of``."""
    weight = weight.astype(np.float64)
    grid = grid_of(weight, bits, group, zero_points, power)
    codes = grid.codes(weight.reshape(len(weight), -1, group)).reshape(weight.shape)
    return Packed(codes.astype(np.int16), grid, bits, group, zero_points)


def gptq(weight: Floats, gram: Floats, bits: int, group: int, zero_points: bool) -> Packed:
    """Column after column to the nearest code, the error of each made good by those that follow.

    Frantar et al. 2022 (GPTQ), algorithm 1: the rows of the upper Cholesky factor of the inverse Hessian say how much. A
    group's grid is set when its first column is reached, from the weights as they are then.
    """
    weight = weight.astype(np.float64).copy()
    rows, columns = weight.shape
    hessian = gram.astype(np.float64).copy()
    power = np.diag(gram).astype(np.float64)
    dead = power <= 0
    hessian[dead, dead] = 1.0
    hessian[np.diag_indices(columns)] += DAMPING * np.diag(hessian).mean()
    factor = np.linalg.cholesky(np.linalg.inv(hessian)).T
    codes = np.zeros((rows, columns), np.int16)
    grids: list[Grid] = []
    for start in range(0, columns, BLOCK):
        stop = min(start + BLOCK, columns)
        errors = np.zeros((rows, stop - start))
        for i in range(start, stop):
            if i % group == 0:
                grids.append(grid_of(weight[:, i : i + group], bits, group, zero_points, power[i : i + group]))
            code = grids[-1].codes(weight[:, i : i + 1])
            codes[:, i] = code[:, 0]
            error = (weight[:, i] - grids[-1].values(code)[:, 0]) / factor[i, i]
            weight[:, i + 1 : stop] -= np.outer(error, factor[i, i + 1 : stop])
            errors[:, i - start] = error
        weight[:, stop:] -= errors @ factor[start:stop, stop:]
    first = grids[0]
    scale, zero = (np.concatenate([part[k] for part in grids], axis=1) for k in (0, 1))
    return Packed(codes, Grid(scale, zero, first.low, first.high), bits, group, zero_points)


def awq(
    weights: Sequence[Floats], gram: Floats, magnitudes: Floats, bits: int, group: int, zero_points: bool
) -> Floats:
    """How much to widen each column, (columns,), before matrices of one input are rounded; the input is divided by it.

    Lin et al. 2023 (AWQ), equations 4 and 5: the inputs' mean magnitudes to a power, that of the least error in the products
    of a grid of powers in [0, 1]. At power 0 nothing changes.
    """
    squares = np.diag(gram)
    best, least = np.ones(len(magnitudes)), np.inf
    for power in np.arange(STEPS) / STEPS:
        scales = np.maximum(magnitudes, 1e-8) ** power
        scales = scales / np.sqrt(scales.max() * scales.min())
        error = sum(
            product_error(
                _rounded(weight * scales, bits, group, zero_points, squares / scales**2) / scales - weight, gram
            )
            for weight in weights
        )
        if error < least:
            best, least = scales, error
    return best


def _rounded(weight: Floats, bits: int, group: int, zero_points: bool, power: Floats) -> Floats:
    return rtn(weight, bits, group, zero_points, power).matrix


def product_error(difference: Floats, gram: Floats) -> float:
    """The squared error in a product, summed over the inputs, that a matrix's ``difference`` (rows, columns) causes."""
    return float(np.einsum("ij,ij->", difference @ gram, difference))


def _storable(scale: Floats) -> Floats:
    """Scales as 16 bits hold them, so that codes are the nearest ones on the grid that is stored; 1 where a group is 0."""
    held = scale.astype(np.float16).astype(np.float64)
    return np.where(held == 0, 1.0, held)
