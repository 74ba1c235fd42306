"""The steps that a training on grids begins with."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

import torch
from torch import nn

from pare.families import family_of
from pare.runtimes.grids import Grid, GridLinear, rounded
from pare.training.qat import _first_of_input, _fitted, columns_of


def test_8_bits_reach_each_rows_largest_weight() -> None:
    step, zero = _fitted(torch.tensor([[1.27, -0.5], [0.0, -2.54], [0.0, 0.0]]), 0)
    assert step.flatten().tolist() == pytest.approx([0.01, 0.02, 2.0**-14])
    assert not zero.any()


def test_4_bits_clip_where_that_loses_least() -> None:
    weight = torch.randn(8, 128, generator=torch.Generator().manual_seed(0))
    step, _ = _fitted(weight, 64)
    assert step.shape == (8, 2, 1)
    parts = weight.unflatten(1, (2, 64))
    largest = parts.abs().amax(-1, keepdim=True)

    def error(step: torch.Tensor) -> float:
        return float(((parts / step).round().clamp(-8, 7) * step - parts).square().sum())

    assert error(step) < 0.9 * error(largest / 7)
    assert (step < largest / 7).any()


def test_a_group_divides_the_columns_or_is_all_of_them() -> None:
    assert (columns_of(384, 64), columns_of(100, 64)) == (64, 100)


def test_query_key_and_value_share_their_input() -> None:
    family = family_of({"model_type": "bert"})
    within = "backbone.encoder.layer.1.attention.self."
    assert {_first_of_input(within + name, family) for name in ("query", "key", "value")} == {within + "query"}
    assert _first_of_input("backbone.encoder.layer.1.output.dense", family).endswith("1.output.dense")
    assert _first_of_input("head", family) == "head"


def test_training_on_grids_regains_what_rounding_loses() -> None:
    """A 4-bit layer that imitates a float one on inputs of few dimensions: other roundings than the nearest fit better."""
    torch.manual_seed(0)
    teacher = nn.Linear(64, 16).requires_grad_(False)
    student = nn.Linear(64, 16)
    student.load_state_dict(teacher.state_dict())
    layer = GridLinear(student, Grid(*_fitted(teacher.weight, 64), "int4"))
    layer.weight_grid.learn()
    x = torch.randn(256, 8) @ torch.randn(8, 64)

    def error() -> torch.Tensor:
        return (layer(x) - teacher(x)).square().mean()

    before = float(error().detach())
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - step / 200)
        optimizer.zero_grad()
        loss = error()
        loss.backward()
        optimizer.step()
    layer.weight_grid.settle()
    layer.weight.data = rounded(layer)
    assert float(error().detach()) < 0.5 * before
