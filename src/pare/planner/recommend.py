"""What a plan recommends, in one sentence with the two figures that decide it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pare.planner.types import Bought, Demand, Hosted, Subject
from pare.units import dollars, power

ASK = "no server's price is known: give --price to compare costs"
UNPROVEN = "which of them does the job is not said: pare find proves it"


@dataclass(frozen=True, slots=True)
class _Option:
    """Something that can be done: its words, its cost a year where it is known, and what it costs at least. ``hosted`` is
    None of an offer.
    """

    words: str
    usd: float | None
    least: float
    hosted: Hosted | None = None

    @property
    def opening(self) -> str:
        return self.words[:1].upper() + self.words[1:]


def best_of(hosted: Sequence[Hosted], subject: str) -> Hosted | None:
    """The servers that a subject is best put on: of those that hold the demand the cheapest, where a price is known, else
    those that draw the least power, else the fewest. None where it fits nowhere.
    """
    able = [one for one in hosted if one.subject == subject and one.servers]
    return min(able, key=_rank, default=None)


def servers_of(one: Hosted) -> str:
    """The servers that a demand takes, in words: ``2 servers (8x NVIDIA L40S)``."""
    return f"{one.servers:,} server{'' if one.servers == 1 else 's'} ({one.server})"


def _rank(one: Hosted) -> tuple[bool, float, bool, float, int]:
    usd, kw = one.figures.get("usd_per_year"), one.figures.get("kw")
    cost, drawn = (0.0 if figure is None else figure.value for figure in (usd, kw))
    return usd is None, cost, kw is None, drawn, one.servers or 0


def recommend(
    subjects: Sequence[Subject], hosted: Sequence[Hosted], bought: Sequence[Bought], demand: Demand
) -> tuple[str, Hosted | None]:
    """(a sentence with the two figures that decide, the servers it recommends or None).

    The cheapest year wins, against the best of the other kind (hosting against buying) or else the next best. Servers whose
    price is unknown cost at least their electricity: where that alone is above an offer, buying wins all the same, and
    where it is below, the price is asked for. Where no cost is known at all, the least power wins.
    """
    options = [*_hostings(subjects, hosted), *_offers(bought)]
    if not options:
        return _nothing(hosted, demand), None
    priced = [one for one in options if one.usd is not None]
    sentence, first = _by_cost(priced, options, demand) if priced else _by_power(options, demand)
    compared = {subject.name for subject in subjects} | {one.subject for one in bought}
    if len(compared) > 1 and any(subject.quality is None for subject in subjects):
        sentence = f"{sentence}; {UNPROVEN}"
    return sentence, first.hosted


def _by_cost(priced: Sequence[_Option], options: Sequence[_Option], demand: Demand) -> tuple[str, _Option]:
    first = min(priced, key=lambda one: one.least)
    doubtful = [one for one in options if one.usd is None and one.least < first.least]
    if doubtful:
        rival = min(doubtful, key=lambda one: one.least)
        said = f"{first.opening} costs {dollars(first.least)} a year; {rival.words} {_at_least(rival)}"
        return f"{said}: give --price, what its server costs, to decide", first
    others = [one for one in options if one is not first]
    if not others:
        drawn = first.hosted.figures.get("kw") if first.hosted else None
        at = f", at {power(1000 * drawn.value)}" if drawn else ""
        return f"{first.opening} for {demand.sessions:,} sessions costs {dollars(first.least)} a year{at}", first
    kind = first.hosted is None
    rival = min(others, key=lambda one: ((one.hosted is None) == kind, one.least))
    cost = dollars(rival.least) if rival.usd is not None else f"at least {dollars(rival.least)}, its electricity alone,"
    return f"{first.opening}: {dollars(first.least)} a year against {cost} for {rival.words}", first


def _at_least(one: _Option) -> str:
    return f"takes {dollars(one.least)} of electricity alone" if one.least else "takes a power that is unknown too"


def _by_power(options: Sequence[_Option], demand: Demand) -> tuple[str, _Option]:
    """The recommendation where no option's cost is known."""
    drawn = [(one.hosted.figures["kw"].value, one) for one in options if one.hosted and "kw" in one.hosted.figures]
    if not drawn:
        return f"{options[0].opening} holds {demand.sessions:,} sessions; {ASK}", options[0]
    drawn.sort(key=lambda pair: pair[0])
    least, first = drawn[0]
    if len(drawn) == 1:
        return f"{first.opening} holds {demand.sessions:,} sessions at {power(1000 * least)}; {ASK}", first
    more, rival = drawn[1]
    return f"{first.opening}: {power(1000 * least)} against {power(1000 * more)} for {rival.words}; {ASK}", first


def _hostings(subjects: Sequence[Subject], hosted: Sequence[Hosted]) -> list[_Option]:
    made = []
    for subject in subjects:
        best = best_of(hosted, subject.name)
        if best is None:
            continue
        usd, least = best.figures.get("usd_per_year"), best.figures.get("electricity_usd_per_year")
        known = usd or least
        words = f"hosting {subject.name} on {servers_of(best)}"
        made.append(_Option(words, usd.value if usd else None, known.value if known else 0.0, best))
    return made


def _offers(bought: Sequence[Bought]) -> list[_Option]:
    paid = ((one, one.figures.get("usd_per_year")) for one in bought)
    return [_Option(f"buying {one.subject} from {one.provider}", usd.value, usd.value) for one, usd in paid if usd]


def _nothing(hosted: Sequence[Hosted], demand: Demand) -> str:
    why = next((one.capacity.why for one in hosted if one.capacity.why), "no server and no price is known")
    return f"Nothing here serves {demand.sessions:,} sessions at {demand.min_tps:g} tokens/s: {why}"
