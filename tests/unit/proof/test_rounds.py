"""Orders, unit sums and strata."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.proof.rounds import fixed_order, stratified_rounds, unit_sums


@given(st.lists(st.text(max_size=6), unique=True, max_size=30), st.integers(0, 9), st.randoms())
def test_order_depends_on_keys_and_seed_alone(keys, seed, random):
    first = [keys[i] for i in fixed_order(keys, seed)]
    shuffled = list(keys)
    random.shuffle(shuffled)
    assert [shuffled[i] for i in fixed_order(shuffled, seed)] == first


def test_order_is_pinned_and_changes_with_the_seed():
    keys = [str(i) for i in range(8)]
    assert fixed_order(keys, 0).tolist() == [1, 3, 6, 4, 5, 7, 0, 2]
    assert fixed_order(keys, 1).tolist() != [1, 3, 6, 4, 5, 7, 0, 2]


def test_unit_sums():
    sums, sizes = unit_sums([1, -1, 0.5, 1], ["b", "a", "b", "c"])
    assert sums.tolist() == [1.5, -1, 1]
    assert sizes.tolist() == [2, 1, 1]
    with pytest.raises(ValueError, match="same length"):
        unit_sums([1], [])


def test_rounds_use_each_row_once_and_balance_the_classes():
    x, classes = [1.0, 0, 1, 1, -1, 0], ["a", "a", "a", "a", "b", "b"]
    rounds = stratified_rounds(x, classes, ["a", "b"])
    assert rounds.tolist() == [(0.5 - 1) / 2, (1 + 0) / 2]
    assert rounds.mean() == pytest.approx((np.mean(x[:4]) + np.mean(x[4:])) / 2)


@given(st.lists(st.tuples(st.floats(-1, 1), st.sampled_from("abc")), min_size=5, max_size=50))
def test_rounds_keep_the_bounds(rows):
    x, classes = [r[0] for r in rows] + [0, 0, 0], [r[1] for r in rows] + ["a", "b", "c"]
    rounds = stratified_rounds(x, classes, ["a", "b", "c"])
    assert len(rounds) == min(classes.count(c) for c in "abc")
    assert np.all(np.abs(rounds) <= 1 + 1e-12)


@pytest.mark.parametrize(
    ("classes", "expected", "message"),
    [(["a", "a"], ["a", "b"], "have none: b"), (["a", "z"], ["a"], "not: z"), (["a"], ["a"], "same length")],
)
def test_bad_strata(classes, expected, message):
    with pytest.raises(ValueError, match=message):
        stratified_rounds([0.0, 1.0], classes, expected)
