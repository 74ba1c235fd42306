"""Cleaning: which rows are set aside, and why. Nothing is deleted; every rule gives its reason.

Rows whose side is recorded are never set aside because of newcomers: adding a contradiction can push no row out of the
sealed split, and no class out of the ones that are trained on.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pare.data.read import Row
from pare.errors import InputError
from pare.kinds import MARK, CellKind
from pare.types import Kind, Quarantined, Sample, Side

__all__ = [
    "OTHER",
    "RARE_MINIMUM",
    "Kept",
    "exact_form",
    "keep_one",
    "keep_sealed",
    "keep_seen",
    "line_of",
    "rare_labels",
    "refuse_several",
    "set_aside",
    "set_beside_aside",
    "unfit",
    "unpaired",
]

RARE_MINIMUM = 8
"""Labels of fewer rows are rare. Of 8 rows about 4.5 are trained on and 2.4 sealed: with fewer, a class is a coin toss."""

OTHER = "other"

_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Kept:
    """A row that is in, with its sample, the text by which duplicates are told, and its exact form.

    That text is the row's; of a prompt with its answer both, for many rows may have one prompt, or none.
    """

    row: Row
    sample: Sample
    form: str
    told_by: str


def exact_form(text: str) -> str:
    """A text as exact duplicates compare it: Unicode's compatible form, no case, single spaces.

    >>> exact_form("Where is  my Card? ")
    'where is my card?'
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return _SPACES.sub(" ", plain).strip().casefold()


def digest(*parts: str, size: int = 8) -> str:
    """A hash of texts, hexadecimal, 2 x size digits."""
    hashed = hashlib.blake2b(digest_size=size)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        hashed.update(len(raw).to_bytes(8, "big") + raw)
    return hashed.hexdigest()


def keep(row: Row, copy: int = 0, kind: Kind = "classify") -> Kept:
    """A row as a sample. Without a unit of its own, a row's unit is its text. ``copy`` counts equal rows that stay.

    Of kind ``generate`` rows with one prompt are one unit; where the prompt is empty, the answer is the unit.
    """
    told_by = f"{row.text}\n{row.label}" if kind == "generate" else row.text
    form = exact_form(told_by)
    parts = (row.text, row.label) if copy == 0 else (row.text, row.label, str(copy))
    unit = row.unit or digest(exact_form(row.text) or form)
    return Kept(row, Sample(digest(*parts), row.text, row.label, unit, row.slice, row.time, row.answer), form, told_by)


def set_aside(row: Row, reason: str) -> Quarantined:
    return Quarantined(row.file, row.line, reason, row.text, row.label)


def keep_sealed(rows: Iterable[Row], kind: Kind = "classify") -> list[Kept]:
    """All rows of a sealed file. Equal rows stay too, told apart by their ids."""
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for row in rows:
        kept.append(keep(row, seen[row.text, row.label], kind))
        seen[row.text, row.label] += 1
    return kept


def keep_seen(samples: Iterable[Sample]) -> list[Kept]:
    """Samples whose rows were read at another time, to compare others with."""
    return [Kept(Row("", 0, s.text, s.label, s.unit), s, exact_form(s.text), s.text) for s in samples]


def keep_one(
    rows: Iterable[Row], recorded: Mapping[str, Side], kind: Kind = "classify"
) -> tuple[list[Kept], list[Quarantined]]:
    """Of each text one row, none where the labels contradict each other; the rest is set aside. Of kind ``generate`` two
    answers to one prompt contradict nothing.

    Which row stays does not depend on the order of rows: a recorded one (which also outlasts a contradiction), else the
    one of the smallest id.
    """
    by_form: dict[str, list[Kept]] = defaultdict(list)
    for row in rows:
        kept = keep(row, kind=kind)
        by_form[kept.form].append(kept)
    stays: list[Kept] = []
    aside: list[Quarantined] = []
    for group in by_form.values():
        first = min(group, key=lambda kept: _precedence(kept, recorded))
        disputed = kind != "generate" and any(kept.sample.label != first.sample.label for kept in group)
        if not disputed or first.sample.id in recorded:
            stays.append(first)
            aside += [set_aside(kept.row, _repeats(kept, first)) for kept in group if kept is not first]
        else:
            aside += [set_aside(kept.row, _contradiction(kept, group)) for kept in group]
    return stays, aside


def _precedence(kept: Kept, recorded: Mapping[str, Side]) -> tuple[bool, bool, str, str, str, str, str, int]:
    sample, row = kept.sample, kept.row
    known = recorded.get(sample.id)
    return known != "test", known is None, sample.id, sample.unit, row.time, row.slice, row.file, row.line


def _repeats(kept: Kept, first: Kept) -> str:
    place = line_of(first.row, kept.row)
    if kept.sample.label == first.sample.label or kept.told_by != kept.row.text:
        return f"duplicate of {place}"
    return f"same text as {place}, which was there before and is labelled {first.sample.label}"


def _contradiction(kept: Kept, group: Sequence[Kept]) -> str:
    other = next(other for other in group if other.sample.label != kept.sample.label)
    return f"same text as {line_of(other.row, kept.row)}, which is labelled {other.sample.label}"


