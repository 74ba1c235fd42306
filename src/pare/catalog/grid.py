"""Carbon intensity of grids and power of processors: read from ``codecarbon``'s data files, never copied from them.

The package is found and its files are read; it is not imported, which would start pandas. Its grid figures are those of Our
World in Data, life cycle included, a year a country.
"""

from __future__ import annotations

import csv
import json
import re
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pare import catalog
from pare.errors import InputError, MissingExtra, nearest
from pare.types import Quantity

__all__ = ["WORLD", "cpu_power_w", "grid"]

WORLD = "world"
"""The region that stands for the world's average."""

UNIT = "kg CO2e/kWh"


def grid(region: str = "") -> Quantity:
    """The carbon intensity of a region's electricity in kg CO2e/kWh: an ISO 3166 alpha-3 code (``SAU``), a country's name
    or ``world``; without a region the catalogue's assumption of the world's average.

    Raises InputError for a region that is not known, or whose intensity is not, and MissingExtra where a region is asked
    for and codecarbon is not installed.
    """
    wanted = region.strip()
    if not wanted:
        return catalog.fact("serving", "grid_intensity_kg_per_kwh")
    if wanted.lower() == WORLD:
        sources = _json("private_infra/carbon_intensity_per_source.json")
        said = f"world average by {_source()}: {sources['world_average_source']}"
        return Quantity(float(sources["world_average"]) / 1000, UNIT, "assumed", said)
    mixes = _json("private_infra/global_energy_mix.json")
    by_name = {str(mix["country_name"]).lower(): code for code, mix in mixes.items()}
    code = wanted.upper() if wanted.upper() in mixes else by_name.get(wanted.lower())
    if code is None:
        known = list(mixes) if len(wanted) == 3 else [str(mix["country_name"]) for mix in mixes.values()]
        close = nearest(wanted.upper() if len(wanted) == 3 else wanted.title(), known)
        raise InputError(
            f"a region is a three-letter country code, a country's name or {WORLD}, but it is {region!r}; "
            f"{close if close.startswith('did you mean') else 'for example SAU, DEU, FRA or USA'}"
        )
    mix = mixes[code]
    intensity = float(mix.get("carbon_intensity") or 0.0)
    if intensity <= 0:
        raise InputError(
            f"the carbon intensity of {mix['country_name']} ({code}) is not known to {_source()}; "
            f"name a neighbouring region or {WORLD}"
        )
    said = f"{mix['country_name']} ({code}) in {mix['year']}, by {_source()}"
    return Quantity(intensity / 1000, UNIT, "assumed", said)


def cpu_power_w(name: str) -> Quantity | None:
    """The thermal design power of a processor in W, by the name the system gives it; None where it is not listed.

    The longest listed name whose words stand together in the given one counts; a single word must be the whole name, so
    that ``AMD EPYC`` alone finds none. Raises MissingExtra where codecarbon is not installed.
    """
    words = _words(name)
    powers = _cpu_powers()
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1):
            found = powers.get(tuple(words[start : start + length]))
            if found is not None and (length > 1 or len(words) == 1):
                listed, watts = found
                return Quantity(watts, "W", "assumed", f"thermal design power of {listed}, by {_source()}")
    return None


_NOISE = re.compile(r"\((?:r|tm)\)|®|™|@.*$|\b\d+-core\b|\b(?:cpu|processor)\b", re.IGNORECASE)


def _words(name: str) -> list[str]:
    return _NOISE.sub(" ", name).lower().split()


@cache
def _cpu_powers() -> dict[tuple[str, ...], tuple[str, float]]:
    """Words of a name → (the name as listed, watts). A name that is listed with several powers is left out."""
    found: dict[tuple[str, ...], tuple[str, float]] = {}
    unsure: set[tuple[str, ...]] = set()
    with (_folder() / "hardware" / "cpu_power.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            words, watts = tuple(_words(row["Name"])), _number(row["TDP"])
            if not words or watts is None:
                continue
            if words in found and found[words][1] != watts:
                unsure.add(words)
            found[words] = (row["Name"], watts)
    return {words: entry for words, entry in found.items() if words not in unsure}


def _number(text: str) -> float | None:
    """A power above 0, or None: some rows hold two numbers run together, or none."""
    try:
        watts = float(text)
    except ValueError:
        return None
    return watts if watts > 0 else None


@cache
def _json(path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((_folder() / path).read_text(encoding="utf-8"))
    return loaded


def _folder() -> Path:
    spec = find_spec("codecarbon")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("codecarbon", "plan", "the carbon intensity of a region or the power of a processor")
    return Path(spec.submodule_search_locations[0]) / "data"


def _source() -> str:
    return f"codecarbon {version('codecarbon')}"
