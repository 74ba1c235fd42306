"""Proof without labels, and with labels only where candidate and incumbent differ (``proof.partial``).

The labels of the rows are the incumbent's own answers. Where the candidate gives the same one the difference is zero,
whatever the truth is; where it gives another, the row counts as a loss until a person has said who is right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pare.proof.evidence import Evidence
from pare.proof.labelling import labels_left, plan_review
from pare.proof.partial import Reviewed, ReviewPlan, gather, partial_within
from pare.types import ProofPlan
from pare.units import percent

NEITHER = 0.2
"""The share of the differing rows on which both are taken to be wrong, to forecast how many labels decide."""

Truths = Mapping[str, str | None]
"""Row id → what people said; None where they are undecided."""


def review_bets(n: int, margin: float, disagreement: float, alpha: float) -> tuple[float, tuple[float, ...]]:
    """(share, bets) of a plan whose candidate differs from the incumbent on this share of the dev rows."""
    plan = plan_review(max(1, n), margin, min(1.0, max(disagreement, 1 / max(1, n))), alpha=alpha, neither=NEITHER)
    return plan.share, plan.bets


def reviewed(
    plan: ProofPlan, ids: Sequence[str], candidate: Sequence[str], incumbent: Sequence[str], truths: Truths
) -> Reviewed:
    """The sealed rows as the tests need them, in the order of review."""
    return gather(ids, candidate, incumbent, [truths.get(id) for id in ids], plan.order_seed)


def review_plan(plan: ProofPlan, n: int, alpha: float) -> ReviewPlan:
    assert plan.within is not None, "a fixed bar needs no review"
    return ReviewPlan(n, plan.within, alpha, plan.share, plan.bets)


def evidence(name: str, plan: ProofPlan, rows: Reviewed, alpha: float) -> Evidence:
    """One candidate's evidence. Without any label the estimate is the worst case: every disagreement a loss."""
    found = partial_within(name, review_plan(plan, rows.n, alpha), rows)
    return replace(found, estimate=rows.disagreements / rows.n) if math.isnan(found.estimate) else found


def sentence(name: str, plan: ProofPlan, rows: Reviewed, upper: float, alpha: float) -> str:
    """What an unproven imitation has to show, and whose labels would decide."""
    alike = percent(1 - rows.disagreements / rows.n)
    forecast = labels_left(review_plan(plan, rows.n, alpha), rows, NEITHER)
    count = forecast.enough if forecast.enough is not None else forecast.open
    counted = f" with {rows.labelled:,} labelled" if rows.labelled else ", as if it were wrong wherever the two differ"
    rows_left = f"{count:,} of the {forecast.open:,} rows" if count < forecast.open else f"the {forecast.open:,} rows"
    return (
        f"unproven: {name} imitates the incumbent on {alike} of {rows.n} sealed rows, so the drop is at most "
        f"{100 * upper:.2f} points ({percent(1 - alpha)} sure){counted}; label {rows_left} where they differ to try for "
        f"{100 * (plan.within or 0.0):.3g} points: pare review"
    )
