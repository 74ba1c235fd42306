"""Label only what decides: accuracy against an incumbent when only some of the sealed rows have a human label.

Where both models give the same answer, the paired difference is 0 whatever the truth is. Only the D disagreements
among the n rows need a label, which makes each a gain (+1, the candidate is right), a loss (-1, the incumbent is) or
neither (0). Review goes through them in the order of a keyed hash; who reviews may stop at any time.

Two tests of H0: drop >= margin, each with its own share of alpha (union bound), planned before a sealed row is read:
- the exact test (`exact`) on all n rows: nothing beats it when every disagreement has its label;
- fixed bets on the rows in review order, where rows on which both agree come without a label and make money. It
  proves early, with few labels, and needs the order.

What has no label counts as a loss. Claim: then both p-values hold at any stopping, in whatever order and with whatever
choice of rows, even if who stops knows the labels that are still to come. Proof: let p be the p-value that all D
labels would give. Turning a loss into neither, or neither into a gain, never raises the exact p-value (its regions are
closed under these steps), nor lowers any factor 1 + bet (x + margin) of the wealth (the bets are fixed), hence not its
peak. Labels seen by time t differ from the full set by unlabelled rows alone, counted as losses; so p_t >= p for all t
on every path, and P(p_t <= alpha for some t) <= P(p <= alpha) <= alpha. What is needed: the label that a row gets does
not depend on when, or whether, it is asked for.

With no label at all the exact test is nearly P(binomial(n, margin) <= D), and its limit Clopper and Pearson's.

Labeller error, at most `error` a disagreement. `blind`: wrong as often on rows that the candidate won as on those that
it lost, and "neither" taken for either equally often. A label then keeps its sign in expectation up to a factor
1 - h, h = P(flipped) 2 + P(lost to neither) <= 2 error, so that reported drop = (1 - h) drop, and H0 implies a reported
drop of at least (1 - 2 error) margin. Not `blind`: errors fall where they hurt; one moves x by at most 2, the drop by
2 error P(disagree). The bets pay 2 error at each disagreement; the exact margin gives way by 2 error times a
Clopper-Pearson limit of P(disagree), which takes a tenth of its level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pare.proof import exact
from pare.proof.binomial import accuracy_below, clopper_pearson
from pare.proof.evidence import Evidence
from pare.proof.rounds import fixed_order

__all__ = [
    "ReviewPlan",
    "Reviewed",
    "Unlabelled",
    "gather",
    "partial_p",
    "partial_within",
    "review_order",
    "unlabelled",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BET_CAP = 0.97  # of the bet that one loss would ruin
_MONEY = np.array([0.25, 0.5, 0.25])  # what each of the three bets starts with
_SPENT = 0.1  # of a level, for the limit of the disagreement rate where errors may fall anywhere


@dataclass(frozen=True)
class ReviewPlan:
    """Frozen before the sealed rows are read; `plan_review` chooses share and bets.

    n: sealed rows. margin: of H0, a fraction. share: of alpha, for the bets; 0 is the exact test as it is.
    bets: three, per unit of drop, each below 1 / (1 + penalty - margin). error, blind: see the module.
    Raises ValueError if a field is outside its range.
    """

    n: int
    margin: float
    alpha: float = 0.05
    share: float = 0.0
    bets: tuple[float, ...] = ()
    error: float = 0.0
    blind: bool = True

    def __post_init__(self) -> None:
        exact.check_alpha(self.alpha)
        if self.n < 1 or not -1 < self.margin < 1:
            raise ValueError(f"n must be at least 1 and margin between -1 and 1 but are {self.n} and {self.margin}")
        if not 0 <= self.error < 0.5:
            raise ValueError(f"error must be at least 0 and below 0.5 but is {self.error}")
        if not 0 <= self.share < 1:
            raise ValueError(f"share must be at least 0 and below 1 but is {self.share}")
        if self.share > 0 and len(self.bets) != len(_MONEY):
            raise ValueError(f"bets must be {len(_MONEY)} where share is above 0 but are {len(self.bets)}")
        most = 1 / (1 + self.penalty - self.reported(self.margin))
        if not all(0 < bet < most for bet in self.bets):
            raise ValueError(f"bets must be above 0 and below {most:.4g} but are {self.bets}")

    @property
    def penalty(self) -> float:
        """What each disagreement costs, in units of one row."""
        return 0.0 if self.blind else 2 * self.error

    @property
    def kept(self) -> float:
        """The part of a drop that blind labels keep at least."""
        return 1 - 2 * self.error if self.blind else 1.0

    def reported(self, drop: float) -> float:
        """The least drop in reported labels if the true one is at least this, but for `penalty`."""
        return drop * self.kept if drop > 0 else drop


@dataclass(frozen=True, eq=False)
class Reviewed:
    """The disagreements in review order, D of n rows.

    before: shape (D + 1,), the rows that precede each disagreement, and n. values: shape (D,): 1 gain, -1 loss,
    0 neither, nan without a label or undecided. Raises ValueError if shapes or values are otherwise.
    """

    n: int
    before: Ints
    values: Floats

    def __post_init__(self) -> None:
        if self.before.shape != (len(self.values) + 1,):
            raise ValueError(f"before must have {len(self.values) + 1} entries but has shape {self.before.shape}")
        if self.before[0] < 0 or self.before[-1] != self.n or np.any(np.diff(self.before) < 1):
            raise ValueError(f"before must rise from row to row, up to n = {self.n}, but is {self.before}")
        if not np.all(np.isnan(self.values) | np.isin(self.values, (-1, 0, 1))):
            raise ValueError(f"values must be -1, 0, 1 or nan but are {self.values}")

    @property
    def disagreements(self) -> int:
        return len(self.values)

    @property
    def losses(self) -> int:
        return int(np.sum(self.values == -1))

    @property
    def gains(self) -> int:
        return int(np.sum(self.values == 1))

    @property
    def labelled(self) -> int:
        return int(np.sum(~np.isnan(self.values)))

    @property
    def unlabelled(self) -> int:
        return self.disagreements - self.labelled


@dataclass(frozen=True)
class Unlabelled:
    """Known without a label: on these rows the drop is at most `rate`, upper: one-sided limit, p: of H0: drop >= margin."""

    rate: float
    upper: float
    p: float


def unlabelled(disagreements: int, n: int, margin: float, alpha: float = 0.05) -> Unlabelled:
    """drop <= P(candidate wrong, incumbent right) <= P(disagree), by the exact binomial test and limit.

    For where no review is planned. A plan of share 0 says nearly the same before its first label, and to claim either
    errs no more than alpha (computed, docs/proof.md); with a share, quote `partial_within` alone.
    Raises ValueError as `binomial.clopper_pearson`, or for a margin outside [0, 1].
    """
    _, upper = clopper_pearson(disagreements, n, alpha)
    return Unlabelled(disagreements / n, upper, accuracy_below(disagreements, n, margin))


def review_order(ids: Sequence[str], seed: int) -> Ints:
    """Indices in the order of review, shape (len(ids),): that of `rounds.fixed_order`.

    Disagreements by themselves come in the order that they have among all rows.
    """
    return fixed_order(ids, seed)


def gather(
    ids: Sequence[str],
    candidates: Sequence[str],
    incumbents: Sequence[str],
    truths: Sequence[str | None],
    seed: int,
) -> Reviewed:
    """The rows as the tests need them. truths: None without a label or undecided; ignored where both answers agree.

    Answers and labels are compared as they are: bring them to one form before. Raises ValueError if lengths differ.
    """
    lengths = [len(ids), len(candidates), len(incumbents), len(truths)]
    if len(set(lengths)) > 1:
        raise ValueError(f"ids, candidates, incumbents and truths must have the same length but have {lengths}")
    before, values = [], []
    for place, i in enumerate(review_order(ids, seed).tolist()):
        if candidates[i] != incumbents[i]:
            truth = truths[i]
            before.append(place)
            values.append(math.nan if truth is None else float(truth == candidates[i]) - float(truth == incumbents[i]))
    return Reviewed(len(ids), np.array([*before, len(ids)], dtype=np.int64), np.array(values, dtype=np.float64))


def partial_p(plan: ReviewPlan, reviewed: Reviewed) -> float:
    """p-value of H0: drop >= plan.margin, valid at every stopping; it falls as labels come in (to 0.1 %, see `exact`).

    Raises ValueError if the rows are not as many as planned.
    """
    return _p_within(plan, checked(plan, reviewed))


def partial_within(name: str, plan: ReviewPlan, reviewed: Reviewed) -> Evidence:
    """Evidence on the drop, as `evidence.accuracy_within` gives it with all labels; each side at plan.alpha.

    p_fail and `lower` are the exact test's, with each missing label taken for a gain: valid at every stopping for the
    same reason. estimate: disagreement rate times the net losses per label, not corrected for stopping or errors; nan
    without a label. Errors as `partial_p`.
    """
    r = checked(plan, reviewed)
    n, alpha, gains = plan.n, plan.alpha, r.gains + r.unlabelled
    give, spent = give_way(plan, r.disagreements, alpha)
    bar = plan.margin if plan.margin > 0 else plan.margin * plan.kept
    p_fail = spent + exact.drop_exceeds(r.losses, gains, n, bar + give) if bar + give < 1 else 1.0
    low = exact.drop_limits(r.losses, gains, n, alpha - spent)[0] - give
    weight = r.disagreements / r.labelled if r.labelled else math.nan if r.disagreements else 0.0
    lower, upper = (low if low > 0 else low / plan.kept), _upper(plan, r)
    drop = (r.losses - r.gains) / n * weight
    return Evidence(name, _p_within(plan, r), min(p_fail, 1.0), drop, max(lower, -1.0), min(upper, 1.0))


def _p_within(plan: ReviewPlan, r: Reviewed) -> float:
    losses, level = r.losses + r.unlabelled, (1 - plan.share) * plan.alpha
    give, spent = give_way(plan, r.disagreements, level)
    target = plan.reported(plan.margin)
    p = spent + exact.drop_within(losses, r.gains, plan.n, target - give) if target - give > -1 else 1.0
    p /= 1 - plan.share
    if plan.share > 0:
        p = min(p, math.exp(-float(log_peaks(plan, target, r.before, filled(r.values))[-1])) / plan.share)
    return min(p, 1.0)


def _upper(plan: ReviewPlan, r: Reviewed) -> float:
    """Upper limit of the drop: the lower one of both tests', each at its share of alpha."""
    level = (1 - plan.share) * plan.alpha
    give, spent = give_way(plan, r.disagreements, level)
    upper = exact.drop_limits(r.losses + r.unlabelled, r.gains, plan.n, level - spent)[1] + give
    if plan.share > 0:
        upper = min(upper, _bet_upper(plan, r, upper))
    return upper / plan.kept if upper > 0 else upper


