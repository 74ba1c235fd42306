"""Units as people read them."""

from __future__ import annotations

import math
from decimal import Decimal

MB = 1_000_000
"""Bytes in a megabyte. Sizes are decimal, as on disks and in published figures."""


def megabytes(size_bytes: float) -> str:
    """A size for people, three significant digits: ``4.10 MB``, ``90.9 MB``, ``120 MB``."""
    value = size_bytes / MB
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} MB"


def percent(share: float, digits: int = 1) -> str:
    """A share as a percentage: ``92.4 %``."""
    return f"{100 * share:.{digits}f} %"


def ratio(value: float) -> str:
    """A ratio for people: ``3.1x``, ``22x``."""
    return f"{value:.1f}x" if value < 10 else f"{value:.0f}x"


def duration(seconds: float) -> str:
    """A duration for people: ``45 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


# -- energy, power, mass and money --------------------------------------------------------------------------------------

J_PER_KWH = 3.6e6
"""Joules in a kilowatt-hour, exactly."""

HOURS_PER_YEAR = 8766.0
"""Hours in a year of 365.25 days."""

MONTHS_PER_YEAR = 12

SECONDS_PER_MONTH = HOURS_PER_YEAR * 3600 / MONTHS_PER_YEAR


def joules_to_kwh(joules: float) -> float:
    return joules / J_PER_KWH


def kwh_to_joules(kwh: float) -> float:
    return kwh * J_PER_KWH


def watts_to_kwh(watts: float, hours: float) -> float:
    """The energy in kWh of a power in W that is drawn for so many hours."""
    return watts * hours / 1000


def kwh_to_watts(kwh: float, hours: float) -> float:
    """The mean power in W that draws so many kWh in so many hours, which are above 0."""
    return kwh * 1000 / hours


def energy(kwh: float) -> str:
    """An energy for people: ``0.4 Wh``, ``850 Wh``, ``12.3 kWh``, ``4.2 MWh``."""
    return _scaled(kwh, (("GWh", 1e6), ("MWh", 1e3), ("kWh", 1.0), ("Wh", 1e-3)))


def power(watts: float) -> str:
    """A power for people: ``577 W``, ``12.5 kW``."""
    return _scaled(watts, (("MW", 1e6), ("kW", 1e3), ("W", 1.0)))


def mass(kg: float) -> str:
    """A mass for people: ``0.8 g``, ``350 g``, ``12.3 kg``, ``4.2 t``."""
    return _scaled(kg, (("t", 1e3), ("kg", 1.0), ("g", 1e-3)))


def dollars(amount: Decimal | float) -> str:
    """An amount for people, to the nearest: ``$12,400``, ``$12.40``, ``$0.0031``, ``-$3.20``; below a dollar two significant
    digits. (``remote.cost.usd`` rounds up, because a cap must hold.)
    """
    sign, size = ("-" if amount < 0 else ""), abs(float(amount))
    if size >= 1000:
        return f"{sign}${size:,.0f}"
    if size >= 0.995 or size == 0:
        return f"{sign}${size:.2f}"
    return f"{sign}${size:.{1 - math.floor(math.log10(size))}f}"


def _scaled(value: float, units: tuple[tuple[str, float], ...]) -> str:
    """Three significant digits at most, in the largest unit of which there is at least one, else in the smallest."""
    unit, factor = next(((u, f) for u, f in units if abs(value) >= f), units[-1])
    shown = value / factor
    digits = 0 if abs(shown) >= 100 else 1 if abs(shown) >= 10 or shown == 0 else 2
    text = f"{shown:,.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}"
