"""What a publisher says of a model: licence, terms, counts and scores, dated; never what pare measured."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from pare.catalog.models import licences
from pare.catalog.types import ModelEntry
from pare.report.anatomy import Anatomy

UNDISCLOSED = "undisclosed"


def as_dict(entry: ModelEntry) -> dict[str, Any]:
    """Plain values for JSON; ``parameters``, ``active`` and ``model_class`` are None where they are undisclosed."""
    licence = licences()[entry.licence]
    plain = {key: value for key, value in asdict(entry).items() if key != "config"}
    return plain | {"teaches_if": licence.teaches_if, "licence_source": f"{licence.source} ({licence.date})"}


def without_config(entry: ModelEntry) -> dict[str, Any]:
    """The keys of an anatomy for a model whose config is not public: what is published, and None for the rest."""
    known = {"parameters": entry.parameters, "active_parameters": entry.active, "model_class": entry.model_class}
    return {field.name: None for field in fields(Anatomy)} | {"windows": [], "groups": []} | known


def size(entry: ModelEntry) -> str:
    """The size of a model whose config is not public, in one line."""
    where = f"{entry.source} ({entry.date})"
    if entry.parameters is None:
        kind = "" if entry.model_class is None else f" (class {entry.model_class})"
        return f"{entry.name}: parameters {UNDISCLOSED}{kind}, layers and context {UNDISCLOSED}; {where}"
    active = "" if entry.active is None else f", of which a token uses {entry.active:,}"
    return (
        f"{entry.name}: {entry.parameters:,} parameters as published (class {entry.model_class}){active}; layers, keys and "
        f"values {UNDISCLOSED}; {where}"
    )


def terms(entry: ModelEntry) -> str:
    """What the licence lets one do, in one line."""
    licence = licences()[entry.licence]
    may = {
        True: "another model may be trained on its answers",
        False: "its terms restrict training another model on its answers",
        None: "whether another model may be trained on its answers is not stated",
    }[entry.teaches]
    condition = f" if {licence.teaches_if}" if licence.teaches_if else ""
    return f"licence {entry.licence} ({entry.terms}): {may}{condition}; {licence.source} ({licence.date})"


def show(entry: ModelEntry) -> None:
    """Prints the licence and the published scores on standard output, and the size where there is no anatomy."""
    from pare.report.terminal import console

    scores = [f"published: {s.benchmark} {s.value:g}; {s.source} ({s.date})" for s in entry.scores]
    for line in [*([] if entry.config else [size(entry)]), terms(entry), *scores]:
        console().print(line, markup=False)
