"""CoNLL files: a word and its tags a line, a blank line between sentences.

Columns are cut at tabs, or at blanks where a line has no tab. There is no header: ``word`` names the first column,
``tag`` the last, and a number any of them, counted from 1. A sentence's text is its words joined by blanks, its label
their tags joined by blanks. Comments (``# id 17``) before a sentence are no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from pare.data.fields import TAG, WORD
from pare.data.read import Columns, MissingColumn, Row
from pare.errors import InputError
from pare.kinds import OUTSIDE

__all__ = ["conll_rows", "looks_like_conll"]

DOCUMENT = "-DOCSTART-"
"""The word that begins a document in the files of CoNLL 2003; it is part of no sentence."""
SNIFFED = 50
"""The lines that tell whether a file of an unknown suffix is CoNLL."""

_TAG = re.compile(r"O|[BIESLU]-\S+")


def conll_rows(lines: Iterable[str], columns: Columns, file: str) -> Iterator[Row]:
    """Streams sentences. A row's line is that of its first word.

    Raises InputError where a line lacks a column (file and line), the tag is not one word, or a column is asked for that
    is neither words nor tags.
    """
    _refuse_others(columns, file)
    words: list[str] = []
    tags: list[str] = []
    first, empty = 0, True
    for number, line in enumerate(lines, 1):
        cells = _cells(line)
        if not cells or cells[0] == DOCUMENT:
            if words:
                yield Row(file, first, " ".join(words), " ".join(tags))
            words, tags, empty = [], [], empty and not words
            continue
        if not words and _is_comment(line, cells):
            continue
        if empty and not words:
            columns.check([WORD, TAG, *(str(i + 1) for i in range(len(cells)))], file)
        first = first if words else number
        words.append(_cell(cells, columns.input, file, number))
        if columns.target:
            tags.append(_tag(_cell(cells, columns.target, file, number), file, number))
    if words:
        yield Row(file, first, " ".join(words), " ".join(tags))
    elif empty:
        raise InputError(f"{file} is empty; give one word and its tag a line")


def looks_like_conll(lines: Iterable[str]) -> bool:
    """Whether the first lines are words with BIO tags: in as many columns each, and O among them, for ``E-mail`` is like a
    tag and many a line of plain text ends so.
    """
    found, begins = list[list[str]](), True
    for line in islice(lines, SNIFFED):
        cells = _cells(line)
        if begins and cells and _is_comment(line, cells):
            continue
        begins = not cells or cells[0] == DOCUMENT
        found += [cells] if cells else []
    words = [cells for cells in found if cells[0] != DOCUMENT]
    return (
        len({len(cells) for cells in words}) == 1
        and all(len(cells) > 1 and _TAG.fullmatch(cells[-1]) for cells in words)
        and any(cells[-1] == OUTSIDE for cells in found)
    )


def _refuse_others(columns: Columns, file: str) -> None:
    others = {"unit": columns.unit, "slices": columns.slices, "time": columns.time, "answer": columns.answer}
    for name, column in others.items():
        if column:
            raise MissingColumn(
                f"{file} has no column {column} for {name}: a CoNLL file holds words and tags only; "
                "leave it out, or write the rows as JSON Lines"
            )


def _is_comment(line: str, cells: list[str]) -> bool:
    """Whether a line before a sentence is a comment; ``#`` may also be a word that has its tag."""
    return line.startswith("# ") and not _TAG.fullmatch(cells[-1])


def _cells(line: str) -> list[str]:
    """The cells of a line; none where it is blank."""
    line = line.rstrip("\r\n")
    if not line.strip():
        return []
    return [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()


def _tag(tag: str, file: str, line: int) -> str:
    if len(tag.split()) != 1:
        raise InputError(f"{file}, line {line}: the tag must be one word but got {tag!r}; write O for none")
    return tag


def _cell(cells: list[str], column: str, file: str, line: int) -> str:
    if column == WORD:
        return cells[0]
    if column == TAG and len(cells) > 1:
        return cells[-1]
    number = int(column) if column.isdecimal() else 2
    if not 1 <= number <= len(cells):
        raise InputError(
            f"{file}, line {line} must have a column {column} but has {len(cells)}; write a word and its tag"
        )
    return cells[number - 1]
