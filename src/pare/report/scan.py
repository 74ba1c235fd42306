"""A scan as a table on the terminal, and as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from pare.artifacts import write_whole
from pare.report.closing import provenance
from pare.report.figures import NONE, shown
from pare.report.html import Html, join, tag
from pare.report.page import document
from pare.report.parts import Cell, Column, Row, Sources, figure_cell, section, shortened, table
from pare.report.terminal import console, grid
from pare.scan.scan import Found, Scan
from pare.units import percent

HEADING = ("job", "advice", "requests", "distinct", "answers", "model", "tokens in", "out", "a month", "linear agrees")
AGREES = "how often a linear model, trained on a part of the log, gives the logged answer on texts it never saw"
SPENT = "spent"
ADVICE = "advice is a rule of thumb on agreement with the log; what proves a small model is pare find"


def show(found: Scan) -> None:
    """Prints a scan on standard output."""
    out = console()
    out.print(_opening(found), markup=False)
    out.print(grid(HEADING, [(f"{job.number}", *_cells(job)) for job in found.jobs]))
    for job in found.jobs:
        out.print(f"\n{job.number}  {job.advice}: {job.reason}", markup=False)
        out.print(f"   {shortened(job.prompt, 150)}", style="dim", markup=False)
        if job.command:
            out.print(f"   {job.command}", markup=False)
    out.print(f"\n{_rest(found)}{ADVICE}", style="dim", markup=False)


def write(found: Scan, path: Path) -> Path:
    """Writes the page and returns its path."""
    write_whole(path, page(found))
    return path


def page(found: Scan) -> Html:
    """The whole document."""
    sources = Sources()
    columns = [
        Column("job"),
        Column("advice", ADVICE, left=True),
        Column("requests"),
        Column("distinct", "requests whose slots hold different texts"),
        Column("near", "distinct texts that nearly repeat another"),
        Column("answers", "the form of the answers", left=True),
        Column("model", left=True),
        Column("tokens in"),
        Column("out"),
        Column("spent"),
        Column("a month"),
        Column("linear agrees", AGREES),
    ]
    jobs = [tag("article", tag("h3", f"{job.number}: {job.advice}"), _words(job)) for job in found.jobs]
    body = join(
        tag("h1", "What could move"),
        tag("p", _opening(found)),
        section("jobs", "Jobs", table(columns, [_row(job, sources) for job in found.jobs], sortable=True)),
        section("why", "Why, and what to do next", *jobs, tag("p", _rest(found), ADVICE)),
        provenance(
            sources,
            "A bill of tomorrow resembles one of today only if the requests do.",
            "No price of these models is known, or the log counts no tokens.",
        ),
    )
    return document(f"pare scan: {found.path}", body)


def _words(job: Found) -> Html:
    labels = f"labels: {', '.join(job.labels[:12])}{' …' if len(job.labels) > 12 else ''}" if job.labels else None
    unfit = f"{job.unfit:,} requests do not fit the template" if job.unfit else None
    formless = f"{job.formless:,} answers are none of the labels" if job.formless else None
    repeats = f"{percent(job.constant, 0)} of the prompts' characters are the same in every request"
    return join(
        tag("p", job.reason),
        tag("p", tag("code", job.command)) if job.command else None,
        tag("blockquote", job.prompt),
        tag("p", "; ".join(words for words in (repeats, unfit, formless, labels) if words)),
    )


def _row(job: Found, sources: Sources) -> Row:
    _, requests, distinct, answers, model, tokens_in, tokens_out, _, agrees = _cells(job)
    near = NONE if job.near is None else percent(job.near, 0)
    return Row(
        str(job.number),
        [
            Cell(job.advice, job.advice, "l"),
            Cell(requests, job.requests),
            Cell(distinct, job.distinct),
            Cell(near, job.near),
            Cell(answers, answers, "l"),
            Cell(model, model, "l"),
            Cell(tokens_in, job.tokens_in),
            Cell(tokens_out, job.tokens_out),
            figure_cell(SPENT, job.spend, sources, numbered=True),
            figure_cell(SPENT, job.spend_month, sources, numbered=True),
            Cell(agrees, job.agreement.value if job.agreement else None),
        ],
    )


def _cells(job: Found) -> tuple[str, ...]:
    more = f" +{len(job.models) - 1}" if len(job.models) > 1 else ""
    found = job.agreement
    return (
        job.advice,
        f"{job.requests:,}",
        f"{job.distinct:,}",
        job.kind,
        (job.models[0] or "unknown") + more,
        NONE if job.tokens_in is None else f"{job.tokens_in:,}",
        NONE if job.tokens_out is None else f"{job.tokens_out:,}",
        shown(SPENT, job.spend_month),
        NONE if found is None else f"{percent(found.value, 0)} ({100 * found.low:.0f} to {100 * found.high:.0f})",
    )


def _opening(found: Scan) -> str:
    span = f" over {found.months:.2g} months" if found.months else ""
    money = f", {shown(SPENT, found.spend)} in all" if found.spend else ""
    return f"{found.path} ({found.format}): {found.requests:,} answered requests{span}{money}, {len(found.jobs)} jobs"


def _rest(found: Scan) -> str:
    parts = []
    if found.loose:
        parts.append(f"{found.loose:,} requests belong to no job")
    if found.skipped:
        parts.append(f"{found.skipped:,} records were passed over ({'; '.join(found.skipped_because[:3])})")
    return f"{'; '.join(parts)}. " if parts else ""