def _bet_upper(plan: ReviewPlan, r: Reviewed, high: float) -> float:
    """Smallest drop, on a grid refined to 1e-5 and below `high`, from which on the bets reject; `high` if none."""
    low, values, needed = -1.0, filled(r.values), -math.log(plan.share * plan.alpha)
    while high - low > 1e-5:
        drops = np.linspace(low, high, 33)
        kept = [i for i in range(1, 32) if log_peaks(plan, float(drops[i]), r.before, values)[-1] < needed]
        last = kept[-1] if kept else 0
        low, high = float(drops[last]), float(drops[last + 1])
    return high


def give_way(plan: ReviewPlan, disagreements: int, level: float) -> tuple[float, float]:
    """By how much the exact margin gives way to errors that fall anywhere, and what that takes from its level."""
    if plan.penalty == 0:
        return 0.0, 0.0
    return plan.penalty * clopper_pearson(disagreements, plan.n, _SPENT * level)[1], _SPENT * level


def log_peaks(plan: ReviewPlan, drop: float, before: Ints, values: Floats) -> Floats:
    """Log of the highest wealth against H0: reported drop >= `drop`, up to each next disagreement and to the end.

    before: shape (..., D + 1); values: shape (..., D), nothing missing. Shape (..., D + 1). Where drop > 0 rows on
    which both agree make money, so that wealth peaks just before a disagreement or at the end; elsewhere a peak may be
    missed, which costs power alone.
    """
    bets = np.minimum(plan.bets, BET_CAP / (1 + plan.penalty - drop))
    agreed = (before - np.arange(before.shape[-1]))[..., None] * np.log1p(bets * drop)
    steps = np.log1p(bets * (values[..., None] - plan.penalty + drop))
    moved = np.concatenate([np.zeros((*steps.shape[:-2], 1, len(bets))), np.cumsum(steps, axis=-2)], axis=-2)
    logs = agreed + moved + np.log(_MONEY)
    top = logs.max(axis=-1)
    wealth = top + np.log(np.exp(logs - top[..., None]).sum(axis=-1))
    return np.asarray(np.maximum.accumulate(np.maximum(wealth, 0.0), axis=-1))


def filled(values: Floats) -> Floats:
    """What has no label as a loss."""
    return np.where(np.isnan(values), -1.0, values)


def checked(plan: ReviewPlan, reviewed: Reviewed) -> Reviewed:
    """Raises ValueError if the rows are not as many as planned."""
    if reviewed.n != plan.n:
        raise ValueError(f"the rows must be the {plan.n} that were planned but are {reviewed.n}")
    return reviewed
