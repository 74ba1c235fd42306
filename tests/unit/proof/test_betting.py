"""The betting test: bit-identical resumption, validity by direct expectation, limits."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pare.proof.betting import BettingPlan, advance, lower_limit, mirror, p_value, peaks, start

values = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=60)
horizons = st.sampled_from([None, 60, 100])


@settings(max_examples=60, deadline=None)
@given(values, st.integers(0, 60), horizons)
def test_resuming_gives_the_same_bits(rows, cut, horizon):
    plan = BettingPlan(bar=-0.02, horizon=horizon)
    whole = advance(plan, start(plan), rows)
    part = advance(plan, start(plan), rows[:cut])
    assert advance(plan, part, rows[cut:]) == whole


@pytest.mark.parametrize("horizon", [None, 6])
def test_wealth_is_a_fair_game_under_the_null(horizon):
    plan = BettingPlan(bar=-0.1, horizon=horizon)
    outcomes = {-1.0: 0.2, 0.0: 0.7, 1.0: 0.1}  # mean -0.1: the hardest null
    exceeded = 0.0
    for path in product(outcomes, repeat=6):
        chance = math.prod(outcomes[x] for x in path)
        exceeded += chance * (p_value(advance(plan, start(plan), path)) <= 0.3)
    assert exceeded <= 0.3


@pytest.mark.parametrize("horizon", [None, 5])
def test_expected_wealth_is_one(horizon):
    plan = BettingPlan(bar=-0.1, horizon=horizon)
    outcomes = {-1.0: 0.2, 0.0: 0.7, 1.0: 0.1}
    shares = np.array([4, 6, 5, 3, 2, 1]) / 21 if horizon is None else np.ones(1)
    total = sum(
        math.prod(outcomes[x] for x in path) * float(np.exp(advance(plan, start(plan), path).log_wealth) @ shares)
        for path in product(outcomes, repeat=5)
    )
    assert total == pytest.approx(1, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(values, horizons)
def test_p_is_a_probability_and_never_rises_with_more_rows(rows, horizon):
    plan = BettingPlan(bar=-0.05, horizon=horizon)
    state, last = start(plan), 1.0
    for row in rows:
        state = advance(plan, state, [row])
        assert 0 < p_value(state) <= last
        last = p_value(state)


@settings(max_examples=25, deadline=None)
@given(values)
def test_growing_limit_agrees_with_the_test(rows):
    plan = BettingPlan(bar=0.0)
    limit = lower_limit(plan, rows)
    assert -1 <= limit <= np.mean(rows) + 1e-9
    if limit > -0.999:
        below = BettingPlan(bar=limit)
        assert p_value(advance(below, start(below), rows)) <= plan.alpha * (1 + 1e-9)


def test_mirror_tests_the_other_side():
    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 0.0, 1.0], p=[0.2, 0.7, 0.1], size=800)
    plan = BettingPlan(bar=-0.02)
    other = mirror(plan)
    assert p_value(advance(plan, start(plan), x)) > 0.05
    assert p_value(advance(other, start(other), -x)) < 0.05
    assert lower_limit(plan, x) < x.mean() < -lower_limit(other, -x) < -0.02


def test_peaks_equal_one_study_at_a_time():
    x = np.random.default_rng(1).uniform(-1, 1, size=(40, 3))
    for horizon in (None, 40):
        plan = BettingPlan(bar=-0.3, horizon=horizon)
        single = [advance(plan, start(plan), x[:, k]).log_peak for k in range(3)]
        np.testing.assert_allclose(peaks(plan, x), single, rtol=1e-12)


def test_units_of_one_row_are_rows():
    x = np.random.default_rng(2).uniform(-1, 1, size=50)
    plan = BettingPlan(bar=-0.02)
    assert advance(plan, start(plan), x) == advance(plan, start(plan), x, np.ones(50))


def test_worst_possible_values_never_ruin():
    for horizon in (None, 100):
        plan = BettingPlan(bar=-0.02, horizon=horizon, unit_rows=3)
        state = advance(plan, start(plan), [-3.0] * 100, [3] * 100)
        assert all(math.isfinite(w) for w in state.log_wealth)
        assert p_value(state) == 1


def test_no_rows_change_nothing():
    plan = BettingPlan(bar=-0.02)
    assert advance(plan, start(plan), []) == start(plan)


@pytest.mark.parametrize(
    ("plan", "x", "sizes", "message"),
    [
        (BettingPlan(bar=-0.1), [1.5], None, "must lie in"),
        (BettingPlan(bar=-0.1), [float("nan")], None, "must lie in"),
        (BettingPlan(bar=-0.1, unit_rows=2), [1.0], [3], "1 to 2 rows"),
        (BettingPlan(bar=-0.1, horizon=2), [0, 0, 0], None, "ends after 2 rounds"),
        (BettingPlan(bar=-0.1), [0, 0], [1], "alike"),
    ],
)
def test_bad_rows(plan, x, sizes, message):
    with pytest.raises(ValueError, match=message):
        advance(plan, start(plan), x, sizes)


@pytest.mark.parametrize("bad", [{"bar": -1.0}, {"low": 2.0}, {"alpha": 0.9}, {"horizon": 0}, {"unit_rows": 0}])
def test_bad_plans(bad):
    with pytest.raises(ValueError, match="must be"):
        BettingPlan(**{"bar": 0.0, **bad})
