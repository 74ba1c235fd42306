"""Partial labels: monotone in every label, equal to the exact test at both ends, sound under labeller error."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pare.proof.betting import BettingPlan, advance, p_value, start
from pare.proof.binomial import clopper_pearson
from pare.proof.evidence import accuracy_within
from pare.proof.exact import drop_limits, drop_within
from pare.proof.labelling import labels_left, labels_to_decide, plan_review
from pare.proof.partial import (
    BET_CAP,
    Reviewed,
    ReviewPlan,
    gather,
    log_peaks,
    partial_p,
    partial_within,
    review_order,
    unlabelled,
)
from pare.proof.reviewers import error_limit, majority, reviewer_agreement
from pare.proof.rounds import fixed_order

PLANS = [
    ReviewPlan(80, 0.05),
    plan_review(80, 0.05, 0.1, share=0.5),
    plan_review(80, 0.05, 0.1, share=0.5, error=0.1),
    plan_review(80, 0.05, 0.1, share=0.5, error=0.05, blind=False),
    ReviewPlan(80, -0.02, error=0.05),
]


@st.composite
def reviews(draw, n=80, most=30, known=True):
    places = draw(st.lists(st.integers(0, n - 1), unique=True, max_size=most).map(sorted))
    choice = [-1.0, 0.0, 1.0] if known else [-1.0, 0.0, 1.0, math.nan]
    values = draw(st.lists(st.sampled_from(choice), min_size=len(places), max_size=len(places)))
    return Reviewed(n, np.array([*places, n]), np.array(values))


@settings(max_examples=40, deadline=None)
@given(reviews(), st.sampled_from(PLANS), st.randoms())
def test_p_falls_with_every_label_in_any_order(full, plan, random):
    """So it is never below the p-value of all labels: the proof of validity at any stopping."""
    values, rows = np.full(full.disagreements, math.nan), list(range(full.disagreements))
    random.shuffle(rows)
    ps = [partial_p(plan, replace(full, values=values))]
    for row in rows:
        values = values.copy()
        values[row] = full.values[row]
        ps.append(partial_p(plan, replace(full, values=values)))
    assert np.all(np.diff(ps) <= 1e-3 * np.array(ps[:-1]) + 1e-9)


@settings(max_examples=5, deadline=None)
@given(reviews(known=False), st.sampled_from(PLANS))
def test_what_has_no_label_counts_as_a_loss_when_passing_and_as_a_gain_when_failing(r, plan):
    as_loss, as_gain = (replace(r, values=np.where(np.isnan(r.values), v, r.values)) for v in (-1.0, 1.0))
    e = partial_within("c", plan, r)
    lossy, gainy = partial_within("c", plan, as_loss), partial_within("c", plan, as_gain)
    assert (e.p_pass, e.upper, e.p_fail, e.lower) == (lossy.p_pass, lossy.upper, gainy.p_fail, gainy.lower)
    assert e.p_pass == partial_p(plan, r)


@settings(max_examples=12, deadline=None)
@given(reviews(), st.sampled_from(PLANS))
def test_limits_agree_with_the_test(r, plan):
    e = partial_within("c", plan, r)
    assert -1 <= e.lower <= e.estimate / plan.kept + 1e-12
    assert e.lower <= e.upper <= 1
    assert (e.p_pass <= plan.alpha) == (e.upper <= plan.margin) or abs(e.upper - plan.margin) < 0.002
    for margin in (e.upper + 0.001, e.upper + 0.03, 0.4):
        if margin >= e.upper and abs(margin) < 0.99:
            most = BET_CAP / (1 + plan.penalty - plan.reported(margin))  # as the limit itself does
            other = replace(plan, margin=margin, bets=tuple(min(bet, most) for bet in plan.bets))
            assert partial_p(other, r) <= plan.alpha


@settings(max_examples=5, deadline=None)
@given(reviews())
def test_with_all_labels_and_no_share_it_is_the_exact_test(r):
    plan = ReviewPlan(r.n, 0.05)
    assert partial_within("c", plan, r) == accuracy_within("c", r.losses, r.gains, r.n, 0.05, 0.05)


@pytest.mark.parametrize(("n", "margin"), [(150, 0.1), (600, 0.02), (3080, 0.01)])
def test_with_no_label_it_is_the_binomial_test_and_limit(n, margin):
    for count in (0, int(n * margin / 2), int(n * margin)):
        claim = unlabelled(count, n, margin)
        assert (claim.rate, claim.upper) == (count / n, clopper_pearson(count, n, 0.05)[1])
        exact = partial_p(ReviewPlan(n, margin), Reviewed(n, np.arange(n - count, n + 1), np.full(count, math.nan)))
        assert claim.p <= exact  # as tests at .05 they agree:
        assert (claim.p <= 0.05) == (exact <= 0.05)
        assert drop_limits(count, 0, n, 0.05)[1] == pytest.approx(claim.upper, rel=5e-3)


def test_wealth_is_that_of_bets_played_row_by_row():
    plan = plan_review(200, 0.05, 0.1, share=0.5, error=0.05, blind=False)
    r = Reviewed(200, np.array([0, 7, 8, 150, 200]), np.array([-1.0, 1, 0, 1]))
    x = np.zeros(200)
    x[[0, 7, 8, 150]] = r.values - 0.1
    paths = np.cumprod(1 + np.outer(x + 0.05, plan.bets), axis=0) @ [0.25, 0.5, 0.25]
    assert log_peaks(plan, 0.05, r.before, r.values)[-1] == pytest.approx(math.log(max(1, paths.max())))


def test_rounds_bets_without_a_horizon_are_monotone_too():
    """Units and other metrics: missing labels as the worst value, in a growing plan, are valid for the same reason."""
    rng = np.random.default_rng(3)
    plan = BettingPlan(bar=-0.05)
    x = rng.choice([-1.0, 0, 0, 0, 1], size=200)
    ps = []
    for known in (0, 50, 120, 200):
        seen = np.where((np.arange(200) < known) | (x == 0), x, -1.0)
        ps.append(p_value(advance(plan, start(plan), seen)))
    assert ps == sorted(ps, reverse=True)


def test_the_bets_prove_with_few_labels_what_the_exact_test_cannot_yet():
    rng = np.random.default_rng(4)
    before = np.r_[np.sort(rng.choice(3080, 150, replace=False)), 3080]
    r = Reviewed(3080, before, np.r_[np.tile([1.0, -1, 0, 1, -1], 8), np.full(110, math.nan)])
    plan = plan_review(3080, 0.02, 0.05)
    assert plan.share == 0.8
    assert partial_p(plan, r) < 0.05 < partial_p(ReviewPlan(3080, 0.02), r)
    e = partial_within("c", plan, r)
    assert e.upper < 0.02
    assert (e.estimate, r.labelled, r.unlabelled, r.losses, r.gains) == (0.0, 40, 110, 16, 16)


def test_gather_uses_the_review_order():
    ids = [f"row {i}" for i in range(6)]
    candidates, incumbents = list("aababb"), list("abcabc")
    truths = ["a", "b", None, "c", "a", "z"]
    r = gather(ids, candidates, incumbents, truths, seed=5)
    order = review_order(ids, 5).tolist()
    assert order == fixed_order(ids, 5).tolist()
    expected = {1: -1.0, 2: math.nan, 5: 0.0}
    places = [i for i in range(6) if order[i] in expected]
    assert r.before.tolist() == [*places, 6]
    np.testing.assert_array_equal(r.values, [expected[order[i]] for i in places])
    differing = [i for i in order if i in expected]
    assert [sorted(expected)[i] for i in review_order([ids[i] for i in sorted(expected)], 5)] == differing


def test_without_disagreements_everything_is_known():
    r = Reviewed(300, np.array([300]), np.array([]))
    e = partial_within("c", plan_review(300, 0.05, 0.05, share=0.5), r)
    assert e.p_pass < 0.001
    assert e.estimate == 0
    assert labels_left(plan_review(300, 0.05, 0.05), r).expected == 0


def test_labeller_error_moves_every_number_to_the_safe_side():
    rng = np.random.default_rng(6)
    r = Reviewed(1000, np.r_[np.sort(rng.choice(1000, 90, replace=False)), 1000], rng.choice([-1.0, 0, 1, 1], size=90))
    none, blind, anywhere = (
        partial_within("c", ReviewPlan(1000, 0.02, error=error, blind=kind), r)
        for error, kind in [(0.0, True), (0.05, True), (0.05, False)]
    )
    assert none.p_pass < blind.p_pass < anywhere.p_pass
    assert blind.p_pass == drop_within(r.losses, r.gains, 1000, 0.9 * 0.02)
    assert none.lower > anywhere.lower
    assert blind.upper == none.upper if none.upper < 0 else blind.upper > none.upper
    assert anywhere.upper > none.upper + 0.1 * 90 / 1000
    no_errors = replace(ReviewPlan(1000, 0.02), blind=False)
    assert partial_within("c", no_errors, r) == none


def test_forecast():
    plan = plan_review(3080, 0.02, 0.05)
    few = labels_to_decide(plan, 150)
    assert few.open == 150
    assert few.least < few.expected < few.enough < 70
    assert few.chance > 0.99
    exact = labels_to_decide(ReviewPlan(3080, 0.02), 150)
    assert 100 < exact.expected < exact.enough < 125
    assert labels_to_decide(plan, 40).expected == 0  # proven without a label
    assert labels_to_decide(plan, 150, drop=0.02).chance < 0.05
    hopeless = labels_to_decide(ReviewPlan(300, 0.001), 30)
    assert hopeless.enough is None
    assert hopeless.expected > 29
    assert labels_to_decide(ReviewPlan(30, 0.01), 0).least is None


def test_forecast_goes_on_from_where_the_review_stands():
    rng = np.random.default_rng(7)
    values = np.r_[np.tile([1.0, -1, 0, 1, -1], 3), math.nan, 1.0, np.full(133, math.nan)]
    r = Reviewed(3080, np.r_[np.sort(rng.choice(3080, 150, replace=False)), 3080], values)
    plan = plan_review(3080, 0.02, 0.05)
    forecast = labels_left(plan, r)
    assert forecast.open == 133
    assert 0 < forecast.expected < labels_to_decide(plan, 150).expected
    best = replace(r, values=np.r_[values[:17], np.ones(forecast.least), np.full(133 - forecast.least, math.nan)])
    assert partial_p(plan, best) <= 0.05


def test_plan_gives_the_bets_what_power_allows():
    assert plan_review(3080, 0.02, 0.03).share == 0.8
    assert plan_review(3080, 0.02, 0.1).share == 0.5
    assert plan_review(600, 0.02, 0.05).share == 0
    assert plan_review(30_000, 0.01, 0.05).share == 0.8
    assert plan_review(3080, 0.02, 0.1, error=0.2, blind=False) == ReviewPlan(3080, 0.02, error=0.2, blind=False)
    plan = plan_review(3080, 0.02, 0.05)
    assert ReviewPlan(**{**json.loads(json.dumps(asdict(plan))), "bets": plan.bets}) == plan


def test_majority_is_of_all_who_are_to_label():
    assert majority(["a"]) == "a"
    assert majority(["a", "b"]) is None
    assert majority(["a", None]) is None
    assert majority(["a", "a", None]) == "a"
    assert majority(["a", None, None]) is None
    assert majority([]) is None


def test_kappa():
    # margins .5 .3 .2 and .4 .3 .3: by chance they agree on .20 + .09 + .06
    counts = {"aa": 25, "ab": 13, "ac": 12, "ba": 12, "bb": 2, "bc": 16, "ca": 3, "cb": 15, "cc": 2}
    pairs = [tuple(pair) for pair, count in counts.items() for _ in range(count)]
    first, second = ([*column, None] for column in zip(*pairs, strict=True))
    a = reviewer_agreement(first, second)
    assert (a.both, a.same, a.share) == (100, 29, 0.29)
    assert a.kappa == pytest.approx((0.29 - 0.35) / (1 - 0.35))
    assert a.lower < a.share < a.upper
    assert a.kappa_lower < a.kappa < a.kappa_upper
    assert reviewer_agreement(["a", "a"], ["a", "a"]).kappa is None
    assert reviewer_agreement(["a", "b"], ["a", "b"]).kappa == 1


def test_error_limit_is_that_of_the_differing_rate():
    assert error_limit(5, 100, 0.05) == clopper_pearson(5, 100, 0.05)[1]
    for a, b in np.random.default_rng(8).random((200, 2)) / 2:
        assert a * (1 - b) + b * (1 - a) >= (a + b) / 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ReviewPlan(0, 0.1), "n must be .* are 0"),
        (lambda: ReviewPlan(9, 1.0), "margin between -1 and 1 but are 9 and 1"),
        (lambda: ReviewPlan(9, 0.1, error=0.5), "error must be .* but is 0.5"),
        (lambda: ReviewPlan(9, 0.1, share=1.0), "share must be .* but is 1"),
        (lambda: ReviewPlan(9, 0.1, share=0.5), "bets must be 3 .* are 0"),
        (lambda: ReviewPlan(9, 0.1, share=0.5, bets=(0.1, 0.2, 1.2)), "bets must be above 0 and below 1.111"),
        (lambda: ReviewPlan(9, 0.1, alpha=0.0), "alpha must be .* but is 0"),
        (lambda: plan_review(9, 0.1, 0.0), "disagreement must be .* but is 0"),
        (lambda: plan_review(9, 0.1, 0.1, neither=1.0), "neither must be .* but is 1"),
        (lambda: Reviewed(9, np.array([3, 8]), np.array([0.0])), "up to n = 9"),
        (lambda: Reviewed(9, np.array([9]), np.array([0.0])), "before must have 2 entries"),
        (lambda: Reviewed(9, np.array([3, 9]), np.array([0.5])), "values must be -1, 0, 1 or nan"),
        (lambda: partial_p(ReviewPlan(8, 0.1), Reviewed(9, np.array([9]), np.array([]))), "the 8 .* planned but are 9"),
        (lambda: gather(["a"], ["b"], ["c"], [], 0), r"same length but have \[1, 1, 1, 0\]"),
        (lambda: labels_to_decide(ReviewPlan(9, 0.1), 10), "count among 9 rows but is 10"),
        (lambda: labels_to_decide(ReviewPlan(9, 0.1), 2, drop=0.3), "drop must fit among 2 .* is 0.3"),
        (lambda: reviewer_agreement(["a"], []), "as many but are 1 and 0"),
        (lambda: reviewer_agreement(["a"], [None]), "both reviewers' labels but 0 of 1 do"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
