"""A model on servers of one's own: what one server and one rack hold, and what the whole demand takes in power, energy, CO2
and money, each figure with its formula.

What 1,000 tokens take is told of tokens of answers: reading their prompts is in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pare.catalog.types import Calibration, Roofline, Server
from pare.planner import anatomy, capacity, energy, estimate, money, rack
from pare.planner.decode import calibration_of
from pare.planner.invest import Project, judge
from pare.planner.types import Bought, Capacity, Demand, Figure, Hosted, Site, Subject
from pare.units import HOURS_PER_YEAR, MONTHS_PER_YEAR, kwh_to_joules

SECONDS_PER_YEAR = HOURS_PER_YEAR * 3600
THOUSAND = 1000.0

PEAK_LOAD = 0.7
"""Share of its throughput that a server of one-step answers is used at, at the peak; assumed. A request then waits 1.2 times
as long as it is worked on, on average (M/D/1: load / (2 (1 - load))).
"""


@dataclass(frozen=True, slots=True)
class Speeds:
    """What speed is predicted from: the roofline of all devices, those of servers that were measured with other models, by
    the server's name, and lines of the very model and server.
    """

    roofline: Roofline
    calibrations: tuple[Calibration, ...] = ()
    own: Mapping[str, Roofline] = field(default_factory=dict)

    def of(self, server: Server) -> Roofline:
        """The roofline of a server: its own, else the general one."""
        return self.own.get(server.name, self.roofline)


@dataclass(frozen=True, slots=True)
class Making:
    """What building a model took: seconds of machine time, and kWh."""

    seconds: Figure
    kwh: Figure


@dataclass(frozen=True, slots=True)
class Wanted:
    """What all rows of a plan have in common. ``requests`` are those of a year; ``lengths`` are a log's (prompt, answer)
    pairs in tokens, for the simulation; ``project`` is what replacing an API by a model of one's own takes. ``own`` are the
    demand and lengths of subjects whose own tokenizer has counted the log.
    """

    demand: Demand
    site: Site
    speeds: Speeds
    requests: Figure
    making: Mapping[str, Making] = field(default_factory=dict)
    lengths: tuple[tuple[int, int], ...] = ()
    project: Project | None = None
    own: Mapping[str, tuple[Demand, tuple[tuple[int, int], ...]]] = field(default_factory=dict)

    def of(self, subject: str) -> Wanted:
        """The same with the demand in a subject's own tokens, where they are known."""
        if subject not in self.own:
            return self
        demand, lengths = self.own[subject]
        return replace(self, demand=demand, lengths=lengths, own={})


def host(subject: Subject, server: Server, wanted: Wanted, cheapest: Bought | None = None) -> Hosted:
    """A subject on a kind of server: what one server and one rack hold, and what the whole demand takes.

    ``cheapest`` is the offer against which it breaks even.
    """
    held = placed(subject, server, wanted)
    packing, asks = _packing(server, wanted.site.rack)
    servers = math.ceil(wanted.demand.sessions / held.sessions) if held.sessions else None
    a_rack = packing.servers if packing else None
    figures = _memory(subject, wanted.demand) | _made(subject, wanted)
    if subject.texts_per_s is not None and held.sessions:
        figures["texts_per_s"] = subject.texts_per_s
    if servers is not None:
        figures |= _running(server, servers, wanted)
        priced, missing = _money(server, servers, wanted, figures)
        figures |= priced
        asks += missing
        if cheapest is not None:
            figures |= _against(subject, server, servers, held, wanted, cheapest, figures)
    if packing and held.sessions:
        figures |= _a_rack(server, packing, held)
    figures |= _measured_joules(subject, server, held, wanted)
    figures["tokens_leaving_per_year"] = Figure(0.0, "tokens/year", "modelled", "it runs on servers of one's own")
    return Hosted(
        subject=subject.name,
        server=server.name,
        capacity=held,
        published=server.sessions.get(subject.name),
        a_rack=a_rack,
        rack_binds=packing.binds if packing else "",
        rack_sessions=None if packing is None else packing.servers * held.sessions,
        servers=servers,
        racks=math.ceil(servers / a_rack) if servers and a_rack else None,
        goodput=None,
        figures=figures,
        asks=tuple(asks) if servers is not None else (),
    )


