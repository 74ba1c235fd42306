"""Files of logs as streams of raw JSON records: lines, arrays, and objects that hold one long list; packed or not.

What a file holds is told by its first bytes, for exporters name both JSON lines and whole documents ``.json``. Lines are
split at line ends. Anything else is split by its brackets: each element of a top-level array, of the list under one of
``WRAPPERS``, or each top-level object is a record. Neither way holds more than a chunk and one record in memory.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import msgspec

from pare.errors import InputError, nearest

__all__ = ["LONGEST_BYTES", "SUFFIXES", "Broken", "files_of", "place_of", "records"]

SUFFIXES = (".jsonl", ".ndjson", ".json")
"""What is read in a folder; each may also be packed. A file that is named itself may have another suffix."""

PACKS = (".gz", ".zst")

LONGEST_BYTES = 64 * 2**20
"""No record is longer: one that is has lost its end."""

WRAPPERS = (b"resourceSpans", b"data", b"observations")
"""Names of a list whose elements are the records, where it opens a top-level object (OTLP; Langfuse)."""

_CHUNK_BYTES = 2**20
_TABLES = (".csv", ".tsv", ".parquet", ".arrow", ".xlsx", ".zip")
_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n," + _BOM

_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+([\[\]{}])', re.DOTALL)
"""Up to and with the next bracket that is in no string. Possessive, so that a miss costs one look at each byte."""

_WRAPPED = re.compile(rb'\{\s*"(?:' + b"|".join(WRAPPERS) + rb')"\s*:\s*\[')


class Broken(Exception):
    """A file that cannot be read on from here. The text says why, for a person."""


# -- places -----------------------------------------------------------------------------------------------------------


def files_of(path: Path) -> tuple[Path, ...]:
    """The files of a log: the file itself, or a folder's, with those of its folders, by name.

    Raises InputError where there is nothing to read, and where a packed file needs a package that is not installed.
    """
    try:
        found = _in_folder(path) if path.is_dir() else (path,) if path.is_file() else ()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not found:
        if path.is_dir():
            raise InputError(f"{path} holds no log; logs end in {', '.join(SUFFIXES)}, also packed with .gz or .zst")
        raise InputError(f"{path} does not exist{_neighbours(path)}")
    for file in found:
        if file.name.lower().endswith(_TABLES):
            raise InputError(f"{file} is no log of requests; give JSON lines or a JSON export ({', '.join(SUFFIXES)})")
        _opener(file)
    return found


def _in_folder(path: Path) -> tuple[Path, ...]:
    names = tuple(suffix + pack for suffix in SUFFIXES for pack in ("", *PACKS))
    inside = (file for file in path.rglob("*") if file.name.lower().endswith(names) and file.is_file())
    return tuple(sorted(file for file in inside if not file.name.startswith(".")))


def _neighbours(path: Path) -> str:
    if not path.parent.is_dir():
        return f"; nor does the folder {path.parent}"
    names = [file.name for file in path.parent.iterdir()][:1000]
    return f"; {nearest(path.name, names)}" if names else ""


def _opener(path: Path) -> tuple[Any, tuple[type[Exception], ...]]:
    """How to open a file for bytes, and what that may raise."""
    pack = path.suffix.lower()
    if pack == ".gz":
        return gzip.open, (OSError, EOFError, zlib.error)
    if pack != ".zst":
        return open, (OSError,)
    try:
        zstandard = import_module("zstandard")
    except ImportError:
        raise InputError(f"{path} needs zstandard, which is not installed: pip install zstandard") from None

    def unpacked(packed: Path, mode: str) -> IO[bytes]:
        """Every frame of the file, not the first alone; the stream by itself cannot read lines."""
        stream = zstandard.ZstdDecompressor().stream_reader(packed.open(mode), read_across_frames=True)
        return io.BufferedReader(stream, _CHUNK_BYTES)

    return unpacked, (OSError, EOFError, zstandard.ZstdError)


# -- records ----------------------------------------------------------------------------------------------------------


def records(path: Path) -> Iterator[tuple[int, bytes]]:
    """The raw records of a file, each with the line where it stands, or with its number where it is no line; from 1.

    A record longer than LONGEST_BYTES comes as empty bytes. Raises Broken where the file cannot be read on, after all
    that could be.
    """
    opener, raised = _opener(path)
    try:
        with opener(path, "rb") as file:
            is_lines = _is_lines(_some(file, _CHUNK_BYTES, raised))
        with opener(path, "rb") as file:
            yield from _lines(file) if is_lines else _values(file, raised)
    except raised as error:
        raise Broken(getattr(error, "strerror", None) or str(error) or type(error).__name__) from None


def place_of(path: Path, number: int) -> str:
    """Where a record stands, for a message: ``file, line 7``, or ``file, record 7`` in a document."""
    opener, raised = _opener(path)
    try:
        with opener(path, "rb") as file:
            is_lines = _is_lines(_some(file, _CHUNK_BYTES, raised))
    except raised:
        is_lines = False
    return f"{path}, {'line' if is_lines else 'record'} {number}"


def _some(file: Any, size: int, raised: tuple[type[Exception], ...]) -> bytes:
    """The next bytes. An error after some of them is left for the next call: ``read`` would lose what it had."""
    found = bytearray()
    try:
        while len(found) < size and (more := file.read1(size - len(found))):
            found += more
    except raised:
        if not found:
            raise
    return bytes(found)


def _is_lines(head: bytes) -> bool:
    """Whether a file is JSON lines: it is no array, and some whole line is an object, or none could be."""
    start = head.lstrip(_BLANK)
    if start[:1] != b"{":
        return start[:1] != b"["
    lines = start.split(b"\n", 20)
    whole = lines if len(head) < _CHUNK_BYTES else lines[:-1]
    return any(line[:1] == b"{" and _is_json(line) for line in whole)


def _is_json(raw: bytes) -> bool:
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank. The rest of a line that is too long is passed over."""
    number = 0
    while raw := file.readline(LONGEST_BYTES):
        number += 1
        if len(raw) == LONGEST_BYTES and raw[-1:] != b"\n":
            while (rest := file.readline(_CHUNK_BYTES)) and rest[-1:] != b"\n":
                pass
            yield number, b""
            continue
        if number == 1:
            raw = raw.removeprefix(_BOM)
        if not raw.isspace() and raw:
            yield number, raw


