"""Logs of a large model: who asked what, and what it answered, read as a stream from whatever wrote them down.

``read_log`` gives a ``Log``, which can be gone through again and again in constant memory. A newcomer adds a format with
one file and one line in ``FORMATS``; outside packages join through entry points of the group ``pare.logs``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import msgspec

from pare.errors import InputError, nearest
from pare.logs.files import LONGEST_BYTES, Broken, files_of, place_of, records
from pare.logs.types import Logged, ToolCall
from pare.types import Message

__all__ = ["FORMATS", "Format", "Log", "Logged", "Message", "Skipped", "ToolCall", "formats", "read_log"]

FORMATS: dict[str, str] = {
    "otel": "pare.logs.otel:Format",
    "langfuse": "pare.logs.langfuse:Format",
    "litellm": "pare.logs.litellm:Format",
    "anthropic": "pare.logs.anthropic:Format",
    "openai": "pare.logs.openai:Format",
}
"""Name → where it is, the stricter first: a record is of the first format that knows it."""

GROUP = "pare.logs"

SAMPLE = 100
"""How many records are looked at to tell the format, and to refuse what is no log."""


class Format(Protocol):
    """How one kind of log writes a request and its answer. None of the three may raise, whatever the record."""

    def knows(self, record: dict[str, Any]) -> bool:
        """Whether a record, or a part of one, is of this format, a request of a chat or not."""

    def split(self, record: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """The parts of a record that may each be a request: mostly itself alone."""

    def parse(self, record: dict[str, Any], line: int) -> Logged | None:
        """The request and the answer in a part; None where it is no answered chat, as an embedding or an error."""


@cache
def formats() -> dict[str, str]:
    """The table with what other packages add, theirs first. A name of ours cannot be taken."""
    outside = {point.name: point.value for point in entry_points(group=GROUP) if point.name not in FORMATS}
    return outside | FORMATS


def format_named(name: str) -> Format:
    """The format of that name. Raises InputError where there is none."""
    if name not in formats():
        raise InputError(f"no log format is called {name!r}: {nearest(name, formats())}")
    module, _, attribute = formats()[name].partition(":")
    found: Format = getattr(import_module(module), attribute)()
    return found


# -- what was left out ------------------------------------------------------------------------------------------------

NOT_JSON = "not JSON"
NOT_OBJECT = "not a JSON object"
TOO_LONG = f"longer than {LONGEST_BYTES // 2**20} MiB"
OTHER = "of another format"
NO_CHAT = "no answered chat"
BROKEN = "the file cannot be read on"

NAMED = 3
"""How many places are named for each reason."""


@dataclass(slots=True)
class Skipped:
    """Records left out for one reason: how many, and the first places, each as ``file, line 7``."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


# -- the log ----------------------------------------------------------------------------------------------------------


class Log:
    """The requests of a log, in the order of its files. Each pass reads them anew.

    ``format`` is the format's name, ``size_bytes`` the size of the files as they are, packed or not. Of the last pass
    ``read`` counts the requests that were given, ``skipped`` the records that were not, and ``reasons`` says why. A bad
    record never ends a pass.
    """

    def __init__(self, path: Path, files: tuple[Path, ...], name: str) -> None:
        self.path, self.files, self.format = path, files, name
        self.size_bytes = sum(file.stat().st_size for file in files)
        self.read = 0
        self.reasons: dict[str, Skipped] = {}
        self._format = format_named(name)

    @property
    def skipped(self) -> int:
        """How many records the last pass left out."""
        return sum(reason.count for reason in self.reasons.values())

    def __iter__(self) -> Iterator[Logged]:
        self.read, self.reasons = 0, {}
        for file in self.files:
            try:
                yield from self._requests(file)
            except Broken as error:
                self._skip(f"{BROKEN} ({error})", file)

    def _requests(self, file: Path) -> Iterator[Logged]:
        split, parse = self._format.split, self._format.parse
        for line, record in self._objects(file):
            for part in split(record):
                try:
                    logged = parse(part, line)
                except RecursionError:  # nested as deep as Python allows: no log is
                    logged = None
                if logged is None:
                    self._skip(NO_CHAT if self._format.knows(part) else OTHER, file, line)
                else:
                    self.read += 1
                    yield logged

    def _objects(self, file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        for line, raw in records(file):
            record = decoded(raw)
            if type(record) is dict:
                yield line, record
            else:
                self._skip(str(record), file, line)

    def _skip(self, why: str, file: Path, line: int = 0) -> None:
        reason = self.reasons.setdefault(why, Skipped())
        reason.count += 1
        if len(reason.examples) < NAMED:
            reason.examples.append(place_of(file, line) if line else str(file))


_decode = msgspec.json.Decoder().decode


def decoded(raw: bytes) -> dict[str, Any] | str:
    """The object of a raw record, or why there is none."""
    if not raw:
        return TOO_LONG
    try:
        record = _decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return NOT_JSON
    return record if type(record) is dict else NOT_OBJECT


# -- opening ----------------------------------------------------------------------------------------------------------


def read_log(path: Path, format: str | None = None) -> Log:
    """Opens a log: a file of JSON lines or of a JSON export, packed or not, or a folder of such files.

    ``format`` is told from the first records where it is not given. Raises InputError where the path cannot be read, the
    format is unknown, and where more than half of the first ``SAMPLE`` records are of no known format (or not of the
    given one), with what was found.
    """
    files = files_of(path)
    known = {name: format_named(name) for name in ([format] if format else formats())}
    sample = list(islice(_sample(files), SAMPLE))
    if not sample:
        raise InputError(f"{path} is empty; give a log with one request and its answer a line")
    votes = Counter(_name_of(record, known) for _, _, record in sample)
    unknown = votes.pop("", 0)
    if 2 * unknown > len(sample) or not votes:
        at = next(one for one in sample if not _name_of(one[2], known))
        raise InputError(_refusal(path, at, f"{unknown} of its first {len(sample)}", format))
    return Log(path, files, max(votes, key=votes.__getitem__))


Sampled = tuple[Path, int, dict[str, Any] | str]
"""A file, a line in it (0: all of it), and the record, or why there is none."""


def _sample(files: Iterable[Path]) -> Iterator[Sampled]:
    for file in files:
        try:
            for line, raw in records(file):
                yield file, line, decoded(raw)
        except Broken as error:
            yield file, 0, f"{BROKEN} ({error})"


def _name_of(record: dict[str, Any] | str, known: dict[str, Format]) -> str:
    if type(record) is not dict:
        return ""
    return next((name for name, one in known.items() if one.knows(record)), "")


def _refusal(path: Path, at: Sampled, share: str, format: str | None) -> str:
    """Why a log is refused: how many records are of no known format, and the first of them."""
    file, line, record = at
    shown = record if isinstance(record, str) else f"an object with the keys {', '.join(list(record)[:8]) or '(none)'}"
    return (
        f"{path} must be a log of {f'the format {format}' if format else 'a known format'}, but {share} records are not: "
        f"{place_of(file, line) if line else file} is {shown}; known formats: {', '.join(sorted(formats()))}; "
        'a record holds a request and its answer, as in {"request": {"messages": [...]}, "response": {"choices": [...]}}'
    )
