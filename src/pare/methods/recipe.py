"""Recipes as text, and the check of a recipe before anything runs.

``drop_layers:3 > distil(epochs=4, copies=1) > lower > quantize:full`` is four steps. A step is a method's name;
``name:VALUE`` sets the method's first parameter, ``name(key=value, ...)`` any of them. Values are numbers, ``true``,
``false``, ``none`` and words; a word that holds blanks, or one of ``> ( ) , = "``, is written as a JSON string.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import msgspec

from pare import methods
from pare.errors import InputError, nearest
from pare.methods.base import BASE, Method
from pare.types import DataFacts, Scalar, Shape, Step

__all__ = ["Plan", "Planned", "Start", "parse", "plan", "written"]

ENCODER = "encoder"

_NAME = re.compile(r"[A-Za-z_]\w*")
_WORD = re.compile(r'[^\s>(),="]+')
_AFTER_COLON = re.compile(r'[^\s>()="]+')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SAID: Mapping[str, Scalar] = {"true": True, "false": False, "none": None}


# -- text ---------------------------------------------------------------------------------------------------------------


def parse(text: str) -> tuple[Step, ...]:
    """The steps that a text stands for. Values come out as their parameters' types.

    Raises InputError, with the character at which the step begins, where the text is no recipe, a method or a parameter is
    unknown, or a value breaks its rule.
    """
    return _Reader(text).recipe()


def written(steps: Collection[Step]) -> str:
    """The text of a recipe; ``parse`` gives equal steps back."""
    return " > ".join(map(_written, steps))


def _written(step: Step) -> str:
    first = next(iter(methods.parameters(step.method)), "")
    colon = f":{_shown(step.params[first])}" if first in step.params else ""
    rest = ", ".join(f"{key}={_shown(value)}" for key, value in step.params.items() if key != first)
    return f"{step.method}{colon}" + (f"({rest})" if rest else "")


def _shown(value: Scalar) -> str:
    for word, meant in _SAID.items():
        if value is meant:
            return word
    if not isinstance(value, str):
        return repr(value)
    plain = _WORD.fullmatch(value) and value not in _SAID and not _NUMBER.fullmatch(value)
    return value if plain else json.dumps(value)


class _Reader:
    """Reads a recipe from left to right; ``at`` is where it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def recipe(self) -> tuple[Step, ...]:
        steps = [self.step()]
        while not self.ended():
            self.expect(">", "'>' between steps")
            steps.append(self.step())
        return tuple(steps)

    def step(self) -> Step:
        self.blanks()
        start = self.at
        name = self.take(_NAME, "the name of a method")
        try:
            rules = methods.parameters(name)
        except InputError as error:
            self.refuse(start, str(error))
        given: dict[str, Scalar] = {}
        if self.next_is(":"):
            if not rules:
                self.refuse(start, f"{name} has no parameters; write {name} alone")
            first = next(iter(rules))
            given[first] = self.value(rules[first], _AFTER_COLON)
        if self.next_is("(") and not self.next_is(")"):
            self.arguments(name, rules, given)
        step = Step(name, given)
        try:
            methods.method(step)
        except InputError as error:
            self.refuse(start, str(error))
        return step

    def arguments(self, name: str, rules: Mapping[str, Any], given: dict[str, Scalar]) -> None:
        while True:
            self.blanks()
            start = self.at
            key = self.take(_NAME, f"a parameter of {name}")
            if key not in rules:
                self.refuse(start, f"{name} has no parameter {key!r}: {nearest(key, rules)}")
            if key in given:
                self.refuse(start, f"{name}: {key} is there twice; keep one")
            self.expect("=", f"'=' and a value after {key}")
            given[key] = self.value(rules[key], _WORD)
            if self.next_is(")"):
                return
            self.expect(",", f"',' or ')' after the value of {key}")

    def value(self, rule: Any, word: re.Pattern[str]) -> Scalar:
        """The value at this place, as the first of its readings that the rule takes: ``5`` is a number or else a word."""
        self.blanks()
        start = self.at
        if quoted := _QUOTED.match(self.text, self.at):
            self.at = quoted.end()
            try:
                return str(json.loads(quoted[0]))
            except ValueError:
                self.refuse(start, f"{quoted[0][:40]} is no JSON string; escape '\\' and control characters")
        raw = self.take(word, "a value")
        for reading in (_plain(raw), raw):
            try:
                taken: Scalar = msgspec.convert(reading, rule)
            except (msgspec.ValidationError, TypeError):
                continue
            return taken
        return _plain(raw)  # the method says what is wrong with it

    # -- characters ---------------------------------------------------------------------------------------------------

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def ended(self) -> bool:
        self.blanks()
        return self.at == len(self.text)

    def next_is(self, mark: str) -> bool:
        self.blanks()
        found = self.text.startswith(mark, self.at)
        self.at += len(mark) if found else 0
        return found

    def expect(self, mark: str, what: str) -> None:
        if not self.next_is(mark):
            self.refuse(self.at, f"must have {what} here but got {self.found()}")

    def take(self, pattern: re.Pattern[str], what: str) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            self.refuse(self.at, f"must have {what} here but got {self.found()}")
        self.at = match.end()
        return match[0]

    def found(self) -> str:
        rest = self.text[self.at : self.at + 20]
        return repr(rest) if rest else "its end"

    def refuse(self, at: int, why: str) -> NoReturn:
        raise InputError(f"recipe, character {at + 1}: {why}") from None


