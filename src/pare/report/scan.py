"""A scan as a table on the terminal, and as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from pare.artifacts import write_whole
from pare.report.figures import NONE
from pare.report.html import Html, join, tag
from pare.report.page import document
from pare.report.parts import Cell, Column, Row, Sources, section, table
from pare.report.terminal import console, grid
from pare.scan.scan import Found, Scan
from pare.types import Quantity
from pare.units import percent

HEADING = ("job", "advice", "requests", "distinct", "answers", "model", "tokens in", "out", "a month", "linear agrees")
AGREES = "how often a linear model, trained on a part of the log, gives the logged answer on texts it never saw"
ASSUMES = "advice is a rule of thumb on agreement with the log; what proves a small model is pare find"


def show(found: Scan) -> None:
    """Prints a scan on standard output."""
    out = console()
    out.print(_opening(found), markup=False)
    out.print(grid(HEADING, [(f"{job.number}", *_cells(job)) for job in found.jobs]))
    for job in found.jobs:
        out.print(f"\n{job.number}  {job.advice}: {job.reason}", markup=False)
        out.print(f"   {_cut(job.prompt)}", style="dim", markup=False)
        if job.command:
            out.print(f"   {job.command}", markup=False)
    out.print(f"\n{_rest(found)}{ASSUMES}", style="dim", markup=False)


def write(found: Scan, path: Path) -> Path:
    """Writes the page and returns its path."""
    write_whole(path, page(found))
    return path


def page(found: Scan) -> Html:
    """The whole document."""
    sources = Sources()
    columns = [
        Column("job"),
        Column("advice", ASSUMES, left=True),
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
        section("why", "Why, and what to do next", *jobs, tag("p", _rest(found), ASSUMES)),
        section("sources", "Where the figures come from", _sources(sources)),
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
            _money(job.spend, sources),
            _money(job.spend_month, sources),
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
        dollars(job.spend_month),
        NONE if found is None else f"{percent(found.value, 0)} ({100 * found.low:.0f} to {100 * found.high:.0f})",
    )


def dollars(found: Quantity | None) -> str:
    """Money for people: ``$1,204``, ``$3.20``, ``unknown``."""
    if found is None:
        return "unknown"
    return f"${found.value:,.0f}" if found.value >= 100 else f"${found.value:,.2f}"


def _money(found: Quantity | None, sources: Sources) -> Cell:
    if found is None:
        return Cell("unknown")
    return Cell([dollars(found), sources.mark(found, numbered=True)], found.value)


def _sources(sources: Sources) -> Html:
    rows = [tag("li", f"{provenance}: {source}", id=f"source-{n}") for (provenance, source), n in sources.known.items()]
    return tag("ol", rows) if rows else tag("p", "No price is known for these models, or the log counts no tokens.")


def _opening(found: Scan) -> str:
    span = f" over {found.months:.2g} months" if found.months else ""
    money = f", {dollars(found.spend)} in all" if found.spend else ""
    return f"{found.path} ({found.format}): {found.requests:,} answered requests{span}{money}, {len(found.jobs)} jobs"


def _rest(found: Scan) -> str:
    parts = []
    if found.loose:
        parts.append(f"{found.loose:,} requests belong to no job")
    if found.skipped:
        parts.append(f"{found.skipped:,} records were passed over ({'; '.join(found.skipped_because[:3])})")
    return f"{'; '.join(parts)}. " if parts else ""


def _cut(text: str, most: int = 150) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
