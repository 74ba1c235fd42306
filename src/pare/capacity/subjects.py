"""What a name on the command line stands for: a run, an artifact, a model's config, a catalogue entry, or an API's model."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pare import artifacts
from pare.capacity.asked import Asked, freer, unknown_model
from pare.capacity.runs import FromRun, of_run, widths_of
from pare.catalog.models import find_model, models
from pare.catalog.prices import Offer, Usage, charge, offers
from pare.catalog.types import ModelEntry
from pare.errors import InputError, MissingExtra
from pare.families import keeps_context, shape_of
from pare.planner import anatomy, estimate
from pare.planner.types import Subject, Widths
from pare.search import bases
from pare.search.study import LEDGER, TASK
from pare.types import Shape

OWN = "own:"
"""Before a path: a model of one's own, whatever else has its name."""
CONFIG = "config.json"
TYPICAL = Usage(tokens_in=1000.0, tokens_out=250.0, characters_in=4000.0)
"""The request by which a model's sellers are ranked: four tokens in for one out."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a name gives: something to host, who sells it, or both. ``run`` is there where it was a run's folder, and
    ``tokenizer`` is the path of its own, where it has one on this disk.
    """

    name: str
    subject: Subject | None = None
    sold: tuple[Offer, ...] = ()
    run: FromRun | None = None
    notes: tuple[str, ...] = ()
    tokenizer: Path | None = None


def find(name: str, asked: Asked) -> Found:
    """What a name stands for. Raises InputError where it is nothing, MissingExtra where only prices could tell."""
    path = Path(name.removeprefix(OWN))
    if name.startswith(OWN) and not path.exists():
        raise InputError(f"{path} does not exist; {OWN} stands before the folder of a run, an artifact or a model")
    if path.exists():
        return _local(str(path), path, asked)
    entry = find_model(name)
    if entry is not None:
        return of_entry(entry, asked)
    if name in bases.CARRIED:
        return _local(name, bases.locate(name), asked)
    sold = _sold(name, asked.batch)
    if not sold:
        raise unknown_model(name, [*models(), *(one.hub for one in models().values() if one.hub)])
    return Found(name.rpartition(":")[2], sold=sold)


def everything(asked: Asked) -> list[Found]:
    """Every model of the catalogue whose licence is free enough, and whose anatomy is published."""
    found = [
        of_entry(entry, asked) for entry in models().values() if freer(entry.terms, asked.licence) and entry.config
    ]
    return [one for one in found if one.subject is not None and one.subject.shape is not None]


def of_entry(entry: ModelEntry, asked: Asked) -> Found:
    """A published model, and who sells it for the least, as far as prices are at hand."""
    sold: tuple[Offer, ...] = ()
    with suppress(MissingExtra):
        sold = _sold(entry.name, asked.batch)[:1]
    shape, notes = None, []
    if entry.config is None:
        notes = [f"{entry.name}: its anatomy is undisclosed, so it can be bought and not hosted"]
    else:
        shape = shape_of(entry.config)
        if not keeps_context(shape):
            notes = [f"{entry.name} is an encoder, whose speed is measured: pare find builds on it and measures it"]
            shape = None
    if entry.teaches is False:
        notes.append(f"{entry.name}: its terms restrict training other models on its answers")
    count = entry.parameters if entry.parameters is not None or shape is None else estimate.parameters(shape)
    subject = Subject(
        name=entry.name,
        shape=shape,
        parameters=count,
        active=entry.active,
        model_class=entry.model_class if count is None else anatomy.model_class(count),
        terms=entry.terms,
        teaches=entry.teaches,
        widths=_widths(asked),
    )
    return Found(entry.name, subject, sold, notes=tuple(notes))


def _local(name: str, path: Path, asked: Asked) -> Found:
    if (path / LEDGER).is_file():
        if not (path / TASK).is_file():
            raise InputError(f"{path / TASK} does not exist, and the study beside it cannot be read without it")
        found = of_run(name, path)
        return Found(name, found.subject, run=found, notes=found.notes, tokenizer=found.tokenizer)
    tokenizer = path / "tokenizer.json" if (path / "tokenizer.json").is_file() else None
    if (path / artifacts.MANIFEST).is_file():
        return Found(name, _artifact(name, path), tokenizer=tokenizer)
    if path.is_dir() and not (path / CONFIG).is_file():
        raise InputError(f"{path} is no run, artifact or model: it has no {LEDGER}, {artifacts.MANIFEST} or {CONFIG}")
    config = _read(path if path.is_file() else path / CONFIG)
    return Found(name, _configured(name, config, asked), tokenizer=tokenizer)


def _read(path: Path) -> dict[str, Any]:
    """A config.json, in a model's folder or by itself."""
    try:
        config = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        words = " ".join(str(error).split())
        raise InputError(f"{path} is no JSON ({words}); give a config.json, or a run, an artifact or a model") from None
    if not isinstance(config, dict):
        raise InputError(f"{path} must hold a JSON object but holds a {type(config).__name__}; give a config.json")
    return config


def _artifact(name: str, path: Path) -> Subject:
    """A built model. The speed of one that answers in one step is in the run that built it, and not in the artifact."""
    artifact = artifacts.read(path)
    shape, kind = artifact.manifest.shape, artifact.manifest.kind
    if kind != "generate":
        raise InputError(f"{name} answers in one step ({kind}): its speed is with the run that built it; give the run")
    return _subject(name, shape, widths_of(shape), weight_bytes=float(artifact.size_bytes))


def _configured(name: str, config: dict[str, Any], asked: Asked) -> Subject:
    shape = shape_of(config)
    if not keeps_context(shape):
        raise InputError(
            f"{name} is an encoder ({shape.family}), whose speed is measured: give the folder of a run of pare find on it"
        )
    return _subject(name, shape, _widths(asked))


def _subject(name: str, shape: Shape, widths: Widths, weight_bytes: float | None = None) -> Subject:
    count = estimate.parameters(shape)
    return Subject(
        name=name,
        shape=shape,
        parameters=count,
        active=anatomy.active_parameters(shape),
        model_class=anatomy.model_class(count),
        widths=widths,
        weight_bytes=weight_bytes,
    )


def _widths(asked: Asked) -> Widths:
    return anatomy.read_widths(asked.width) if asked.width else Widths()


@cache
def _sold(name: str, batch: bool) -> tuple[Offer, ...]:
    """Who sells a model of that name, or ``provider:name``: the cheapest and the dearest, since there is no one price.

    ``batch``: of a seller that has batch rates, only the offer at these.
    """
    provider, _, model = name.rpartition(":")
    known = {(offer.provider, offer.model): offer for offer in offers(model, provider)}
    if batch:
        known |= {(offer.provider, offer.model): offer for offer in offers(model, provider, batch=True)}
    ranked = []
    for offer in known.values():
        with suppress(InputError):
            ranked.append((charge(offer, TYPICAL), offer.provider, offer))
    ranked.sort(key=lambda item: item[:2])
    found = [offer for _, _, offer in ranked]
    return tuple(found) if len(found) < 3 else (found[0], found[-1])
