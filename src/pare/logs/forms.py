"""The form of a job's answers: a bare label, a label in JSON or between constant words, JSON of one schema, text, a call.

A form reads the label out of a logged answer, and writes a small model's label as the caller expects it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from pare.logs.templates import common
from pare.logs.types import Logged

Kind = Literal["label", "json", "short text", "long text", "tool call", "empty"]

FITS = 0.95
"""A form is that of a job where this share of its answers has it."""
MOST_LABELS = 200
PER_LABEL = 5
"""Answers are labels where there are few of them, and on average so many answers of each."""
SHORT_WORDS = 15

_MARKS = tuple(":=>\"'`*[({")
_FENCE = re.compile(r"\A\s*(```(?:json)?\s*)(.*?)(\s*```)\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Form:
    """How a job's answers look. ``labels`` only where they are few.

    ``before`` and ``after`` are the constant words around the label; of JSON the ``field`` that holds the label, its other
    ``constants``, and the ``confidence`` field if there is one.
    """

    kind: Kind
    labels: tuple[str, ...] = ()
    before: str = ""
    after: str = ""
    field: str = ""
    constants: tuple[tuple[str, str], ...] = ()
    confidence: str = ""
    keys: tuple[str, ...] = ()

    def read(self, answer: str) -> str | None:
        """The label of an answer, or None where it has another form."""
        if self.field:
            record = json_of(answer)
            value = record.get(self.field) if record is not None else None
            return None if value is None or isinstance(value, dict | list) else _plain(value)
        text = answer.strip()
        if not (text.startswith(self.before.strip()) and text.endswith(self.after.strip())):
            return None
        return text[len(self.before.strip()) : len(text) - len(self.after.strip())].strip() or None

    def write(self, label: str, confidence: float) -> str:
        """An answer in this form. ``confidence`` in [0, 1] goes where the model used to state its own."""
        if not self.field:
            return f"{self.before}{label}{self.after}"
        constants = dict(self.constants)
        record: dict[str, Any] = {}
        for key in self.keys:
            if key == self.field:
                record[key] = label
            elif key == self.confidence:
                record[key] = round(confidence, 2)
            else:
                record[key] = json.loads(constants[key])
        return f"{self.before}{json.dumps(record, ensure_ascii=False)}{self.after}"


def json_of(answer: str) -> dict[str, Any] | None:
    """The JSON object that an answer is, in a code fence or not; None where it is none."""
    fenced = _FENCE.match(answer)
    try:
        found = msgspec.json.decode(fenced.group(2) if fenced else answer)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return found if isinstance(found, dict) else None


def form_of(requests: Sequence[Logged]) -> Form:
    """The form of a job's answers. Labels are what comes back: few, and each often."""
    answers = [request.answer for request in requests if request.answer.strip()]
    calls = sum(bool(request.tool_calls) for request in requests)
    if requests and calls >= FITS * len(requests):
        return Form("tool call")
    if not answers:
        return Form("empty")
    records = [record for answer in answers if (record := json_of(answer)) is not None]
    if len(records) >= FITS * len(answers):
        return _json_form(records, answers)
    before = _shared(answers)
    after = _shared([answer[::-1] for answer in answers if answer != before])[::-1]
    bare = Form("label", before=before, after=after)
    labels = few([label for answer in answers if (label := bare.read(answer))], len(answers))
    if labels:
        return Form("label", labels, before, after)
    words = sorted(len(answer.split()) for answer in answers)
    return Form("short text" if words[len(words) // 2] <= SHORT_WORDS else "long text")


def few(values: Sequence[str], answers: int) -> tuple[str, ...]:
    """The labels that nearly all of these values are, sorted; empty where they are no labels."""
    seen = Counter(values)
    often = [label for label, count in seen.most_common(MOST_LABELS) if count >= max(2, 0.0005 * answers)]
    covered = sum(seen[label] for label in often)
    good = len(often) >= 2 and covered >= FITS * answers and answers >= PER_LABEL * len(often)
    return tuple(sorted(often)) if good and max(map(len, often)) <= 80 else ()


def _json_form(records: Sequence[dict[str, Any]], answers: Sequence[str]) -> Form:
    """JSON of one schema; a label in JSON where one field is a label and all others are constant or a confidence."""
    shapes = Counter(tuple(record) for record in records)
    keys = shapes.most_common(1)[0][0]
    alike = [record for record in records if tuple(record) == keys]
    if len(alike) < FITS * len(records):
        return Form("json", keys=tuple(sorted({key for record in records for key in record})))
    constants: list[tuple[str, str]] = []
    labels: dict[str, tuple[str, ...]] = {}
    confidence = ""
    for key in keys:
        values = [record[key] for record in alike]
        if all(value == values[0] for value in values):
            constants.append((key, json.dumps(values[0], ensure_ascii=False)))
        elif all(isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v <= 1 for v in values):
            confidence = confidence or key
        elif all(isinstance(v, str | bool | int) for v in values) and (
            found := few([_plain(v) for v in values], len(values))
        ):
            labels[key] = found
    told = len(constants) + len(labels) + bool(confidence)
    if len(labels) != 1 or told != len(keys):
        return Form("json", keys=keys)
    field, found = next(iter(labels.items()))
    fence = _FENCE.match(Counter(map(_fence, answers)).most_common(1)[0][0] or "")
    before, after = (fence.group(1), fence.group(3)) if fence else ("", "")
    return Form("label", found, before, after, field, tuple(constants), confidence, keys)


def _fence(answer: str) -> str:
    """The fence of an answer around nothing, or an empty string."""
    found = _FENCE.match(answer)
    return f"{found.group(1)}{{}}{found.group(3)}" if found else ""


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _shared(answers: Sequence[str]) -> str:
    """The words that nearly all answers begin with, with the mark that ends them ("Intent: "): never a part of a label."""
    found = common(answers)
    return found if found.rstrip()[-1:] in _MARKS else ""
