"""Several reviewers: how far they agree, what label a row gets, and what their differing says of their errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pare.proof.binomial import clopper_pearson

__all__ = ["Agreement", "error_limit", "majority", "reviewer_agreement"]


@dataclass(frozen=True)
class Agreement:
    """Of two reviewers on the rows that `both` labelled: raw share with exact two-sided limits, and Cohen's kappa.

    kappa's limits are those of the raw share with chance agreement as seen: approximate, for display. None where both
    used one and the same label throughout, which leaves kappa undefined.
    """

    both: int
    same: int
    share: float
    lower: float
    upper: float
    kappa: float | None
    kappa_lower: float | None
    kappa_upper: float | None


def reviewer_agreement(first: Sequence[str | None], second: Sequence[str | None], alpha: float = 0.05) -> Agreement:
    """Two reviewers' labels of the same rows, row by row, None where one gave none; limits two-sided at 1 - alpha.

    Raises ValueError if lengths differ, no row has both labels, or alpha is outside (0, 1].
    Source: J. Cohen, Educational and Psychological Measurement 20 (1960) 37-46.
    """
    if len(first) != len(second):
        raise ValueError(f"both reviewers' labels must be as many but are {len(first)} and {len(second)}")
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if not pairs:
        raise ValueError(f"at least one row must have both reviewers' labels but 0 of {len(first)} do")
    both, same = len(pairs), sum(a == b for a, b in pairs)
    one, other = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(one[label] * other[label] for label in one) / both**2
    share, (lower, upper) = same / both, clopper_pearson(same, both, alpha / 2)
    if chance == 1:
        return Agreement(both, same, share, lower, upper, None, None, None)
    kappa, low, high = ((part - chance) / (1 - chance) for part in (share, lower, upper))
    return Agreement(both, same, share, lower, upper, kappa, low, high)


def majority(labels: Sequence[str | None]) -> str | None:
    """The label that more than half of the reviewers of a row gave; None (undecided, counted as a loss) otherwise.

    labels: one for each who is to label the row, None where that one has not, or cannot tell. As it is a majority of all
    who are to label, later labels never undo it, and review may stop at any time. Who labels which row must be fixed
    before: a second opinion that is sought on unwelcome labels alone would favour a side.
    """
    label, votes = Counter(labels).most_common(1)[0] if labels else (None, 0)
    return label if 2 * votes > len(labels) else None


def error_limit(differing: int, both: int, beta: float) -> float:
    """Upper 1 - beta limit of the mean error rate of two blind reviewers who differ on some of `both` random rows.

    On a row where they are wrong with chances a, b <= 1/2, independently, they differ with chance at least
    a(1 - b) + b(1 - a) >= (a + b)/2, so the mean error is at most the rate of differing, however unlike the rows are.
    It bounds the labels on which both agree, too: those are the better one's, with others withheld. Errors that the two
    have in common stay unseen. The limit itself errs with chance beta: plan the proof at alpha - beta.
    Raises ValueError as `binomial.clopper_pearson`.
    """
    return clopper_pearson(differing, both, beta)[1]
