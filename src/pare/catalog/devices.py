"""Chips and servers, from ``devices.yaml``. The newest entry of a name counts; what it leaves out is unknown, hence None.

Every chip is also a server of its own, of one chip: its power, height and price as a machine are then unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from pare.catalog.types import Chip, Server
from pare.errors import InputError, nearest
from pare.types import Quantity

GIGA, TERA = 1e9, 1e12
WIDTHS = frozenset({"fp32", "fp16", "bf16", "fp8", "int8", "int4", "vector"})
_CHIP = frozenset(
    {"date", "name", "kind", "source", "sources", "bandwidth_gb_per_s", "memory_gb", "power_w", "peaks_tera"}
)
_FIGURES = {"power_w": "W", "idle_w": "W", "rack_units": "U", "price_usd": "USD", "embodied_kg": "kg CO2e"}
_SERVER = frozenset({"date", "name", "chip", "count", "source", "sources", "sessions", *_FIGURES})


@cache
def servers() -> Mapping[str, Server]:
    """Every server of the catalogue by its key, those of several chips first."""
    return read_devices(files("pare.catalog").joinpath("devices.yaml").read_text(encoding="utf-8"), "devices.yaml")


def find_server(name: str) -> Server:
    """The server of a key or a name, whatever its case. Raises InputError, with the nearest names, where there is none."""
    wanted = name.strip().casefold()
    for key, server in servers().items():
        if wanted in (key, server.name.casefold()):
            return server
    raise InputError(f"{name!r} is no device of the catalogue; {nearest(wanted, servers())}")


def read_devices(text: str, origin: str) -> dict[str, Server]:
    """Servers from YAML of the form of ``devices.yaml``; ``origin`` names it in messages.

    Raises InputError where a field is unknown or missing, a figure is not above 0, or a server's chip is not given.
    """
    loaded = yaml.safe_load(text)
    if not isinstance(loaded, dict) or set(loaded) - {"chips", "servers"}:
        raise InputError(f"{origin} must hold chips and servers, and nothing else; give these two tables")
    chips = {key: _chip(entry, f"{origin}: chips.{key}") for key, entry in _newest(loaded, "chips", origin)}
    found = {}
    for key, entry in _newest(loaded, "servers", origin):
        found[key] = _server(entry, chips, f"{origin}: servers.{key}")
    return found | {key: Server(chip.name, chip, 1) for key, chip in chips.items() if key not in found}


def _newest(loaded: Mapping[str, Any], table: str, origin: str) -> Iterable[tuple[str, dict[str, Any]]]:
    for key, entries in (loaded.get(table) or {}).items():
        if (
            not isinstance(entries, list)
            or not all(isinstance(e, dict) and "date" in e for e in entries)
            or not entries
        ):
            raise InputError(f"{origin}: {table}.{key} must be a list of dated entries; give each a date")
        yield str(key), max(entries, key=lambda entry: str(entry["date"]))


def _chip(entry: dict[str, Any], where: str) -> Chip:
    _fields(entry, _CHIP, ("name", "kind", "source"), where)
    if entry["kind"] not in ("cpu", "gpu", "accelerator"):
        raise InputError(f"{where}.kind must be cpu, gpu or accelerator but is {entry['kind']!r}")
    peaks = entry.get("peaks_tera") or {}
    if unknown := set(peaks) - WIDTHS:
        raise InputError(f"{where}.peaks_tera: {nearest(str(min(unknown)), WIDTHS)}")
    return Chip(
        name=str(entry["name"]),
        kind=entry["kind"],
        bandwidth=_figure(entry, "bandwidth_gb_per_s", "B/s", where, GIGA),
        memory=_figure(entry, "memory_gb", "B", where, GIGA),
        peaks={width: _quantity(entry, "peaks_tera", value, "FLOP/s", where, TERA) for width, value in peaks.items()},
        power=_figure(entry, "power_w", "W", where),
    )


def _server(entry: dict[str, Any], chips: Mapping[str, Chip], where: str) -> Server:
    _fields(entry, _SERVER, ("name", "chip", "count", "source"), where)
    if entry["chip"] not in chips:
        raise InputError(f"{where}.chip: {entry['chip']!r} is no chip; {nearest(str(entry['chip']), chips)}")
    figures = {name: _figure(entry, name, unit, where) for name, unit in _FIGURES.items()}
    sessions = entry.get("sessions") or {}
    return Server(
        name=str(entry["name"]),
        chip=chips[entry["chip"]],
        count=int(_quantity(entry, "count", entry["count"], "chips", where).value),
        power=figures["power_w"],
        idle=figures["idle_w"],
        rack_units=figures["rack_units"],
        price=figures["price_usd"],
        embodied=figures["embodied_kg"],
        sessions={model: _quantity(entry, "sessions", value, "sessions", where) for model, value in sessions.items()},
    )


def _fields(entry: dict[str, Any], known: frozenset[str], needed: tuple[str, ...], where: str) -> None:
    if unknown := set(entry) - known:
        raise InputError(f"{where}: no such field: {min(unknown)}; {nearest(str(min(unknown)), known)}")
    if missing := [name for name in needed if name not in entry]:
        raise InputError(f"{where} must give {missing[0]}; add it")
    if unused := set(entry.get("sources") or {}) - set(entry):
        raise InputError(
            f"{where}.sources names {min(unused)}, which the entry does not give; remove one or add the other"
        )


def _figure(entry: dict[str, Any], name: str, unit: str, where: str, scale: float = 1.0) -> Quantity | None:
    value = entry.get(name)
    return None if value is None else _quantity(entry, name, value, unit, where, scale)


def _quantity(entry: dict[str, Any], name: str, value: object, unit: str, where: str, scale: float = 1.0) -> Quantity:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InputError(f"{where}.{name} must be a number above 0 but is {value!r}; leave out what is unknown")
    source = (entry.get("sources") or {}).get(name, entry["source"])
    return Quantity(float(value) * scale, unit, "assumed", f"{source} ({entry['date']})")
