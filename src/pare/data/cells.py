"""One cell of a file as text: what each kind of task writes into its target, and how lists of labels or words are read.

A target's cell comes out in the form of ``pare.kinds``: a label, labels sorted and joined by ``|``, or tags joined by
blanks. Only an absent cell is empty.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

import msgspec

from pare.errors import InputError
from pare.kinds import MARK, NOTHING
from pare.types import Kind

__all__ = ["plain", "target_cell", "words_cell"]

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
_QUOTES = ("'", '"')


def plain(value: Any, column: str, file: str, line: int) -> str:
    """A plain value as text: empty for null, ``true`` and ``false`` for booleans. Raises InputError for a nested one."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "" if math.isnan(value) else str(value)
    if isinstance(value, list | tuple | dict | bytes):
        raise InputError(
            f"{file}, line {line}: {column} must be a plain value but got {str(value)[:60]!r}; flatten it first"
        )
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def target_cell(value: Any, kind: Kind, column: str, file: str, line: int) -> str:
    """The cell of a target. Raises InputError where it cannot be one of the kind, with file, line and value."""
    if kind == "classify":
        if isinstance(value, list | tuple) or (isinstance(value, str) and _is_list(value)):
            _refuse_several(_shown(value), column, file, line)
        return plain(value, column, file, line).strip()
    if kind == "generate":
        return plain(value, column, file, line)
    if kind == "multilabel":
        return _labels(value, column, file, line)
    return _tags(value, column, file, line)


def words_cell(value: Any, column: str, file: str, line: int) -> str:
    """Words or tags: a list joined by blanks, or a text as it is, whose words are those of ``str.split``.

    Raises InputError where a member of a list is no single word: its tag would go to another; or where a text is a list
    that is no JSON.
    """
    if not isinstance(value, list | tuple):
        found = _listed(value) if isinstance(value, str) else None
        if found is None and isinstance(value, str) and _is_list(value):
            _refuse_no_json(value, column, file, line)
        if found is None or not all(isinstance(word, str) for word in found):
            return plain(value, column, file, line)
        value = found
    words = [plain(word, column, file, line) for word in value]
    for word in words:
        if word.split() != [word]:
            raise InputError(
                f"{file}, line {line}: {column} must be a list of words without white space but holds {word[:40]!r}; "
                "split it, or leave it out together with its tag"
            )
    return " ".join(words)


def _tags(value: Any, column: str, file: str, line: int) -> str:
    """Tags joined by blanks. Raises InputError where a text is a list that is no JSON, or where all tags are numbers."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        members = _listed(value)
        if members is None:
            _refuse_no_json(value, column, file, line)
        value = members
    tags = words_cell(value, column, file, line).split()
    if tags and all(_NUMBER.fullmatch(tag) for tag in tags):
        raise InputError(
            f"{file}, line {line}: {column} must hold the names of tags but got {_shown(value)[:60]}; name the tags: "
            '["B-place", "O"], for example'
        )
    return " ".join(tags)


def _labels(value: Any, column: str, file: str, line: int) -> str:
    """Labels, each once, sorted: from a list, from a JSON list as text, or parted by ``|`` or else by ``;``.

    Raises InputError for a list of yes and no, one for each label: which labels these are, it does not say.
    """
    members = list(value) if isinstance(value, list | tuple) else _listed(value) if isinstance(value, str) else None
    if members is None:
        text = plain(value, column, file, line)
        if _is_list(text):
            _refuse_no_json(text, column, file, line, " or a|b")
        found = {part.strip() for part in text.split(MARK if MARK in text else ";")} - {""}
        return MARK.join(sorted(found))
    if len(members) > 2 and all(isinstance(member, bool | int | float) and member in (0, 1) for member in members):
        raise InputError(
            f"{file}, line {line}: {column} must hold labels but got {_shown(value)[:60]}, a yes or no for each; "
            'write the labels\' names: ["late", "refund"], for example'
        )
    found = {plain(member, column, file, line).strip() for member in members} - {""}
    for label in sorted(found):
        if MARK in label or label == NOTHING:
            raise InputError(
                f"{file}, line {line}: {column} must hold labels without '{MARK}' but got {label[:60]!r}; "
                f"'{MARK}' parts labels, so rename it"
            )
    return MARK.join(sorted(found)) or NOTHING


def _listed(text: str) -> list[Any] | None:
    """The members of a JSON list that is written as text; None where it is none."""
    if text.lstrip()[:1] != "[":
        return None
    try:
        found = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return found if isinstance(found, list) else None


def _is_list(text: str) -> bool:
    """Whether a text is written as a list: JSON's, or Python's with quoted members."""
    if text.lstrip()[:1] != "[":
        return False
    members = text.strip().removeprefix("[").removesuffix("]").strip().removesuffix(",").rstrip()
    return _listed(text) is not None or (
        text.rstrip().endswith("]") and len(members) > 1 and members[0] in _QUOTES and members[-1] in _QUOTES
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _refuse_no_json(text: str, column: str, file: str, line: int, other: str = "") -> NoReturn:
    raise InputError(
        f"{file}, line {line}: {column} must hold a list but got {' '.join(text.split())[:60]}, which is no JSON; "
        f'write ["a", "b"]{other}'
    )


def _refuse_several(shown: str, column: str, file: str, line: int) -> None:
    raise InputError(
        f"{file}, line {line}: {column} must hold one label but got {shown[:60]}; "
        "set kind: multilabel if texts have several labels, else keep one label a row"
    )
