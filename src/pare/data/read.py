"""Readers: a file, a folder or a hub id becomes a stream of rows that know their file and line.

Text formats are read line by line with the standard library, because only that gives exact lines for quoted newlines
and broken bytes; Parquet and Arrow go through Polars in batches (``tables.py``). Whatever the bytes, the only error is
InputError.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pare.data.cells import plain, target_cell, words_cell
from pare.errors import InputError, MissingExtra, nearest
from pare.types import DataSpec, Kind

__all__ = ["SUFFIXES", "Columns", "MissingColumn", "Row", "is_conll", "is_hub_id", "rows", "text_lines"]

SUFFIXES = (".parquet", ".arrow", ".jsonl", ".ndjson", ".csv", ".tsv", ".conll")
"""Known formats, the preferred one first where a folder has several. Text formats may also be ``.gz``."""

_DELIMITERS = (",", ";", "\t", "|")
_ESCAPED = re.compile("[\udc80-\udcff]")


class MissingColumn(InputError):
    """A file lacks a column that was asked for."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as read. An absent cell is empty. ``line`` is where it begins; for Parquet and Arrow the row's number.

    ``sealed`` marks rows of a data set's own split named test.
    """

    file: str
    line: int
    text: str
    label: str
    unit: str = ""
    slice: str = ""
    time: str = ""
    answer: str = ""
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns to read, in the order of Row's fields; None is not read. ``kind`` is how a target reads."""

    input: str
    target: str
    unit: str | None = None
    slices: str | None = None
    time: str | None = None
    answer: str | None = None
    kind: Kind = "classify"

    @staticmethod
    def of(spec: DataSpec, kind: Kind) -> Columns:
        return Columns(spec.input, spec.target, spec.unit, spec.slices, spec.time, spec.answer, kind)

    def names(self) -> tuple[str | None, ...]:
        return self.input, self.target, self.unit, self.slices, self.time, self.answer

    def check(self, known: Sequence[str], file: str) -> None:
        """Raises InputError where a column that was asked for is not among the ``known`` ones, or is there twice."""
        for name in filter(None, self.names()):
            if name not in known:
                raise MissingColumn(f"{file} has no column {name}; {nearest(name, known)}")
            if list(known).count(name) > 1:
                raise InputError(f"{file} has {list(known).count(name)} columns named {name}; rename all but one")

    def row(self, cells: Mapping[str, Any], file: str, line: int) -> Row:
        """The row of these cells. Raises InputError where a cell cannot be what its column is for the kind."""
        value = cells.get(self.input)
        text = words_cell(value, self.input, file, line) if self.kind == "tag" else plain(value, self.input, file, line)
        label = target_cell(cells.get(self.target), self.kind, self.target, file, line) if self.target else ""
        names = (self.unit, self.slices, self.time, self.answer)
        rest = [plain(cells.get(name), name, file, line).strip() if name else "" for name in names]
        unit, slice, time, answer = rest
        return Row(file, line, text, label, unit, slice, time, answer)


# -- sources ----------------------------------------------------------------------------------------------------------


def is_hub_id(path: str, folder: Path = Path()) -> bool:
    """Whether a path names a data set on the Hugging Face hub: ``owner/name``, and nothing of that name is here."""
    if path.startswith("hf://datasets/"):
        return True
    owner = re.fullmatch(r"([\w-][\w.-]*)/[\w-][\w.-]*", path)
    if owner is None or path.lower().removesuffix(".gz").endswith(SUFFIXES):
        return False
    return not (folder / path).exists() and not (folder / owner[1]).exists()


def rows(path: str, columns: Columns) -> Iterator[Row]:
    """Streams the rows of a file, of a folder of a Hugging Face data set, or of one on the hub.

    Raises InputError where the source is missing (nearest names), empty, lacks a column (nearest names), or a row does
    not parse (file and line). MissingExtra for a hub id without ``huggingface_hub``.
    """
    if is_hub_id(path):
        path = _download(path.removeprefix("hf://datasets/"))
    place = Path(path)
    try:
        found = "folder" if place.is_dir() else "file" if place.exists() else ""
    except (OSError, ValueError) as error:
        raise InputError(f"{path!r} cannot be read: {error}") from None
    if not found:
        raise InputError(f"{path} does not exist{_neighbours(place)}")
    if found == "folder":
        from pare.data.folder import folder_rows

        yield from folder_rows(place, columns)
        return
    yield from file_rows(place, columns)


