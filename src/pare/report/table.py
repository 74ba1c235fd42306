"""The frontier, a verdict and a comparison as tables for the terminal; ``summary`` is a study as JSON."""

from __future__ import annotations

from pare.benchmark.measure import Comparison
from pare.report.figures import BY_KEY, NONE, interval, points, share, shown, times
from pare.report.proof import p_value
from pare.report.summary import summary
from pare.report.terminal import console, grid
from pare.report.view import View, view
from pare.report.words import ASSUMES, today
from pare.search.study import Study
from pare.types import Trial, Verdict

__all__ = ["HEADER", "comparison_rows", "rows", "show", "show_comparison", "show_verdict", "summary", "verdict_rows"]

HEADER = ("", "candidate", "quality", "95 % interval", "drop", "size", "p50", "throughput", "chance")
WITHIN = ("candidate", "sealed", "drop", "drop at most", "p (misses bar)", "p (meets bar)", "result")
AT_LEAST = ("candidate", "sealed", "level", "level at least", "p (misses bar)", "p (meets bar)", "result")


def rows(study: Study) -> list[tuple[str, ...]]:
    """The frontier, cheapest first, with the reference and PyTorch fp32 below it; cells are as ``HEADER`` names them.

    The first cell is ``*`` for the winner, ``r`` for the reference, ``t`` for it in PyTorch fp32, else empty. Raises
    InputError where the study was stopped before it had read its data.
    """
    seen = view(study)
    listed = [trial for trial in seen.frontier if trial not in (seen.reference, seen.baseline)]
    listed += [
        trial for trial in (seen.winner, seen.reference, seen.baseline) if trial is not None and trial not in listed
    ]
    return [_row(seen, trial) for trial in listed]


def show(study: Study) -> None:
    """Prints the frontier and, where there is one, the verdict on standard output. Raises InputError as ``rows``."""
    found = rows(study)
    styles = {"*": "bold green", "r": "cyan", "t": "dim"}
    out = console()
    if opening := today(view(study)):
        out.print(opening, markup=False)
    out.print(grid(HEADER, found, {number: styles.get(row[0], "") for number, row in enumerate(found)}))
    legend = "r reference as served   t reference in PyTorch fp32"
    out.print(
        f"* winner   {legend if study.incumbent is None else 'r incumbent   t encoder in PyTorch fp32'}", style="dim"
    )
    if study.verdict is not None:
        out.print(study.verdict.sentence, markup=False)
        out.print(ASSUMES, style="dim")


def verdict_rows(verdict: Verdict) -> list[tuple[str, ...]]:
    """The evidence in the order of testing; cells are as ``WITHIN`` names them, or ``AT_LEAST`` for a fixed bar."""
    fixed = verdict.at_least is not None
    return [
        (
            item.name,
            share(item.value),
            share(item.drop) if fixed else points(item.drop),
            share(item.drop_low) if fixed else points(item.drop_high),
            p_value(item.p_pass),
            p_value(item.p_fail),
            "proven" if item.proven else "not proven" if item.tested else "not reached",
        )
        for item in verdict.evidence
    ]


def show_verdict(verdict: Verdict) -> None:
    """Prints a verdict with its evidence on standard output."""
    out = console()
    if verdict.evidence:
        out.print(grid(WITHIN if verdict.at_least is None else AT_LEAST, verdict_rows(verdict)))
    out.print(verdict.sentence, markup=False)
    if verdict.look > 1:
        out.print(f"look {verdict.look} at these rows, tested at {verdict.alpha:.3g}", style="dim")
    out.print(ASSUMES, style="dim")


def comparison_rows(found: Comparison) -> list[tuple[str, ...]]:
    """Two artifacts measured in turns: figure, first, second, and how many times better the first is (25 % to 75 %)."""
    keys = [key for key in BY_KEY if key in found.figures[0] or key in found.ratios]
    made: list[tuple[str, ...]] = []
    for key in keys:
        first, second = (shown(key, figures.get(key)) for figures in found.figures)
        ratio = found.ratios.get(key)
        words = NONE
        if ratio is not None:
            middle, low, high = ratio
            words = times(middle) if low == high else f"{times(middle)} ({times(low)} to {times(high)})"
        made.append((BY_KEY[key].title if key in BY_KEY else key, first, second, words))
    return made


def show_comparison(found: Comparison) -> None:
    """Prints a comparison on standard output."""
    rows, sources = _marked(found)
    out = console()
    out.print(grid(("", *found.names, "times better"), rows))
    out.print(f"{found.rounds} rounds in turns; in brackets the middle half of the rounds", style="dim")
    for number, source in enumerate(sources, 1):
        out.print(f"[{number}] {source}", style="dim", markup=False)
    if sources:
        out.print("figures without a number are measured", style="dim")


def _marked(found: Comparison) -> tuple[list[tuple[str, ...]], list[str]]:
    """The rows of a comparison, where a figure that was not measured carries the number of its source; and the sources."""
    sources: list[str] = []
    rows = []
    for title, *cells, ratio in comparison_rows(found):
        for place, figures in enumerate(found.figures):
            figure = figures.get(_KEYS.get(title, title))
            if figure is None or figure.provenance == "measured":
                continue
            source = f"{figure.provenance}: {figure.source}"
            if source not in sources:
                sources.append(source)
            cells[place] += f" [{sources.index(source) + 1}]"
        rows.append((title, *cells, ratio))
    return rows, sources


_KEYS = {figure.title: figure.key for figure in BY_KEY.values()}


def _row(seen: View, trial: Trial) -> tuple[str, ...]:
    found = seen.figures(trial)
    scored = trial.scores[seen.facts.goal.metric]
    mark = "*" if trial == seen.winner else "r" if trial == seen.reference else "t" if trial == seen.baseline else ""
    likely = NONE if mark in ("r", "t") else f"{seen.study.chance(trial):.0%}"
    return (
        mark,
        trial.candidate.name,
        share(scored.value),
        interval(scored),
        NONE if trial.drop is None else points(trial.drop),
        shown("size_bytes", found.get("size_bytes")),
        shown("latency_p50_ms", found.get("latency_p50_ms")),
        shown("throughput_per_s", found.get("throughput_per_s")),
        likely,
    )