def line_of(row: Row, seen_from: Row) -> str:
    """Where a row is, for the reason of another one."""
    return f"line {row.line}" if row.file == seen_from.file else f"{row.file} line {row.line}"


def set_beside_aside(
    kept: Sequence[Kept], sealed: Sequence[Kept], where: str = "the sealed file"
) -> tuple[list[Kept], list[Quarantined], list[int]]:
    """Sets aside rows of ``kept`` that repeat, nearly repeat, or share the unit of a row of ``sealed``.

    Returns the rest, what was set aside, and the near-duplicate group of each of the rest.
    """
    from pare.data.near import near_groups

    near: list[int] = near_groups([item.told_by for item in [*kept, *sealed]]).tolist()
    if not sealed:
        return list(kept), [], near
    forms, units = {item.form for item in sealed}, {item.sample.unit for item in sealed}
    alike = set(near[len(kept) :])
    stay: list[Kept] = []
    stay_near: list[int] = []
    aside: list[Quarantined] = []
    for item, group in zip(kept, near, strict=False):
        if item.form in forms:
            aside.append(set_aside(item.row, f"same text as a row of {where}"))
        elif item.sample.unit in units:
            aside.append(set_aside(item.row, f"unit {item.sample.unit} is in {where}"))
        elif group in alike:
            aside.append(set_aside(item.row, f"near-duplicate of a row of {where}"))
        else:
            stay.append(item)
            stay_near.append(group)
    return stay, aside, stay_near


def rare_labels(counts: Mapping[str, int]) -> tuple[frozenset[str], int]:
    """The labels that are too rare, and the minimum that was applied.

    The minimum is halved until two classes and half of the rows stay, for too few rows are never bad input.
    """
    minimum = RARE_MINIMUM
    while minimum > 1:
        rest = [n for n in counts.values() if n >= minimum]
        if len(rest) >= 2 and 2 * sum(rest) >= sum(counts.values()):
            break
        minimum //= 2
    return frozenset(label for label, n in counts.items() if n < minimum), minimum


def merge_rare(kept: Sequence[Kept], rare: Collection[str], kind: CellKind) -> list[Kept]:
    """The rows with rare labels renamed to ``other``, once a row. Ids stay, so that the recorded membership holds."""

    def merged(cell: str) -> str:
        parts = kind.parts(cell)
        return MARK.join(sorted({OTHER if part in rare else part for part in parts})) if {*parts} & {*rare} else cell

    return [replace(item, sample=replace(item.sample, label=merged(item.sample.label))) for item in kept]


def unpaired(row: Row, kind: Kind) -> str:
    """Why a row's tags cannot be those of its words; empty where they can, and for other kinds."""
    words, tags = len(row.text.split()), len(row.label.split())
    return f"tags that do not fit the words of the row: {tags} for {words}" if kind == "tag" and tags != words else ""


def unfit(row: Row, labels: Collection[str], kind: CellKind, origin: str = "") -> str:
    """Why a row, named by its ``origin``, cannot join others of these ``labels``; empty where it can."""
    if not row.text.strip() or not row.label:
        return f"{origin}text or label empty"
    other = next((part for part in kind.parts(row.label) if part not in labels), "")
    return f"{origin}label not in the list of classes: {other}" if other else unpaired(row, kind.name)


def refuse_several(
    rows: Sequence[Row], marks: Sequence[str] = ("|", ";", ","), instead: str = "set kind: multilabel"
) -> None:
    """Raises InputError where cells hold several labels: a mark joins labels that are known from other cells. Where a cell
    may hold several, only the comma is no mark: names often hold one. ``instead`` says how several labels are asked for.

    One cell in a hundred has to be so, and its parts to be known: alone for a comma, which names often hold; in any
    other cell for ``|`` and ``;``.
    """
    counts = Counter(row.label for row in rows)
    for mark in marks:
        joined = {label: _parts(label, mark) for label in counts if mark in label}
        cells_of = Counter(part for parts in joined.values() for part in parts)
        known = {label for label in counts if label not in joined}
        if mark != ",":
            known |= {part for part, cells in cells_of.items() if cells > 1}
        several = {label for label, parts in joined.items() if len(parts) > 1 and parts <= known}
        if sum(counts[label] for label in several) >= max(2, len(rows) / 100):
            row = next(row for row in rows if row.label in several)
            n = sum(counts[label] for label in several)
            place = f"{row.file}, line {row.line}"
            if "|" not in marks:
                raise InputError(
                    f"{place}: labels must be parted by '|' or ';' but {n} cells part them by '{mark}', "
                    f"like {row.label!r}; write them so, or as a JSON list"
                )
            parted = " and part labels by '|'" if mark == "," else ""
            raise InputError(
                f"{place}: the target must hold one label but {n} cells hold several, like {row.label!r}; "
                f"{instead}{parted} if texts have several labels, else keep one label a row"
            )


def _parts(label: str, mark: str) -> frozenset[str]:
    return frozenset(part.strip() for part in label.split(mark) if part.strip())
