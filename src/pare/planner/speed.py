"""How long a step takes on a device, from what it reads and works: a roofline whose shares are fitted.

    seconds = bytes / (memory x bandwidth) + FLOPs / (compute x matrix peak) + operations / (vector x vector peak) + constant

A bare roofline (Williams, Waterman and Patterson 2009) takes the longest of these and all peaks as reached. Here they add
up, each at the share of its peak that is reached, because a decode step is many kernels one after another: some are bound
by reading, some by matrix products, and every weight that is touched passes the vector units once, which unpack it. That
last term tells a fast memory beside weak vector units from the reverse, which efficiency and a constant cannot.

With a batch of B sessions the time between tokens is then a straight line, ``ITL(B) = c + s B``, and so is the energy of a
token in 1 / B: ``a + p / B``. Where two or more points of the very device are known, these lines are fitted on them; else
the roofline speaks, and its interval is as wide as it has been wrong on devices that were left out of the fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pare.catalog.types import Roofline
from pare.errors import InputError

Floats = NDArray[np.float64]
CONFIDENCE = 0.8
"""How often an interval is to hold what it speaks of."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step takes: ``bytes`` read, ``flops`` of matrix products, ``operations`` of the vector units (two for every
    weight that is touched). Peaks are a second's bytes, FLOPs and operations; a peak of None is unknown, and its term is
    then left out.
    """

    bytes: float
    bandwidth: float
    flops: float = 0.0
    peak: float | None = None
    operations: float = 0.0
    vector_peak: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A step that took ``seconds`` on ``device``."""

    device: str
    seconds: float
    step: Step


BARE = Roofline(1.0, 1.0, math.inf, 0.0)
"""Every peak reached, no vector work, no constant: a lower bound of the time, and what fits must beat."""


def seconds(roofline: Roofline, step: Step) -> float:
    """The time of a step."""
    reading, working, unpacking = _terms(step)
    terms = reading / roofline.memory, working / roofline.compute, unpacking / roofline.vector
    return sum(terms) + roofline.constant_s


def half_width(misses: Sequence[float], confidence: float = CONFIDENCE) -> float | None:
    """The half-width of an interval that holds the next miss with ``confidence``; None where there are too few to say.

    A conformal interval (Vovk et al. 2005; Lei et al. 2018): the k-th largest of the misses' sizes, with
    k = ceil((n + 1) x confidence), holds the next one with that probability if it is like those that were left out. Rows
    of one device are alike, so a device counts once, with its worst row: the interval holds all rows of a new device.
    """
    rank = math.ceil((len(misses) + 1) * confidence - 1e-9)
    return sorted(map(abs, misses))[rank - 1] if 1 <= rank <= len(misses) else None


def fit(points: Sequence[Point]) -> Roofline:
    """The roofline of least squared relative error, shares of memory and compute not above 1, the constant not negative.

    A peak that no point knows keeps its share of 1. Raises InputError where there are fewer than two points.
    """
    if len(points) < 2:
        raise InputError(f"a fit needs at least 2 measured points but has {len(points)}; measure another size or batch")
    rows = [[value / p.seconds for value in (*_terms(p.step), 1.0)] for p in points]
    memory, compute, vector, constant = _least_squares(np.array(rows), least=(1.0, 1.0, 0.0, 0.0))
    return Roofline(1 / memory, 1 / compute, 1 / vector if vector else math.inf, constant)


def fit_leaving_out(points: Sequence[Point], devices: Sequence[str] | None = None) -> Roofline:
    """``fit`` of all points, with the misses of fits that each left one device out; of ``devices`` only, where given."""
    worst = []
    for device in dict.fromkeys(point.device for point in points) if devices is None else devices:
        left = fit([point for point in points if point.device != device])
        worst.append(max((miss(left, point) for point in points if point.device == device), key=abs))
    return replace(fit(points), misses=tuple(worst))


def miss(roofline: Roofline, point: Point) -> float:
    """log(predicted / measured); above 0 where the prediction is too slow."""
    return math.log(seconds(roofline, point.step) / point.seconds)


def _terms(step: Step) -> tuple[float, float, float]:
    """Seconds of reading, of matrix products and of vector work at full peaks."""
    return (
        step.bytes / step.bandwidth,
        step.flops / step.peak if step.peak else 0.0,
        step.operations / step.vector_peak if step.vector_peak else 0.0,
    )


def _least_squares(columns: Floats, least: tuple[float, ...]) -> tuple[float, ...]:
    """Weights at or above ``least`` for which ``columns @ weights`` is nearest to ones; a column of zeros keeps its bound.

    Four columns have sixteen sets of bounds that can hold: each is tried, and the best feasible one is the answer.
    """
    count = columns.shape[1]
    best, error = least, math.inf
    for held in range(2**count):
        bound = [bool(held >> i & 1) or not columns[:, i].any() for i in range(count)]
        weights = np.array(least, dtype=np.float64)
        free = [i for i in range(count) if not bound[i]]
        fixed = [i for i in range(count) if bound[i]]
        target = 1.0 - columns[:, fixed] @ weights[fixed]
        if free:
            weights[free] = np.linalg.lstsq(columns[:, free], target, rcond=None)[0]
        if (weights < np.array(least) - 1e-12).any():
            continue
        off = float(((columns @ weights - 1.0) ** 2).sum())
        if off < error - 1e-15:
            best, error = tuple(float(w) for w in weights), off
    return best


@dataclass(frozen=True, slots=True)
class Line:
    """``at(x) = constant + slope x``, both at least 0: time between tokens by batch, or energy of a token by 1 / batch."""

    constant: float
    slope: float

    def at(self, x: float) -> float:
        return self.constant + self.slope * x


def fit_line(x: Sequence[float], y: Sequence[float]) -> Line:
    """The line of least squared relative error through measured points. Raises InputError where two x are not known."""
    if len(set(x)) < 2:
        raise InputError(f"a line needs 2 different batch sizes but has {len(set(x))}; measure another one")
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    constant, slope = _least_squares(np.stack([1.0 / ys, xs / ys], axis=1), least=(0.0, 0.0))
    return Line(constant, slope)


def line_misses(x: Sequence[float], y: Sequence[float]) -> tuple[float, ...]:
    """log(predicted / measured) of each point by the line through the others; empty below three points."""
    if len(set(x)) < 3:
        return ()
    found = []
    for i in range(len(x)):
        line = fit_line([*x[:i], *x[i + 1 :]], [*y[:i], *y[i + 1 :]])
        found.append(math.log(line.at(x[i]) / y[i]))
    return tuple(found)
