"""From what a user asks to a plan: names become subjects and offers, a log becomes demand, and the planner does the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pare import catalog
from pare.benchmark.machine import entry_here
from pare.capacity.asked import EVERYTHING, Asked, freer
from pare.capacity.site import machines, project, site
from pare.capacity.subjects import Found, everything, find
from pare.capacity.tongues import own_demand, text_prices, tongues
from pare.capacity.usage import Usage, read_usage
from pare.catalog import prices
from pare.catalog.prices import Offer
from pare.catalog.speeds import calibrations, general_roofline
from pare.errors import InputError
from pare.planner import plan as planning
from pare.planner.decode import of_device
from pare.planner.growth import read_growth
from pare.planner.hosting import Speeds, Wanted
from pare.planner.plan import Priced
from pare.planner.types import Demand, Figure, Plan, Site
from pare.types import Quantity
from pare.units import MONTHS_PER_YEAR, SECONDS_PER_MONTH

TOKENS = (
    "the tokens of a request are assumed, and what offers cost follows them: give --prompt and --answer, or --usage"
)
SESSIONS = 100
"""Sessions at once where nobody says how many: a round number, told as an assumption."""
WATT_HOURS_PER_KWH = 1000.0


@dataclass(frozen=True, slots=True)
class _Load:
    """A demand, the place with its utilisation, the requests of a year, and how they came about."""

    demand: Demand
    site: Site
    requests: Figure
    notes: tuple[str, ...]
    peak_per_s: float | None = None


def plan(asked: Asked) -> Plan:
    """The plan that answers what was asked.

    Raises InputError for bad input, MissingExtra where prices or a grid need a package that is not there.
    """
    usage = read_usage(asked.usage) if asked.usage else None
    found, notes = _found(asked, usage)
    growth = read_growth(asked.growth) if asked.growth else None
    load = _load(asked, usage, found)
    runs = [one.run for one in found if one.run is not None]
    counts = tongues(asked, usage, found)
    own = {
        one.name: own_demand(load.demand, counted, asked, load.peak_per_s)
        for one in found
        if (counted := counts.of(one.name)) is not None and (one.subject is None or one.subject.texts_per_s is None)
    }
    wanted = Wanted(
        demand=load.demand,
        site=load.site,
        speeds=_speeds(),
        requests=load.requests,
        making={run.subject.name: run.making for run in runs},
        lengths=usage.lengths if usage else (),
        project=project(asked),
        own=own,
    )
    made = planning.plan(
        [one.subject for one in found if one.subject is not None],
        machines(asked, [run.server for run in runs]),
        wanted,
        [priced(one.name, offer, wanted.of(one.name).demand, usage) for one in found for offer in one.sold],
        growth,
        (*load.notes, *notes, *(note for one in found for note in one.notes), *counts.notes(), *_batched(asked, found)),
    )
    shown = tuple(count.shown for count in counts.counts)
    return replace(made, tokens=shown, text_prices=text_prices(found, counts, usage))


def _speeds() -> Speeds:
    """What speed is predicted from, this machine's own lines first. Raises InputError where its entry cannot be read."""
    general, entry = general_roofline(), entry_here()
    if entry is None:
        return Speeds(general, calibrations())
    lines = [(line, entry.shapes[line.model]) for line in entry.calibrations if line.model in entry.shapes]
    own = {entry.server.name: of_device(general, lines, entry.server)} if entry.server.chip.bandwidth else {}
    return Speeds(general, (*entry.calibrations, *calibrations()), own)


def _found(asked: Asked, usage: Usage | None) -> tuple[list[Found], list[str]]:
    """What is compared, and what was left out. Without a name, the models of the log."""
    names = list(dict.fromkeys(asked.models))
    if not names and usage is not None:
        names = list(usage.models[:1])
    if not names:
        raise InputError(
            "a plan needs a model: name a run, a model folder, a catalogue entry or an API's model, or --compare several"
        )
    found: list[Found] = []
    left: list[str] = []
    for name in names:
        for one in everything(asked) if name == EVERYTHING else [find(name, asked)]:
            if one.subject is None or freer(one.subject.terms, asked.licence):
                found.append(one)
            else:
                left.append(f"{name} is left out: its licence is {one.subject.terms}, and --licence is {asked.licence}")
    if not found:
        raise InputError(f"no model is left to plan for: {'; '.join(left) or 'the catalogue has none of that licence'}")
    return found, left


# -- demand -----------------------------------------------------------------------------------------------------------


