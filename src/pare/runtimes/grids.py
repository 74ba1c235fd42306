"""Numbers on a grid: how integer arithmetic rounds, in float, so that PyTorch gives what the served graph will give.

A grid is ``step * (k - zero)`` for the integers k from ``low`` to ``high``. A model that was trained on grids
(``methods/qat.py``) keeps them in ``grids.safetensors`` beside its weights, which lie on theirs already. Keys are the
module's path (an encoder's with ``backbone.`` or ``head`` in front) and what is on a grid:

    <module>.int8   steps of the weight, (rows, 1): integers from -127 to 127
    <module>.int4   steps of the weight, (rows, groups, 1), of groups of columns: integers from -8 to 7
    <module>.uint8  step and zero of the input: integers from 0 to 255
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LIMITS = {"int8": (-127, 127), "int4": (-8, 7), "uint8": (0, 255)}
"""The integers of a weight's grid in 8 and 4 bits, and of an activation's."""


@torch.library.custom_op("pare::on_grid", mutates_args=())  # type: ignore[untyped-decorator]
def on_grid(x: Tensor, step: Tensor, zero: Tensor, low: int, high: int) -> Tensor:
    """``x`` at the nearest point of its grid, halves to even. ``step`` and ``zero`` broadcast against ``x``; all are f32.

    Gradients are those of learned step sizes (Esser et al. 2020, arXiv:1902.08153, equations 2 to 5): through the rounding
    as if it were not there, none where ``x`` is beyond the grid, and the step's scaled by 1 / sqrt(its numbers * high).
    """
    return ((x / step).round_().add_(zero).clamp_(low, high).sub_(zero)).mul_(step)


@on_grid.register_fake  # type: ignore[untyped-decorator]
def _(x: Tensor, step: Tensor, zero: Tensor, low: int, high: int) -> Tensor:
    return torch.empty_like(x)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, step, zero, ctx.low, ctx.high = inputs
    ctx.save_for_backward(x, step, zero)


def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None, None, None]:
    x, step, zero = ctx.saved_tensors
    at = x / step
    inside = (at >= ctx.low - zero) & (at <= ctx.high - zero)
    through = grad * inside
    if not ctx.needs_input_grad[1]:
        return through, None, None, None, None
    moved = torch.where(inside, at.round() - at, torch.minimum(torch.maximum(at, ctx.low - zero), ctx.high - zero))
    scale = (x.numel() / step.numel() * ctx.high) ** -0.5
    return through, (grad * moved).sum_to_size(step.shape) * scale, None, None, None


on_grid.register_autograd(_gradients, setup_context=_remember)


class Grid(nn.Module):  # type: ignore[misc]
    """Rounds to a grid, whose step can be learnt: as the logarithm of a factor, so that it stays above zero and one
    learning rate fits steps of every size.
    """

    factor: nn.Parameter | None
    step: Tensor
    zero: Tensor

    def __init__(self, step: Tensor, zero: Tensor, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.low, self.high = LIMITS[kind]
        self.register_buffer("step", step, persistent=False)
        self.register_buffer("zero", zero, persistent=False)
        self.factor = None

    def forward(self, x: Tensor) -> Tensor:
        step = self.step if self.factor is None else self.step * self.factor.exp()
        return on_grid(x.float(), step, self.zero, self.low, self.high)

    @property
    def learns(self) -> bool:
        return self.factor is not None

    def learn(self) -> None:
        self.factor = nn.Parameter(torch.zeros_like(self.step))

    def settle(self) -> None:
        """Keeps the step as it has been learnt."""
        if self.factor is not None:
            self.step = (self.step * self.factor.exp()).detach()
            self.factor = None


class GridLinear(nn.Linear):  # type: ignore[misc]
    """A linear layer with its weight on a grid, and its input too where it is multiplied in integers."""

    def __init__(self, linear: nn.Linear, weight_grid: Grid, input_grid: Grid | None = None) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.weight_grid, self.input_grid = weight_grid, input_grid

    def forward(self, x: Tensor) -> Tensor:
        if self.input_grid is not None:
            x = self.input_grid(_wide(x, self.in_features))
        return F.linear(x, _weight(self), self.bias)


class GridEmbedding(nn.Embedding):  # type: ignore[misc]
    """A table with each row on its grid."""

    def __init__(self, table: nn.Embedding, weight_grid: Grid) -> None:
        super().__init__(table.num_embeddings, table.embedding_dim, table.padding_idx, device="meta")
        self.weight, self.weight_grid = table.weight, weight_grid

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, _weight(self), self.padding_idx)


def rounded(module: nn.Module) -> Tensor:
    """The module's weight on its grid."""
    grid = module.weight_grid
    grouped = grid.step.ndim == 3
    weight = module.weight.unflatten(1, (grid.step.shape[1], -1)) if grouped else module.weight
    return grid(weight).view(module.weight.shape)


def _weight(module: GridLinear | GridEmbedding) -> Tensor:
    """The weight to use. At rest it lies on its grid; an exporter must see that it does."""
    return rounded(module) if module.weight_grid.learns or torch.compiler.is_exporting() else module.weight


def _wide(x: Tensor, columns: int) -> Tensor:
    """``x`` with its last size said to an exporter: OpenVINO cannot run a FakeQuantize of unknown width before a product."""
    return x.reshape(*x.shape[:-1], columns) if torch.compiler.is_exporting() else x


def put_on_grids(root: nn.Module, arrays: Mapping[str, Tensor], prefix: str) -> None:
    """Replaces the modules of ``root`` that have a grid in ``arrays``, whose keys begin with ``prefix``."""
    for key in sorted(arrays):
        path, _, kind = key.rpartition(".")
        if kind == "uint8" or not path.startswith(prefix):
            continue
        path = path.removeprefix(prefix)
        old, step = root.get_submodule(path), arrays[key]
        grid = Grid(step, torch.zeros_like(step), kind)
        inputs = arrays.get(f"{prefix}{path}.uint8")
        if isinstance(old, nn.Embedding):
            root.set_submodule(path, table_on_grid(old, grid))
        else:
            root.set_submodule(path, GridLinear(old, grid, None if inputs is None else input_grid(*inputs)))


def table_on_grid(table: nn.Embedding, grid: Grid) -> nn.Embedding:
    """A table that knows its grid; one of a class of its own (Gemma 3 scales what it looks up) stays what it is."""
    if type(table) is nn.Embedding:
        return GridEmbedding(table, grid)
    table.weight_grid = grid
    return table


def input_grid(step: Tensor, zero: Tensor) -> Grid:
    return Grid(step, zero, "uint8")


def grids_of(root: nn.Module) -> dict[str, Tensor]:
    """What ``put_on_grids`` reads: the grids of a model's modules by path."""
    found = {}
    for path, module in root.named_modules():
        if isinstance(getattr(module, "weight_grid", None), Grid):
            found[f"{path}.{module.weight_grid.kind}"] = module.weight_grid.step.contiguous()
            if isinstance(module, GridLinear) and module.input_grid is not None:
                found[f"{path}.uint8"] = torch.stack([module.input_grid.step, module.input_grid.zero])
    return found
