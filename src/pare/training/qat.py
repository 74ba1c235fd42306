"""A model on grids while it is trained: quantisation-aware training with learned step sizes.

Esser et al. 2020, Learned Step Size Quantization (arXiv:1902.08153). Embeddings are rounded once, for they stay frozen;
every linear layer's weight is rounded in each step, and in 8 bits its input too. Query, key and value share one input, so
they share its grid, as the kernel does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pare.families import Family
from pare.runtimes.grids import LIMITS, Grid, GridLinear, grids_of, input_grid, rounded, table_on_grid
from pare.runtimes.modules import GRIDS
from pare.training.batching import TokenRows, in_order
from pare.training.model import Encoder

Width = Literal["int8", "w8", "w4"]
SMALLEST = 2.0**-14
"""The smallest step: a row of zeros has one too. It is the smallest normal half."""
CLIPS = tuple(0.4 + 0.05 * i for i in range(13))
"""What shares of a group's largest weight are tried as the end of its 4-bit grid."""


def start(model: Encoder, family: Family, width: Width, group: int, rows: TokenRows) -> None:
    """Puts the linear layers and the tables of a model on grids, and lets the layers' steps learn.

    ``int8``: weights by output row, inputs between the least and the largest value that ``rows`` give. ``w8``: weights by
    output row, inputs in float. ``w4``: the layers' weights in 4 bits by groups of ``group`` columns, what is outside of
    layers in 8, inputs in float.
    """
    linears = {path: module for path, module in model.named_modules() if isinstance(module, nn.Linear)}
    inputs = _inputs(model, linears, family, rows) if width == "int8" else {}
    for path, linear in linears.items():
        four = width == "w4" and path.startswith(f"backbone.{family.layers}.")
        grid = Grid(*_fitted(linear.weight.detach(), group if four else 0), "int4" if four else "int8")
        made = GridLinear(linear, grid, inputs.get(path))
        for learnt in (made.weight_grid, made.input_grid):
            if learnt is not None and not learnt.learns:
                learnt.learn()
        model.set_submodule(path, made)
    for table in (family.words, family.positions):
        if table is not None:
            _freeze(model.backbone, table)


def start_decoder(model: nn.Module, family: Family, width: Width, group: int) -> None:
    """``start`` for a causal language model, with ``w8`` or ``w4``. A head that is tied to the word embeddings is one table
    with them, and stays as it is.
    """
    words = model.get_input_embeddings().weight
    linears = {path: module for path, module in model.named_modules() if isinstance(module, nn.Linear)}
    for path, linear in linears.items():
        if linear.weight is words:
            continue
        four = width == "w4" and path.startswith(f"{family.layers}.")
        made = GridLinear(
            linear, Grid(*_fitted(linear.weight.detach(), group if four else 0), "int4" if four else "int8")
        )
        made.weight_grid.learn()
        model.set_submodule(path, made)
    _freeze(model, family.words)


def _freeze(root: nn.Module, path: str) -> None:
    """Rounds a table once; whoever trains the model leaves it alone."""
    old = root.get_submodule(path)
    made = table_on_grid(old, Grid(*_fitted(old.weight.detach(), 0), "int8"))
    made.weight.data = rounded(made)
    root.set_submodule(path, made)


def settle(model: nn.Module) -> None:
    """Ends the training: steps stay as they were learnt, and weights lie on their grids."""
    for module in model.modules():
        if isinstance(module, GridLinear):
            for grid in (module.weight_grid, module.input_grid):
                if grid is not None:
                    grid.settle()
            module.weight.data = rounded(module).detach()


def save_grids(model: nn.Module, folder: Path) -> None:
    """Writes a settled model's grids; ``save_encoder`` or ``save_decoder`` writes the rest."""
    save_file(grids_of(model), folder / GRIDS)


def columns_of(columns: int, group: int) -> int:
    """The columns of a group: ``group``, or all where that does not divide them."""
    return group if columns % group == 0 else columns


def _fitted(weight: Tensor, group: int) -> tuple[Tensor, Tensor]:
    """The steps and zeros of a weight's grid: int8 by row, or int4 by group with the least squared error of ``CLIPS``."""
    if not group:
        step = (weight.abs().amax(1, keepdim=True) / LIMITS["int8"][1]).clamp(min=SMALLEST)
        return step, torch.zeros_like(step)
    low, high = LIMITS["int4"]
    parts = weight.unflatten(1, (-1, columns_of(weight.shape[1], group)))
    largest = parts.abs().amax(-1, keepdim=True)
    best = largest.clamp(min=SMALLEST)
    least = torch.full_like(best, torch.inf)
    for clip in CLIPS:
        step = (largest * clip / high).clamp(min=SMALLEST)
        error = ((parts / step).round().clamp(low, high) * step - parts).square().sum(-1, keepdim=True)
        best, least = torch.where(error < least, step, best), torch.minimum(error, least)
    return best, torch.zeros_like(best)


def _inputs(model: Encoder, linears: dict[str, nn.Linear], family: Family, rows: TokenRows) -> dict[str, Grid]:
    """The grid of each linear layer's input, one object for those that share an input."""
    ends: dict[str, tuple[float, float]] = {}
    with ExitStack() as hooks, torch.inference_mode():
        for path, linear in linears.items():
            handle = linear.register_forward_pre_hook(lambda _, given, path=path: _widen(ends, path, given[0]))
            hooks.callback(handle.remove)
        for batch in in_order(rows, 1):
            model(batch.ids, batch.mask)
    shared: dict[str, Grid] = {}
    made = {}
    for path in linears:
        low, high = ends.get(path, (0.0, 1.0))
        step = max((high - low) / LIMITS["uint8"][1], SMALLEST)
        first = _first_of_input(path, family)
        if first not in shared:
            shared[first] = input_grid(torch.tensor(step), torch.tensor(float(round(-low / step))))
        made[path] = shared[first]
    return made


def _widen(ends: dict[str, tuple[float, float]], path: str, given: Tensor) -> None:
    """Zero is always between the ends, so that it is a point of the grid."""
    low, high = ends.get(path, (0.0, 0.0))
    ends[path] = min(low, float(given.min())), max(high, float(given.max()))


def _first_of_input(path: str, family: Family) -> str:
    """The path of the first module that has the same input."""
    for together in _together(family):
        for name in together:
            if path.endswith(f".{name}"):
                return path.removesuffix(name) + together[0]
    return path


def _together(family: Family) -> Iterator[tuple[str, ...]]:
    modules = family.modules
    yield modules.query, modules.key, modules.value
    yield modules.up