def _values(file: IO[bytes], raised: tuple[type[Exception], ...]) -> Iterator[tuple[int, bytes]]:
    """The records of a document, numbered. One that never ends takes the rest of the file with it."""
    scan = _Scan()
    number = 0
    while chunk := _some(file, max(_CHUNK_BYTES, len(scan.buffer)), raised):
        scan.buffer += chunk
        for raw in scan.found():
            number += 1
            yield number, raw
        if len(scan.buffer) > LONGEST_BYTES:
            yield number + 1, b""
            return
    scan.ended = True
    for raw in scan.found():
        number += 1
        yield number, raw
    if rest := scan.buffer.strip(_BLANK):
        yield number + 1, rest


class _Scan:
    """Splits bytes that come in chunks. ``base`` is the depth at which records lie: 0, 1 in an array, 2 in a wrapper."""

    def __init__(self) -> None:
        self.buffer = b""
        self.ended = False
        self._at = self._start = 0  # how far was looked; where the present record or the gap before it begins
        self._depth = self._base = 0
        self._tail = False  # past a wrapper's list, in what is left of its object

    def found(self) -> Iterator[bytes]:
        """The records that the buffer holds whole, and what lies between them where that is not blank."""
        while match := _BRACKET.match(self.buffer, self._at):
            place = match.start(1)
            if self.buffer[place] in b"[{":
                if self._depth == self._base and not self._tail:
                    if self._depth == 0 and not self.ended and len(self.buffer) < place + 256:
                        break  # too near the end to tell a wrapper
                    yield from self._gap(place)
                    self._open(place)
                    continue
                self._depth += 1
            else:
                yield from self._close(place)
            self._at = place + 1
        self.buffer, self._at, self._start = self.buffer[self._start :], self._at - self._start, 0

    def _gap(self, end: int) -> Iterator[bytes]:
        if gap := self.buffer[self._start : end].strip(_BLANK):
            yield gap
        self._start = end

    def _open(self, place: int) -> None:
        """A bracket where a record may begin: of a record, of the array of records, or of a wrapper of one."""
        self._at, levels = place + 1, 1
        if self._depth == 0:
            wrapper = _WRAPPED.match(self.buffer, place)
            if wrapper:
                self._at, levels = wrapper.end(), 2
            if wrapper or self.buffer[place] == 0x5B:
                self._base, self._start = levels, self._at
        self._depth += levels

    def _close(self, place: int) -> Iterator[bytes]:
        self._depth -= 1
        if self._depth < self._base:
            yield from self._leave(place)
        elif self._depth == self._base and not self._tail:
            yield self.buffer[self._start : place + 1]
            self._start = place + 1
        elif self._tail and self._depth == 0:
            self._tail, self._start = False, place + 1

    def _leave(self, place: int) -> Iterator[bytes]:
        """The end of the array of records, or a bracket that closes nothing."""
        yield from self._gap(place)
        self._start, self._tail = place + 1, self._base == 2
        self._depth, self._base = max(self._depth, 0), 0
