"""Artifact → Artifact. One method a file; the table names them, so that listing imports nothing heavy.

A method is a frozen dataclass: its fields are its parameters, with their types, ranges (``Annotated[int, Meta(ge=1)]``)
and defaults. Outside packages join through entry points of the group ``pare.methods``: ``name = "module:Class"``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from pare.errors import InputError, nearest
from pare.methods.base import BuildContext, Method
from pare.types import Step

__all__ = ["METHODS", "BuildContext", "Method", "method", "method_type", "methods", "parameters"]

METHODS: dict[str, str] = {
    "linear": "pare.methods.linear:Linear",
    "static": "pare.methods.static:Static",
    "finetune": "pare.methods.finetune:Finetune",
    "lora": "pare.methods.lora:Lora",
    "student": "pare.methods.student:Student",
    "distil": "pare.methods.distil:Distil",
    "drop_layers": "pare.methods.drop_layers:DropLayers",
    "prune": "pare.methods.prune:Prune",
    "trim_vocab": "pare.methods.trim_vocab:TrimVocab",
    "lowrank": "pare.methods.lowrank:LowRank",
    "sparsify": "pare.methods.sparsify:Sparsify",
    "lower": "pare.methods.lower:Lower",
    "quantize": "pare.methods.quantize:Quantize",
    "qat": "pare.methods.qat:Qat",
    "calibrate": "pare.methods.calibrate:Calibrate",
}

GROUP = "pare.methods"


@cache
def methods() -> dict[str, str]:
    """The table with what other packages add. A name of ours cannot be taken."""
    outside = {point.name: point.value for point in entry_points(group=GROUP)}
    return METHODS | {name: where for name, where in outside.items() if name not in METHODS}


def method(step: Step) -> Method:
    """The method that a step names, with the step's parameters.

    Raises InputError where there is no such method, a parameter is unknown or missing, or a value breaks its rule.
    """
    return _configure(step.method, method_type(step.method), step.params)


def method_type(name: str) -> type[Any]:
    """The dataclass of a method: its fields are the parameters. Raises InputError where no method has that name."""
    table = methods()
    if name not in table:
        raise InputError(f"no method is called {name!r}: {nearest(name, table)}")
    module, _, attribute = table[name].partition(":")
    found: type[Any] = getattr(import_module(module), attribute)
    return found


def parameters(name: str) -> dict[str, Any]:
    """The parameters of a method with their types, in order: the first is the one that ``name:VALUE`` sets."""
    kind = method_type(name)
    rules = get_type_hints(kind, include_extras=True)
    return {field.name: rules[field.name] for field in dataclasses.fields(kind) if field.init}


def _configure(name: str, kind: type[Any], params: Mapping[str, Any]) -> Method:
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    rules = parameters(name)
    for key, value in params.items():
        if key not in fields:
            raise InputError(f"{name} has no parameter {key!r}: {nearest(key, fields)}")
        try:
            msgspec.convert(value, rules[key])
        except msgspec.ValidationError:
            raise InputError(f"{name}: {key} must be {_rule(rules[key])} but got {value!r}") from None
    for key, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and key not in params:
            raise InputError(f"{name} needs {key}: give {_rule(rules[key])}")
    try:
        made: Method = kind(**params)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None
    return made


WORDS = {int: "an integer", float: "a number", str: "a text", bool: "true or false", type(None): "nothing"}


def _rule(rule: Any) -> str:
    """A type in words: ``an integer of at least 1 and at most 5``."""
    if get_origin(rule) is Annotated:
        inner, *notes = get_args(rule)
        bounds = [bound for note in notes if isinstance(note, msgspec.Meta) for bound in _bounds(note)]
        return f"{_rule(inner)} {' and '.join(bounds)}".strip()
    if get_origin(rule) is Literal:
        return f"one of {', '.join(map(str, get_args(rule)))}"
    if get_args(rule):
        return " or ".join(_rule(part) for part in get_args(rule))
    return WORDS.get(rule, str(rule))


def _bounds(meta: msgspec.Meta) -> list[str]:
    named = (("of at least", meta.ge), ("above", meta.gt), ("at most", meta.le), ("below", meta.lt))
    return [f"{word} {value}" for word, value in named if value is not None]
