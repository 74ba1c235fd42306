"""Published models and what their licences let one do: dated data, read strictly. The newest entry of a name counts."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, TypeVar

import msgspec
import yaml
from msgspec import Meta

from pare.catalog.classes import model_class
from pare.catalog.types import ModelEntry, PublishedScore, Terms

Text = Annotated[str, Meta(min_length=1)]
Size = Annotated[int, Meta(gt=0)] | Annotated[str, Meta(pattern=r"^\d+(\.\d+)? [MB]$")] | None
"""A count of parameters: exact, or as a publisher rounds it ("46.7 B"), or undisclosed."""
UNITS = {"M": 10**6, "B": 10**9}


class _Score(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    benchmark: Text
    value: float
    date: datetime.date
    source: Text


class _Model(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    date: datetime.date
    licence: Text
    source: Text
    hub: str = ""
    also: tuple[Text, ...] = ()
    parameters: Size = None
    active: Size = None
    model_class: Annotated[int, Meta(ge=0, le=3)] | None = None
    scores: tuple[_Score, ...] = ()
    config: dict[str, Any] | None = None


class _Licence(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    date: datetime.date
    terms: Terms
    source: Text
    teaches: bool | None = None
    teaches_if: str = ""


Row = TypeVar("Row", _Model, _Licence)


@dataclass(frozen=True, slots=True)
class Licence:
    """What a licence, or terms of service, let one do. ``teaches``: whether another model may be trained on a model's
    answers, None where that is not stated; ``teaches_if`` is the condition, where there is one.
    """

    name: str
    terms: Terms
    teaches: bool | None
    teaches_if: str
    date: str
    source: str


@cache
def models() -> Mapping[str, ModelEntry]:
    """Every published model by its name. Raises ValueError where the file breaks its form, or names an unknown licence."""
    return {name: _entry(name, row) for name, row in _newest("models", _Model).items()}


@cache
def licences() -> Mapping[str, Licence]:
    """Every licence that the models name."""
    return {
        name: Licence(name, row.terms, row.teaches, row.teaches_if, row.date.isoformat(), row.source)
        for name, row in _newest("licences", _Licence).items()
    }


def find_model(name: str) -> ModelEntry | None:
    """The model of that name or hub id (``owner/name``, or ``name`` alone), in any case; None where the catalogue has none.
    A variant that was trained further is the model that it has its anatomy and licence from.
    """
    found = _named().get(name.casefold())
    return None if found is None else models()[found]


@cache
def _named() -> Mapping[str, str]:
    """The name in the catalogue of every name and hub id, in lower case."""
    ids = {
        hub.casefold(): name for name, row in _newest("models", _Model).items() for hub in (row.hub, *row.also) if hub
    }
    bare = {hub.partition("/")[2]: name for hub, name in ids.items()}
    return bare | ids | {name: name for name in models()}


def _entry(name: str, row: _Model) -> ModelEntry:
    if row.licence not in licences():
        raise ValueError(f"models.yaml, {name}: the licence {row.licence} is not in licences.yaml")
    licence = licences()[row.licence]
    parameters = _count(row.parameters)
    return ModelEntry(
        name=name,
        hub=row.hub,
        licence=row.licence,
        terms=licence.terms,
        teaches=licence.teaches,
        parameters=parameters,
        active=_count(row.active),
        model_class=row.model_class if parameters is None else model_class(parameters),
        config=row.config,
        scores=tuple(PublishedScore(s.benchmark, s.value, s.date.isoformat(), s.source) for s in row.scores),
        date=row.date.isoformat(),
        source=row.source,
    )


def _count(size: int | str | None) -> int | None:
    if size is None or isinstance(size, int):
        return size
    number, unit = size.split(" ")
    return int(Decimal(number) * UNITS[unit])


@cache
def _newest(table: str, row: type[Row]) -> dict[str, Row]:
    """The newest row of each name; names are lower case, so that they are found in any."""
    text = files("pare.catalog").joinpath(f"{table}.yaml").read_text(encoding="utf-8")
    found: dict[str, Row] = {}
    for name, rows in yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)).items():
        if not re.fullmatch(r"[a-z0-9.-]+", name):
            raise ValueError(
                f"{table}.yaml: a name has lower-case letters, digits, points and hyphens, but got {name!r}"
            )
        try:
            read = [msgspec.convert(one, row) for one in rows]
        except msgspec.ValidationError as error:
            raise ValueError(f"{table}.yaml, {name}: {error}") from None
        found[name] = max(read, key=lambda one: one.date)
    return found
