"""Facts as dated data with sources. Entries are appended, never overwritten; the newest one counts."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml

from pare.types import Quantity


@cache
def _entries(table: str) -> dict[str, list[dict[str, str | float]]]:
    text = files("pare.catalog").joinpath(f"{table}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, list[dict[str, str | float]]] = yaml.safe_load(text)
    return loaded


def fact(table: str, name: str) -> Quantity:
    """The newest entry of a fact, as an assumed quantity. Raises KeyError for an unknown name: an unknown is never zero."""
    newest = max(_entries(table)[name], key=lambda entry: str(entry["date"]))
    return Quantity(float(newest["value"]), str(newest["unit"]), "assumed", f"{newest['source']} ({newest['date']})")
