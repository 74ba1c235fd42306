"""Matrices in few bits: nothing is farther from its code than half a step, and GPTQ and AWQ lose less in the product."""

from __future__ import annotations

import numpy as np
import pytest

from pare.methods.rounding import awq, gptq, group_of, product_error, rtn

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(48, 128))
INPUTS = RNG.normal(size=(2000, 24)) @ RNG.normal(size=(24, 128)) + 0.3 * RNG.normal(size=(2000, 128))
GRAM = INPUTS.T @ INPUTS / len(INPUTS)


@pytest.mark.parametrize(("bits", "group", "zero_points"), [(8, 128, False), (4, 32, False), (4, 32, True)])
def test_nearest_codes(bits: int, group: int, zero_points: bool) -> None:
    packed = rtn(WEIGHT, bits, group, zero_points)
    low, high = (0, 2**bits - 1) if zero_points else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    assert packed.codes.min() >= low
    assert packed.codes.max() <= high
    step = np.abs(packed.grid.scale).repeat(group, axis=1)
    off = np.abs(packed.matrix - WEIGHT)
    within = off <= 0.501 * step
    # Without zero points the extreme of the other sign may lie one step outside, with them the rounded zero may cost one.
    assert within.mean() > 0.99
    assert (off <= 1.01 * step).all()


def test_scales_are_those_that_16_bits_hold() -> None:
    scale = rtn(WEIGHT, 4, 32, False).grid.scale
    assert np.array_equal(scale, scale.astype(np.float16))


def test_a_row_of_zeros_stays_zero() -> None:
    weight = WEIGHT.copy()
    weight[3] = 0
    for zero_points in (False, True):
        assert not rtn(weight, 4, 32, zero_points).matrix[3].any()


@pytest.mark.parametrize("group", [32, 128])
@pytest.mark.parametrize("zero_points", [False, True])
def test_gptq_loses_less_than_rounding_where_inputs_go_together(group: int, zero_points: bool) -> None:
    rounded, optimal = rtn(WEIGHT, 4, group, zero_points), gptq(WEIGHT, GRAM, 4, group, zero_points)
    assert product_error(optimal.matrix - WEIGHT, GRAM) < 0.6 * product_error(rounded.matrix - WEIGHT, GRAM)


def test_gptq_with_independent_inputs_is_rounding_on_the_best_grid() -> None:
    even = np.eye(128)
    optimal, rounded = gptq(WEIGHT, even, 4, 32, False), rtn(WEIGHT, 4, 32, False, np.ones(128))
    assert np.array_equal(optimal.codes, rounded.codes)


def test_gptq_bears_inputs_that_are_never_used() -> None:
    gram = GRAM.copy()
    gram[:5] = 0
    gram[:, :5] = 0
    assert np.isfinite(gptq(WEIGHT, gram, 4, 32, False).matrix).all()


def test_awq_protects_the_columns_of_large_inputs() -> None:
    loud = INPUTS.copy()
    loud[:, :4] *= 30
    gram = loud.T @ loud / len(loud)
    scales = awq([WEIGHT], gram, np.abs(loud).mean(axis=0), 4, 32, False)
    assert scales[:4].min() > scales[4:].max()
    scaled = rtn(WEIGHT * scales, 4, 32, False).matrix / scales
    assert product_error(scaled - WEIGHT, gram) < product_error(rtn(WEIGHT, 4, 32, False).matrix - WEIGHT, gram)


@pytest.mark.parametrize(
    ("columns", "group", "found"),
    [(384, 128, 128), (384, 64, 64), (48, 64, 16), (24, 64, 0), (24, -1, 24)],
)
def test_groups_divide_columns(columns: int, group: int, found: int) -> None:
    assert group_of(columns, group) == found
