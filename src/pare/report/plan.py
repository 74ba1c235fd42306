"""A plan as tables for the terminal and as one JSON object; ``plan_page`` is the same as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec

from pare.planner.growth import day_after
from pare.planner.recommend import best_of, servers_of
from pare.planner.types import Figure, Hosted, Plan, Subject, Tokenized
from pare.report.figures import NONE, count, interval, milliseconds, share, significant
from pare.report.parts import shortened
from pare.report.terminal import console, grid
from pare.types import Provenance, Quantity
from pare.units import dollars, duration, energy, mass, megabytes, percent, power

MARKS: dict[Provenance, str] = {"measured": "", "modelled": "~", "assumed": "?"}
LEGEND = (
    "~ modelled   ? assumed or given   unmarked: measured or counted   in brackets: the interval that holds it with 80 %; "
    "--json and --html name the source of every figure"
)
CHOICES = (
    "model",
    "runs on",
    "quality",
    "memory",
    "speed",
    "a year",
    "per 1,000",
    "energy",
    "CO2 a year",
    "of hardware",
    "leaves the house",
    "to build",
)
"""``per 1,000`` and ``energy`` are of 1,000 requests; ``of hardware``: CO2 of making the servers, a year's share, beside
that of running them.
"""
SERVERS = (
    "model",
    "server",
    "sessions",
    "published",
    "tokens/s (80 %)",
    "a rack",
    "binds",
    "rack sessions",
    "needed",
    "racks",
    "power",
    "a year",
)
JOULES = "J/token"
"""A further column of servers, of decoded tokens, where a device's energy was measured with a model."""
TOKENS = ("tokens counted by", "language", "requests", "a prompt", "an answer", "characters a token", "times as many")
PRICES = ("offer", "language", "1,000 tokens", "1,000 characters", "1,000 requests")
LONGEST = 26
FEW = 12
"""Reasons why a server holds nothing that are told on the terminal."""
MANY = 60
"""Rows of servers from which those that hold nothing are left out on the terminal; the page and the JSON have them all."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A line of the comparison: a model on its best servers, or behind an API. ``servers`` is what it needs, in words."""

    name: str
    place: str
    subject: Subject | None
    hosted: Hosted | None
    figures: Mapping[str, Figure]
    asks: tuple[str, ...]


def choices(plan: Plan) -> list[Choice]:
    """What can be done: every subject on the servers that it is best put on, then every offer."""
    known = {subject.name: subject for subject in plan.subjects}
    made = []
    for subject in plan.subjects:
        best = best_of(plan.hosted, subject.name)
        if best is not None:
            place = servers_of(best)
            made.append(Choice(subject.name, place, subject, best, best.figures, best.asks))
        elif not any(one.subject == subject.name for one in plan.bought):
            made.append(Choice(subject.name, "nowhere here", subject, None, _of(plan, subject.name), ()))
    for one in plan.bought:
        made.append(Choice(one.subject, f"API of {one.provider}", known.get(one.subject), None, one.figures, one.asks))
    return made


def _of(plan: Plan, name: str) -> Mapping[str, Figure]:
    return next((one.figures for one in plan.hosted if one.subject == name), {})


# -- figures as people read them --------------------------------------------------------------------------------------


def text(figure: Figure | Quantity | None) -> str:
    """A figure with its unit and the mark of its provenance, without its interval."""
    return NONE if figure is None else MARKS[figure.provenance] + plain(figure.value, figure.unit)


def plain(value: float, unit: str) -> str:
    """A value in its unit, as people read it; what is by the year or by another thing is said by the column."""
    head = unit.partition("/")[0]
    if head == "USD":
        return dollars(value)
    if head == "kWh":
        return energy(value)
    if head == "kg CO2e":
        return mass(value)
    if unit == "kW":
        return power(1000 * value)
    if unit == "bytes":
        return f"{significant(value / 1e9)} GB" if value >= 1e9 else megabytes(value)
    if unit == "s":
        return milliseconds(1000 * value) if value < 60 else duration(value)
    if unit in ("tokens/year", "requests/year", "requests"):
        return count(value) if value >= 1e4 else f"{value:,.0f}"
    return f"{value:,.0f}" if not unit and value == int(value) else f"{significant(value)} {unit}".strip()


def bracketed(figure: Figure | None) -> str:
    """A figure with its interval in brackets, where one is known."""
    if figure is None or figure.low is None or figure.high is None:
        return text(figure)
    return f"{text(figure)} ({significant(figure.low)} to {significant(figure.high)})"


def speed(choice: Choice) -> Figure | None:
    """Tokens a second of one session, or texts a second of a server."""
    if "texts_per_s" in choice.figures:
        return choice.figures["texts_per_s"]
    itl = choice.hosted.capacity.itl_s if choice.hosted else None
    if itl is None:
        return None
    slowest, fastest = (None if end is None else 1 / end for end in (itl.high, itl.low))
    return Figure(
        1 / itl.value, "tokens/s", itl.provenance, f"1 / the time between tokens; {itl.source}", slowest, fastest
    )