def _load(asked: Asked, usage: Usage | None, found: Sequence[Found]) -> _Load:
    """What is asked for: as given, else as the log says, else as the run's volume says, else assumed."""
    run = next((one.run for one in found if one.run is not None), None)
    incumbent = run.incumbent if run else None
    plain = Demand(1)
    prompt = asked.prompt or (usage.prompt.mean if usage else None) or (incumbent.tokens_in if incumbent else None)
    answer = asked.answer or (usage.answer.mean if usage else None) or (incumbent.tokens_out if incumbent else None)
    prompt, answer = max(1.0, prompt or plain.prompt_tokens), max(1.0, answer or plain.answer_tokens)
    by_log = usage is not None and usage.peak_per_s is not None
    in_one_step = any(one.subject is not None and one.subject.texts_per_s is not None for one in found)
    # A session that is answered at once asks again when it has its answer; a user of a classifier pauses.
    every = asked.every or (plain.every_s if in_one_step and not by_log else answer / asked.min_tps)

    def demand(sessions: int) -> Demand:
        burstiness = usage.burstiness if usage else plain.burstiness
        return Demand(sessions, asked.min_tps, prompt, answer, every, burstiness)

    notes = (usage.words(),) if usage else ()
    if not (usage or incumbent) and None in (asked.prompt, asked.answer) and any(one.sold for one in found):
        notes = (*notes, TOKENS)
    if asked.sessions is None and usage is not None and usage.mean_per_s and usage.peak_per_s:
        made = demand(max(1, math.ceil(usage.peak_per_s * every - 1e-9)))
        share = Quantity(
            min(1.0, usage.mean_per_s / usage.peak_per_s),
            "",
            "measured",
            f"{usage.path}: its mean rate / that of its busiest hour",
        )
        requests = Figure(
            usage.mean_per_s * SECONDS_PER_MONTH * MONTHS_PER_YEAR,
            "requests/year",
            "modelled",
            f"the rate of {usage.path}, all year",
        )
        why = "asked" if asked.every else f"that an answer takes at {asked.min_tps:g} tokens/s"
        said = f"sessions ({made.sessions:,}): the rate of its busiest hour x {every:,.3g} s {why}"
        return _Load(made, site(asked, share), requests, (*notes, said), usage.peak_per_s)
    place = site(asked)
    if asked.sessions is None and run is not None and run.requests_per_month is not None:
        volume = run.requests_per_month
        peak = volume.value / SECONDS_PER_MONTH / place.utilisation.value
        made = demand(max(1, math.ceil(peak * every - 1e-9)))
        requests = Figure(
            volume.value * MONTHS_PER_YEAR, "requests/year", volume.provenance, f"12 x a month's: {volume.source}"
        )
        said = f"sessions ({made.sessions:,}): {volume.value:,.0f} requests a month at their peak x {every:g} s"
        return _Load(made, place, requests, (*notes, said))
    if asked.sessions is None:
        notes = (*notes, f"{SESSIONS} sessions at once are assumed: give --sessions, or a log with --usage")
    made = demand(asked.sessions or SESSIONS)
    return _Load(made, place, planning.requests_per_year(made, place), notes)


# -- offers -----------------------------------------------------------------------------------------------------------


def _batched(asked: Asked, found: Sequence[Found]) -> list[str]:
    """Which offers are at batch rates, and which have none."""
    if not asked.batch:
        return []
    sold = [(one.name, offer) for one in found for offer in one.sold]
    notes = ["(batch): answered within hours, not at once"] if any(offer.batch for _, offer in sold) else []
    plain = [f"{name} at {offer.provider}" for name, offer in sold if not offer.batch]
    return [*notes, f"no batch rate is known, so the usual one is told: {', '.join(plain)}"] if plain else notes


def priced(name: str, offer: Offer, demand: Demand, usage: Usage | None) -> Priced:
    """What an offer charges for a mean request: of the log, with what came from a cache, or of the demand's tokens."""
    asks: tuple[str, ...] = ()
    cached = usage.cached if usage else 0.0
    characters = usage.characters if usage else None
    used = prices.Usage(demand.prompt_tokens, demand.answer_tokens, 1, cached, characters_in=characters)
    price = None
    try:
        words = (
            f"{demand.prompt_tokens:,.0f} tokens in and {demand.answer_tokens:,.0f} out x the price of {offer.model}"
        )
        source = f"{words} at {offer.seller}; {offer.source}"
        price = Figure(float(prices.charge(offer, used)), "USD", "modelled", source)
    except InputError as error:
        asks = (f"price of {offer.model} at {offer.seller}: {error}",)
    prompt = catalog.fact("serving", "energy_per_prompt_wh")
    kwh = Figure(prompt.value / WATT_HOURS_PER_KWH, "kWh", "assumed", prompt.source)
    return Priced(name, offer.seller, price, kwh, asks)
