"""The figures of a trial, each with its provenance, and how people read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pare import catalog
from pare.planner import estimate
from pare.types import Provenance, Quantity, Score, Shape, Trial
from pare.units import duration, joules_to_kwh, megabytes

NONE = "–"
Better = Literal["low", "high", ""]


@dataclass(frozen=True, slots=True)
class Figure:
    """A column of the trial table. ``better`` says which direction is an improvement."""

    key: str
    title: str
    help: str
    better: Better = "low"


FIGURES: tuple[Figure, ...] = (
    Figure("size_bytes", "size", "bytes of the served files"),
    Figure("parameters", "parameters", "numbers that the model holds"),
    Figure("flops_per_request", "FLOPs a request", "arithmetic of one request; a multiply and an add count as two"),
    Figure("latency_p50_ms", "p50", "half of single requests are answered faster than this"),
    Figure("latency_p95_ms", "p95", "95 of 100 single requests are answered faster than this"),
    Figure("latency_p99_ms", "p99", "99 of 100 single requests are answered faster than this"),
    Figure("throughput_per_s", "throughput", "texts a second, 32 at a time", "high"),
    Figure("load_ms", "load", "from files on disk to ready to answer"),
    Figure("memory_mb", "peak memory", "the most memory that a fresh serving process held"),
    Figure("power_w", "power", "watts while serving at full load"),
    Figure("energy_j_per_1k", "energy per 1,000", "joules for 1,000 requests at full load"),
    Figure("cost_usd_per_1k", "cost per 1,000", "US dollars for 1,000 requests at full load"),
)
BY_KEY: Mapping[str, Figure] = {figure.key: figure for figure in FIGURES}


def figures(trial: Trial, tokens: Quantity | None) -> dict[str, Quantity]:
    """What is known of a trial. ``tokens`` is the mean length of a request; an unknown figure is left out, never zero."""
    found: dict[str, Quantity] = {}
    if trial.size_bytes:
        found["size_bytes"] = Quantity(float(trial.size_bytes), "bytes", "measured", "bytes of the served files")
    if trial.shape is not None:
        counted = Quantity(float(estimate.parameters(trial.shape)), "", "measured", "counted in the built model")
        if not trial.artifact:
            counted = Quantity(counted.value, "", "modelled", "counted in the planned shape; nothing was built")
        found["parameters"] = counted
        work = flops(trial.shape, tokens)
        if work is not None:
            found["flops_per_request"] = work
    if trial.measurement is not None:
        found.update(trial.measurement.figures)
    return found


def flops(shape: Shape, tokens: Quantity | None) -> Quantity | None:
    """The FLOPs of one request, or None where its tokens count and their number is unknown."""
    per_token = any(part.flops_per_token for part in shape.parts) or shape.attention_flops
    if per_token and tokens is None:
        return None
    source = "tokens x (parts + attention x tokens) + parts worked once a request"
    length = 0.0
    if per_token and tokens is not None:
        length = tokens.value
        source += f"; {length:.1f} tokens a request, {tokens.provenance}: {tokens.source}"
    return Quantity(estimate.flops_per_request(shape, length), "FLOP", "modelled", source)


def monthly(found: Mapping[str, Quantity], volume: Quantity, *, own: bool = True) -> dict[str, Quantity]:
    """Machine time, money, energy and CO2 per month at a volume of requests, from the figures per 1,000 of them.

    The electricity bill is shown of a machine of one's ``own`` only: a provider's price has paid for it.
    """
    result: dict[str, Quantity] = {}
    cost, energy, speed = (found.get(k) for k in ("cost_usd_per_1k", "energy_j_per_1k", "throughput_per_s"))
    if speed is not None and speed.value:
        source = f"{volume.value:,.0f} / throughput; throughput is {speed.provenance}"
        result["busy_s_per_month"] = Quantity(volume.value / speed.value, "s", "modelled", source)
    if cost is not None:
        source = f"cost per 1,000 x {volume.value:,.0f} / 1,000, where cost per 1,000 = {cost.source}"
        result["cost_usd_per_month"] = Quantity(cost.value * volume.value / 1000, "USD", "modelled", source)
    if energy is not None:
        kwh = joules_to_kwh(energy.value * volume.value / 1000)
        origin = f"energy per 1,000 is {energy.provenance}: {energy.source}"
        known: Provenance = "assumed" if energy.provenance == "assumed" else "modelled"
        source = f"joules per 1,000 x {volume.value:,.0f} / 1,000 / 3.6 million; {origin}"
        result["energy_kwh_per_month"] = Quantity(kwh, "kWh", known, source)
        if own:
            price = catalog.fact("serving", "energy_price_per_kwh")
            result["electricity_usd_per_month"] = Quantity(
                kwh * price.value, "USD", "modelled", f"kWh x {price.value:g} USD; {price.source}"
            )
        grid = catalog.fact("serving", "grid_intensity_kg_per_kwh")
        result["co2_kg_per_month"] = Quantity(
            kwh * grid.value, "kg CO2e", known, f"kWh x {grid.value:g} kg CO2e; {grid.source}"
        )
    return result


def ratio_of(before: Quantity | None, after: Quantity | None, better: Better) -> float | None:
    """How many times better ``after`` is; None where a figure is unknown or zero, or a mere assumption."""
    if before is None or after is None or not before.value or not after.value:
        return None
    if "assumed" in (before.provenance, after.provenance):
        return None
    return after.value / before.value if better == "high" else before.value / after.value


# -- as people read them ------------------------------------------------------------------------------------------------


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits and thousands commas: ``0.0312``, ``4.10``, ``1,240``.

    >>> significant(0.66), significant(41.26), significant(6012.2)
    ('0.660', '41.3', '6,012')
    """
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    places = digits
    while places > 0 and size >= 10 ** (digits - places):
        places -= 1
    while size < 10 ** (digits - 1 - places) and places < 9:
        places += 1
    return f"{value:,.{places}f}"


