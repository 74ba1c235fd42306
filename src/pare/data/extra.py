"""Rows that are trained on and nothing else: those that a teacher labelled or invented, and texts without labels.

They join after the real rows were split, which they change by nothing: what repeats or nearly repeats a real row, on
whatever side, gives way, and the reason never says which side that was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pare.data.clean import Kept, digest, exact_form, keep, keep_one, set_aside, set_beside_aside, unfit
from pare.data.read import Columns, MissingColumn, Row, is_conll, rows, text_lines
from pare.kinds import cells_of
from pare.types import DataSpec, Kind, Quarantined, Sample, Side

__all__ = ["Extra", "read_extra", "screen_synthetic", "seen_key"]

REAL = "the real data"
TAUGHT = Columns("text", "label")
"""The columns that ``pare label`` writes: read where a file has not those of the data."""


@dataclass(frozen=True, slots=True)
class Extra:
    """What joins the train side: ``synthetic`` rows and ``unlabelled`` ones, each sorted by id; and what was set aside."""

    synthetic: tuple[Sample, ...] = ()
    unlabelled: tuple[Sample, ...] = ()
    aside: tuple[Quarantined, ...] = ()


def read_extra(
    spec: DataSpec,
    placed: Sequence[tuple[Kept, Side]],
    aside: Sequence[Quarantined],
    labels: Collection[str],
    kind: Kind,
) -> Extra:
    """Reads the files of ``spec`` that are for training only, and screens them against the real rows.

    ``placed`` are the real rows with their sides; ``aside`` those that were set aside, which count as real too where they
    have a label (one of them may be the near-duplicate of a sealed row). ``labels`` are the classes.
    Raises InputError where a file cannot be read or lacks its columns.
    """
    synthetic: list[Sample] = []
    unlabelled: list[Sample] = []
    out: list[Quarantined] = []
    if spec.synthetic is not None:
        read = _rows(spec.synthetic, _columns(spec, spec.target, kind, replace(TAUGHT, kind=kind)))
        synthetic, away = screen_synthetic(read, placed, aside, labels, kind)
        out += away
    if spec.unlabelled is not None:
        read = _texts(spec.unlabelled, spec, kind)
        unlabelled, away = _screen_unlabelled(read, placed, aside, synthetic)
        out += away
    return Extra(tuple(synthetic), tuple(unlabelled), tuple(out))


def screen_synthetic(
    read: Iterable[Row],
    placed: Sequence[tuple[Kept, Side]],
    aside: Sequence[Quarantined],
    labels: Collection[str],
    kind: Kind,
) -> tuple[list[Sample], list[Quarantined]]:
    """The synthetic rows that may be trained on, marked, and those that were set aside: empty, of an unknown label,
    repeated, contradictory, or too near to a real row (its text, or its unit).
    """
    fit: list[Row] = []
    out: list[Quarantined] = []
    for row in read:
        why = unfit(row, labels, cells_of(kind), "synthetic ")
        out += [set_aside(row, why)] if why else []
        fit += [] if why else [row]
    kept, same = keep_one(fit, {})
    real = [item for item, _ in placed] + _with_label(aside)
    stay, beside, _ = set_beside_aside(kept, real, REAL)
    found = sorted((replace(item.sample, origin="synthetic") for item in stay), key=lambda sample: sample.id)
    return found, [*out, *same, *beside]


def seen_key(text: str) -> str:
    """A key for a text that was trained on without being a row of the data. No sample's id is equal to one."""
    return f"seen:{digest(exact_form(text))}"


def _screen_unlabelled(
    read: Iterable[Row],
    placed: Sequence[tuple[Kept, Side]],
    aside: Sequence[Quarantined],
    synthetic: Sequence[Sample],
) -> tuple[list[Sample], list[Quarantined]]:
    """The rows whose texts may be learnt from. Other rows of a unit that is trained on may; of a held-out unit none may."""
    whole: list[Row] = []
    out: list[Quarantined] = []
    known = {exact_form(sample.text) for sample in synthetic}
    for row in read:
        why = "unlabelled text empty" if not row.text.strip() else ""
        why = "same text as a synthetic row" if not why and exact_form(row.text) in known else why
        out += [set_aside(row, why)] if why else []
        whole += [] if why else [row]
    kept, same = keep_one(whole, {})
    real = [item if side != "train" else replace(item, sample=replace(item.sample, unit="")) for item, side in placed]
    stay, beside, _ = set_beside_aside(kept, [*real, *_with_label(aside)], REAL)
    return sorted((item.sample for item in stay), key=lambda sample: sample.id), [*out, *same, *beside]


def _with_label(aside: Iterable[Quarantined]) -> list[Kept]:
    """Real rows that were set aside, to compare with. One without a label was no example: its text may be unlabelled."""
    return [keep(Row(row.file, row.line, row.text, row.label)) for row in aside if row.text.strip() and row.label]


def _columns(spec: DataSpec, target: str, kind: Kind, *others: Columns) -> list[Columns]:
    """The columns to look for, the best first. A teacher's rows need no unit."""
    bare = Columns(spec.input, target, kind=kind)
    return [*([replace(bare, unit=spec.unit)] if spec.unit else []), bare, *others]


def _rows(path: str, choices: Sequence[Columns]) -> list[Row]:
    """The rows of a file under the first of these columns that it has. Raises MissingColumn, naming the data's own."""
    problems: list[MissingColumn] = []
    for columns in choices:
        try:
            return list(rows(path, columns))
        except MissingColumn as error:
            problems.append(error)
    raise problems[0]


def _texts(path: str, spec: DataSpec, kind: Kind) -> list[Row]:
    file = Path(path)
    plain = path.lower().removesuffix(".gz").endswith(".txt") and file.is_file()
    if plain and not (kind == "tag" and is_conll(file)):
        lines = enumerate(text_lines(file), start=1)
        return [Row(path, number, text, "") for number, line in lines if (text := line.strip())]
    return _rows(path, _columns(spec, "", kind))
