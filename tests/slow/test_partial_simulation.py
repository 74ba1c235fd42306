"""Partly labelled reviews, simulated by the thousand: how often does one pass a candidate that is too bad?

The truth is a drop of exactly the margin. Whoever reviews does the worst: knows every label beforehand, asks for the
gains first, looks at the p-value after each batch and stops as soon as it passes. A case fails only if the 99 %
Clopper-Pearson lower bound of its error rate exceeds alpha; controls show that the cases have teeth.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import binom

from pare.proof.binomial import accuracy_below, clopper_pearson
from pare.proof.exact import critical_losses, region_probability
from pare.proof.labelling import labels_to_decide, plan_review
from pare.proof.partial import ReviewPlan, give_way, log_peaks
from pare.proof.reviewers import error_limit

pytestmark = pytest.mark.slow

ALPHA = 0.05
STUDIES = 5000
DESIGNS = [  # n, margin, disagreement, share of "neither", share of alpha for the bets
    (600, 0.02, 0.02, 0.0, 0.5),  # every disagreement a loss
    (600, 0.02, 0.05, 0.2, 0.5),
    (300, 0.05, 0.3, 0.2, 0.2),
    (3080, 0.02, 0.05, 0.2, 0.8),
    (3080, 0.02, 0.1, 0.1, 0.5),
    (3080, 0.01, 0.03, 0.3, 0.0),
]


@dataclass
class Studies:
    """before: (studies, D + 1), values: (studies, D), padded with disagreements at the end that count as nothing."""

    before: np.ndarray
    values: np.ndarray
    total: np.ndarray

    @property
    def real(self):
        return np.arange(self.values.shape[1]) < self.total[:, None]


def holds(errors, alpha=ALPHA):
    lower, _ = clopper_pearson(int(errors.sum()), len(errors), 0.01)
    assert lower <= alpha, f"{errors.mean():.4f} of {len(errors)} studies err, more than {alpha:.4f}"
    print(f"{errors.mean():.4f} of {len(errors)} studies err")


def breaks(errors, alpha=ALPHA):
    assert clopper_pearson(int(errors.sum()), len(errors), 0.01)[0] > alpha, f"only {errors.mean():.4f} err"


def draw(rng, n, disagreement, neither, drop, studies=STUDIES):
    loss, gain = (disagreement * (1 - neither) + drop) / 2, (disagreement * (1 - neither) - drop) / 2
    assert gain > -1e-12
    u = rng.random((studies, n), dtype=np.float32)
    study, place = np.nonzero(u < disagreement)
    total = np.bincount(study, minlength=studies)
    rank = np.arange(len(study)) - np.r_[0, np.cumsum(total)][study]
    before = np.full((studies, total.max() + 1), n)
    values = np.full((studies, total.max()), -1.0)
    before[study, rank] = place
    v = u[study, place]
    values[study, rank] = (v < loss) * -1.0 + ((v >= loss) & (v < loss + gain))
    return Studies(before, values, total)


def passed(plan, s, seen):
    """seen: what stands for each disagreement, missing labels imputed; the decision of `partial_p`, vectorised."""
    losses, gains = ((seen < 0) & s.real).sum(axis=1), ((seen > 0) & s.real).sum(axis=1)
    target, level = plan.reported(plan.margin), (1 - plan.share) * plan.alpha
    ok = np.zeros(len(seen), dtype=bool)
    for total in np.unique(s.total) if plan.penalty else [0]:
        give, spent = give_way(plan, int(total), level)
        these = s.total == total if plan.penalty else slice(None)
        table = critical_losses(plan.n, round(target - give, 6), level - spent)
        ok[these] = losses[these] <= table[(losses + gains)[these]]
    if plan.share:
        ok |= log_peaks(plan, target, s.before, np.where(s.real, seen, -1.0))[:, -1] >= -math.log(
            plan.share * plan.alpha
        )
    return ok


def ever_passed(rng, plan, s, labels, order, looks=6):
    """Whether the review passes at any of the looks; labels come in by rank of `order` (studies, D)."""
    rank = np.argsort(np.argsort(np.where(s.real, order, np.inf), axis=1), axis=1)
    ok = np.zeros(len(labels), dtype=bool)
    for share in np.linspace(0, 1, looks):
        known = rank < np.ceil(share * s.total)[:, None]
        ok |= passed(plan, s, np.where(known, labels, -1.0))
    return ok


@pytest.mark.parametrize("order", ["as planned", "gains first", "losses last, from the end"])
@pytest.mark.parametrize(("n", "margin", "disagreement", "neither", "share"), DESIGNS)
def test_any_order_and_any_stopping(n, margin, disagreement, neither, share, order):
    rng = np.random.default_rng(31)
    plan = plan_review(n, margin, disagreement, neither=neither, share=share)
    s = draw(rng, n, disagreement, neither, margin)
    place = np.arange(s.values.shape[1]) + np.zeros_like(s.values)
    keys = {"as planned": place, "gains first": -s.values, "losses last, from the end": -1e6 * s.values - place}
    holds(ever_passed(rng, plan, s, s.values, keys[order]))


def test_leaving_out_what_has_no_label_would_err():
    """The control: gains first, and what is not labelled counts as nothing."""
    rng = np.random.default_rng(32)
    plan = plan_review(600, 0.02, 0.05, share=0.5)
    s = draw(rng, 600, 0.05, 0.2, 0.02)
    breaks(passed(plan, s, np.where(s.values > 0, 1.0, 0.0)))


@pytest.mark.parametrize(("n", "margin", "disagreement", "neither", "share"), DESIGNS[1:3])
def test_false_fail(n, margin, disagreement, neither, share):
    """The other side, by the exact test, missing labels as gains; whoever reviews asks for the losses first."""
    rng = np.random.default_rng(33)
    s = draw(rng, n, disagreement, neither, margin)
    table = critical_losses(n, -margin, ALPHA)
    ok = np.zeros(STUDIES, dtype=bool)
    for most in range(0, int(s.total.max()) + 1, 5):
        losses = np.minimum((s.values < 0) & s.real, (s.values < 0).cumsum(axis=1) <= most).sum(axis=1)
        neithers = np.where(losses == ((s.values < 0) & s.real).sum(axis=1), ((s.values == 0) & s.real).sum(axis=1), 0)
        gains = s.total - losses - neithers
        ok |= gains <= table[losses + gains]
    holds(ok)


def misread(rng, s, flips_loss, flips_gain):
    """The labels that reviewers give where a loss is read as a gain, and a gain as a loss, with these chances."""
    u = rng.random(s.values.shape)
    return np.where(((s.values < 0) & (u < flips_loss)) | ((s.values > 0) & (u < flips_gain)), -s.values, s.values)


@pytest.mark.parametrize(("n", "margin", "disagreement", "neither", "share"), DESIGNS[1:5])
def test_blind_labeller_error(n, margin, disagreement, neither, share):
    """Wrong once in ten, always the other way round: the most that blind errors can do."""
    rng = np.random.default_rng(34)
    s = draw(rng, n, disagreement, neither, margin)
    labels = misread(rng, s, 0.1, 0.1)
    plan = plan_review(n, margin, disagreement, neither=neither, share=share, error=0.1)
    holds(ever_passed(rng, plan, s, labels, -labels))


def test_blind_labeller_error_ignored_would_err():
    rng = np.random.default_rng(35)
    s = draw(rng, 3080, 0.05, 0.2, 0.02)
    breaks(passed(ReviewPlan(3080, 0.02), s, misread(rng, s, 0.1, 0.1)))


@pytest.mark.parametrize(("n", "margin", "disagreement", "neither", "share"), DESIGNS[1:3])
def test_labeller_error_where_it_hurts(n, margin, disagreement, neither, share):
    """All errors, 3 in 100 disagreements, turn losses into gains."""
    rng = np.random.default_rng(36)
    s = draw(rng, n, disagreement, neither, margin)
    loss = (disagreement * (1 - neither) + margin) / 2
    labels = misread(rng, s, 0.03 * disagreement / loss, 0.0)
    plan = plan_review(n, margin, disagreement, neither=neither, share=share, error=0.03, blind=False)
    holds(ever_passed(rng, plan, s, labels, -labels, looks=3))


def test_labeller_error_where_it_hurts_breaks_the_blind_plan():
    rng = np.random.default_rng(37)
    s = draw(rng, 600, 0.3, 0.0, 0.05)
    labels = misread(rng, s, 0.05 * 0.3 / 0.175, 0.0)
    breaks(passed(ReviewPlan(600, 0.05, error=0.05), s, labels))
    holds(passed(ReviewPlan(600, 0.05, error=0.05, blind=False), s, labels))


def test_error_estimated_from_two_reviewers_who_leave_open_what_they_differ_on():
    """Each wrong on 6 % of the rows, in clumps: on one row in five with chance .3. Their limit takes .01 of alpha."""
    rng = np.random.default_rng(38)
    n, margin = 1500, 0.03
    s = draw(rng, n, 0.1, 0.1, margin)
    hard = np.where(rng.random(s.values.shape) < 0.2, 0.3, 0.0)
    one, two = misread(rng, s, hard, hard), misread(rng, s, hard, hard)
    differing = ((one != two) & s.real).sum(axis=1)
    agreed = np.where(one == two, one, -1.0)
    limits = {(a, t): error_limit(a, t, 0.01) for a, t in zip(differing.tolist(), s.total.tolist(), strict=True)}
    errors = np.array([limits[a, t] for a, t in zip(differing.tolist(), s.total.tolist(), strict=True)])
    errors = np.ceil(errors * 100) / 100  # upwards, so that few tables are needed
    plan = plan_review(n, margin, 0.1, alpha=0.04, share=0.2)
    ok = np.zeros(STUDIES, dtype=bool)
    for error in np.unique(errors):
        these = errors == error
        part = Studies(s.before[these], s.values[these], s.total[these])
        ok[these] = passed(replace(plan, error=float(error)), part, agreed[these])
    holds(ok)


@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.0304, 0.01, 0.0034])
@pytest.mark.parametrize(("n", "margin"), [(150, 0.1), (300, 0.05), (600, 0.02), (3080, 0.01), (3080, 0.02)])
def test_claiming_without_labels_and_then_labelling_everything(n, margin, alpha):
    """Computed: the binomial test before the first label or the exact test after the last, each at alpha."""
    table = critical_losses(n, margin, alpha)
    s = np.linspace(margin, min(1, 6 * margin), 300)
    either = region_probability(table, n, s, margin)
    for d in range(int(n * margin) + 1):
        if accuracy_below(d, n, margin) <= alpha:  # no label is needed, but the exact test might have said no
            either += binom.pmf(d, n, s) * binom.sf(table[d], d, (s + margin) / (2 * s))
    assert either.max() <= alpha


def without_replacement(rng, n, margin, disagreement, neither, share, studies=300):
    """The rival: bets on the D disagreements as a finite population for their net losses, then the exact test on that.

    Waudby-Smith and Ramdas' martingale without replacement at share alpha, its bet the one that grows fastest.
    """
    s = draw(rng, n, disagreement, neither, 0.0, studies)
    table = critical_losses(n, margin, (1 - share) * ALPHA)
    needed = np.full(studies, np.inf)
    for i in range(studies):
        total = int(s.total[i])
        net = 2 * int(table[total]) - total + 1  # H0: at least so many net losses among the D
        bets = np.linspace(0.01, 0.97 / (1 - net / total), 200)
        growth = neither * np.log1p(bets * net / total)
        growth += (1 - neither) / 2 * (np.log1p(bets * (net / total - 1)) + np.log1p(bets * (net / total + 1)))
        wealth, bet, left = 0.0, bets[growth.argmax()], float(net)
        for k, x in enumerate(s.values[i, :total]):
            mean = left / (total - k)
            if mean > 1:
                needed[i] = k
                break
            wealth += math.log1p(min(bet, 0.97 / max(1 - mean, 1e-9)) * (x + mean))
            left += x
            if wealth >= -math.log(share * ALPHA):
                needed[i] = k + 1
                break
    return np.minimum(needed, s.total).mean(), np.isfinite(needed).mean()


@pytest.mark.parametrize("disagreements", [82, 150, 300])
def test_labels_against_the_rivals(disagreements):
    n, margin = 3080, 0.02
    rng = np.random.default_rng(39)
    ours = labels_to_decide(plan_review(n, margin, disagreements / n), disagreements)
    exact = labels_to_decide(ReviewPlan(n, margin), disagreements)
    labels, power = without_replacement(rng, n, margin, disagreements / n, 0.2, 0.5)
    print(
        f"D {disagreements}: ours {ours.expected:.0f} ({ours.enough}; {ours.chance:.3f}), exact {exact.expected:.0f} "
        f"({exact.enough}; {exact.chance:.3f}), without replacement {labels:.0f} ({power:.3f})"
    )
    assert ours.expected < 0.6 * exact.expected
    assert ours.expected < labels
    assert ours.chance > exact.chance - 0.02
