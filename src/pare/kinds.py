"""What a model answers: one label, several labels, a tag for each word, or a text (kind ``generate``).

Everything that differs between these kinds of task is here; the rooms above work on arrays whose first axis is the
samples. With C classes and texts of at most W words (``text.split()``), logits, targets and decisions are

=============  =============  ===========  ===========================================================
kind           logits         targets      a cell of the target column
=============  =============  ===========  ===========================================================
``classify``   (n, C)         (n,)         ``refund``
``multilabel`` (n, C)         (n, C), 0/1  ``late|refund``, sorted; ``[]`` where none holds
``tag``        (n, W, C)      (n, W)       ``O B-person I-person``, one tag a word
=============  =============  ===========  ===========================================================

Where a text has fewer than W words, logits are NaN and targets and decisions are -1. Kind ``generate`` has no classes and
none of these arrays: its cells are answers as they are, and a model is scored by what they cost it
(``evaluation/surprisal.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pare.errors import InputError
from pare.types import Entity, Kind

__all__ = [
    "CELLS",
    "KINDS",
    "MARK",
    "NOTHING",
    "OUTSIDE",
    "CellKind",
    "Span",
    "TaskKind",
    "cells_of",
    "classes_of",
    "entities",
    "kind_of",
    "spans",
]

Ints = NDArray[np.int64]
Logits = NDArray[np.float32]
Floats = NDArray[np.float64]

MARK = "|"
"""What stands between the labels of a cell."""
NOTHING = "[]"
"""A multi-label cell that names no label."""
OUTSIDE = "O"
"""The tag of a word that is part of no entity (BIO: B- begins an entity, I- continues it)."""


class CellKind(Protocol):
    """What a target's cells are in one kind of task."""

    name: Kind
    metric: str
    """The metric of the bar where a task names none."""

    def parts(self, cell: str) -> tuple[str, ...]:
        """The classes that a cell names, each once, sorted."""
        ...


class TaskKind(CellKind, Protocol):
    """A kind of task with classes: the model's labels or tags, in the order of the logits' last axis."""

    def targets(self, cells: Sequence[str], classes: Sequence[str]) -> Ints:
        """Cells as class indices. Raises KeyError where one names another class."""
        ...

    def decide(self, logits: Logits) -> Ints:
        """What is answered, in the form of the targets."""
        ...

    def say(self, decided: Ints, classes: Sequence[str]) -> str:
        """One sample's decision as a cell."""
        ...

    def shape(self, samples: int, classes: int) -> tuple[int, ...]:
        """The logits' shape, at least one sample; -1 where the texts decide it."""
        ...

    def choices(self, logits: Logits, targets: Ints) -> tuple[Floats, Ints]:
        """The decisions that make up the answers, one of several options each: (decisions, options) and (decisions,)."""
        ...

    def confidence(self, logits: Logits, temperature: float) -> Floats:
        """How probable it is that the surest answer is right in its least sure decision, (n,)."""
        ...


class Classify:
    """One label a text, the likeliest."""

    name: Kind = "classify"
    metric = "accuracy"

    def parts(self, cell: str) -> tuple[str, ...]:
        return (cell,)

    def targets(self, cells: Sequence[str], classes: Sequence[str]) -> Ints:
        index = {label: i for i, label in enumerate(classes)}
        return np.array([index[cell] for cell in cells], dtype=np.int64)

    def decide(self, logits: Logits) -> Ints:
        return np.asarray(logits.argmax(axis=1), dtype=np.int64)

    def say(self, decided: Ints, classes: Sequence[str]) -> str:
        return classes[int(decided)]

    def shape(self, samples: int, classes: int) -> tuple[int, ...]:
        return samples, classes

    def choices(self, logits: Logits, targets: Ints) -> tuple[Floats, Ints]:
        return logits.astype(np.float64), targets

    def confidence(self, logits: Logits, temperature: float) -> Floats:
        return _surest(logits, temperature)


class Multilabel:
    """Any number of labels a text: those whose probability is above one half. Each label is a decision of its own."""

    name: Kind = "multilabel"
    metric = "example_f1"

    def parts(self, cell: str) -> tuple[str, ...]:
        return () if cell == NOTHING else tuple(sorted({part.strip() for part in cell.split(MARK) if part.strip()}))

    def targets(self, cells: Sequence[str], classes: Sequence[str]) -> Ints:
        index = {label: i for i, label in enumerate(classes)}
        found = np.zeros((len(cells), len(classes)), dtype=np.int64)
        for row, cell in enumerate(cells):
            found[row, [index[part] for part in self.parts(cell)]] = 1
        return found

    def decide(self, logits: Logits) -> Ints:
        return np.asarray(logits > 0, dtype=np.int64)

    def say(self, decided: Ints, classes: Sequence[str]) -> str:
        return MARK.join(name for name, holds in zip(classes, decided, strict=True) if holds) or NOTHING

    def shape(self, samples: int, classes: int) -> tuple[int, ...]:
        return samples, classes

    def choices(self, logits: Logits, targets: Ints) -> tuple[Floats, Ints]:
        holds = logits.astype(np.float64).reshape(-1)
        return np.stack([np.zeros_like(holds), holds], axis=1), targets.reshape(-1)

    def confidence(self, logits: Logits, temperature: float) -> Floats:
        return np.asarray(1.0 / (1.0 + np.exp(-np.abs(logits.astype(np.float64)).min(axis=1) / temperature)))