def quality(choice: Choice) -> str:
    """A study's score on dev with its interval; what was published elsewhere is never shown beside it."""
    found = choice.subject.quality if choice.subject else None
    return NONE if found is None else f"{share(found.value)} ({interval(found)})"


def leaves(choice: Choice) -> str:
    """The tokens of prompts and answers that leave the house in a year."""
    found = choice.figures.get("tokens_leaving_per_year")
    return NONE if found is None else "nothing" if not found.value else f"{text(found)} tokens"


# -- the terminal -----------------------------------------------------------------------------------------------------


def show(plan: Plan) -> None:
    """Prints a plan on standard output."""
    out = console()
    out.print(asked(plan), markup=False)
    out.print(grid(CHOICES, [choice_row(choice) for choice in choices(plan)]))
    listed = [one for one in plan.hosted if one.capacity.sessions or len(plan.hosted) <= MANY]
    if listed:
        out.print(grid(*server_table(listed)))
    if plan.tokens:
        out.print(grid(TOKENS, token_rows(plan)))
    if plan.text_prices:
        out.print(grid(PRICES, price_rows(plan)))
    for words in paid_back(plan):
        out.print(words, markup=False)
    told = (*scored(plan), *served(plan), *growth_words(plan))
    notes = (*plan.notes, *told, *refusals(plan)[:FEW], *asks(plan))
    for words in (f"- {note}" for note in notes):
        out.print(words, style="dim", markup=False)
    out.print(LEGEND, style="dim", markup=False)
    out.print(plan.sentence, style="bold", markup=False)


def asked(plan: Plan) -> str:
    """The demand and the place, in two lines."""
    demand, site = plan.demand, plan.site
    requests = plan.figures["requests_per_year"]
    many = "session" if demand.sessions == 1 else "sessions"
    writes = any(one.texts_per_s is None for one in plan.subjects) or plan.bought
    level = (
        f" at {demand.min_tps:g} tokens/s or more, prompts of {demand.prompt_tokens:,.0f} and answers of "
        f"{demand.answer_tokens:,.0f} tokens"
        if writes
        else ""
    )
    return (
        f"{demand.sessions:,} {many}{level}; each asks every {demand.every_s:,.3g} s at the peak; "
        f"{text(requests)} requests a year\n"
        f"region {site.region}: {text(site.grid)}/kWh, {text(site.energy_price)}/kWh, PUE {text(site.pue)}, utilisation "
        f"{MARKS[site.utilisation.provenance]}{percent(site.utilisation.value, 0)}; rack {site.rack.units} U, "
        f"{site.rack.power_kw:g} kW, less {site.rack.reserved_units} U and {site.rack.reserved_kw:g} kW"
    )


def choice_row(choice: Choice) -> tuple[str, ...]:
    """Cells as ``CHOICES`` names them."""
    figures = choice.figures
    return (
        shortened(choice.name, LONGEST),
        shortened(choice.place, LONGEST),
        quality(choice).partition(" (")[0],
        text(figures.get("weight_bytes")),
        text(speed(choice)),
        text(figures.get("usd_per_year")),
        text(figures.get("usd_per_1k_requests")),
        text(figures.get("kwh_per_1k_requests")),
        text(figures.get("kg_per_year")),
        text(figures.get("embodied_kg_per_year")),
        leaves(choice),
        text(figures.get("build_s")),
    )


def server_row(one: Hosted) -> tuple[str, ...]:
    """Cells as ``SERVERS`` names them."""
    held, figures = one.capacity, one.figures
    return (
        shortened(one.subject, LONGEST),
        shortened(one.server, LONGEST),
        sessions(held.sessions),
        NONE if one.published is None else f"?{one.published.value:,.0f}",
        bracketed(held.tokens_per_s).replace(" tokens/s", ""),
        NONE if one.a_rack is None else f"{one.a_rack:,}",
        one.rack_binds or NONE,
        sessions(one.rack_sessions),
        NONE if one.servers is None else f"{one.servers:,}",
        NONE if one.racks is None else f"{one.racks:,}",
        text(figures.get("kw")),
        text(figures.get("usd_per_year")),
    )


