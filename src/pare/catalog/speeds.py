"""Measured speeds as dated data: ``speeds.yaml``, which ``benchmarks/planner.py`` writes from published tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from pare.catalog.types import Calibration, Roofline


@cache
def general_roofline() -> Roofline:
    """The roofline for devices that were not measured, with its misses. The newest fit counts."""
    newest = max(_table()["roofline"], key=lambda entry: str(entry["date"]))
    fitted = {name: float(newest[name]) for name in ("memory", "compute", "vector", "constant_s")}
    misses = tuple(float(miss) for miss in newest["misses"])
    return Roofline(**fitted, misses=misses, source=f"{newest['source']} ({newest['date']})")


@cache
def calibrations() -> tuple[Calibration, ...]:
    """Every measured line of the catalogue; where one was measured anew the newest comes first."""
    entries = sorted(_table()["calibrations"], key=lambda entry: str(entry["date"]), reverse=True)
    return tuple(Calibration(**{**entry, "date": str(entry["date"])}) for entry in entries)


def _table() -> Mapping[str, list[dict[str, Any]]]:
    text = files("pare.catalog").joinpath("speeds.yaml").read_text(encoding="utf-8")
    loaded: Mapping[str, list[dict[str, Any]]] = yaml.safe_load(text)
    return loaded