def count(value: float) -> str:
    """A large count: ``22.7 M``, ``812 k``.

    >>> count(22_713_216), count(950), count(3.1e9)
    ('22.7 M', '950', '3.10 G')
    """
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{significant(value / factor)} {unit}"
    return f"{value:,.0f}"


def milliseconds(value: float) -> str:
    return f"{significant(value / 1000)} s" if value >= 1000 else f"{significant(value, 2 if value < 1 else 3)} ms"


def shown(key: str, quantity: Quantity | None) -> str:
    """A figure for people, with its unit."""
    if quantity is None:
        return NONE
    value = quantity.value
    if key == "size_bytes":
        return megabytes(value)
    if key in ("parameters", "flops_per_request"):
        return count(value)
    if key == "busy_s_per_month":
        return duration(value) if value >= 10 else f"{significant(value, 2)} s"
    if key.endswith("_ms"):
        return milliseconds(value)
    if key == "throughput_per_s":
        return f"{significant(value)}/s"
    if quantity.unit == "USD":
        return f"${value:,.2f}" if value >= 1 else f"${significant(value, 2)}"
    small = _SMALL.get(quantity.unit)
    if small is not None and 0 < value < 1:
        return f"{significant(1000 * value)} {small}"
    return f"{significant(value)} {quantity.unit}".strip()


_SMALL = {"kWh": "Wh", "kg CO2e": "g CO2e"}


def share(value: float) -> str:
    return f"{100 * value:.1f} %"


def points(value: float) -> str:
    """A difference of two shares in points, signed: ``-0.6``, ``+1.2``, ``0.0``."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "\u2212")


def interval(score: Score | None) -> str:
    return NONE if score is None else f"{100 * score.low:.1f} to {100 * score.high:.1f}"


def times(value: float | None) -> str:
    """A ratio: ``22x``, ``3.1x``."""
    if value is None:
        return NONE
    return f"{value:,.0f}x" if value >= 10 else f"{value:.1f}x" if value >= 1 else f"{value:.2f}x"
