"""The fields of a task, as one table: name, kind of value, rule and help.

``task.yaml``, the command line's flags and the printed defaults are all derived from it, so that they cannot disagree.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pare.errors import InputError, nearest
from pare.kinds import CELLS

__all__ = ["DEFAULT_METRICS", "FIELDS", "SECTIONS", "TAG", "WORD", "Field", "check", "flag", "with_columns"]

WORD, TAG = "word", "tag"
"""The names of a CoNLL file's first and last column: what a task of kind tag reads where it names no columns."""
NO_COLUMN = ""
"""The column of prompts where there is none: every prompt is empty."""
LADDER = ("linear", "static", "encoder", "students")


class _Broken(Exception):
    """A value that breaks its rule. The text is the rule; ``hint`` is the next step."""

    def __init__(self, rule: str, hint: str = "") -> None:
        super().__init__(rule)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a task. ``name`` is dotted as in task.yaml; ``parse`` checks a value and gives it its type."""

    name: str
    parse: Callable[[Any], Any]
    help: str
    default: Any = None
    required: bool = False


def with_columns(flat: Mapping[str, Any]) -> dict[str, Any]:
    """A task's dotted fields with the columns of a CoNLL file, where its kind is tag and it names none; and with no
    column of prompts where its kind is generate and it names none.
    """
    implied = _IMPLIED.get(str(flat.get("kind")))
    if implied is None:
        return dict(flat)
    named = {name: value for name, value in flat.items() if value is not None}
    return {**implied, **named}


_IMPLIED = {"tag": {"data.input": WORD, "data.target": TAG}, "generate": {"data.input": NO_COLUMN}}


def flag(name: str) -> str:
    """The command line's flag of a field.

    >>> flag("limits.latency_p95_ms")
    '--latency-p95-ms'
    """
    return "--" + name.rpartition(".")[2].replace("_", "-")


def check(name: str, value: Any, where: str) -> Any:
    """Checks the value of the field ``name`` and returns it with its type. ``None`` stands for the default.

    Raises InputError, with ``where`` in front, the rule, the value found and what to write.
    """
    field = FIELDS[name]
    if value is None and not field.required:
        return field.default
    try:
        return field.parse(value)
    except _Broken as broken:
        hint = f"; {broken.hint}" if broken.hint else ""
        raise InputError(f"{where} must be {broken} but got {_shown(value)}{hint}") from None


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:80]


def _number(value: Any) -> float | None:
    """A finite number, also where YAML reads one as text (``1e-3``); None where it is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(rule: str = "a text", *, empty: bool = False) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if empty and value == "":
            return ""
        if not isinstance(value, str) or not value.strip() or "\n" in value or "\0" in value:
            raise _Broken(rule)
        return value

    return parse


def _name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\w[\w.-]*", value):
        raise _Broken(
            "letters, digits, '.', '_' or '-' (it names the run's folder)", "write support-intents, for example"
        )
    return value


def _choice(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in choices:
            raise _Broken(f"one of {', '.join(choices)}", nearest(str(value), choices))
        return str(value)

    return parse


def _between(
    low: float, high: float, rule: str, hint: str, *, closed_low: bool = False, closed_high: bool = False
) -> Any:
    def parse(value: Any) -> float:
        number = _number(value)
        inside = number is not None and (
            low < number < high or (closed_low and number == low) or (closed_high and number == high)
        )
        if number is None or not inside:
            raise _Broken(rule, hint)
        return number

    return parse


def _positive(unit: str) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        number = _number(value)
        if number is None or number <= 0:
            raise _Broken(f"a number above 0 ({unit})")
        return number

    return parse


def _money(value: Any) -> Decimal:
    number = _number(value)
    if number is None or number <= 0:
        raise _Broken("a number above 0 (US dollars)")
    return Decimal(str(value).strip())


MONTHS = {
    "month": 1.0,
    "year": 1 / 12,
    "week": 30.44 / 7,
    "day": 30.44,
    "hour": 730.56,
    "minute": 43_834.0,
    "second": 2_630_016.0,
}
"""How often each is in a month of 30.44 days."""
_THOUSANDS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}


def _volume(value: Any) -> float:
    """Requests a month: a number, or a rate such as ``250k/day``. Commas part thousands, and nothing else."""
    found = re.fullmatch(r"(?i)\s*(\d{1,3}(?:,\d{3})+(?:\.\d+)?|[\d_.]+)\s*([kmg]?)\s*(?:/\s*([a-z]+))?\s*", str(value))
    number = (
        _number(found[1].replace("_", "").replace(",", "")) if found and not isinstance(value, bool) else _number(value)
    )
    period = ((found and found[3]) or "month").lower().removesuffix("s")
    if number is None or number <= 0 or period not in MONTHS:
        raise _Broken("requests a month, or a rate", "write 1M/month, 30k/day or 2/second")
    return number * _THOUSANDS[(found[2] if found else "").lower()] * MONTHS[period]


def _whole(low: int, rule: str) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        number = _number(value)
        if number is None or number != int(number) or number < low or number >= 2**63:
            raise _Broken(rule)
        return int(number)

    return parse


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Broken("true or false")
    return value


