"""Which channels and heads of a layer matter, and a layer's weights without the others.

A channel's importance is the mean square of what it adds to its module's output: E[x_j^2] |W_j|^2, the score of Wanda (Sun
et al. 2023, arXiv:2306.11695) summed over a column. A head's is the same of its block: E[|W_h x_h|^2]. The weights that are
left take over what they can of those that go: the least squares fit of the module's outputs, with a small ridge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pare.families import Family
from pare.types import Shape

Floats = NDArray[np.floating[Any]]
Indices = NDArray[np.intp]
Moments = NDArray[np.float64]
Arrays = dict[str, Any]
RIDGE = 1e-2
"""The ridge, relative to the mean square of the inputs that stay: it keeps few texts from fitting noise."""


@dataclass(frozen=True)
class Kept:
    """What of a layer stays: numbers of channels, of heads for queries, and of heads for keys and values, rising."""

    channels: Indices
    heads: Indices
    kv_heads: Indices


def channel_importance(weight: Floats, moments: Moments) -> NDArray[np.float64]:
    """(columns,) for a module's weight (rows, columns) and the moments of its inputs (columns, columns)."""
    found: NDArray[np.float64] = np.diag(moments) * np.square(weight, dtype=np.float64).sum(axis=0)
    return found


def group_importance(weight: Floats, moments: Moments, groups: int) -> NDArray[np.float64]:
    """(groups,): columns are taken together in as many blocks of equal size."""
    size = weight.shape[1] // groups
    blocks = (slice(i * size, (i + 1) * size) for i in range(groups))
    wide = weight.astype(np.float64)
    return np.array([float(np.sum((wide[:, block] @ moments[block, block]) * wide[:, block])) for block in blocks])


def largest(scores: NDArray[np.float64], count: int) -> Indices:
    """The places of the ``count`` largest, rising; of equal ones the first."""
    return np.sort(np.argsort(-scores, kind="stable")[:count])


def spread(groups: Indices, size: int) -> Indices:
    """The places of whole groups of ``size``."""
    return (groups[:, None] * size + np.arange(size)).ravel()


def refitted(weight: Floats, moments: Moments, kept: Indices) -> Floats:
    """The columns that are kept, changed so that the module's outputs stay as near as they can: the least squares solution
    W C[:, S] (C[S, S] + ridge)^-1, towards the columns as they were.
    """
    gone = np.setdiff1d(np.arange(weight.shape[1]), kept)
    held = moments[np.ix_(kept, kept)]
    scale = float(np.trace(held)) / len(kept)
    if not len(gone) or scale <= 0.0:
        return weight[:, kept]
    taken = np.linalg.solve(held + RIDGE * scale * np.eye(len(kept)), moments[np.ix_(kept, gone)])
    found: Floats = (weight[:, kept] + weight[:, gone].astype(np.float64) @ taken.T).astype(weight.dtype)
    return found


def cut_layer(
    arrays: Arrays, prefix: str, family: Family, shape: Shape, kept: Kept, moments: Mapping[str, Moments]
) -> None:
    """Cuts a layer's matrices in place. ``prefix`` is the layer's path; ``shape`` has the sizes before."""
    m, size = family.modules, shape.head_dim
    queries, keys = spread(kept.heads, size), spread(kept.kv_heads, size)
    parts = ((m.query, queries, shape.heads), (m.key, keys, shape.kv_heads), (m.value, keys, shape.kv_heads))
    for path in dict.fromkeys((m.query, m.key, m.value)):
        rows, start = [], 0
        for _, places, heads in (part for part in parts if part[0] == path):
            rows.append(start + places)
            start += heads * size
        _take_rows(arrays, f"{prefix}.{path}", np.concatenate(rows))
    halves = 2 if m.gated and len(m.up) == 1 else 1
    for path in m.up:
        _take_rows(arrays, f"{prefix}.{path}", np.concatenate([kept.channels + i * shape.inner for i in range(halves)]))
    for path, columns in ((m.output, queries), (m.down, kept.channels)):
        name = f"{prefix}.{path}.weight"
        arrays[name] = refitted(arrays[name], moments[path], columns)


def cut_width(arrays: Arrays, family: Family, width: int, kept: Indices) -> None:
    """Cuts the residual stream of an encoder in place: columns of what reads it, rows of what writes it, and the vectors
    between. Embeddings of another width stay; a pooler goes, for nothing reads it.
    """
    m = family.modules
    reads, writes = {m.query, m.key, m.value, *m.up}, {m.output, m.down}
    for name in [name for name in arrays if name.startswith("pooler.")]:
        del arrays[name]
    for name, array in arrays.items():
        path, _, kind = name.rpartition(".")
        inside = path.removeprefix(f"{family.layers}.").partition(".")[2] if path.startswith(family.layers) else ""
        if inside in reads:
            arrays[name] = array[:, kept] if kind == "weight" else array
        elif inside in writes or path == family.projection:
            arrays[name] = array[kept]
        elif path != family.head_table and array.shape[-1] == width:
            arrays[name] = array[..., kept]


def _take_rows(arrays: Arrays, path: str, rows: Indices) -> None:
    for name in (f"{path}.weight", f"{path}.bias"):
        if name in arrays:
            arrays[name] = arrays[name][rows]
