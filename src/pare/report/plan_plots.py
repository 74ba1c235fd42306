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
HOSTS, OFFERS = 4, 2
"""Lines in the plot of cost: the cheapest of each kind."""
POINTS = 120
DECADES = 1.5
"""How far the plot of cost goes to either side of the demand's volume, in powers of ten."""
DASHES = ("", "7 4", "2 4", "9 3 2 3")


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
    """Cost by volume of the cheapest hostings and offers, where hosting and buying can both be priced."""
    now = plan.figures["requests_per_year"].value / MONTHS_PER_YEAR
    volumes = [now * 10 ** (DECADES * (2 * i / (POINTS - 1) - 1)) for i in range(POINTS)]
    found = (best_of(plan.hosted, name) for name in dict.fromkeys(one.subject for one in plan.hosted))
    hosts = sorted((one for one in found if one and "usd_per_year" in one.figures), key=_usd)[:HOSTS]
    offers = sorted((one for one in plan.bought if "usd_per_year" in one.figures), key=_usd)[:OFFERS]
    made = [
        Curve(f"{one.subject} on {one.server}", "own", DASHES[i], _owned(one, plan, volumes))
        for i, one in enumerate(hosts)
    ]
    for i, one in enumerate(offers):
        each = one.figures["usd_per_1k_requests"].value / 1000
        made.append(
            Curve(f"{one.subject}, API of {one.provider}", "stated", DASHES[i], [(v, v * each) for v in volumes])
        )
    return made if hosts and offers else []


def _owned(one: Hosted, plan: Plan, volumes: Sequence[float]) -> list[tuple[float, float]]:
    fixed, busy = (one.figures[f"usd_{part}_per_server_year"].value for part in ("fixed", "busy"))
    running = Running(fixed, 0.0, busy, 0.0, 0.0, "")
    rate = one.capacity.sessions / plan.demand.every_s
    points = cost_curve(running, rate, plan.site.utilisation.value, 0.0, volumes)
    return [(point.tokens_per_month, point.own_usd) for point in points]


def _usd(one: Hosted | Bought) -> float:
    return one.figures["usd_per_year"].value


def costs(found: Sequence[Curve], now: float, axes: Axes) -> Html:
    """Lines on two log axes; the upright line is the volume asked for."""
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
    return drawing(axes, "US dollars a month against requests a month", parts)


def keys(found: Sequence[Curve]) -> Html:
    """What the lines stand for."""
    return tag("div", [tag("span", _sample(curve), curve.name) for curve in found], class_="keys")


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