def file_rows(path: Path, columns: Columns, names: Sequence[str] | None = None) -> Iterator[Row]:
    """Streams the rows of one file, by its suffix. ``names`` turn a target of whole numbers into words."""
    suffix = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty; give a file with a header and rows")
        if suffix in ("parquet", "arrow"):
            from pare.data.tables import table_rows

            yield from table_rows(path, columns, names)
        elif suffix in ("csv", "tsv"):
            yield from _csv_rows(path, columns, "\t" if suffix == "tsv" else ",")
        elif suffix in ("jsonl", "ndjson", "json"):
            yield from _json_rows(path, columns)
        elif is_conll(path):
            from pare.data.conll import conll_rows

            yield from conll_rows(text_lines(path), columns, str(path))
        else:
            raise InputError(f"{path} has no known format; known: {', '.join(SUFFIXES)}, or a folder of them")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def is_conll(path: Path) -> bool:
    """Whether a file holds words, by its suffix or, where that is unknown, by its tags: corpora name them as they like.

    What is no regular file (a pipe) is left unread.
    """
    from pare.data.conll import looks_like_conll

    name = path.name.lower().removesuffix(".gz")
    if name.endswith(SUFFIXES) or not path.is_file():
        return name.endswith(".conll")
    try:
        return looks_like_conll(text_lines(path))
    except InputError:
        return False


def _neighbours(place: Path) -> str:
    if not place.parent.is_dir():
        return f"; nor does the folder {place.parent}"
    names = [
        p.name for p in place.parent.iterdir() if p.is_dir() or p.name.lower().removesuffix(".gz").endswith(SUFFIXES)
    ]
    return f"; {nearest(place.name, names[:1000])}" if names else ""


def _download(name: str) -> str:
    """Fetches a data set of the hub and returns its folder."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise MissingExtra("huggingface_hub", "hub", f"the data set {name}") from None
    wanted = [f"*{suffix}{pack}" for suffix in SUFFIXES for pack in ("", ".gz")] + ["*.json", "README.md"]
    try:
        return str(snapshot_download(name, repo_type="dataset", allow_patterns=wanted))
    except Exception as error:
        why = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise InputError(f"{name} is neither here nor on the Hugging Face hub ({why}); check the path") from None


# -- text formats -----------------------------------------------------------------------------------------------------


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a text file with their ends as they are.

    Raises InputError at bytes that are no UTF-8 (file, line), and where the file cannot be read or unpacked.
    """
    unpack = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with unpack(path, "rb") as raw:
            head = raw.read(2)
        if head in (b"\xff\xfe", b"\xfe\xff"):
            raise InputError(f"{path} is UTF-16; save it as UTF-8")
        with unpack(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for number, line in enumerate(file, 1):
                if not line.isascii() and _ESCAPED.search(line):
                    raise InputError(f"{path}, line {number} is not UTF-8; save the file as UTF-8")
                yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} cannot be unpacked: {error}; pack it again with gzip") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def _csv_rows(path: Path, columns: Columns, delimiter: str) -> Iterator[Row]:
    header: list[str] = []
    for line, cells in _csv_cells(path, columns.input, delimiter):
        if not header:
            header = [name.strip() for name in cells]
            columns.check(header, str(path))
        elif len(cells) != len(header):
            raise InputError(
                f"{path}, line {line} must have {len(header)} cells like the header but got {len(cells)}; "
                "quote a text that holds the delimiter"
            )
        else:
            yield columns.row(dict(zip(header, cells, strict=True)), str(path), line)


