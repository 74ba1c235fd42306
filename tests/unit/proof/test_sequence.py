"""Evidence, looks and the verdict."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.proof.betting import BettingPlan
from pare.proof.evidence import Evidence, accuracy_at_least, accuracy_within, mean_at_least, mean_within
from pare.proof.looks import look_alpha
from pare.proof.sequence import decide


def candidate(p_pass, p_fail=1.0):
    return Evidence("a", p_pass, p_fail, 0.0, -1.0, 1.0)


def test_stops_at_the_first_that_is_not_proven():
    decision = decide([candidate(0.01), candidate(0.05), candidate(0.2), candidate(0.001)], 0.05)
    assert (decision.verdict, decision.proven, decision.winner) == ("pass", (0, 1), 1)
    assert decision.adjusted_p_pass == (0.01, 0.05, 0.2, 0.2)


def test_fail_needs_every_candidate():
    assert decide([candidate(1, 0.01), candidate(1, 0.05)], 0.05).verdict == "fail"
    assert decide([candidate(1, 0.01), candidate(1, 0.06)], 0.05).verdict == "unproven"


def test_nothing_to_test():
    decision = decide([], 0.05)
    assert (decision.verdict, decision.winner, decision.p_fail) == ("unproven", None, 1.0)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=6))
def test_verdict_is_consistent(pairs):
    decision = decide([candidate(*p) for p in pairs], 0.05)
    assert decision.proven == tuple(i for i, p in enumerate(decision.adjusted_p_pass) if p <= 0.05)
    assert (decision.verdict == "pass") == (decision.winner is not None) == bool(decision.proven)
    if decision.verdict == "fail":
        assert all(p[1] <= 0.05 for p in pairs)


def test_looks_spend_alpha_once():
    spent = [look_alpha(0.05, k) for k in range(1, 2000)]
    assert spent[0] == pytest.approx(0.0304, abs=1e-4)
    assert 0.0499 < sum(spent) < 0.05
    with pytest.raises(ValueError, match="look must be at least 1"):
        look_alpha(0.05, 0)


def test_evidence_on_accuracy():
    within = accuracy_within("s", 8, 10, 900, margin=0.02, alpha=0.05)
    assert within.p_pass < 0.05 < within.p_fail
    assert within.lower < within.estimate == -2 / 900 < within.upper < 0.02
    bar = accuracy_at_least("s", 880, 900, bar=0.95, alpha=0.05)
    assert bar.p_pass < 0.05 < bar.p_fail
    assert bar.lower > 0.95


@pytest.mark.parametrize("horizon", [None, 1500])
def test_evidence_on_means(horizon):
    x = np.random.default_rng(3).choice([-0.5, 0, 0.5], p=[0.03, 0.94, 0.03], size=1500)
    within = mean_within("s", BettingPlan(bar=-0.03, horizon=horizon), x)
    assert within.p_pass <= 0.05 < within.p_fail
    assert within.estimate == pytest.approx(-x.mean())
    assert within.lower < within.estimate < within.upper < 0.03
    quality = mean_at_least("s", BettingPlan(bar=0.4, low=0, high=1, horizon=horizon), 0.5 + x)
    assert quality.p_pass <= 0.05
    assert 0.4 < quality.lower < quality.estimate < quality.upper
