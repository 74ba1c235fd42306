"""The plots of a plan as inline SVG: bars of one figure, and cost by volume, in which hosting and buying cross."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pare.planner.money import Running, cost_curve
from pare.planner.recommend import best_of
from pare.planner.types import Bought, Figure, Hosted, Plan
from pare.report.figures import count
from pare.report.html import Html, join, tag
from pare.report.plan import bracketed, text
from pare.report.svg import Axes, at, drawing, log_ticks, x_axis
from pare.units import MONTHS_PER_YEAR, dollars

MOST = 24
"""Bars in a plot; the tables have the rest."""
ROW, BAR = 34.0, 13.0
"""Height of a row, and of its bar under its name, in the plot's units."""
POINTS = 120
DECADES = 1.5
"""How far the plot of cost goes to either side of the demand's volume at least, in powers of ten."""
DASHES = ("", "7 4", "2 4", "9 3 2 3", "14 4", "5 2")
"""Lines beyond these look alike again: their numbers tell them apart."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A named bar: its figure, the class of its colour, and what is shown when the pointer is over it."""

    name: str
    figure: Figure
    role: str = ""


def bars(rows: Sequence[Bar], axes: Axes, title: str) -> Html:
    """Horizontal bars from zero, each under its name, with its value and, where it is known, its interval as a line."""
    left, right = 4.0, axes.width - 120.0
    most = max(max(row.figure.value, row.figure.high or 0.0) for row in rows) or 1.0

    def across(value: float) -> float:
        return left + value / most * (right - left)

    parts = []
    for place, row in enumerate(rows):
        figure, top = row.figure, place * ROW + 14
        end = max(across(figure.value), left + 1)
        reach = end
        inside: list[Html | None] = [
            tag("title", f"{row.name}\n{bracketed(figure)}\n{figure.provenance}: {figure.source}"),
            tag("text", row.name, x=left, y=at(top), class_="tick"),
            tag(
                "rect",
                x=left,
                y=at(top + 4),
                width=at(end - left),
                height=BAR,
                class_=f"fill {row.role}",
            ),
        ]
        if figure.low is not None and figure.high is not None:
            middle, reach = at(top + 4 + BAR / 2), max(end, across(figure.high))
            inside.append(
                tag(
                    "line",
                    x1=at(across(figure.low)),
                    x2=at(reach),
                    y1=middle,
                    y2=middle,
                    class_="err",
                )
            )
        inside.append(tag("text", text(figure), x=at(reach + 6), y=at(top + 4 + BAR - 2)))
        words = f"{row.name}\n{bracketed(figure)}\n{figure.provenance}: {figure.source}"
        parts.append(tag("g", inside, class_="pt", data_tip=words, tabindex=0))
    return drawing(Axes(axes.width, len(rows) * ROW + 8), title, parts)


def rack_bars(plan: Plan) -> list[Bar]:
    """Sessions of a rack by model and server, the most first; a vendor's own count beside pare's."""
    made = []
    for one in plan.hosted:
        if one.rack_sessions:
            source = f"{one.a_rack} servers x {one.capacity.sessions:,} sessions; {one.capacity.why}"
            name = f"{one.subject} on {one.server}"
            made.append(Bar(name, Figure(one.rack_sessions, "", "modelled", source), "own"))
            if one.published is not None and one.a_rack:
                stated = Figure(one.a_rack * one.published.value, "", one.published.provenance, one.published.source)
                made.append(Bar(f"{name}, as its vendor says", stated, "stated"))
    return made[:MOST]


def energy_bars(plan: Plan) -> list[Bar]:
    """Energy of 1,000 tokens of answers: each model on its best servers, and behind each API."""
    made = []
    for name in dict.fromkeys(one.subject for one in plan.hosted):
        best = best_of(plan.hosted, name)
        figure = best.figures.get("kwh_per_1k_tokens") if best else None
        if best is not None and figure is not None and "texts_per_s" not in best.figures:
            made.append(Bar(f"{name} on {best.server}", figure, "own"))
    for one in plan.bought:
        figure = one.figures.get("kwh_per_1k_tokens")
        if figure is not None:
            made.append(Bar(f"{one.subject}, API of {one.provider}", figure, "stated"))
    return made[:MOST]


# -- cost by volume -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Curve:
    """USD a month by requests a month."""

    name: str
    role: str
    dash: str
    points: Sequence[tuple[float, float]]


def curves(plan: Plan) -> list[Curve]:
    """Cost by volume of every model on its best servers and of every offer, the cheapest first, where hosting and buying can
    both be priced.
    """
    found = (best_of(plan.hosted, name) for name in dict.fromkeys(one.subject for one in plan.hosted))
    hosts = sorted((one for one in found if one and "usd_per_year" in one.figures), key=_usd)
    offers = sorted((one for one in plan.bought if "usd_per_year" in one.figures), key=_usd)
    volumes = _volumes(plan, hosts)
    made = [
        Curve(f"{one.subject} on {one.server}", "own", _dash(i), _owned(one, plan, volumes))
        for i, one in enumerate(hosts)
    ]
    for i, one in enumerate(offers):
        each = one.figures["usd_per_1k_requests"].value / 1000
        made.append(
            Curve(f"{one.subject}, API of {one.provider}", "stated", _dash(i), [(v, v * each) for v in volumes])
        )
    return made if hosts and offers else []


def _dash(place: int) -> str:
    return DASHES[place % len(DASHES)]


