"""The layers' linear modules as products of two narrower ones: less to store, less to multiply.

A rank-k matrix is best for what the model really reads if it keeps the k directions in which the *outputs* vary most. With
C = X^T X, the second moments of the inputs, the truncated SVD of W C^(1/2) minimises the error of the outputs,
|(W - W') X|_F (Wang et al. 2024, SVD-LLM, arXiv:2403.07378, theorem 1). They take a Cholesky factor of C and its inverse.
Neither is needed: with U the leading eigenvectors of W C W^T, the same W' is U U^T W. So C may lack any rank, and inputs
that the texts never show are still multiplied with W, only projected afterwards. Without whitening C is the identity, which
is plain truncated SVD.

U is orthonormal, so B = U and A = U^T W: the scales are in the rows of A, where 8-bit weights have one scale each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pare.families import family_of
from pare.families.factors import factored, most, refuse_factored, unknown, within
from pare.methods.base import BuildContext
from pare.methods.layers import Layers
from pare.types import Artifact, DataFacts, Shape

if TYPE_CHECKING:
    from torch import nn

Array = NDArray[np.float64]
Place = tuple[int, str]
"""A matrix: its layer's number, and its path in the layer."""


class Truncation(NamedTuple):
    """What a matrix of ``rows`` by ``columns`` can be cut to: its output directions, ``basis`` (rows, r), orthonormal, and
    ``energy`` (r,), the squared norm of the outputs along each, falling.
    """

    rows: int
    columns: int
    energy: Array
    basis: Array

    @property
    def most(self) -> int:
        """The largest rank that saves an element."""
        return most(self.rows, self.columns)


@dataclass(frozen=True)
class LowRank:
    """``ratio`` is the share that is kept, by ``rule``: ``uniform`` of each matrix's elements, ``budget`` of all matrices'
    elements together, ranks being chosen where they lose least, ``energy`` of each matrix's squared outputs.

    ``whiten``: outputs are those on ``texts`` train texts, drawn by the seed; without it, on white noise (plain SVD).
    A matrix stays dense where its rank would save nothing.
    Raises InputError where the parent is none, or factored already.
    """

    takes: ClassVar[tuple[str, ...]] = ("encoder", "decoder")
    gives: ClassVar[str] = ""

    ratio: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    rule: Literal["uniform", "budget", "energy"] = "uniform"
    whiten: bool = True
    texts: Annotated[int, Meta(ge=1)] = 512

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """The factors in the place of the matrices: exact where the rule is ``uniform``, else an upper bound, which a
        ``budget`` fills but for less than one direction of a matrix. Raises InputError where they are factors already.
        """
        refuse_factored("lowrank", shape)
        family = family_of({"model_type": shape.family})
        if self.rule == "energy":
            return unknown(shape, family)
        sizes = [(m.rows, m.columns) for m in family.matrices(shape)]
        if self.rule == "budget":
            whole = sum(rows * columns for rows, columns in sizes)
            least = sum(rows + columns if most(rows, columns) else rows * columns for rows, columns in sizes)
            return within(shape, family, shape.layers * max(math.ceil(self.ratio * whole), least))
        ranks = {
            (layer, matrix.path): uniform_rank(matrix.rows, matrix.columns, self.ratio)
            for layer in range(shape.layers)
            for matrix in family.matrices(shape)
        }
        return factored(shape, family, ranks)

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Factorises a copy of the parent. Raises MissingExtra without torch and transformers."""
        opened = Layers.read("lowrank", parent, ctx)
        moments = opened.moments(self.texts, ctx) if self.whiten else None
        found: dict[Place, Truncation] = {}
        for number, layer in enumerate(opened.layers):
            known = next(moments) if moments is not None else {}
            for path in opened.paths:
                cut = truncation(_weight(layer, path), known.get(path))
                found[number, path] = cut._replace(basis=cut.basis[:, : cut.most].astype(np.float32))
            ctx.progress(0.5 + 0.5 * (number + 1) / len(opened.layers), "factorising")
        ranks = dict(zip(found, self._ranks(list(found.values())), strict=True))
        for (number, path), rank in ranks.items():
            if rank:
                _put(opened.layers[number], path, found[number, path].basis[:, :rank])
        opened.save(out)
        shape = factored(opened.parent.manifest.shape, opened.family, ranks)
        return opened.seal(self, "lowrank", shape, ctx, out, lost=_lost(found, ranks))

    def _ranks(self, matrices: Sequence[Truncation]) -> list[int]:
        """The rank of each matrix, 0 where it stays dense."""
        if self.rule == "budget":
            return budget_ranks(matrices, self.ratio)
        if self.rule == "energy":
            return [energy_rank(matrix, self.ratio) for matrix in matrices]
        return [uniform_rank(matrix.rows, matrix.columns, self.ratio) for matrix in matrices]


# -- linear algebra ---------------------------------------------------------------------------------------------------


def truncation(weight: Array, moments: Array | None = None) -> Truncation:
    """The output directions of a matrix, (rows, columns), on inputs of the given second moments, (columns, columns).

    ``basis[:, :k] @ basis[:, :k].T @ weight`` is the matrix of rank k whose outputs differ least, and the sum of
    ``energy[k:]`` is by how much. Directions are at most as many as the smaller side. No moments: those of white noise.
    """
    rows, columns = weight.shape
    frame, core = np.linalg.qr(weight)
    values, vectors = np.linalg.eigh(core @ (core.T if moments is None else moments @ core.T))
    return Truncation(rows, columns, np.maximum(values[::-1], 0.0), frame @ vectors[:, ::-1])


def uniform_rank(rows: int, columns: int, ratio: float) -> int:
    """The rank whose two factors hold ``ratio`` of a matrix's elements (at least 1), or 0 where that saves nothing."""
    return _saving(max(1, int(ratio * rows * columns / (rows + columns))), rows, columns)


