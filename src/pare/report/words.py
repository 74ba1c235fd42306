"""The statistics in plain words: one sentence for each, and what a verdict means."""

from __future__ import annotations

from pare.report.figures import share, shown
from pare.report.view import View
from pare.types import Kind, Trial

ASSUMES = "All of this assumes that tomorrow resembles the sealed rows: other messages, other labels, other results."

STATISTICS: tuple[tuple[str, str], ...] = (
    (
        "interval",
        "If the same kind of rows were drawn again and again, intervals made like this one would hold the true value 95 "
        "times in 100 (Wilson's for shares of rows, such as accuracy; a bootstrap, which is approximate, for others).",
    ),
    (
        "drop",
        "How much worse than the reference a candidate is on the same rows, in absolute points; below zero it is better.",
    ),
    (
        "discordance",
        "The mean square of the two models' difference, row by row; where rows are right or wrong, the share on which "
        "exactly one of the two is right. The less they differ, the fewer rows a proof needs.",
    ),
    (
        "chance",
        "A guess from the dev rows of how likely a proof on the sealed rows is; it orders candidates and proves nothing.",
    ),
    (
        "drop, lowest and highest",
        "Two one-sided limits of the true drop: each is on the wrong side of the truth with a chance of at most alpha. "
        "The highest is the tightest drop that is proven.",
    ),
    (
        "p (misses the bar)",
        "The chance of sealed results at least this good if the candidate in truth missed the bar; at most alpha proves "
        "that it meets it.",
    ),
    (
        "p (meets the bar)",
        "The chance of sealed results at least this bad if the candidate in truth met the bar; at most alpha proves that "
        "it misses it.",
    ),
    (
        "alpha and looks",
        "The accepted chance of a false proof, shared over all looks that will ever be taken at these rows: look k gets "
        "alpha × 6 / (π² × k²).",
    ),
    (
        "fixed sequence",
        "Candidates are tested in an order fixed beforehand, from the safest to the cheapest, and the first that fails ends "
        "it, so testing several does not raise the chance of a false proof.",
    ),
    (
        "fail",
        "A fail is claimed only if every candidate by itself is proven to miss the bar, so it needs no correction either.",
    ),
    (
        "p50, p95, p99",
        "The time within which 50, 95 and 99 of 100 single requests were answered.",
    ),
)

PARTS: dict[Kind, str] = {"classify": "label", "multilabel": "label", "tag": "tag"}
"""What a class of a kind of task is called."""
COUNTED: dict[Kind, str] = {"classify": "rows", "multilabel": "rows", "tag": "words"}
"""What a class is true of."""
RIGHT: dict[Kind, str] = {"classify": "right", "multilabel": "wholly right", "tag": "wholly right"}
"""A row whose answer is the truth, every label or tag of it."""

TESTS = {
    "exact": "exact paired test of the drop (Tango's score; the worst case over how often the two disagree), valid at any "
    "number of rows",
    "exact-fixed": "exact binomial test against the fixed bar, valid at any number of rows",
    "betting": "betting test in one fixed random order (a wealth that grows only if the bar is met), valid at any number "
    "of rows and whenever it is stopped",
}


def plural(number: int, noun: str) -> str:
    """``1 model``, ``12 models``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def bar_words(view: View) -> str:
    """The bar: ``within 2 points of the reference in accuracy``."""
    goal = view.facts.goal
    if goal.margin is None:
        return f"at least {share(goal.at_least or 0.0)} {goal.metric}"
    return f"within {100 * goal.margin:.3g} points of the {view.against} in {goal.metric}"


def today(view: View) -> str:
    """The incumbent against the winner, or the candidate that came nearest, in one sentence; empty without an incumbent."""
    if view.incumbent is None or view.reference is None:
        return ""
    sides = [f"{view.incumbent.model or 'the incumbent'} today: {_side(view, view.reference)}"]
    if view.contender is not None:
        role = "" if view.winner else " (not proven)"
        sides.append(f"{view.contender.candidate.name}{role}: {_side(view, view.contender)}")
    return f"{'. '.join(sides)}. Months are of {view.volume.value:,.0f} requests ({view.volume.source})."


def _side(view: View, trial: Trial) -> str:
    """Quality on dev, the time of a request, money and energy a month; what is unknown is said to be."""
    found = {**view.figures(trial), **view.monthly(trial)}
    quality = "its own answers" if view.task.imitates else f"{share(view.quality(trial))} on dev"
    if view.task.imitates and trial is not view.reference:
        quality = f"{share(view.quality(trial))} of them given again on dev"
    wanted = {"latency_p50_ms": "a request", "cost_usd_per_month": "a month", "energy_kwh_per_month": "a month"}
    unknown = {"latency_p50_ms": "time", "cost_usd_per_month": "cost", "energy_kwh_per_month": "energy"}
    figures = [
        f"{shown(key, found[key])} {per} ({found[key].provenance})" if key in found else f"{unknown[key]} unknown"
        for key, per in wanted.items()
    ]
    return ", ".join([quality, *figures])


def meaning(view: View) -> str:
    """What the verdict means for whoever has to decide, without a term of statistics."""
    found = view.verdict
    if found is None:
        return "The study has not come to its proof: what is shown here comes from dev rows and decides nothing."
    if found.answer == "pass":
        missed = f"{100 * found.alpha:.1f}"
        return (
            f"You can switch to {found.winner}. On {found.n:,} rows that nothing had seen while it was built, it is good "
            f"enough by the bar ({bar_words(view)}). If in truth it were not, a result like this would come about in at "
            f"most {missed} of 100 such studies."
        )
    if found.answer == "fail":
        if not found.evidence:
            return "Do not switch: nothing that was tried meets the limits. Loosen a limit, or keep the reference."
        return (
            f"Do not switch. Each candidate that could have been used is shown to miss the bar ({bar_words(view)}); more "
            "rows of the same kind would not change that. Allow a larger drop, improve the training rows, or keep what "
            "you have."
        )
    if not found.evidence:
        return (
            "Nothing was left that could be tested, so nothing is shown, neither for a smaller model nor against one."
        )
    more = (
        f" About {found.labels_needed - found.n:,} more labelled rows would settle it in four of five cases."
        if found.labels_needed is not None and found.labels_needed > found.n
        else ""
    )
    return (
        "Do not switch yet: the sealed rows neither show that a smaller model is good enough "
        f"({bar_words(view)}), nor that it is not.{more}"
    )