def placed(subject: Subject, server: Server, wanted: Wanted) -> Capacity:
    """What one server holds; no session, and why, where that cannot be told."""
    if subject.texts_per_s is not None:
        return _answering(subject, subject.texts_per_s, server, wanted)
    chip = server.chip
    known = (("memory", chip.memory), ("bandwidth", chip.bandwidth), ("peaks", chip.peaks or None))
    missing = [name for name, figure in known if figure is None]
    if missing:
        return _nothing(f"of {chip.name} not known: {', '.join(missing)}; on this machine: pare doctor --measure")
    return capacity.capacity(subject, server, wanted.demand, wanted.speeds.of(server), wanted.speeds.calibrations)


def _answering(subject: Subject, rate: Figure, server: Server, wanted: Wanted) -> Capacity:
    """A model that answers in one step: a session is a user who asks every ``every_s`` seconds, so that a server holds
    throughput x ``PEAK_LOAD`` x every_s of them. The site's utilisation has no say in it: it is the mean load as a share of
    this peak.
    """
    if server.name != subject.measured_on:
        return _nothing(f"its speed was measured on {subject.measured_on} only; run the study there")
    every = wanted.demand.every_s
    sessions = math.floor(rate.value * PEAK_LOAD * every)
    why = f"{rate.value:,.4g} texts/s x {PEAK_LOAD:.0%} at the peak x one of each session every {every:g} s"
    each = Figure(1 / rate.value, "s", rate.provenance, f"1 / texts a second: {rate.source}")
    return Capacity(sessions, 1, 1, min(1, sessions), "service level" if sessions else "none", why, None, each, None)


def _nothing(why: str) -> Capacity:
    return Capacity(0, 0, 0, 0, "none", why, None, None, None)


def _packing(server: Server, space: rack.Rack) -> tuple[rack.Packing | None, list[str]]:
    if server.rack_units is None or server.power is None:
        known = (("height", server.rack_units), ("power", server.power))
        missing = " and ".join(name for name, figure in known if figure is None)
        return None, [f"{missing} of {server.name} as a machine: not in its entry, so no rack is packed with it"]
    return rack.pack(space, math.ceil(server.rack_units.value), server.power.value), []


def _memory(subject: Subject, demand: Demand) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    widths = subject.widths
    if subject.weight_bytes is not None:
        found["weight_bytes"] = Figure(subject.weight_bytes, "bytes", "measured", "bytes of the served files")
    elif subject.shape is not None:
        weighs = estimate.weight_bytes(anatomy.at_widths(subject.shape, widths))
        found["weight_bytes"] = Figure(
            weighs, "bytes", "modelled", f"elements x bits; weights at {widths.weights:g} bits"
        )
    if subject.shape is not None and subject.texts_per_s is None:
        context = demand.prompt_tokens + demand.answer_tokens
        kept = anatomy.kv_bytes(subject.shape, context, widths.kv)
        source = f"keys and values of {context:,.0f} tokens at {widths.kv:g} bits, windows respected"
        found["kv_bytes_per_session"] = Figure(kept, "bytes", "modelled", source)
    return found