class Tag:
    """One tag a word."""

    name: Kind = "tag"
    metric = "sentence_f1"

    def parts(self, cell: str) -> tuple[str, ...]:
        return tuple(sorted(set(cell.split())))

    def targets(self, cells: Sequence[str], classes: Sequence[str]) -> Ints:
        index = {label: i for i, label in enumerate(classes)}
        rows = [[index[tag] for tag in cell.split()] for cell in cells]
        found = np.full((len(rows), max(map(len, rows), default=0)), -1, dtype=np.int64)
        for row, tags in zip(found, rows, strict=True):
            row[: len(tags)] = tags
        return found

    def decide(self, logits: Logits) -> Ints:
        absent = np.isnan(logits[..., 0])
        return np.asarray(np.where(absent, -1, logits.argmax(axis=2)), dtype=np.int64)

    def say(self, decided: Ints, classes: Sequence[str]) -> str:
        return " ".join(classes[int(i)] for i in decided if i >= 0)

    def shape(self, samples: int, classes: int) -> tuple[int, ...]:
        return samples, -1, classes

    def choices(self, logits: Logits, targets: Ints) -> tuple[Floats, Ints]:
        words = targets >= 0
        return logits[words].astype(np.float64), targets[words]

    def confidence(self, logits: Logits, temperature: float) -> Floats:
        n, words, classes = logits.shape
        sure = _surest(logits.reshape(n * words, classes), temperature).reshape(n, words)
        return np.asarray(np.where(np.isnan(sure), 1.0, sure).min(axis=1, initial=1.0))


class Generate:
    """A text: the answer to a prompt. It names no class."""

    name: Kind = "generate"
    metric = "bits_per_byte"

    def parts(self, cell: str) -> tuple[str, ...]:
        return ()


KINDS: dict[str, TaskKind] = {kind.name: kind for kind in (Classify(), Multilabel(), Tag())}
"""The kinds with classes."""
CELLS: dict[str, CellKind] = {**KINDS, "generate": Generate()}
"""Every kind of task."""


def kind_of(name: Kind) -> TaskKind:
    """The kind of that name. Raises InputError for ``generate``, which has no classes."""
    if name not in KINDS:
        raise InputError(
            f"this takes models of kind {', '.join(KINDS)} but got kind {name}; pare build scores such models"
        )
    return KINDS[name]


def cells_of(name: Kind) -> CellKind:
    """The kind of that name, as far as its cells are concerned."""
    return CELLS[name]


def classes_of(kind: CellKind, cells: Iterable[str]) -> tuple[str, ...]:
    """Every class that the cells name, sorted."""
    return tuple(sorted({part for cell in cells for part in kind.parts(cell)}))


class Span(NamedTuple):
    """An entity: its type, its first word, and the word after its last."""

    type: str
    start: int
    end: int


def spans(tags: Sequence[str]) -> list[Span]:
    """The entities that a tag sequence names, by the rules of conlleval (Tjong Kim Sang and Buchholz 2000).

    They are lenient: an I- that continues nothing, or another type, begins an entity. S- (U-) is an entity of one word and
    E- (L-) ends one. A tag without such a prefix is its own type, and its neighbours of that type belong to it.

    >>> spans(["B-place", "I-place", "O", "I-person"])
    [Span(type='place', start=0, end=2), Span(type='person', start=3, end=4)]
    """
    found: list[Span] = []
    begun, before, ended = 0, "", True
    for at, tag in enumerate([*tags, OUTSIDE]):
        prefix, type = ("", "") if tag == OUTSIDE else (tag[0], tag[2:]) if tag[1:2] == "-" else ("", tag)
        if before and (type != before or ended or prefix in _BEGINS):
            found.append(Span(before, begun, at))
            before = ""
        if type and not before:
            begun = at
        before, ended = type, prefix in _ENDS
    return found


_BEGINS, _ENDS = ("B", "S", "U"), ("E", "L", "S", "U")


def entities(text: str, tags: Sequence[str]) -> tuple[Entity, ...]:
    """The entities that the tags of a text's words name, with their characters in the text as it was given.

    >>> entities("in  New York ", ["O", "B-place", "I-place"])
    (Entity(type='place', text='New York', start=4, end=12),)
    """
    words = [match.span() for match in re.finditer(r"\S+", text)]
    found = ((span.type, words[span.start][0], words[span.end - 1][1]) for span in spans(tags))
    return tuple(Entity(type, text[start:end], start, end) for type, start, end in found)


def _surest(logits: Logits, temperature: float) -> Floats:
    """The softmax of each row's likeliest class, (rows,); NaN for a row of NaN."""
    scores = logits.astype(np.float64) / temperature
    return np.asarray(1.0 / np.exp(scores - scores.max(axis=1, keepdims=True)).sum(axis=1))
