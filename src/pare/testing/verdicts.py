"""Made-up plans and verdicts for fake studies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pare.search.space import REFERENCE
from pare.search.survivors import Goal
from pare.types import Evidence, ProofPlan, Trial, Verdict

Answer = Literal["pass", "fail", "unproven"]

_ORDER = ("student-2", "student-2-int8", "student-1-int8", "linear")


def made_up(answer: Answer, trials: Sequence[Trial], goal: Goal, look: int) -> tuple[ProofPlan, Verdict]:
    """A frozen plan over some of the trials and the verdict that it came to."""
    by_name = {trial.candidate.name: trial for trial in trials}
    names = [name for name in _ORDER if name in by_name]
    reference = by_name.get(REFERENCE)
    plan = ProofPlan(
        reference=reference.artifact if reference else "",
        artifacts=tuple(by_name[name].artifact for name in names),
        names=tuple(names),
        metric="accuracy",
        within=goal.margin,
        at_least=goal.at_least,
        alpha=0.05,
        test="exact",
        order_seed=0,
    )
    evidence = _evidence(answer, names, plan, by_name)
    proven = [item.name for item in evidence if item.proven]
    winner = proven[-1] if answer == "pass" and proven else ""
    return plan, Verdict(
        answer=answer,
        sentence=_sentence(answer, winner, names, goal),
        winner=winner,
        evidence=evidence,
        n=goal.sealed,
        look=look,
        alpha=goal.alpha,
        test="exact",
        metric="accuracy",
        reference_value=0.939 if reference else None,
        within=goal.margin,
        at_least=goal.at_least,
        labels_needed=1840 if answer == "unproven" else None,
    )


def _evidence(answer: Answer, names: Sequence[str], plan: ProofPlan, by_name: dict[str, Trial]) -> tuple[Evidence, ...]:
    base = {"pass": 0.0005, "unproven": 0.011, "fail": 0.051}[answer]
    made = []
    stopped = False
    for number, name in enumerate(names):
        drop = base + 0.0035 * number + (0.024 if name == "linear" and len(names) > 1 else 0.0)
        proven = answer == "pass" and (drop < 0.012 or len(names) == 1) and not stopped
        shown = (drop, drop - 0.011, drop + 0.0105) if plan.within is not None else (0.939 - drop, 0.92, 0.951)
        made.append(
            Evidence(
                name=name,
                artifact=by_name[name].artifact,
                value=0.939 - drop,
                p_pass=0.0007 * 6**number if proven else 0.21 if answer != "fail" else 0.9994,
                p_fail=0.00004 if answer == "fail" else 0.87,
                drop=shown[0],
                drop_low=shown[1],
                drop_high=shown[2],
                tested=not stopped,
                proven=proven,
            )
        )
        stopped = stopped or not proven
    return tuple(made)


def _sentence(answer: Answer, winner: str, names: Sequence[str], goal: Goal) -> str:
    bar = (
        "within 2 points of the reference"
        if goal.margin is not None
        else f"at least {100 * (goal.at_least or 0):.1f} %"
    )
    limit = "the drop is at most 1.80 points" if goal.margin is not None else "it is at least 92.0 %"
    tightest = (
        "tightest drop that is proven is 2.15 points"
        if goal.margin is not None
        else "highest level that is proven is 92.0 %"
    )
    first = names[0] if names else "no candidate"
    return {
        "pass": f"pass: {winner} is proven {bar} in accuracy on 930 sealed rows ({limit}, 97.0 % sure)",
        "fail": f"fail: every candidate is proven to miss the bar ({bar} in accuracy) on 930 sealed rows, 97.0 % sure",
        "unproven": f"unproven: {first} is not proven {bar} in accuracy on 930 sealed rows; the {tightest}; "
        "label 910 more sealed rows (1,840 in all)",
    }[answer]