def _running(server: Server, servers: int, wanted: Wanted) -> dict[str, Figure]:
    """Power, energy and CO2 of all servers over a year, of 1,000 tokens and of 1,000 requests."""
    if server.power is None:
        return {}
    site, full = wanted.site, server.power
    idle = server.idle or full
    words = f"{servers:,} x {server.name}: {full.value:,.0f} W at full load ({full.provenance}: {full.source})"
    words += (
        f", {idle.value:,.0f} W idle ({idle.provenance}: {idle.source})"
        if server.idle
        else ", idle draw unknown: the same"
    )
    words += f"; utilisation {site.utilisation.value:.2f}, PUE {site.pue.value:.2f}"
    drawn = (full.value, min(idle.value, full.value), site.utilisation.value, site.pue.value, servers)
    kwh = Figure(energy.serving_kwh_per_year(*drawn), "kWh/year", "modelled", words)
    kg = replace(energy.kg(kwh.value, site.grid), unit="kg CO2e/year")
    found = {
        "kw": Figure(servers * full.value / THOUSAND, "kW", "modelled", words),
        "kwh_per_year": kwh,
        "idle_kwh_per_year": Figure(energy.idling_kwh_per_year(*drawn), "kWh/year", "modelled", f"while idle; {words}"),
        "kg_per_year": replace(kg, source=f"{kg.source}; {words}"),
    }
    if server.embodied is not None:
        found["embodied_kg_per_year"] = energy.embodied_kg_per_year(server.embodied, site.years.value, servers)
    return found | each_1k("kwh", "kWh", kwh, wanted) | each_1k("kg", "kg CO2e", found["kg_per_year"], wanted)


def each_1k(key: str, unit: str, a_year: Figure, wanted: Wanted) -> dict[str, Figure]:
    """A yearly figure for 1,000 requests, and for 1,000 tokens of answers."""
    requests, known = wanted.requests, a_year.provenance
    source = f"a year's / its {requests.value:,.0f} requests ({requests.source}); {a_year.source}"
    each = a_year.value / requests.value * THOUSAND
    return {
        f"{key}_per_1k_requests": Figure(each, unit, known, source),
        f"{key}_per_1k_tokens": Figure(each / wanted.demand.answer_tokens, unit, known, source),
    }


def _money(
    server: Server, servers: int, wanted: Wanted, figures: Mapping[str, Figure]
) -> tuple[dict[str, Figure], list[str]]:
    """What the servers cost a year, and what is asked for. Where their price is unknown, the electricity alone."""
    site, kwh = wanted.site, figures.get("kwh_per_year")
    asks = []
    if server.power is None:
        asks.append(f"power of {server.name} as a machine: not in its entry, so neither energy nor cost is told")
    if server.price is None:
        asks.append(f"price of {server.name}: give --price")
    found: dict[str, Figure] = {}
    if kwh is not None:
        paid = site.energy_price
        source = f"kWh x {paid.value:g} USD ({paid.provenance}: {paid.source}); {kwh.source}"
        found["electricity_usd_per_year"] = Figure(kwh.value * paid.value, "USD/year", "modelled", source)
    if not asks:
        one = money.running(server, site)
        found["usd_fixed_per_server_year"] = Figure(one.fixed, "USD/year", "modelled", one.source)
        found["usd_busy_per_server_year"] = Figure(one.busy, "USD/year", "modelled", f"at full load; {one.source}")
        found["usd_per_year"] = money.own_usd_per_year(server, site, servers)
        found |= each_1k("usd", "USD", found["usd_per_year"], wanted)
    return found, asks


def _against(
    subject: Subject,
    server: Server,
    servers: int,
    held: Capacity,
    wanted: Wanted,
    cheapest: Bought,
    figures: Mapping[str, Figure],
) -> dict[str, Figure]:
    """Against the cheapest offer: where hosting breaks even, when a project has paid back, and when the study's energy has.

    A figure is left out where it never does.
    """
    found: dict[str, Figure] = {}
    theirs, mine = cheapest.figures["usd_per_1k_requests"], figures.get("usd_per_year")
    rate = requests_per_s(held, wanted.demand)
    if mine is not None:
        one = money.running(server, wanted.site)
        share = money.break_even_utilisation(one, rate, theirs.value)
        price = f"{theirs.value:.4g} USD per 1,000 of {cheapest.subject} at {cheapest.provider}"
        source = f"fixed + busy u = {rate:,.4g} requests/s x u x {price}; {one.source}"
        if share is not None:
            found["break_even_utilisation"] = Figure(share, "", "modelled", source)
            volume = share * servers * rate * SECONDS_PER_YEAR
            found["break_even_requests_per_year"] = Figure(volume, "requests/year", "modelled", source)
        if not subject.terms:  # of one's own: a published model needs no building
            found |= _project(mine, cheapest, wanted)
    making, before, after = (
        figures.get("making_kwh"),
        cheapest.figures.get("kwh_per_1k_requests"),
        figures.get("kwh_per_1k_requests"),
    )
    if making and before and after:
        saved = (kwh_to_joules(one.value) / THOUSAND for one in (before, after))
        requests = energy.payback_requests(making.value, *saved)
        if requests is not None:
            source = f"{making.value:.3g} kWh of the study / what a request saves; before: {before.source}"
            found["payback_requests"] = Figure(requests, "requests", "modelled", source)
    return found