def _candidates(value: Any) -> tuple[str, ...]:
    """Rungs of the ladder; ``students`` may name its depths: ``students:1,2``, also where YAML cuts it at the comma."""
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list):
        whole: list[Any] = []
        for name in names:
            if type(name) is int and whole and str(whole[-1]).startswith("students:"):
                whole[-1] = f"{whole[-1]},{name}"
            else:
                whole.append(name)
        names = whole
    if not isinstance(names, list | tuple) or not names:
        raise _Broken("a list of candidates", f"known: {', '.join(LADDER)}, students:1,2")
    for name in names:
        rung, _, depths = str(name).partition(":")
        if not isinstance(name, str) or rung not in LADDER:
            raise _Broken("a list of known candidates", nearest(rung, LADDER))
        if ":" in name and not (rung == "students" and re.fullmatch(r"[1-9]\d?(,[1-9]\d?)*", depths)):
            raise _Broken("a list of candidates, where only students take depths", "write students:1,2")
    return tuple(dict.fromkeys(names))


_POINTS = "between 0 and 1 (absolute points)"

DEFAULT_METRICS = ", ".join(f"{kind.metric} for {name}" for name, kind in CELLS.items())
"""The metric of the bar of each kind of task, in words."""

FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field("name", _name, "names the run's folder; default: the data file's name"),
        Field(
            "kind",
            _choice(*CELLS),
            "what the model answers: one label a text, several labels, a tag for each word, or a text",
            "classify",
        ),
        Field("data.path", _text(), "CSV, TSV, JSONL, Parquet, CoNLL, a folder or hub id of a data set", required=True),
        Field(
            "data.input",
            _text("a column's name", empty=True),
            "the column that holds the text (kind tag: the words; default: word; kind generate: the prompt, or none)",
            required=True,
        ),
        Field(
            "data.target",
            _text("a column's name"),
            "the column that holds the label (kind tag: the tags; default: tag; kind generate: the answer)",
            required=True,
        ),
        Field(
            "data.unit", _text("a column's name"), "rows with one value of it (a customer) are never split across sides"
        ),
        Field("data.slices", _text("a column's name"), "groups to audit for fairness"),
        Field("data.time", _text("a column's name"), "seal the newest rows instead of a random part"),
        Field("data.test", _text(), "a file of its own that is the sealed split whole"),
        Field("data.answer", _text("a column's name"), "a large model's logged answers; reference column:NAME sets it"),
        Field(
            "data.synthetic",
            _text(),
            "rows that a teacher labelled or invented (pare label, pare synthesize): for training only",
        ),
        Field(
            "data.unlabelled", _text(), "texts without labels (a table, or .txt): students learn the teacher's answers"
        ),
        Field("data.rare", _choice("quarantine", "other"), "what to do with labels of few rows", "quarantine"),
        Field(
            "data.test_share",
            _between(0, 0.9, "above 0 and at most 0.9", "write 0.3 for 30 %", closed_high=True),
            "the share of rows that is sealed",
            0.3,
        ),
        Field(
            "bar.within",
            _between(0, 1, _POINTS, "write 0.02 for two points", closed_low=True),
            "points that may be lost to the reference; default: the larger of 0.02 and what the data can prove",
        ),
        Field(
            "bar.at_least",
            _between(0, 1, _POINTS, "write 0.9 for 90 %; no sample proves 1"),
            "the quality to reach, instead of within",
        ),
        Field("bar.metric", _text("a metric's name"), f"what quality is; default: {DEFAULT_METRICS}"),
        Field(
            "bar.confidence",
            _between(0.5, 1, "above 0.5 and below 1", "write 0.95 for 95 %"),
            "how sure the proof has to be",
            0.95,
        ),
        Field("bar.growing", _yes_or_no, "sealed rows may be added to the proof later, which costs power now", False),
        Field(
            "reference",
            _text(),
            "what candidates must match: finetune, the folder of an artifact or a run, or column:NAME of logged answers",
            "finetune",
        ),
        Field("incumbent", _text(), "the large model that does the job today, PROVIDER:MODEL; default: the log's"),
        Field(
            "volume", _volume, "requests that monthly figures are read at: 1M/month, 30k/day; default: the log's rate"
        ),
        Field(
            "base",
            _text(),
            "the encoder to start from: a known name, a Hugging Face id or a folder",
            "all-MiniLM-L6-v2",
        ),
        Field("candidates", _candidates, "what to try: " + ", ".join(LADDER) + ", students:1,2", LADDER),
        Field("limits.latency_p95_ms", _positive("milliseconds"), "at most, at batch 1"),
        Field("limits.throughput", _positive("requests per second"), "at least, requests per second at batch 32"),
        Field("limits.size_mb", _positive("megabytes"), "at most, the served files"),
        Field("limits.memory_mb", _positive("megabytes"), "at most, the peak of a serving process"),
        Field("limits.parameters", _whole(1, "a whole number above 0"), "at most"),
        Field("limits.power_w", _positive("watts"), "at most"),
        Field("limits.energy_j", _positive("joules per 1,000 requests"), "at most, joules per 1,000 requests"),
        Field("limits.cost_per_1k", _money, "at most, US dollars per 1,000 requests"),
        Field(
            "minimise",
            _choice("size", "latency", "cost", "energy"),
            "what is smallest among those that clear the bar: size (bytes of the served files), latency, cost or energy",
            "size",
        ),
        Field("budget.minutes", _positive("minutes"), "time for the study; it only truncates"),
        Field("seed", _whole(0, "a whole number, 0 or above"), "same data, same seed, same answer", 0),
    )
}

SECTIONS: tuple[str, ...] = ("data", "bar", "limits", "budget")