def _volumes(plan: Plan, hosts: Sequence[Hosted]) -> list[float]:
    """Requests a month around those asked for, so far that what breaks even is seen to."""
    now = plan.figures["requests_per_year"].value / MONTHS_PER_YEAR
    evens = [
        one.figures["break_even_requests_per_year"].value / MONTHS_PER_YEAR / (one.servers or 1)
        for one in hosts
        if "break_even_requests_per_year" in one.figures
    ]
    low, high = (
        min([now / 10**DECADES, *(one / 3 for one in evens)]),
        max([now * 10**DECADES, *(3 * one for one in evens)]),
    )
    return [low * (high / low) ** (i / (POINTS - 1)) for i in range(POINTS)]


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where a model of one's own begins to cost less than an offer: requests and USD a month."""

    own: str
    offer: str
    requests: float
    usd: float


def crossings(found: Sequence[Curve]) -> list[Crossing]:
    """The first point of each pair at which hosting, dearer until then, costs no more than the offer; with more than
    ``MOST`` lines, than the cheapest offer.
    """
    made = []
    offers = [one for one in found if one.role != "own"]
    for own in found:
        for offer in offers if len(found) <= MOST else offers[:1]:
            if own.role == "own":
                made += [Crossing(own.name, offer.name, *at) for at in _meet(own.points, offer.points)][:1]
    return made


def _meet(own: Sequence[tuple[float, float]], offer: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Where the first line falls below the second, between points that are straight on log axes."""
    gaps = [math.log(mine / theirs) for (_, mine), (_, theirs) in zip(own, offer, strict=True)]
    made = []
    for i in range(1, len(gaps)):
        if gaps[i - 1] > 0 >= gaps[i]:
            part = gaps[i - 1] / (gaps[i - 1] - gaps[i])
            made.append(tuple(a * (b / a) ** part for a, b in zip(offer[i - 1], offer[i], strict=True)))
    return [(x, y) for x, y in made]


def _owned(one: Hosted, plan: Plan, volumes: Sequence[float]) -> list[tuple[float, float]]:
    fixed, busy = (one.figures[f"usd_{part}_per_server_year"].value for part in ("fixed", "busy"))
    running = Running(fixed, 0.0, busy, 0.0, 0.0, "")
    rate = one.capacity.sessions / plan.demands.get(one.subject, plan.demand).every_s
    points = cost_curve(running, rate, plan.site.utilisation.value, 0.0, volumes)
    return [(point.tokens_per_month, point.own_usd) for point in points]


def _usd(one: Hosted | Bought) -> float:
    return one.figures["usd_per_year"].value


def costs(found: Sequence[Curve], now: float, axes: Axes) -> Html:
    """Lines on two log axes, numbered as in their key; the upright line is the volume asked for, rings are break-evens."""
    frame = axes.frame
    xs = [x for curve in found for x, _ in curve.points]
    ys = [y for curve in found for _, y in curve.points if y > 0]
    across, up = _log(min(xs), max(xs), frame.x0, frame.x1), _log(min(ys), max(ys), frame.y1, frame.y0)
    parts = [
        _y_axis(axes, min(ys), max(ys), up),
        x_axis(axes, log_ticks(min(xs), max(xs)), across, count, "requests a month"),
    ]
    x = at(across(now))
    parts.append(tag("line", x1=x, x2=x, y1=frame.y0, y2=frame.y1, class_="bar"))
    parts.append(tag("text", "as asked", x=at(across(now) + 5), y=frame.y0 + 10, class_="barname"))
    for curve in found:
        steps = " ".join(
            f"{'L' if i else 'M'}{at(across(a))} {at(up(b))}"
            for i, (a, b) in enumerate((a, b) for a, b in curve.points if b > 0)
        )
        parts.append(
            tag(
                "path",
                tag("title", curve.name),
                d=steps,
                class_=f"series {curve.role}",
                stroke_dasharray=curve.dash or None,
            )
        )
    for one in crossings(found):
        where = f"{count(one.requests)} requests a month on, at {dollars(one.usd)}"
        words = f"{one.own} costs less than {one.offer} from {where}"
        ring = tag("circle", tag("title", words), cx=at(across(one.requests)), cy=at(up(one.usd)), r=4.5, class_="even")
        parts.append(tag("g", ring, class_="pt", data_tip=words, tabindex=0))
    for place, curve in enumerate(found):
        a, b = curve.points[int((0.04 + 0.9 * place / len(found)) * len(curve.points))]
        parts.append(tag("text", str(place + 1), x=at(across(a)), y=at(up(b) - 4), class_="linename"))
    return drawing(axes, "US dollars a month against requests a month", parts)


def keys(found: Sequence[Curve]) -> Html:
    """What the lines stand for."""
    made = [tag("span", _sample(curve), f"{place} {curve.name}") for place, curve in enumerate(found, 1)]
    return tag("div", made, class_="keys")


def _sample(curve: Curve) -> Html:
    line = tag("path", d="M0 4H26", class_=f"series {curve.role}", stroke_dasharray=curve.dash or None)
    return tag("svg", line, viewBox="0 0 26 8", class_="key", aria_hidden="true")


def _log(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = math.log(high / low) or 1.0
    return lambda value: start + math.log(value / low) / span * (end - start)


def _y_axis(axes: Axes, low: float, high: float, up: Callable[[float], float]) -> Html:
    frame, parts = axes.frame, []
    for value in log_ticks(low, high):
        y = at(up(value))
        parts.append(tag("line", x1=frame.x0, x2=frame.x1, y1=y, y2=y, class_="grid"))
        words = f"${count(value)}" if value >= 1e4 else dollars(value).removesuffix(".00")
        parts.append(tag("text", words, x=frame.x0 - 7, y=at(up(value) + 3.5), text_anchor="end", class_="tick"))
    return join(parts)
