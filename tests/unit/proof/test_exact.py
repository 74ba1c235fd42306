"""The exact test against brute-force enumeration, its symmetries, and published values."""

import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import gammaln, xlogy
from scipy.stats import multinomial

from pare.proof.exact import (
    critical_losses,
    drop_exceeds,
    drop_limits,
    drop_within,
    region_probability,
    tango_score,
)

margins = st.sampled_from([-0.3, -0.1, -0.02, 0.0, 0.01, 0.02, 0.05, 0.1, 0.3])


@st.composite
def counts(draw, most=60):
    n = draw(st.integers(1, most))
    losses = draw(st.integers(0, n))
    return losses, draw(st.integers(0, n - losses)), n


def enumerated(losses, gains, n, margin, grid=3001):
    """Supremum over the boundary by summing every table: slow, independent of the module's algebra."""
    lost, won = (a.ravel() for a in np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij"))
    possible = lost + won <= n
    lost, won = lost[possible], won[possible]
    extreme = tango_score(lost, won, n, margin) <= float(tango_score(losses, gains, n, margin)) + 1e-9
    lost, won = lost[extreme], won[extreme]
    rest = n - lost - won
    ways = gammaln(n + 1) - gammaln(lost + 1) - gammaln(won + 1) - gammaln(rest + 1)
    s = np.linspace(abs(margin), 1, grid)[:, None]
    logs = ways + xlogy(lost, (s + margin) / 2) + xlogy(won, (s - margin) / 2) + xlogy(rest, 1 - s)
    return np.exp(logs).sum(axis=1).max()


@settings(max_examples=60, deadline=None)
@given(counts(25), margins)
def test_equals_enumeration_and_never_falls_below_it(count, margin):
    expected = enumerated(*count, margin)
    assert expected - 1e-9 <= drop_within(*count, margin) <= expected * 1.004 + 1e-9


@settings(max_examples=40, deadline=None)
@given(counts(), margins)
def test_more_losses_or_fewer_gains_never_help(count, margin):
    losses, gains, n = count
    p = drop_within(*count, margin)
    assert 0 <= p <= 1
    if losses + gains < n:
        assert drop_within(losses + 1, gains, n, margin) >= p * (1 - 1e-3)
        assert drop_within(losses, gains + 1, n, margin) <= p * (1 + 1e-3) + 1e-11


@settings(max_examples=40, deadline=None)
@given(counts(), margins)
def test_the_two_sides_mirror_and_cannot_both_be_proven(count, margin):
    losses, gains, n = count
    assert drop_exceeds(losses, gains, n, margin) == drop_within(gains, losses, n, -margin)
    assert drop_within(*count, margin) + drop_exceeds(*count, margin) >= 1 - 1e-9


@settings(max_examples=12, deadline=None)
@given(counts(120), st.sampled_from([0.01, 0.05, 0.1]))
def test_limits_enclose_the_drop_and_agree_with_the_tests(count, alpha):
    losses, gains, n = count
    assume(n > 5)
    lower, upper = drop_limits(*count, alpha)
    assert lower <= (losses - gains) / n <= upper
    for margin, test in ((upper, drop_within), (lower, drop_exceeds)):
        if abs(margin) < 0.999:
            assert test(*count, margin) <= alpha


@pytest.mark.parametrize(("n", "margin"), [(1, 0.1), (1, 0.99), (12, 0.0), (30, 0.02), (30, -0.1), (60, 0.3)])
def test_supremum_over_the_whole_null_lies_on_its_boundary(n, margin):
    table = critical_losses(n, margin, 0.05)
    for drop in np.linspace(margin, 1, 25):
        s = np.linspace(abs(drop), 1, 101)
        assert region_probability(table, n, s, float(drop)).max() <= 0.05


def test_region_probability_is_the_trinomial_sum():
    n, drop, s = 23, 0.07, 0.31
    table = critical_losses(n, 0.2, 0.1)
    expected = sum(
        multinomial.pmf([lost, d - lost, n - d], n, [(s + drop) / 2, (s - drop) / 2, 1 - s])
        for d in range(n + 1)
        for lost in range(table[d] + 1)
    )
    assert region_probability(table, n, np.array([s]), drop)[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "losses", "gains", "lower", "upper"),
    # Fagerland, Lydersen, Laake, Statistical Analysis of Contingency Tables (2017), chapter 8: Bentur et al. 2009
    [(21, 1, 7, -0.517, -0.026), (54, 0, 0, -0.0664, 0.0664)],
)
def test_published_score_intervals(n, losses, gains, lower, upper):
    assert float(tango_score(losses, gains, n, lower)) == pytest.approx(1.96, abs=0.006)
    assert float(tango_score(losses, gains, n, upper)) == pytest.approx(-1.96, abs=0.006)


@pytest.mark.parametrize("margin", [-0.2, 0.0, 0.03])
def test_score_uses_the_most_likely_null(margin):
    n, losses, gains = 80, 9, 6
    q = np.linspace(max(0, -margin) + 1e-6, (1 - margin) / 2 - 1e-6, 400_001)
    fit = losses * np.log(q + margin) + gains * np.log(q) + (n - losses - gains) * np.log(1 - 2 * q - margin)
    best = q[fit.argmax()]
    expected = (losses - gains - n * margin) / np.sqrt(n * (2 * best + margin - margin**2))
    assert float(tango_score(losses, gains, n, margin)) == pytest.approx(expected, rel=1e-4)


def test_margin_zero_orders_like_mcnemar():
    assert float(tango_score(4, 10, 100, 0.0)) == pytest.approx((4 - 10) / np.sqrt(14))
    assert float(tango_score(0, 0, 100, 0.0)) == 0


def test_published_power():
    table = critical_losses(600, 0.02, 0.05)
    assert region_probability(table, 600, np.array([0.04]), 0.0)[0] == pytest.approx(0.75, abs=0.005)


def test_grid_is_fine_enough():
    rng = np.random.default_rng(5)
    for _ in range(4):
        n, margin = int(rng.choice([50, 200, 700])), float(rng.choice([-0.02, 0, 0.01, 0.05]))
        table = critical_losses(n, margin, float(rng.uniform(0.005, 0.1)))
        dense = abs(margin) + (1 - abs(margin)) * np.sin(np.linspace(0, np.pi / 2, 3000)) ** 2
        losses = int(table[n // 2])
        p = drop_within(losses, n // 2 - losses, n, margin)
        assert region_probability(table, n, dense, margin).max() <= max(p, 0.1)


def test_fast_enough_to_be_called_at_a_prompt():
    begun = time.process_time()
    drop_within(70, 60, 3080, 0.02)
    assert time.process_time() - begun < 3


@pytest.mark.parametrize("bad", [(-1, 0, 5, 0.1), (3, 3, 5, 0.1), (0, 0, 0, 0.1), (1, 1, 5, 1.0), (1, 1, 5, -1.0)])
def test_bad_arguments(bad):
    with pytest.raises(ValueError, match="must be"):
        drop_within(*bad)


def test_bad_alpha():
    with pytest.raises(ValueError, match=r"alpha must be .* but is 0"):
        drop_limits(1, 1, 10, 0.0)