def _csv_cells(path: Path, column: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row and the line where it begins. Blank lines are left out.

    Quotes that should have been doubled inside a quoted cell are taken as they are, where the row is one line and its
    cells still come out as many as the header's; any other row that does not parse raises InputError. Rows of several
    lines are not repaired, for one quote that is missing would make one row of two and lose a label.
    """
    csv.field_size_limit(2**31 - 1)
    first = next((line for line in text_lines(path) if line.strip()), "")
    if not first:
        raise InputError(f"{path} is empty; give a file with a header and rows")
    delimiter = _delimiter(first, column, delimiter)
    pending: list[str] = []
    reader = csv.reader(_remembered(text_lines(path), pending), delimiter=delimiter, strict=True)
    start, width = 1, 0
    while True:
        pending.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = _undoubled(pending[0], delimiter, width) if len(pending) == 1 else []
            if not cells:
                end = f" (read up to line {start + len(pending) - 1})" if len(pending) > 1 else ""
                raise InputError(
                    f"{path}, line {start} does not parse: {error}{end}; close each quoted cell and double the quotes in it"
                ) from None
        line, start = start, reader.line_num + 1
        if cells and (width == 1 or any(cell.strip() for cell in cells) or len(cells) == width):
            width = width or len(cells)
            yield line, cells


def _remembered(lines: Iterator[str], pending: list[str]) -> Iterator[str]:
    for line in lines:
        pending.append(line)
        yield line


def _undoubled(line: str, delimiter: str, width: int) -> list[str]:
    """The cells of a line in which quotes inside quoted cells are not doubled; empty where they are not ``width``.

    There a quote closes a cell only in front of a delimiter or the end. Two quotes in front of one are read as a doubled
    quote inside the cell, or as a quote and the closing one: whichever gives ``width`` cells, and neither if both do.
    """
    body = line.rstrip("\r\n")
    readings = [_loose_cells(body, delimiter, doubled) for doubled in (True, False)]
    fit = [cells for cells in readings if len(cells) == width]
    return fit[0] if fit and fit[0] == fit[-1] else []


def _loose_cells(body: str, delimiter: str, doubled: bool) -> list[str]:
    """One reading of a line's cells, in steps that only go forward; empty where there is none."""
    cells: list[str] = []
    at = 0
    while True:
        if body.startswith('"', at):
            end = _closing(body, at + 1, delimiter, doubled)
            if end < 0:
                return []
            cells.append(body[at + 1 : end].replace('""', '"'))
            at = end + 1
        else:
            found = body.find(delimiter, at)
            end = found if found >= 0 else len(body)
            cells.append(body[at:end])
            if '"' in cells[-1]:
                return []
            at = end
        if at == len(body):
            return cells
        at += len(delimiter)


def _closing(body: str, at: int, delimiter: str, doubled: bool) -> int:
    """Where the quote is that closes the cell whose text begins at ``at``; -1 where none does."""
    while (quote := body.find('"', at)) >= 0:
        after = quote + 1
        if doubled and body.startswith('"', after):
            at = after + 1
        elif after == len(body) or body.startswith(delimiter, after):
            return quote
        else:
            at = after
    return -1


def _delimiter(header: str, column: str, default: str) -> str:
    """The delimiter under which the header has the column: some spreadsheets write ``;`` into their CSV."""
    for delimiter in (default, *_DELIMITERS):
        try:
            names = next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:
            continue
        if len(names) > 1 and column in [name.strip() for name in names]:
            return delimiter
    return default


def _json_rows(path: Path, columns: Columns) -> Iterator[Row]:
    decode = msgspec.json.Decoder().decode
    seen: set[str] = set()
    wanted = set(filter(None, columns.names()))
    empty = True
    for number, line in enumerate(text_lines(path), 1):
        if not line.strip():
            continue
        try:
            record = decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
            if number == 1 and line.lstrip()[:1] == "[":
                raise InputError(f"{path} is one JSON list; write one object a line (jq -c '.[]')") from None
            raise InputError(f"{path}, line {number} is not JSON: {error}; write one object a line") from None
        if not isinstance(record, dict):
            raise InputError(
                f"{path}, line {number} must be an object but got {line.strip()[:60]}; write one object a line"
            )
        if not wanted <= seen:
            seen.update(record)
        empty = False
        yield columns.row(record, str(path), number)
    if empty:
        raise InputError(f"{path} is empty; give one object a line")
    columns.check(sorted(seen), str(path))
