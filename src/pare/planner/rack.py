"""How many servers a rack takes, and which limit binds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from pare.errors import InputError


@dataclass(frozen=True, slots=True)
class Rack:
    """A rack's height in units and its power in kilowatts, and what network, management and power distribution keep."""

    units: int = 42
    power_kw: float = 12.5
    reserved_units: int = 2
    reserved_kw: float = 1.0


DEFAULT = Rack()
MOST_UNITS, MOST_KW = 1_000.0, 10_000.0
"""What is no rack any more: a typing error."""


@dataclass(frozen=True, slots=True)
class Packing:
    """``servers`` in a rack, and what binds: nothing more fits for want of ``space``, of ``power``, or of both."""

    servers: int
    binds: Literal["space", "power", "both"]
    used_units: int
    used_kw: float


def pack(rack: Rack, units: int, power_w: float) -> Packing:
    """As many servers of ``units`` height units and ``power_w`` watts as fit.

    Raises InputError where a server's height or power is not above 0: an unknown is asked for, never taken as nothing.
    """
    if units < 1 or power_w <= 0:
        raise InputError(
            f"a server needs a height of at least 1 unit and a power above 0 W but has {units} units and {power_w:g} W; "
            "state both"
        )
    # A billionth of a server: 11.5 kW hold 23 servers of 500 W, whichever way floats round.
    by_space = (rack.units - rack.reserved_units) // units
    by_power = math.floor((rack.power_kw - rack.reserved_kw) * 1000 / power_w + 1e-9)
    servers = max(0, min(by_space, by_power))
    binds: Literal["space", "power", "both"] = (
        "both" if by_space == by_power else "space" if by_space < by_power else "power"
    )
    return Packing(servers, binds, servers * units, servers * power_w / 1000)


def read_rack(text: str) -> Rack:
    """A rack as users write it: ``42U,12.5kW``, either part alone, in any order. The rest are the defaults.

    >>> read_rack("48U,15kW")
    Rack(units=48, power_kw=15.0, reserved_units=2, reserved_kw=1.0)
    """
    units, power, least = float(DEFAULT.units), DEFAULT.power_kw, DEFAULT
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(u|kw|w)\s*", part, re.IGNORECASE)
        if match is None or (match[2].lower() == "u" and "." in match[1]):
            raise InputError(f"a rack is written like 42U,12.5kW but got {part.strip()!r}; give whole units (U) and kW")
        value, unit = float(match[1]), match[2].lower()
        if unit == "u":
            units = value
        else:
            power = value if unit == "kw" else value / 1000
    if units <= least.reserved_units or power <= least.reserved_kw:
        raise InputError(
            f"a rack must have more than the {least.reserved_units} U and {least.reserved_kw:g} kW that are kept for "
            f"network and power distribution but has {units:g} U and {power:g} kW; give a larger one"
        )
    if units > MOST_UNITS or power > MOST_KW:
        raise InputError(
            f"a rack has at most {MOST_UNITS:,.0f} U and {MOST_KW:,.0f} kW but this has {units:g} U and {power:g} kW; "
            "give a smaller one"
        )
    return Rack(int(units), power)


@dataclass(frozen=True, slots=True)
class Yield:
    """What a rack of servers serves. ``tokens_per_j`` are those of the servers' power alone, at full load."""

    sessions: int
    sessions_per_kw: float
    tokens_per_s: float | None
    tokens_per_j: float | None


def of_rack(packed: Packing, sessions: int, tokens_per_s: float | None = None) -> Yield:
    """A rack of servers that hold so many sessions and decode so many tokens a second each; nothing where none fits."""
    if not packed.servers:
        return Yield(0, 0.0, None, None)
    tokens = None if tokens_per_s is None else packed.servers * tokens_per_s
    held = packed.servers * sessions
    return Yield(held, held / packed.used_kw, tokens, None if tokens is None else tokens / (packed.used_kw * 1000))
