"""Binomial tests and limits against SciPy."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binomtest

from pare.proof.binomial import accuracy_above, accuracy_below, clopper_pearson, wilson


@st.composite
def counts(draw):
    n = draw(st.integers(1, 3000))
    return draw(st.integers(0, n)), n


@settings(max_examples=100, deadline=None)
@given(counts(), st.floats(0.01, 0.99))
def test_p_values(count, bar):
    assert accuracy_above(*count, bar) == pytest.approx(binomtest(*count, bar, "greater").pvalue, rel=1e-6, abs=1e-290)
    assert accuracy_below(*count, bar) == pytest.approx(binomtest(*count, bar, "less").pvalue, rel=1e-6, abs=1e-290)


@settings(max_examples=60, deadline=None)
@given(counts(), st.sampled_from([0.005, 0.05, 0.2]))
def test_limits(count, alpha):
    k, n = count
    lower, upper = clopper_pearson(k, n, alpha)
    assert lower == pytest.approx(beta.ppf(alpha, k, n - k + 1) if k else 0, abs=1e-10)
    assert upper == pytest.approx(beta.ppf(1 - alpha, k + 1, n - k) if k < n else 1, abs=1e-10)


def test_wilson():
    assert wilson(18, 20, 0.05) == pytest.approx((0.699, 0.972), abs=5e-4)
    low, high = binomtest(7, 31).proportion_ci(0.9, "wilson")
    assert wilson(7, 31, 0.1) == pytest.approx((low, high))
    assert wilson(0, 5, 0.05)[0] == 0


@pytest.mark.parametrize("bad", [(3, 2, 0.5), (-1, 2, 0.5), (0, 0, 0.5), (1, 2, 1.5)])
def test_bad_arguments(bad):
    with pytest.raises(ValueError, match="must be"):
        accuracy_above(*bad)