def server_table(listed: Sequence[Hosted]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows of servers, with joules a token where any are known."""
    rows = [server_row(one) for one in listed]
    if not any("j_per_token" in one.figures for one in listed):
        return SERVERS, rows
    joules = (text(one.figures.get("j_per_token")).removesuffix(f" {JOULES}") for one in listed)
    return (*SERVERS, JOULES), [(*row, each) for row, each in zip(rows, joules, strict=True)]


def sessions(held: int | None) -> str:
    """Sessions that are held; n/a where a model fits nowhere or is too slow."""
    return NONE if held is None else f"{MARKS['modelled']}{held:,}" if held else "n/a"


def refusals(plan: Plan) -> list[str]:
    """Why servers hold nothing of a model, those of one reason together."""
    places: dict[tuple[str, str], list[str]] = {}
    for one in plan.hosted:
        if not one.capacity.sessions:
            places.setdefault((one.subject, one.capacity.why), []).append(one.server)
    return [f"{subject} on {', '.join(servers)}: {why}" for (subject, why), servers in places.items()]


def scored(plan: Plan) -> list[str]:
    """The quality of each model that a study has scored, with its interval."""
    found = ((subject, subject.quality) for subject in plan.subjects)
    return [
        f"{subject.name}: {score.metric} {share(score.value)} ({interval(score)}) on {score.n:,} dev rows, measured"
        for subject, score in found
        if score
    ]


def served(plan: Plan) -> list[str]:
    """What the simulation says of the recommended servers."""
    return [
        f"{one.subject} on {servers_of(one)}: {one.goodput.value:.1%} of the requests are served at the level "
        f"({one.goodput.source})"
        for one in plan.hosted
        if one.goodput is not None
    ]


def made(plan: Plan) -> dict[str, Mapping[str, Figure]]:
    """The figures of building, by model, on the servers that it is best put on; only of those that took or take some."""
    best = ((one.name, best_of(plan.hosted, one.name)) for one in plan.subjects)
    return {name: one.figures for name, one in best if one and {"project_usd", "making_kwh"} & set(one.figures)}


def paid_back(plan: Plan) -> list[str]:
    """What building takes once, and when it is paid back, a line each of money and energy."""
    lines = []
    for name, figures in made(plan).items():
        cost, months, kwh = (figures.get(key) for key in ("project_usd", "project_payback_months", "making_kwh"))
        if cost is not None:
            when = f"paid back in {text(months)}" if months else "never paid back: the offer beside it costs too little"
            lines.append(
                f"{name}: building it costs {text(cost)} once, {when} (--project-months, --project-usd, --upkeep)"
            )
        if kwh is not None:
            requests = figures.get("payback_requests")
            when = f", paid back after {text(requests)} requests taken from an API" if requests else ""
            lines.append(f"{name}: its study took {text(kwh)} and {text(figures['making_kg'])} of CO2e{when}")
    return lines


def counted_by(one: Tokenized) -> str:
    """Who counts; of a long path its end, which tells paths apart."""
    return one.name if len(one.name) <= LONGEST else f"…{one.name[1 - LONGEST :]}"


def token_rows(plan: Plan) -> list[tuple[str, ...]]:
    """Cells as ``TOKENS`` names them: each language by each tokenizer."""
    return [
        (
            counted_by(one),
            language.name,
            percent(language.share, 0),
            *(
                NONE if value is None else MARKS[one.provenance] + significant(value)
                for value in (
                    language.prompt_tokens,
                    language.answer_tokens,
                    language.characters_per_token,
                    language.dearer,
                )
            ),
        )
        for one in plan.tokens
        for language in one.languages
    ]


def price_rows(plan: Plan) -> list[tuple[str, ...]]:
    """Cells as ``PRICES`` names them: each language behind each API."""
    keys = ("usd_per_1k_tokens", "usd_per_1k_characters", "usd_per_1k_requests")
    return [
        (
            f"{shortened(one.subject, LONGEST)} of {one.provider}",
            one.language,
            *(text(one.figures.get(key)) for key in keys),
        )
        for one in plan.text_prices
    ]


def asks(plan: Plan) -> list[str]:
    """What is missing, each once, of what the comparison shows."""
    return list(dict.fromkeys(ask for choice in choices(plan) for ask in choice.asks if ask))


def growth_words(plan: Plan) -> list[str]:
    """What growth brings, a line a model."""
    return [
        f"{subject}: {', '.join(f'{one.what} {_when(one.months)}' for one in due)}"
        for subject, due in plan.growth.items()
    ]


def _when(months: float | None) -> str:
    if months is None:
        return "never at this growth"
    return f"in {months:.1f} months ({day_after(date.today(), months):%B %Y})" if months else "now"


# -- JSON -------------------------------------------------------------------------------------------------------------


def summary(plan: Plan) -> dict[str, Any]:
    """A plan as one JSON object of plain values; ``docs/json.md`` lists its keys. Of a subject's anatomy only its counts are
    there: ``pare show`` has the rest.
    """
    found: dict[str, Any] = msgspec.to_builtins(plan)
    for subject in found["subjects"]:
        subject["family"] = (subject.pop("shape") or {}).get("family")
    return {"sentence": found.pop("sentence"), **found}
