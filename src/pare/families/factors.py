"""The anatomy of a model whose layers' matrices are products of two narrower ones (low-rank factors).

A part of such matrices says how many ``rows`` they have together, those of both factors: by that it is known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

from pare.errors import InputError
from pare.families.base import Family, Matrix
from pare.types import Part, Shape


def factored(shape: Shape, family: Family, ranks: Mapping[tuple[int, str], int]) -> Shape:
    """The shape with matrices of these ranks, by layer and path; 0 where they stay dense."""

    def smaller(part: Part) -> Part:
        mine = [(m, ranks[layer, m.path]) for layer, m in _matrices(part, shape, family)]
        saved = sum(m.rows * m.columns - rank * (m.rows + m.columns) for m, rank in mine if rank)
        if not saved:
            return part
        flops = part.flops_per_token - 2.0 * saved
        return replace(
            part, elements=part.elements - saved, flops_per_token=flops, rows=sum(m.rows + rank for m, rank in mine)
        )

    return replace(shape, parts=tuple(map(smaller, shape.parts)))


def within(shape: Shape, family: Family, elements: int) -> Shape:
    """A bound of what matrices of so many elements together give, whichever ranks they have: as many from each layer."""
    every = [m for part in shape.parts for _, m in _matrices(part, shape, family)]
    share = elements / sum(m.rows * m.columns for m in every)
    step = min(m.rows + m.columns for m in every)

    def smaller(part: Part) -> Part:
        mine = _matrices(part, shape, family)
        products = sum(m.rows * m.columns for _, m in mine)
        kept = math.ceil(share * products)
        flops = part.flops_per_token - 2.0 * (products - kept)
        rows = sum(m.rows for _, m in mine) + kept // step
        made = replace(part, elements=part.elements - products + kept, flops_per_token=flops, rows=rows)
        return made if mine else part

    return replace(shape, parts=tuple(map(smaller, shape.parts)), exact=False)


def unknown(shape: Shape, family: Family) -> Shape:
    """A bound of what any ranks give: as many elements as the dense matrices have, and the most rows that factors have."""

    def bound(part: Part) -> Part:
        mine = _matrices(part, shape, family)
        return replace(part, rows=sum(m.rows + most(m.rows, m.columns) for _, m in mine)) if mine else part

    return replace(shape, parts=tuple(map(bound, shape.parts)), exact=False)


def dense(shape: Shape, family: Family) -> Shape:
    """The shape with whole matrices in the place of factors."""

    def whole(part: Part) -> Part:
        mine = _matrices(part, shape, family)
        if not mine or not part.rows:
            return part
        products = sum(m.rows * m.columns for _, m in mine)
        vectors = part.elements - round(part.flops_per_token / 2)
        return replace(part, elements=vectors + products, flops_per_token=2.0 * products, rows=0)

    return replace(shape, parts=tuple(map(whole, shape.parts)))


def most(rows: int, columns: int) -> int:
    """The largest rank whose factors hold fewer elements than a matrix; 0 where there is none."""
    return (rows * columns - 1) // (rows + columns)


def is_factored(shape: Shape) -> bool:
    return any(part.rows for part in shape.parts)


def refuse_factored(method: str, shape: Shape, way_out: str = "leave one of the two out") -> None:
    """Raises InputError where the layers' matrices are factors."""
    if is_factored(shape):
        raise InputError(f"{method} needs dense matrices but lowrank has factored them; {way_out}")


def _matrices(part: Part, shape: Shape, family: Family) -> list[tuple[int, Matrix]]:
    """The matrices that a part of a layer counts, with the layer's number; none for other parts."""
    match = re.fullmatch(r"layers\.(\d+)\.(attention|ffn)", part.name)
    return [(int(match[1]), m) for m in family.matrices(shape) if m.part == match[2]] if match else []
