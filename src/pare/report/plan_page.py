"""A plan as one self-contained HTML page: what to do, the comparison, plots, every server, and where each figure is from."""

from __future__ import annotations

from pathlib import Path

from pare.artifacts import write_whole
from pare.planner.types import Figure, Hosted, Plan
from pare.report import plan as tables
from pare.report.closing import provenance
from pare.report.figures import NONE, count
from pare.report.html import Child, Html, join, tag
from pare.report.page import document
from pare.report.parts import Cell, Column, Row, Sources, lead, note, section, table, terms
from pare.report.plan import Choice
from pare.report.plan_cell import cell as _cell
from pare.report.plan_plots import Bar, bars, costs, curves, energy_bars, keys, rack_bars
from pare.report.plan_texts import building, texts
from pare.report.style import STYLE
from pare.report.svg import Axes, both
from pare.units import MONTHS_PER_YEAR, percent

OWN_STYLE = Html("""
svg .fill.own{fill:var(--accent)}svg .fill.stated{fill:var(--faint)}
svg .series.own{stroke:var(--accent)}svg .series.stated{stroke:var(--unproven)}
svg .even{fill:var(--paper);stroke:var(--ink);stroke-width:1.6}
svg .linename{fill:var(--ink);stroke:var(--paper);stroke-width:3px;paint-order:stroke;font-weight:600}
.plots+figure{margin-top:30px}
svg.key{display:inline-block;width:26px;height:8px;margin-right:7px}
""")
ASSUMES = (
    "A plan is as good as what it is told: a price, a utilisation or a grid of your own moves every figure that rests "
    "on it. What is modelled is told with its interval where one is known."
)
WIDE, NARROW, WIDEST = Axes(560, 340), Axes(350, 300, left=56), Axes(1100, 380, left=64)


def write(plan: Plan, path: Path) -> Path:
    """Writes the page and returns its path."""
    write_whole(path, page(plan))
    return path


def page(plan: Plan) -> Html:
    """The whole document."""
    sources = Sources()
    body = join(
        tag("p", "pare plan", class_="eyebrow"),
        tag(
            "div",
            tag("h1", plan.sentence),
            [tag("p", line) for line in tables.asked(plan).split("\n")],
            class_="verdict none",
        ),
        _missing(plan),
        _comparison(plan, sources),
        _plots(plan),
        _servers(plan, sources),
        building(plan, sources),
        texts(plan, sources),
        _growth(plan),
        _place(plan, sources),
        provenance(sources, ASSUMES, "No figure is known."),
    )
    return document("pare plan", body, style=Html(STYLE + OWN_STYLE))


def _missing(plan: Plan) -> Html | None:
    asks = tables.asks(plan)
    if not asks:
        return None
    return tag(
        "div", tag("p", "Not known, and not taken as zero:"), tag("ul", [tag("li", ask) for ask in asks]), class_="warn"
    )


# -- tables -------------------------------------------------------------------------------------------------------------


def _comparison(plan: Plan, sources: Sources) -> Html:
    columns = [
        Column("model"),
        Column("runs on", left=True),
        Column("parameters"),
        Column("quality", "a study's score on dev, with its 95 % interval"),
        Column("memory", "bytes of the weights"),
        Column("speed", "tokens a second of one session, or texts a second of a server"),
        Column("a year", "US dollars"),
        Column("1,000 requests", "US dollars"),
        Column("1,000 tokens", "US dollars; tokens of answers, their prompts included"),
        Column("energy of 1,000 requests"),
        Column("CO2 a year", "of running the servers, or behind the API"),
        Column("CO2 of hardware", "of making the servers, a year's share of it; not in the CO2 of running them"),
        Column("leaves the house", "tokens of prompts and answers in a year"),
        Column("to build", "machine time of the study"),
    ]
    rows = [_choice(choice, sources) for choice in tables.choices(plan)]
    return section(
        "comparison",
        "Large against small, bought against hosted",
        lead(
            "Each model on the servers that suit it best, and behind each API. Quality is a study's, or none is told."
        ),
        table(columns, rows, sortable=True),
        [note(words) for words in (*plan.notes, *tables.scored(plan), *tables.served(plan))],
    )


def _choice(choice: Choice, sources: Sources) -> Row:
    subject, figures = choice.subject, choice.figures
    parameters = subject.parameters if subject else None
    scored = subject.quality if subject else None
    kind = f"class {subject.model_class}" if subject and subject.model_class is not None else ""
    keys = (
        *("usd_per_year", "usd_per_1k_requests", "usd_per_1k_tokens"),
        *("kwh_per_1k_requests", "kg_per_year", "embodied_kg_per_year"),
    )
    answers_in_one = "texts_per_s" in figures
    return Row(
        choice.name,
        [
            Cell(choice.place, choice.place, "l"),
            Cell(NONE if parameters is None else [count(parameters), tag("span", kind, class_="sub")], parameters),
            Cell(tables.quality(choice), scored.value if scored else None),
            _cell(figures.get("weight_bytes"), sources),
            _cell(tables.speed(choice), sources),
            *(_cell(None if answers_in_one and "tokens" in key else figures.get(key), sources) for key in keys),
            _cell(figures.get("tokens_leaving_per_year"), sources),
            _cell(figures.get("build_s"), sources),
        ],
    )


