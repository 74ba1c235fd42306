"""Two plots as inline SVG: quality against a cost on a log axis, and lines over an interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pare.report.html import Html, join, tag
from pare.report.labels import CHARACTER, HEIGHT, Anchor, Box, place

Role = Literal["winner", "reference", "baseline", "frontier", "other"]
RADIUS = {"winner": 7.0, "reference": 6.0, "baseline": 5.5, "frontier": 5.0, "other": 4.0}
LONGEST = 26


@dataclass(frozen=True, slots=True)
class Point:
    """A model in a scatter plot. ``y`` and its interval are shares; ``tip`` is shown when the pointer is over it."""

    name: str
    x: float
    y: float
    low: float
    high: float
    role: Role
    tip: str


@dataclass(frozen=True, slots=True)
class Axes:
    """The frame of a plot in its own units: width, height, and the margins around the data."""

    width: float
    height: float
    left: float = 46.0
    right: float = 14.0
    top: float = 16.0
    bottom: float = 40.0

    @property
    def frame(self) -> Box:
        return Box(self.left, self.top, self.width - self.right, self.height - self.bottom)


def both(draw: Callable[[Axes], Html], wide: Axes, narrow: Axes) -> Html:
    """A plot drawn twice, so that its letters keep their size; the style shows the one that fits."""
    return join(tag("div", draw(wide), class_="wide"), tag("div", draw(narrow), class_="narrow"))


def scatter(
    points: Sequence[Point],
    axes: Axes,
    *,
    x_title: str,
    x_text: Callable[[float], str],
    bar: float | None,
    bar_text: str,
) -> Html:
    """Quality (shares) against a positive cost on a log axis; the bar is a dashed line, what clears it is tinted."""
    frame = axes.frame
    low, high = _range(points, bar)
    x_low, x_high = min(p.x for p in points) / 1.35, max(p.x for p in points) * 1.35

    def across(value: float) -> float:
        part = math.log(value / x_low) / math.log(x_high / x_low)
        return frame.x0 + part * (frame.x1 - frame.x0)

    def up(value: float) -> float:
        return frame.y1 - (min(max(value, low), high) - low) / (high - low) * (frame.y1 - frame.y0)

    hard: list[Box] = []
    soft = [Box(across(p.x) - 2, up(p.high), across(p.x) + 2, up(p.low)) for p in points]
    parts = [_y_axis(axes, low, high, up), x_axis(axes, log_ticks(x_low, x_high), across, x_text, x_title)]
    if bar is not None:
        line, label = _bar(axes, up(bar), bar_text, [(across(p.x), up(p.y)) for p in points])
        parts.append(line)
        hard.append(label)
        soft.append(Box(frame.x0, up(bar) - 2, frame.x1, up(bar) + 2))
    names = [Anchor(_short(_name(p, low)), across(p.x), up(p.y), RADIUS[p.role], p.role != "other") for p in points]
    labels = place(names, frame, hard, soft)
    order = sorted(range(len(points)), key=lambda i: -len(RADIUS) + list(RADIUS).index(points[i].role), reverse=True)
    for i in order:
        parts.append(_mark(points[i], across(points[i].x), up, clipped=points[i].y < low))
    for name, label_, point in zip(names, labels, points, strict=True):
        if label_ is None:
            continue
        if label_.far:
            parts.append(_leader(name, label_.box))
        parts.append(
            tag("text", label_.name, x=at(label_.box.x0), y=at(label_.box.y1 - 3), class_=f"name {point.role}")
        )
    return drawing(axes, f"quality on dev against {x_title}", parts)


@dataclass(frozen=True, slots=True)
class Series:
    """A line: its name, its class for the style, and its points (x, y), both shares."""

    name: str
    role: str
    points: Sequence[tuple[float, float]]


def lines(series: Sequence[Series], axes: Axes, *, x_title: str, mark: float | None, mark_text: str) -> Html:
    """Lines over [0, 1] x [0, 1]; ``mark`` is a vertical line with a label."""
    frame = axes.frame

    def across(value: float) -> float:
        return frame.x0 + value * (frame.x1 - frame.x0)

    def up(value: float) -> float:
        return frame.y1 - value * (frame.y1 - frame.y0)

    ticks = [i / 5 for i in range(6)]
    parts = [_y_axis(axes, 0.0, 1.0, up), x_axis(axes, ticks, across, lambda v: f"{v:.1f}", x_title)]
    if mark is not None:
        x = across(mark)
        left = mark > 0.5
        parts.append(tag("line", x1=at(x), x2=at(x), y1=frame.y0, y2=frame.y1, class_="bar"))
        end = "end" if left else "start"
        parts.append(
            tag("text", mark_text, x=at(x - 5 if left else x + 5), y=at(up(0.06)), text_anchor=end, class_="barname")
        )
    for item in series:
        steps = " ".join(f"{'M' if i == 0 else 'L'}{at(across(x))} {at(up(y))}" for i, (x, y) in enumerate(item.points))
        parts.append(tag("path", d=steps, class_=f"series {item.role}"))
    return drawing(axes, f"{' and '.join(item.name for item in series)} against {x_title}", parts)


# -- parts of a plot ----------------------------------------------------------------------------------------------------


def drawing(axes: Axes, title: str, parts: Sequence[Html]) -> Html:
    """A plot of its parts, as wide as its place."""
    return tag(
        "svg",
        list(parts),
        viewBox=f"0 0 {at(axes.width)} {at(axes.height)}",
        role="img",
        aria_label=title,
    )


def _range(points: Sequence[Point], bar: float | None) -> tuple[float, float]:
    """The shown qualities. A point far below the rest does not flatten the others: it is drawn at the edge."""
    values = sorted(p.y for p in points)
    top = max([p.high for p in points] + ([] if bar is None else [bar]))
    middle = values[len(values) // 2]
    keep = middle - max(3.0 * (top - middle), 0.08)
    floor = min([max(p.low, keep) for p in points if p.y >= keep] + ([] if bar is None else [bar]))
    pad = max(0.06 * (top - floor), 0.004)
    return max(0.0, floor - 2 * pad), min(1.0, top + pad) if top + pad > floor else floor + 0.02


def _y_axis(axes: Axes, low: float, high: float, up: Callable[[float], float]) -> Html:
    frame = axes.frame
    step = _step(high - low, 8 if axes.height > 340 else 7)
    first = math.ceil(low / step - 1e-9)
    parts = []
    for i in range(first, math.floor(high / step + 1e-9) + 1):
        value = i * step
        digits = 0 if step >= 0.01 else 1 if step >= 0.001 else 2
        parts.append(tag("line", x1=frame.x0, x2=frame.x1, y1=at(up(value)), y2=at(up(value)), class_="grid"))
        text = f"{100 * value:.{digits}f} %"
        parts.append(tag("text", text, x=frame.x0 - 7, y=at(up(value) + 3.5), text_anchor="end", class_="tick"))
    return join(parts)


def x_axis(
    axes: Axes,
    ticks: Sequence[float],
    across: Callable[[float], float],
    text: Callable[[float], str],
    title: str,
) -> Html:
    """The axis with its title; a tick whose words would touch those before it is left out."""
    frame = axes.frame
    parts = [tag("line", x1=frame.x0, x2=frame.x1, y1=frame.y1, y2=frame.y1, class_="axis")]
    end = -math.inf
    for value in ticks:
        x, words = across(value), text(value)
        half = CHARACTER * len(words) / 2
        if x - half < end + 8 or x + half > axes.width:
            continue
        end = x + half
        parts.append(tag("line", x1=at(x), x2=at(x), y1=frame.y1, y2=frame.y1 + 4, class_="axis"))
        parts.append(tag("text", words, x=at(x), y=frame.y1 + 16, text_anchor="middle", class_="tick"))
    middle = (frame.x0 + frame.x1) / 2
    parts.append(tag("text", title, x=at(middle), y=axes.height - 5, text_anchor="middle", class_="axistitle"))
    return join(parts)


def _bar(axes: Axes, y: float, words: str, points: Sequence[tuple[float, float]]) -> tuple[Html, Box]:
    """The bar as a line, with its label at the end and side where fewer points are."""
    frame = axes.frame
    width = CHARACTER * len(words)

    def spot(left: bool, above: bool) -> Box:
        x0 = frame.x0 + 4 if left else frame.x1 - 4 - width
        y0 = y - 4 - HEIGHT if above else y + 4
        return Box(x0, y0, x0 + width, y0 + HEIGHT)

    def crowd(box: Box) -> float:
        near = Box(box.x0 - 10, box.y0 - 10, box.x1 + 10, box.y1 + 10)
        inside = sum(near.x0 <= px <= near.x1 and near.y0 <= py <= near.y1 for px, py in points)
        return inside + (10 if box.outside(frame) else 0)

    box = min((spot(left, above) for above in (False, True) for left in (True, False)), key=crowd)
    shade = tag(
        "rect", x=frame.x0, y=frame.y0, width=frame.x1 - frame.x0, height=at(max(0.0, y - frame.y0)), class_="ok"
    )
    line = tag("line", x1=frame.x0, x2=frame.x1, y1=at(y), y2=at(y), class_="bar")
    text = tag("text", words, x=at(box.x0), y=at(box.y1 - 3), class_="barname")
    return join(shade, line, text), box


def _mark(point: Point, x: float, up: Callable[[float], float], *, clipped: bool) -> Html:
    y, radius = up(point.y), RADIUS[point.role]
    if clipped:
        shape = tag("path", d=f"M{at(x - 5)} {at(y - 9)}h10l-5 8z", class_="dot")
    elif point.role == "reference":
        shape = tag("rect", x=at(x - radius), y=at(y - radius), width=2 * radius, height=2 * radius, class_="dot")
    elif point.role == "baseline":
        shape = tag(
            "path", d=f"M{at(x)} {at(y - radius - 1)}L{at(x + radius + 1)} {at(y)}L{at(x)} {at(y + radius + 1)}"
            f"L{at(x - radius - 1)} {at(y)}Z", class_="dot",
        )  # fmt: skip
    else:
        shape = tag("circle", cx=at(x), cy=at(y), r=radius, class_="dot")
    error = (
        None if clipped else tag("line", x1=at(x), x2=at(x), y1=at(up(point.high)), y2=at(up(point.low)), class_="err")
    )
    return tag("g", tag("title", point.tip), error, shape, class_=f"pt {point.role}", data_tip=point.tip, tabindex=0)


def _leader(anchor: Anchor, box: Box) -> Html:
    """A thin line from a point to the nearest edge of its label."""
    x = min(max(anchor.x, box.x0), box.x1)
    y = box.y1 - 1 if box.y1 < anchor.y else box.y0 + 1 if box.y0 > anchor.y else (box.y0 + box.y1) / 2
    return tag("line", x1=at(anchor.x), y1=at(anchor.y), x2=at(x), y2=at(y), class_="leader")


def _name(point: Point, low: float) -> str:
    return f"{point.name} ({100 * point.y:.0f} %)" if point.y < low else point.name


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _step(span: float, most: int) -> float:
    """A round step (1, 2 or 5 times a power of ten) that divides a span into at most so many."""
    rough = span / most
    base = 10.0 ** math.floor(math.log10(rough))
    return next(factor * base for factor in (1, 2, 5, 10) if factor * base >= rough - 1e-12)


def log_ticks(low: float, high: float) -> list[float]:
    """Round values between two others on a log axis."""
    decades = math.log10(high / low)
    factors = (1, 2, 3, 5, 7) if decades < 0.8 else (1, 2, 5) if decades < 3 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [factor * 10.0**power for power in powers for factor in factors if low <= factor * 10.0**power <= high]


def at(value: float) -> str:
    """A coordinate, to a tenth of a unit."""
    return f"{value:.1f}".removesuffix(".0")