def _project(mine: Figure, cheapest: Bought, wanted: Wanted) -> dict[str, Figure]:
    """What replacing the offer takes once, and the months until it has paid back."""
    if wanted.project is None:
        return {}
    before = cheapest.figures["usd_per_year"].value / MONTHS_PER_YEAR
    made = judge(wanted.project, before, mine.value / MONTHS_PER_YEAR)
    found = {"project_usd": made.cost_usd}
    if made.payback_months is not None:
        source = f"cost of building / what a month saves against {cheapest.subject}; {made.cost_usd.source}"
        found["project_payback_months"] = Figure(made.payback_months, "months", "modelled", source)
    return found


def requests_per_s(held: Capacity, demand: Demand) -> float:
    """The requests a second of one server at its peak: each of the sessions it holds asks every ``every_s`` seconds."""
    return held.sessions / demand.every_s


def _a_rack(server: Server, packing: rack.Packing, held: Capacity) -> dict[str, Figure]:
    words = f"{packing.servers} servers in a rack; {packing.binds} binds"
    found = {"rack_kw": Figure(packing.used_kw, "kW", "modelled", words)}
    if packing.used_kw:
        each = packing.servers * held.sessions / packing.used_kw
        found["sessions_per_kw"] = Figure(each, "sessions/kW", "modelled", words)
    speed, power = held.tokens_per_s, server.power
    if speed is not None and power is not None and packing.servers:
        found["rack_tokens_per_s"] = _scaled(speed, packing.servers, "tokens/s", words)
        found["tokens_per_j"] = _scaled(speed, 1 / power.value, "tokens/J", f"tokens/s / {power.value:,.0f} W")
    return found


def _measured_joules(subject: Subject, server: Server, held: Capacity, wanted: Wanted) -> dict[str, Figure]:
    """Joules of a decoded token at the batch held, ``a + p / batch``, where the device's energy was measured."""
    line = calibration_of(subject, server, held.parallel, wanted.speeds.calibrations) if held.batch else None
    if line is None or line.joules_constant is None or line.joules_slope is None:
        return {}
    each = energy.joules_per_token(held.batch, line.joules_constant, line.joules_slope)
    sum_of = f"{line.joules_constant:.3g} + {line.joules_slope:.3g} / {held.batch:,} J, prompts apart"
    source = f"{sum_of}: {line.source} ({line.date})"
    return {"j_per_token": Figure(each, "J/token", "modelled", source)}


def _scaled(figure: Figure, factor: float, unit: str, how: str) -> Figure:
    low, high = (None if end is None else end * factor for end in (figure.low, figure.high))
    return Figure(figure.value * factor, unit, "modelled", f"{how}; {figure.source}", low, high)


def _made(subject: Subject, wanted: Wanted) -> dict[str, Figure]:
    """What building it took: time, energy, CO2."""
    made = wanted.making.get(subject.name)
    if made is None:
        return {}
    return {"build_s": made.seconds, "making_kwh": made.kwh, "making_kg": energy.kg(made.kwh.value, wanted.site.grid)}