def _servers(plan: Plan, sources: Sources) -> Html | None:
    if not plan.hosted:
        return None
    joules = any("j_per_token" in one.figures for one in plan.hosted)
    columns = [
        Column("model"),
        Column("server", left=True),
        Column("sessions", "that one server holds at the service level"),
        Column("published", "sessions that the vendor states"),
        Column("tokens/s", "of one full server"),
        Column("time to first token", "of one prompt when nothing else runs"),
        Column("in a rack"),
        Column("rack sessions"),
        Column("needed"),
        Column("power", "at full load"),
        Column("a year", "US dollars"),
        Column("idling", "energy of a year that is drawn without work"),
        Column("tokens/J", "at full power"),
        *([Column(tables.JOULES, "of a decoded token, from the device's measured energy")] if joules else []),
        Column("breaks even at", "utilisation from which it costs less than the cheapest API"),
        Column("what binds", left=True),
    ]
    return section(
        "servers",
        "On every server",
        lead("What one server and one rack hold of each model, and what the whole demand takes."),
        table(columns, [_server(one, plan, sources, joules) for one in plan.hosted], sortable=True),
    )


def _server(one: Hosted, plan: Plan, sources: Sources, joules: bool) -> Row:
    held, figures = one.capacity, one.figures
    stated = one.published
    vendor = None if stated is None else Figure(stated.value, "", stated.provenance, stated.source)
    a_rack = NONE if one.a_rack is None else f"{one.a_rack:,}"
    return Row(
        one.subject,
        [
            Cell(one.server, one.server, "l"),
            Cell(f"{held.sessions:,}" if held.sessions else "n/a", held.sessions or None),
            _cell(vendor, sources),
            _cell(held.tokens_per_s, sources),
            _cell(held.prefill_s, sources),
            Cell(
                [a_rack, tag("span", f"{one.rack_binds} binds", class_="sub") if one.rack_binds else None], one.a_rack
            ),
            Cell(f"{one.rack_sessions:,}" if one.rack_sessions else NONE, one.rack_sessions),
            Cell(NONE if one.servers is None else f"{one.servers:,}", one.servers),
            _cell(figures.get("kw"), sources),
            _cell(figures.get("usd_per_year"), sources),
            _cell(figures.get("idle_kwh_per_year"), sources),
            _cell(figures.get("tokens_per_j"), sources),
            *([_cell(figures.get("j_per_token"), sources)] if joules else []),
            _even(one, plan, sources),
            Cell(held.why or held.binds, held.why or held.binds, "why l"),
        ],
    )


def _even(one: Hosted, plan: Plan, sources: Sources) -> Cell:
    found = one.figures.get("break_even_utilisation")
    if found is not None:
        shown = Figure(100 * found.value, "%", found.provenance, found.source)
        return _cell(shown, sources)
    priced = "usd_per_year" in one.figures and any("usd_per_year" in offer.figures for offer in plan.bought)
    return Cell("never" if priced else NONE, None)


# -- plots --------------------------------------------------------------------------------------------------------------


def _plots(plan: Plan) -> Html:
    found = curves(plan)
    now = plan.figures["requests_per_year"].value / MONTHS_PER_YEAR
    racks, joules = rack_bars(plan), energy_bars(plan)
    return section(
        "plots",
        "Sessions, cost and energy",
        tag(
            "div",
            _figure("Sessions of a rack", _bars(racks, "sessions of a rack")),
            _figure(
                "Energy of 1,000 tokens of answers",
                _bars(joules, "energy of 1,000 tokens"),
            ),
            class_="plots",
        ),
        _figure(
            "Cost of a month by volume: from a ring on, hosting costs less than that offer",
            join(both(lambda axes: costs(found, now, axes), WIDEST, NARROW), keys(found)) if found else None,
            "Needs a server's price (--price) and an API to compare with.",
        ),
    )


def _bars(rows: list[Bar], title: str) -> Html | None:
    return both(lambda axes: bars(rows, axes, title), WIDE, NARROW) if rows else None


def _figure(title: str, drawn: Child, none: str = "No figure is known to draw.") -> Html:
    return tag("figure", tag("figcaption", title), drawn or note(none))


# -- the rest -----------------------------------------------------------------------------------------------------------


def _growth(plan: Plan) -> Html | None:
    words = tables.growth_words(plan)
    return section("growth", "What growth brings", tag("ul", [tag("li", line) for line in words])) if words else None


def _place(plan: Plan, sources: Sources) -> Html:
    site = plan.site
    pairs: list[tuple[str, Child]] = [("region", site.region)]
    for name, quantity in (
        ("carbon intensity", site.grid),
        ("electricity", site.energy_price),
        ("PUE", site.pue),
        ("utilisation", site.utilisation),
        ("written off over", site.years),
        ("operation, a server", site.operation),
        ("staff, a server", site.staff),
    ):
        pairs.append(
            (
                name,
                [
                    percent(quantity.value, 0)
                    if name == "utilisation"
                    else tables.plain(quantity.value, quantity.unit),
                    sources.mark(quantity, numbered=True),
                ],
            )
        )
    return section("place", "The place", terms(pairs))
