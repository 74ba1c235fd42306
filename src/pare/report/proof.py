"""The proof section: what was planned, what was found, and each statistic in a sentence."""

from __future__ import annotations

from pare.report.figures import NONE, points, share, significant
from pare.report.html import Child, Html, tag
from pare.report.parts import Cell, Column, Row, lead, note, section, table, terms
from pare.report.view import View
from pare.report.words import ASSUMES, STATISTICS, TESTS, bar_words
from pare.types import Evidence, ProofPlan, Verdict


def proof(view: View) -> Html:
    """The section."""
    title = "The proof"
    if view.plan is None:
        return section("proof", title, lead(_no_plan(view), " ", ASSUMES), _words())
    parts: list[Child] = [terms(_facts(view, view.plan, view.verdict))]
    if view.verdict is None:
        parts.append(note("The plan is frozen and has no verdict yet; running the same command again replays it."))
    elif view.verdict.evidence:
        parts.append(tag("h3", "Results, in the order of the plan"))
        parts.append(_evidence(view.plan, view.verdict))
    return section(
        "proof",
        title,
        lead(
            "The plan was frozen before the sealed rows were read. Only sums leave the test: no result of a single sealed "
            "row is kept or shown."
        ),
        parts,
        _words(),
        note(ASSUMES),
    )


def _no_plan(view: View) -> str:
    if view.verdict is None:
        return "No plan was frozen: the sealed rows were not read."
    return "This verdict needed no sealed row: there was nothing to test."


def _facts(view: View, plan: ProofPlan, verdict: Verdict | None) -> list[tuple[str, Child]]:
    test = TESTS["exact-fixed" if plan.test == "exact" and plan.at_least is not None else plan.test]
    found: list[tuple[str, Child]] = [
        ("bar", bar_words(view)),
        ("test", test),
        ("order", " → ".join(plan.names) or "no candidate was left"),
    ]
    if verdict is not None:
        level = f"{significant(verdict.alpha, 3)}, that is {share(plan.alpha)} × 6 / (π² × {verdict.look}²)"
        found += [
            ("sealed rows", f"{verdict.n:,}"),
            ("look at these rows", f"{verdict.look}"),
            ("level of this look (alpha)", level),
        ]
        if view.reference_value is not None:
            found.append((f"the {view.against} on them", share(view.reference_value)))
        if verdict.labels_needed is not None:
            found.append(("rows that the test would need", f"{verdict.labels_needed:,} for a power of 80 %"))
    rule = "fixed sequence: in the order above, each at the whole level, up to the first that is not proven"
    found.append(("error over all candidates", f"held at alpha by a {rule}"))
    if plan.growing:
        found.append(("growing", "declared: the same test may be continued with more rows"))
    found.append(("order of rows", f"fixed by seed {plan.order_seed}"))
    return found


def _evidence(plan: ProofPlan, verdict: Verdict) -> Html:
    what = "drop" if plan.within is not None else verdict.metric
    columns = [
        Column("candidate"),
        Column(verdict.metric, "on the sealed rows"),
        Column(what if plan.within is not None else "estimate"),
        Column(f"{what}, lowest", "one-sided limit at alpha"),
        Column(f"{what}, highest", "one-sided limit at alpha"),
        Column("p (misses the bar)", "small: it meets the bar"),
        Column("p (meets the bar)", "small: it misses the bar"),
        Column("result", left=True),
    ]
    rows = [
        Row([f"{number}. ", item.name], _cells(plan, item), "winner" if item.name == verdict.winner else None)
        for number, item in enumerate(verdict.evidence, start=1)
    ]
    return table(columns, rows)


def _cells(plan: ProofPlan, item: Evidence) -> list[Cell]:
    def value(number: float) -> str:
        return points(number) if plan.within is not None else share(number)

    result = "proven" if item.proven else "not proven" if item.tested else "not reached; for information"
    return [
        Cell(share(item.value)),
        Cell(value(item.drop)),
        Cell(value(item.drop_low)),
        Cell(value(item.drop_high)),
        Cell(p_value(item.p_pass)),
        Cell(p_value(item.p_fail)),
        Cell(result, result, "l good" if item.proven else "l"),
    ]


def p_value(value: float) -> str:
    """A p-value for people: ``0.0312``, ``below 0.0001``."""
    return "below 0.0001" if value < 0.0001 else f"{value:.4f}" if value < 0.1 else f"{value:.2f}" if value < 1 else "1"


def _words() -> Html:
    return tag("div", tag("h3", "Each statistic in a sentence"), terms(list(STATISTICS)))


__all__ = ["NONE", "p_value", "proof"]
