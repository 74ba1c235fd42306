"""The arithmetic of grids: what is rounded where, and what a gradient passes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

import torch
from torch import nn

from pare.runtimes.grids import Grid, GridLinear, grids_of, on_grid, put_on_grids, rounded


def _t(*values: float) -> torch.Tensor:
    return torch.tensor(values)


def test_values_go_to_the_nearest_point_halves_to_even_and_ends_hold() -> None:
    x = _t(-9.0, -0.76, -0.75, 0.0, 0.25, 0.26, 0.75, 9.0)
    found = on_grid(x, torch.tensor(0.5), torch.tensor(0.0), -8, 7)
    assert found.tolist() == [-4.0, -1.0, -1.0, 0.0, 0.0, 0.5, 1.0, 3.5]


def test_a_zero_moves_the_ends() -> None:
    found = on_grid(_t(-5.0, -0.3, 0.0, 30.0), torch.tensor(0.1), torch.tensor(3.0), 0, 255)
    assert found.tolist() == pytest.approx([-0.3, -0.3, 0.0, 25.2])


def test_what_is_rounded_twice_is_rounded_once() -> None:
    x = torch.randn(64, 32, generator=torch.Generator().manual_seed(0))
    step = x.abs().amax(1, keepdim=True) / 127
    once = on_grid(x, step, torch.zeros_like(step), -127, 127)
    assert torch.equal(on_grid(once, step, torch.zeros_like(step), -127, 127), once)


@pytest.mark.parametrize(("low", "high", "zero"), [(-127, 127, 0), (-8, 7, 0), (0, 255, 97)])
def test_it_is_torchs_fake_quantisation(low: int, high: int, zero: int) -> None:
    x = 3 * torch.randn(4000, generator=torch.Generator().manual_seed(1))
    found = on_grid(x, torch.tensor(0.03125), torch.tensor(float(zero)), low, high)
    assert torch.equal(found, torch.fake_quantize_per_tensor_affine(x, 0.03125, zero, low, high))


def test_gradients_pass_inside_the_grid_alone() -> None:
    x = _t(-9.0, -1.0, 0.3, 9.0).requires_grad_()
    on_grid(x, torch.tensor(0.5), torch.tensor(0.0), -8, 7).backward(_t(1.0, 2.0, 3.0, 4.0))
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 2.0, 3.0, 0.0]


def test_the_steps_gradient_is_that_of_learned_step_sizes() -> None:
    x, step = torch.tensor([[-9.0, 0.3], [0.6, 9.0]]), torch.tensor([[0.5], [0.5]], requires_grad=True)
    on_grid(x, step, torch.zeros(2, 1), -8, 7).sum().backward()
    inside = 1.0 - 0.3 / 0.5, 1.0 - 0.6 / 0.5  # the rounded number of steps less the number of steps
    assert step.grad is not None
    assert step.grad.flatten().tolist() == pytest.approx(
        [(-8 + inside[0]) / (2 * 7) ** 0.5, (inside[1] + 7) / (2 * 7) ** 0.5]
    )


def test_a_step_that_learns_stays_and_then_settles() -> None:
    grid = Grid(torch.tensor(0.5), torch.tensor(0.0), "int4")
    grid.learn()
    assert grid.factor is not None
    with torch.no_grad():
        grid.factor.fill_(float(np.log(2.0)))
    learning = grid(_t(0.9, 1.1))
    grid.settle()
    assert not grid.learns
    assert grid.step.item() == pytest.approx(1.0)
    assert torch.allclose(grid(_t(0.9, 1.1)), learning)


def test_each_row_and_each_group_has_its_step() -> None:
    linear = nn.Linear(8, 2, bias=False)
    linear.weight.data = torch.arange(16.0).reshape(2, 8) / 4
    step = torch.tensor([[[0.25], [0.5]], [[1.0], [2.0]]])
    module = GridLinear(linear, Grid(step, torch.zeros_like(step), "int4"))
    expected = torch.tensor([[0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.5, 2.0], [2.0, 2.0, 2.0, 3.0, 4.0, 4.0, 4.0, 4.0]])
    assert torch.equal(rounded(module), expected)


def test_grids_are_put_back_where_they_were() -> None:
    torch.manual_seed(0)
    arrays = {"a.0.int8": torch.full((4, 1), 0.1), "a.0.uint8": torch.tensor([0.05, 128.0]), "b.int8": torch.ones(5, 1)}
    model = nn.ModuleDict({"a": nn.Sequential(nn.Linear(3, 4)), "b": nn.Embedding(5, 2)})
    names = list(model.state_dict())
    put_on_grids(model, {f"x.{key}": value for key, value in arrays.items()} | {"y.int8": torch.ones(1)}, "x.")
    found = grids_of(model)
    assert {key: value.tolist() for key, value in found.items()} == {
        key: value.tolist() for key, value in arrays.items()
    }
    assert list(model.state_dict()) == names
    x = torch.randn(2, 3)
    inputs = on_grid(x, torch.tensor(0.05), torch.tensor(128.0), 0, 255)
    layer = model["a"][0]
    assert torch.equal(model["a"](x), nn.functional.linear(inputs, layer.weight, layer.bias))