def energy_rank(matrix: Truncation, share: float) -> int:
    """The least rank that keeps a share of the energy, or 0 where it saves nothing."""
    sums = np.cumsum(matrix.energy)
    return _saving(1 + int(np.searchsorted(sums, share * sums[-1])), matrix.rows, matrix.columns)


def budget_ranks(matrices: Sequence[Truncation], ratio: float) -> list[int]:
    """The rank of each matrix, 0 for dense, so that together they hold at most ``ratio`` of all elements.

    What a matrix loses is the energy that it drops, relative to all of its own. At a price for an element each matrix takes
    the rank at which loss and price are least together; the price is the lowest that keeps within the budget, which is
    optimal among all choices of that many elements (Everett 1963). Room that is left goes to the next directions, the most
    energy per element first.
    """
    budget = int(ratio * sum(m.rows * m.columns for m in matrices))
    losses, costs = zip(*map(_choices, matrices), strict=True)

    def at(price: float) -> list[int]:
        return [int(np.argmin(loss + price * cost)) for loss, cost in zip(losses, costs, strict=True)]

    def total(chosen: Sequence[int]) -> int:
        return int(sum(cost[rank] for cost, rank in zip(costs, chosen, strict=True)))

    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if total(at(middle)) <= budget else (middle, high)
    chosen = at(high)
    room = budget - total(chosen)
    gains = [
        (float(loss[rank] - loss[rank + 1]) / (m.rows + m.columns), i, rank)
        for i, (m, loss) in enumerate(zip(matrices, losses, strict=True))
        for rank in range(chosen[i], len(loss) - 2)
    ]
    for _, i, rank in sorted(gains, key=lambda gain: (-gain[0], gain[1:])):
        step = matrices[i].rows + matrices[i].columns
        if chosen[i] == rank and step <= room:
            chosen[i], room = rank + 1, room - step
    return [0 if rank == len(cost) - 1 else rank for rank, cost in zip(chosen, costs, strict=True)]


def _choices(matrix: Truncation) -> tuple[Array, Array]:
    """The loss and the elements of each rank from 0 on that saves any; dense is the last choice. Rank 0 is never taken."""
    rows, columns, energy, _ = matrix
    most = matrix.most
    whole = float(energy.sum())
    left = np.maximum(whole - np.concatenate([[0.0], np.cumsum(energy[:most])]), 0.0) / (whole or 1.0)
    costs = np.arange(most + 1.0) * (rows + columns)
    return np.array([np.inf, *left[1:], 0.0]), np.array([*costs, rows * columns])


def _saving(rank: int, rows: int, columns: int) -> int:
    return rank if rank * (rows + columns) < rows * columns else 0


def _lost(matrices: Mapping[Place, Truncation], ranks: Mapping[Place, int]) -> dict[str, Any]:
    """What the lineage says: the share of its energy that a matrix lost, on average, and of the one that lost most."""
    shares = {
        place: float(matrix.energy[ranks[place] :].sum() / (matrix.energy.sum() or 1.0)) if ranks[place] else 0.0
        for place, matrix in matrices.items()
    }
    layer, path = worst = max(shares, key=lambda place: shares[place])
    return {
        "mean": round(sum(shares.values()) / len(shares), 6),
        "most": round(shares[worst], 6),
        "matrix": f"layers.{layer}.{path}",
    }


# -- modules ----------------------------------------------------------------------------------------------------------


def _weight(layer: nn.Module, path: str) -> Array:
    return np.asarray(layer.get_submodule(path).weight.detach().double().numpy())


def _put(layer: nn.Module, path: str, basis: Array) -> None:
    """Replaces a linear module by the factors of its weight on an orthonormal basis of outputs, (rows, rank)."""
    import torch

    from pare.runtimes.factored import factor

    reduced = basis.T @ _weight(layer, path)
    made = factor(layer, path, basis.shape[1])
    with torch.no_grad():
        made.expand.weight.copy_(torch.from_numpy(np.ascontiguousarray(basis)))
        made.reduce.weight.copy_(torch.from_numpy(reduced))
