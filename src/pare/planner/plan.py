"""The plan: every model on every server and behind every API, side by side, at one demand.

Servers are bought for the peak, at which all ``sessions`` are answered at once; a year's requests are
``sessions / every_s x utilisation``, the utilisation being the mean load as a share of that peak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pare.catalog.types import Server
from pare.planner import capacity, energy
from pare.planner.compact import compact
from pare.planner.growth import Growth, Milestone, milestones
from pare.planner.hosting import SECONDS_PER_YEAR, Wanted, each_1k, host
from pare.planner.recommend import best_of, recommend
from pare.planner.types import Bought, Demand, Figure, Hosted, Plan, Site, Subject
from pare.types import Provenance
from pare.units import MONTHS_PER_YEAR

SEED = 0
"""Of the simulation behind ``goodput``."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A model behind an API: US dollars and kWh of a mean request. None: unknown. ``asks`` says what would tell."""

    subject: str
    provider: str
    usd_per_request: Figure | None
    kwh_per_request: Figure | None = None
    asks: tuple[str, ...] = ()


def plan(
    subjects: Sequence[Subject],
    servers: Sequence[Server],
    wanted: Wanted,
    offers: Sequence[Priced] = (),
    growth: Growth | None = None,
    notes: Sequence[str] = (),
) -> Plan:
    """Places every subject whose anatomy or speed is known on every server, prices every offer, and recommends.

    Which requests are served at the level is simulated on the recommended servers alone: it takes a second or so.
    """
    bought = tuple(buy(offer, wanted) for offer in offers)
    lean = [replace(one, shape=compact(one.shape)) if one.shape else one for one in subjects]
    placed = [
        host(subject, server, wanted.of(subject.name), _rival(subject, bought))
        for subject in lean
        if subject.shape is not None or subject.texts_per_s is not None
        for server in servers
    ]
    sentence, choice = recommend(subjects, placed, bought, wanted.demand)
    known, machines = {one.name: one for one in subjects}, {one.name: one for one in servers}
    hosted = tuple(
        _simulated(one, known[one.subject], machines[one.server], wanted.of(one.subject)) if one is choice else one
        for one in placed
    )
    return Plan(
        demand=wanted.demand,
        site=wanted.site,
        subjects=tuple(subjects),
        hosted=hosted,
        bought=bought,
        sentence=sentence,
        notes=tuple(notes),
        figures={"requests_per_year": wanted.requests},
        growth=_growth(hosted, wanted, growth) if growth else {},
        demands={name: demand for name, (demand, _) in wanted.own.items()},
    )


def _rival(subject: Subject, bought: Sequence[Bought]) -> Bought | None:
    """The offer that hosting must beat: the cheapest of the same model, else the cheapest of all."""
    known = [one for one in bought if "usd_per_year" in one.figures]
    same = [one for one in known if one.subject == subject.name]
    return min(same or known, key=_usd, default=None)


def requests_per_year(demand: Demand, site: Site) -> Figure:
    """The requests of a year: each session asks every ``every_s`` seconds, and the mean load is a share of the peak."""
    used = site.utilisation
    value = demand.sessions / demand.every_s * used.value * SECONDS_PER_YEAR
    source = (
        f"{demand.sessions:,} sessions / {demand.every_s:g} s x utilisation {used.value:.2f} x 8,766 h; "
        f"utilisation is {used.provenance}: {used.source}"
    )
    return Figure(value, "requests/year", "modelled", source)


def _simulated(one: Hosted, subject: Subject, server: Server, wanted: Wanted) -> Hosted:
    """With the share of requests that are served at the level, by simulation."""
    if subject.shape is None or subject.texts_per_s is not None or not one.servers:
        return one
    speeds, demand = wanted.speeds, wanted.demand
    pace = capacity.pace_of(subject, server, demand, one.capacity.parallel, speeds.of(server), speeds.calibrations)
    return replace(one, goodput=capacity.goodput(one.capacity, pace, demand, one.servers, SEED, wanted.lengths))


def _growth(hosted: Sequence[Hosted], wanted: Wanted, growth: Growth) -> dict[str, tuple[Milestone, ...]]:
    """By subject, on its best servers: when the next server, the next rack and the break-even come."""
    found = {}
    for name in dict.fromkeys(one.subject for one in hosted):
        best = best_of(hosted, name)
        if best is None:
            continue
        even = best.figures.get("break_even_requests_per_year")
        priced = "usd_per_year" in best.figures
        found[name] = milestones(
            wanted.of(name).demand.sessions,
            best.capacity.sessions,
            best.a_rack,
            growth,
            wanted.requests.value / MONTHS_PER_YEAR if priced else None,
            even.value / MONTHS_PER_YEAR if even else None,
        )
    return found


# -- a model behind an API --------------------------------------------------------------------------------------------


def buy(offer: Priced, wanted: Wanted) -> Bought:
    """What an offer costs at the demand's requests, and what leaves the house with them."""
    wanted = wanted.of(offer.subject)
    requests, demand = wanted.requests, wanted.demand
    figures: dict[str, Figure] = {}
    asks = list(offer.asks)
    if offer.usd_per_request is not None:
        figures["usd_per_year"] = _yearly(offer.usd_per_request, requests, "USD/year")
        figures |= each_1k("usd", "USD", figures["usd_per_year"], wanted)
    if offer.kwh_per_request is None:
        asks.append(f"energy of {offer.subject} at {offer.provider}: not stated")
    else:
        kwh = _yearly(offer.kwh_per_request, requests, "kWh/year")
        mass = energy.kg(kwh.value, wanted.site.grid)
        kg = Figure(mass.value, "kg CO2e/year", kwh.provenance, f"{mass.source}; {kwh.source}")
        figures |= {"kwh_per_year": kwh, "kg_per_year": kg}
        figures |= each_1k("kwh", "kWh", kwh, wanted) | each_1k("kg", "kg CO2e", kg, wanted)
    leaving = requests.value * (demand.prompt_tokens + demand.answer_tokens)
    source = f"prompts and answers of {requests.value:,.0f} requests"
    figures["tokens_leaving_per_year"] = Figure(leaving, "tokens/year", "modelled", source)
    return Bought(offer.subject, offer.provider, figures, tuple(asks))


def _yearly(each: Figure, requests: Figure, unit: str) -> Figure:
    known: Provenance = "assumed" if each.provenance == "assumed" else "modelled"
    return Figure(each.value * requests.value, unit, known, f"a request's x {requests.value:,.0f}; {each.source}")


def _usd(one: Bought) -> float:
    return one.figures["usd_per_year"].value