def _plain(raw: str) -> Scalar:
    if raw in _SAID:
        return _SAID[raw]
    if _INTEGER.fullmatch(raw):
        return int(raw)
    number = float(raw) if _NUMBER.fullmatch(raw) else math.inf
    return number if math.isfinite(number) else raw


# -- plan ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """What a recipe starts from: the ``format`` of an artifact, or ``BASE`` for an encoder without a head.

    ``taught``: there is a teacher already; a ``finetune`` that comes first makes one. ``done``: what may be done once and is
    done (``quantisation``).
    """

    format: str
    shape: Shape
    taught: bool = False
    done: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """A step that will run. ``why`` says why it was put in where the recipe does not name it; else it is empty.

    ``format`` and ``shape`` are what it is predicted to give.
    """

    step: Step
    format: str
    shape: Shape
    why: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe that can run from its start, with what it implies."""

    planned: tuple[Planned, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(one.step for one in self.planned)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was put in, in words."""
        return tuple(f"{one.step.method} was put in: {one.why}" for one in self.planned if one.why)


@dataclass
class _Way:
    """How far a plan has come."""

    start: str
    format: str
    shape: Shape
    taught: bool
    done: dict[str, str]
    planned: list[Planned] = field(default_factory=list)


def plan(steps: Collection[Step], start: Start, facts: DataFacts) -> Plan:
    """Follows a recipe through the formats that its methods take and give, and predicts every shape, without building.

    Put in is what a step implies: ``finetune`` first where the start is an encoder without a head, and ``lower`` before a
    step that takes a graph of a model that is none yet. Raises InputError where a step cannot run: a format that it does not
    take, a second step of what is done once, a teacher that is not there, a shape that it cannot change so.
    """
    if not steps:
        raise InputError("a recipe must have a step; write drop_layers:3 > distil, for example")
    way = _Way(
        start.format,
        start.format,
        start.shape,
        start.taught,
        dict.fromkeys(start.done, "the model that it starts from"),
    )
    for number, step in enumerate(steps, start=1):
        made = methods.method(step)
        if way.format == BASE and BASE not in made.takes:
            _add(way, Step("finetune"), f"{step.method} needs a model that has learnt the task", facts, "")
        for lower in _LOWERS:
            if way.format not in made.takes and methods.method(lower).gives in made.takes and _fits(way, lower):
                _add(way, lower, f"{step.method} works on the graph that is served", facts, "")
        _add(way, step, "", facts, f"recipe, step {number} ({step.method})")
    return Plan(tuple(way.planned))


def _add(way: _Way, step: Step, why: str, facts: DataFacts, where: str) -> None:
    where = where or f"recipe ({step.method}, put in)"
    made = methods.method(step)
    if way.format not in made.takes:
        raise InputError(
            f"{where}: takes {_formats(made.takes)} but is given {_state(way)}; {_way_out(way, step, made)}"
        )
    once = getattr(made, "once", "")
    if once and once in way.done:
        raise InputError(f"{where}: {once} was done by {way.done[once]} and is done once; leave one of the two out")
    for one in way.planned:
        if step.method in getattr(methods.method(one.step), "undone", ()):
            before = one.step.method
            raise InputError(
                f"{where}: would undo {before}, which came before it; put {before} after {step.method}, or leave it out"
            )
    if getattr(made, "taught", False) and not way.taught:
        raise InputError(
            f"{where}: needs a teacher and there is none; put finetune before it, start from a trained model, "
            "or give --teacher"
        )
    try:
        way.shape = made.reshape(way.shape, facts)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    way.format = made.gives or (ENCODER if way.format == BASE else way.format) + getattr(made, "mark", "")
    way.taught = way.taught or (step.method == "finetune" and not way.planned)
    if once:
        way.done[once] = step.method
    way.planned.append(Planned(step, way.format, way.shape, why))


_LOWERS = (Step("lower"), Step("lower", {"to": "onnx"}))


def _fits(way: _Way, step: Step) -> bool:
    return way.format in methods.method(step).takes


def _formats(takes: Collection[str]) -> str:
    names = {BASE: "a base model"}
    return " or ".join(names.get(format, f"format {format}") for format in takes)


def _state(way: _Way) -> str:
    by = f" by {way.planned[-1].step.method}" if way.planned else ""
    return "a base model" if way.format == BASE else f"format {way.format}{by}"


def _way_out(way: _Way, step: Step, made: Method) -> str:
    """The next step for a user whose step stands where it cannot."""
    if way.format in _takes(step.method):
        return f"write {step.method} alone, which takes it"
    before = [way.start, *(one.format for one in way.planned)]
    for format, later in zip(before, way.planned, strict=False):
        if format in made.takes and later.format not in made.takes:
            return f"put it before {later.step.method}"
    fit = [name for name in methods.methods() if way.format in _takes(name)]
    return f"methods that take {_state(way)}: {', '.join(fit) or 'none'}"


def _takes(name: str) -> Collection[str]:
    """The formats that a method takes, with its defaults; by its class where it has parameters without one."""
    try:
        return methods.method(Step(name)).takes
    except InputError:
        takes: Collection[str] = methods.method_type(name).takes
        return takes
