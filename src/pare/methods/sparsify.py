"""Weights of the layers set to zero, the least useful first (unstructured pruning).

Dense kernels multiply zeros as fast as anything else: nothing gets quicker, and the weights file keeps its size. What is
gained is on disk alone, where the file is compressed; the manifest says how much, measured.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pare.errors import InputError
from pare.families import family_of
from pare.families.factors import refuse_factored
from pare.methods.base import BuildContext
from pare.methods.layers import Layers
from pare.runtimes.modules import WEIGHTS
from pare.types import Artifact, DataFacts, Shape

if TYPE_CHECKING:
    from torch import Tensor

Among = Literal["row", "matrix", "2:4"]


@dataclass(frozen=True)
class Sparsify:
    """``share`` of the weights of every matrix of the layers becomes zero.

    ``by`` is what makes a weight small: its ``magnitude``, or magnitude times the norm of its input over ``texts`` train
    texts, drawn by the seed (``wanda``; Sun et al. 2023, arXiv:2306.11695, equation 1). ``among`` says which weights are
    compared: those of an output's ``row``, of a ``matrix``, or (``2:4``) four neighbours in a row, of which two become zero,
    the pattern of sparse tensor cores. Methods that train or mix weights fill the zeros again: they must come before.
    Raises InputError where the parent is none or factored, or the pattern fits neither the share nor a matrix.
    """

    takes: ClassVar[tuple[str, ...]] = ("encoder", "decoder")
    gives: ClassVar[str] = ""
    undone: ClassVar[tuple[str, ...]] = ("finetune", "student", "lora", "distil", "qat", "prune", "lowrank")

    share: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    by: Literal["wanda", "magnitude"] = "wanda"
    among: Among = "row"
    texts: Annotated[int, Meta(ge=1)] = 512

    def __post_init__(self) -> None:
        if self.among == "2:4" and self.share != 0.5:
            raise InputError(
                f"sparsify: 2:4 makes a share of 0.5 zero but share is {self.share}; leave one of them out"
            )

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """The parent's anatomy: zeros weigh what other weights do. Exact. Raises InputError where it is factored, or ``2:4``
        does not fit a matrix.
        """
        refuse_factored("sparsify", shape)
        if self.among == "2:4":
            for matrix in family_of({"model_type": shape.family}).matrices(shape):
                _fits(matrix.columns)
        return shape

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Prunes a copy of the parent. Raises MissingExtra without torch and transformers."""
        import torch

        opened = Layers.read("sparsify", parent, ctx)
        moments = opened.moments(self.texts, ctx, diagonal=True) if self.by == "wanda" else None
        zeros = elements = 0
        for number, layer in enumerate(opened.layers):
            squares = next(moments) if moments is not None else {}
            for path in opened.paths:
                weight: Tensor = layer.get_submodule(path).weight
                norms = np.sqrt(squares[path]) if path in squares else None
                kept = keep(weight.detach().numpy(), self.share, norms, self.among)
                with torch.no_grad():
                    weight.mul_(torch.from_numpy(kept))
                zeros, elements = zeros + int((weight == 0).sum()), elements + weight.numel()
            ctx.progress(0.5 + 0.5 * (number + 1) / len(opened.layers), "sparsifying")
        opened.save(out)
        held = {"zeros": zeros / elements, **_bytes(out / WEIGHTS), "gain": "disk only"}
        return opened.seal(self, "sparsify", opened.parent.manifest.shape, ctx, out, sparsity=held)


def keep(
    weight: NDArray[Any], share: float, norms: NDArray[np.float64] | None = None, among: Among = "row"
) -> NDArray[np.bool_]:
    """Which weights of a matrix, (rows, columns), stay: all but ``share`` of those compared, the ones of smallest score.

    A score is |weight|, times the ``norms`` of the inputs, (columns,), where they are given. ``among``: see ``Sparsify``.
    Of equal scores the earlier falls first. Raises InputError where four does not divide the columns.
    """
    rows, columns = weight.shape
    group = {"row": columns, "matrix": rows * columns, "2:4": 4}[among]
    if among == "2:4":
        _fits(columns)
    scores = np.abs(weight) * (1.0 if norms is None else norms)
    order = np.argsort(scores.reshape(-1, group), axis=1, kind="stable")
    kept = np.ones(order.shape, dtype=bool)
    np.put_along_axis(kept, order[:, : round(share * group)], False, axis=1)
    return kept.reshape(rows, columns)


def _fits(columns: int) -> None:
    if columns % 4:
        raise InputError(
            f"sparsify: 2:4 needs rows of a multiple of 4 weights but a matrix has {columns}; leave it out"
        )


def _bytes(file: Path) -> dict[str, int]:
    """The bytes of a file as it is, and compressed without loss (zlib's default level)."""
    squeeze, size, compressed = zlib.compressobj(), 0, 0
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            size, compressed = size + len(block), compressed + len(squeeze.compress(block))
    return {"bytes": size, "compressed_bytes": compressed + len(squeeze.flush())}
