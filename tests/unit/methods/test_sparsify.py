"""Which weights become zero: so many a row, the smallest by the score that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.errors import InputError
from pare.methods import method
from pare.methods.sparsify import Sparsify, keep
from pare.types import DataFacts, Part, Shape, Step


@given(st.integers(0, 999), st.integers(1, 6), st.integers(1, 12), st.floats(0.05, 0.95))
def test_each_row_loses_its_share_of_the_smallest(seed: int, rows: int, columns: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    weight, norms = rng.normal(size=(rows, columns)), rng.random(columns)
    for given_norms, scores in ((None, np.abs(weight)), (norms, np.abs(weight) * norms)):
        kept = keep(weight, share, given_norms)
        assert ((~kept).sum(1) == round(share * columns)).all()
        for row, score in zip(kept, scores, strict=True):
            assert score[~row].max(initial=0.0) <= score[row].min(initial=np.inf)


def test_wanda_keeps_a_small_weight_of_a_strong_input() -> None:
    weight, norms = np.array([[0.1, 1.0, 2.0, -3.0]]), np.array([100.0, 1.0, 1.0, 1.0])
    assert keep(weight, 0.5).tolist() == [[False, False, True, True]]
    assert keep(weight, 0.5, norms).tolist() == [[True, False, False, True]]


def test_two_of_four() -> None:
    weight = np.random.default_rng(0).normal(size=(5, 16))
    kept = keep(weight, 0.5, among="2:4")
    assert (kept.reshape(5, 4, 4).sum(2) == 2).all()
    with pytest.raises(InputError, match="a multiple of 4 weights but a matrix has 14"):
        keep(weight[:, :14], 0.5, among="2:4")
    with pytest.raises(InputError, match="2:4 makes a share of"):
        Sparsify(share=0.6, among="2:4")


def test_a_whole_matrix_may_be_compared() -> None:
    assert keep(np.array([[1.0, 2.0], [-3.0, 4.0]]), 0.5, among="matrix").tolist() == [[False] * 2, [True] * 2]
    norms = np.array([10.0, 1.0])
    assert keep(np.array([[1.0, 2.0], [-3.0, 4.0]]), 0.5, norms, "matrix").tolist() == [[True, False], [True, False]]


def test_equal_weights_fall_in_order() -> None:
    assert keep(np.ones((1, 4)), 0.5).tolist() == [[False, False, True, True]]


def test_zeros_are_no_saving() -> None:
    shape = Shape("bert", (Part("layers.0.ffn", 100, flops_per_token=200.0),), layers=1, width=10)
    assert Sparsify(share=0.9).reshape(shape, DataFacts(3, 60, 10)) == shape


@pytest.mark.parametrize(("params", "rule"), [({"share": 1.0}, "share must be"), ({"by": "luck"}, "by must be one of")])
def test_what_makes_no_sense_is_refused(params: dict[str, float | str], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        method(Step("sparsify", params))
