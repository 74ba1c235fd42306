"""From the evidence on a few ordered candidates to one verdict, with the family-wise error held.

Pass side, fixed sequence: candidates are tested from the safest to the cheapest, each at the full alpha, and the first
that is not proven ends it. A false proof needs a false rejection at the first candidate in the order that misses the
bar; that is one fixed test, so the chance of any false proof is at most alpha, however the candidates depend on each
other. The order must be fixed before the sealed rows are read.

Fail side, intersection-union: "all of them miss the bar" is claimed only if each is proven to miss it at alpha. If the
claim is false some candidate meets the bar, and its one test errs with chance at most alpha. No correction is needed.

Budget: each side has its own alpha, so P(false pass) <= alpha and P(false fail) <= alpha; either could be true of only
some of the candidates, and by the union bound P(wrong verdict of either kind) <= 2 alpha. Whoever needs the sum at 5 %
halves alpha; nothing is borrowed between the sides.

Sources: W. Maurer, L. Hothorn, W. Lehmacher, Biometrie in der chemisch-pharmazeutischen Industrie 6 (1995) 3-18 (fixed
sequence); R. Berger, Technometrics 24 (1982) 295-300 (intersection-union).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Literal

from pare.proof.evidence import Evidence
from pare.proof.exact import check_alpha

__all__ = ["Decision", "decide"]


@dataclass(frozen=True)
class Decision:
    """The outcome for ordered candidates.

    proven: indices of the candidates that are proven, in order. winner: the last of them, the cheapest proven, or None.
    adjusted_p_pass: per candidate the largest p_pass up to it; at most alpha exactly where proven. p_fail: the largest
    p_fail, the p-value of "some candidate meets the bar" (1 without candidates).
    """

    verdict: Literal["pass", "fail", "unproven"]
    proven: tuple[int, ...]
    winner: int | None
    adjusted_p_pass: tuple[float, ...]
    p_fail: float
    evidences: tuple[Evidence, ...]
    alpha: float


def decide(evidences: Sequence[Evidence], alpha: float) -> Decision:
    """Test candidates ordered from the safest to the cheapest; alpha as given by `looks.look_alpha`.

    Without candidates the verdict is "unproven"; that nothing meets the limits is the caller's to say.
    Raises ValueError if alpha is outside (0, 0.5].
    """
    check_alpha(alpha)
    adjusted = tuple(accumulate((e.p_pass for e in evidences), max))
    p_fail = max((e.p_fail for e in evidences), default=1.0)
    count = len(list(takewhile(lambda p: p <= alpha, adjusted)))
    verdict: Literal["pass", "fail", "unproven"] = "pass" if count else "fail" if p_fail <= alpha else "unproven"
    winner = count - 1 if count else None
    return Decision(verdict, tuple(range(count)), winner, adjusted, p_fail, tuple(evidences), alpha)
