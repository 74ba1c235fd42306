"""From a specification to a data set: read, clean, group, split; the sealed side behind a guard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pare.artifacts import write_table
from pare.data.clean import (
    OTHER,
    Kept,
    keep_one,
    keep_sealed,
    keep_seen,
    merge_rare,
    rare_labels,
    refuse_several,
    set_aside,
    set_beside_aside,
    unfit,
    unpaired,
)
from pare.data.extra import Extra, read_extra, screen_synthetic, seen_key
from pare.data.read import Columns, Row, rows
from pare.data.sealed import Sealed, row_hash
from pare.data.split import assign, group_rows, one_of_alike
from pare.errors import InputError
from pare.kinds import CellKind, cells_of, classes_of, kind_of
from pare.types import DataSpec, Kind, Quarantined, Sample, Side

__all__ = ["Dataset", "Facts", "Membership", "Sealed", "prepare", "prepare_more", "screen", "write_quarantine"]

LEAST_ANSWERS = 8
"""The fewest rows of kind ``generate`` that can be split: so many groups fill all sides."""
EMPTY = " empty"
"""How the reason ends that a row is set aside because a cell is empty."""

Membership = Mapping[str, Side]
"""Sample ids and the side each was recorded on. It is read before a split and written after it; sealed rows never leave."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found in the data, for messages. All counts are rows, but ``groups`` and ``units``.

    ``recorded`` are the rows of the data set whose side was recorded by an earlier split, and not drawn by this one.
    """

    read: int
    empty: int
    duplicates: int
    contradictions: int
    near_duplicates: int
    beside_sealed: int
    groups: int
    units: int
    largest_group: int
    rare: Mapping[str, int]
    rare_minimum: int
    recorded: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled rows on their sides. ``labels`` are the classes, sorted; ``hash`` covers every row's id and side, and what is
    unlabelled.

    ``train`` ends with the synthetic rows; ``waiting`` are rows without label, whose texts are learnt from beside it. The
    others are real rows.
    """

    train: tuple[Sample, ...]
    dev: tuple[Sample, ...]
    calibration: tuple[Sample, ...]
    test: Sealed
    labels: tuple[str, ...]
    quarantined: tuple[Quarantined, ...]
    facts: Facts
    hash: str
    waiting: tuple[Sample, ...] = ()
    kind: Kind = "classify"

    def targets(self, samples: Sequence[Sample]) -> NDArray[np.int64]:
        """What is right for some samples, in the form of the kind (``pare.kinds``)."""
        return kind_of(self.kind).targets([sample.label for sample in samples], self.labels)

    @property
    def real(self) -> tuple[Sample, ...]:
        """The rows of the train side that are the data's own."""
        return tuple(sample for sample in self.train if not sample.origin)

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """The texts without labels that are learnt from."""
        return tuple(sample.text for sample in self.waiting)

    @property
    def beside(self) -> tuple[Sample, ...]:
        """What is trained on without being a row of the data, each with its unit: synthetic rows and unlabelled ones."""
        return (*(sample for sample in self.train if sample.origin), *self.waiting)

    def membership(self) -> dict[str, Side]:
        """Every real row's side by its id: what to record, so that the next split of grown data keeps it."""
        sides: dict[str, Side] = dict.fromkeys(self.test.ids, "test")
        sides |= {sample.id: "train" for sample in self.real}
        sides |= {sample.id: "dev" for sample in self.dev}
        return sides | {sample.id: "calibration" for sample in self.calibration}

    def seen(self) -> dict[str, Side]:
        """The texts of ``beside`` under keys that no row has, to record: they decide no side, but prove nothing any more."""
        return {seen_key(sample.text): "train" for sample in self.beside}


def prepare(spec: DataSpec, recorded: Membership | None = None, kind: Kind = "classify") -> Dataset:
    """Reads, cleans and splits the rows of ``spec``. ``recorded`` is what an earlier split of these data recorded.

    Classes are those that the cells of the target name, each counted by the rows that name it.

    Synthetic rows and unlabelled texts join train when that is done. Raises InputError where the rows cannot be read,
    hold one class only, or leave a single class to train on.
    """
    split = _split(spec, recorded or {}, kind)
    return _joined(split.dataset, read_extra(spec, split.placed, split.dataset.quarantined, split.dataset.labels, kind))


def screen(
    spec: DataSpec, invented: Iterable[Row], recorded: Membership, kind: Kind
) -> tuple[list[Sample], list[Quarantined]]:
    """Which of these rows could join the train side of ``spec`` as synthetic ones, and why the others could not."""
    split = _split(spec, recorded, kind)
    return screen_synthetic(invented, split.placed, split.dataset.quarantined, split.dataset.labels, kind)


class _Split(NamedTuple):
    """The real rows, split, and each with its side."""

    dataset: Dataset
    placed: list[tuple[Kept, Side]]


def _joined(dataset: Dataset, extra: Extra) -> Dataset:
    """A data set with what is trained on beside its own rows. Without any of it, it stays as it is."""
    hashed = dataset.hash
    if extra.synthetic or extra.unlabelled:
        texts = [sample.text for sample in extra.unlabelled]
        hashed = row_hash([hashed, *(f"synthetic {sample.id}" for sample in extra.synthetic), *texts])
    return replace(
        dataset,
        train=(*dataset.train, *extra.synthetic),
        waiting=extra.unlabelled,
        quarantined=(*dataset.quarantined, *sorted(extra.aside, key=lambda item: (item.file, item.line))),
        hash=hashed,
    )


def _split(spec: DataSpec, recorded: Membership, kind: Kind) -> _Split:
    """Reads, cleans and splits the real rows."""
    task = cells_of(kind)
    read = _read(spec, kind)
    main, aside_unfit = _whole(read, spec, task)
    if kind == "classify":
        refuse_several(main)
    elif kind == "multilabel":
        refuse_several(main, (",",))
    sealed = keep_sealed((row for row in main if row.sealed), kind)
    kept, aside_same = keep_one((row for row in main if not row.sealed), recorded, kind)
    kept, aside_rare, rare, minimum = _set_rare_aside(kept, spec, recorded, task)
    rest, aside_beside, near = set_beside_aside(kept, sealed)
    groups = group_rows([item.sample for item in rest], near)
    share = 0.0 if sealed else spec.test_share
    by_time = spec.time is not None and share > 0
    sides = assign(rest, groups, test_share=share, by_time=by_time, recorded=recorded, least=_least(minimum), kind=task)
    drawn, aside_alike = one_of_alike(rest, sides, near, recorded, by_time=by_time)
    placed, aside_unlearnt = _learnable([*drawn, *((item, "test") for item in sealed)], rare, minimum, spec, task)
    aside = [*aside_unfit, *aside_same, *aside_rare, *aside_beside, *aside_alike, *aside_unlearnt]
    sizes = Counter(near)
    facts = Facts(
        read=len(read),
        empty=sum(item.reason.endswith(EMPTY) for item in aside_unfit),
        duplicates=sum(item.reason.startswith("duplicate") for item in aside_same),
        contradictions=sum(not item.reason.startswith("duplicate") for item in aside_same),
        near_duplicates=sum(n for n in sizes.values() if n > 1),
        beside_sealed=len(aside_beside),
        groups=len(groups),
        units=len({item.sample.unit for item in rest}),
        largest_group=max(map(len, groups), default=0),
        rare=rare,
        rare_minimum=minimum,
        recorded=sum(item.sample.id in recorded for item, _ in placed),
    )
    return _Split(_dataset(placed, aside, facts, task), placed)


def prepare_more(
    spec: DataSpec, path: str, labels: Sequence[str], earlier: Sequence[Sample], kind: Kind
) -> tuple[Sealed, tuple[Quarantined, ...]]:
    """Fresh sealed rows from the file ``path``, for candidates that are frozen already, and what was set aside of it.

    Here the fresh rows give way: those that repeat, nearly repeat, or share the unit of any row of ``spec``, on whatever
    side, or of the ``earlier`` rows (that joined before, or that were trained on beside the data), and those whose label is
    not among ``labels``, were seen or cannot be answered. Of fresh rows that are near-duplicates one stays.
    Raises InputError where a file cannot be read or no fresh row is left.
    """
    columns = Columns.of(spec, kind)
    seen = [*keep_sealed(row for row in _read(spec, kind) if row.text.strip()), *keep_seen(earlier)]
    fresh: list[Row] = []
    aside: list[Quarantined] = []
    for row in rows(path, columns):
        why = unfit(row, labels, cells_of(kind))
        if why:
            aside.append(set_aside(row, why))
        else:
            fresh.append(row)
    kept, aside_same = keep_one(fresh, {})
    unseen, aside_seen, near = set_beside_aside(kept, seen, "data that were seen")
    stay, aside_alike = one_of_alike(unseen, ["test"] * len(unseen), near, {})
    aside += [*aside_same, *aside_seen, *aside_alike]
    if not stay:
        raise InputError(
            f"{path} has no fresh row: {len(aside)} were set aside, the first as '{_first(aside)}'; add others"
        )
    ordered = sorted((item.sample for item, _ in stay), key=lambda sample: sample.id)
    return Sealed(ordered), tuple(sorted(aside, key=lambda item: item.line))


def _first(aside: Sequence[Quarantined]) -> str:
    return min(aside, key=lambda item: item.line).reason if aside else "empty"


def _read(spec: DataSpec, kind: Kind) -> list[Row]:
    """All rows of a specification. With a sealed file of its own, that file and no other holds the sealed rows."""
    columns = Columns.of(spec, kind)
    found = list(rows(spec.path, columns))
    if spec.test is not None:
        found = [replace(row, sealed=False) for row in found]
        found += [replace(row, sealed=True) for row in rows(spec.test, columns)]
    if not found:
        raise InputError(f"{spec.path} has a header but no rows; add labelled rows")
    return found


def _whole(read: Sequence[Row], spec: DataSpec, kind: CellKind) -> tuple[list[Row], list[Quarantined]]:
    """The rows that have a text, a label (and a time, to cut by) that fit each other; the others are set aside."""
    whole: list[Row] = []
    aside: list[Quarantined] = []
    for row in read:
        needed = {} if kind.name == "generate" else {spec.input: row.text.strip()}
        needed |= {spec.target: row.label.strip()} | ({spec.time: row.time} if spec.time else {})
        missing = [name for name, value in needed.items() if not value]
        if missing:
            aside.append(set_aside(row, f"{' and '.join(missing)}{EMPTY}"))
        elif reason := unpaired(row, kind.name):
            aside.append(set_aside(row, reason))
        else:
            whole.append(row)
    if kind.name == "generate":
        if len(whole) < LEAST_ANSWERS:
            raise InputError(
                f"{spec.path}: {spec.target} must hold {LEAST_ANSWERS} answers or more but has {len(whole)}; add rows"
            )
        return whole, aside
    labels = classes_of(kind, {row.label for row in whole})
    if len(labels) < 2:
        found = f"only {labels[0]}" if labels else "none"
        raise InputError(
            f"{spec.path}: {spec.target} must hold two classes or more but has {found}; add rows of others"
        )
    if len(whole) >= 20 and 2 * len(labels) > len(whole):
        raise InputError(
            f"{spec.path}: {spec.target} must hold classes but has {len(labels)} different values in {len(whole)} rows; "
            "name the column that holds the label"
        )
    return whole, aside


def _set_rare_aside(
    kept: Sequence[Kept], spec: DataSpec, recorded: Membership, kind: CellKind
) -> tuple[list[Kept], list[Quarantined], dict[str, int], int]:
    """Sets rows that name a rare label aside, or merges the labels. One with recorded sealed rows is never rare."""
    counts = _counts((item.sample for item in kept), kind)
    rare, minimum = rare_labels(counts)
    rare -= {*_counts((item.sample for item in kept if recorded.get(item.sample.id) == "test"), kind)}
    named = {label: counts[label] for label in sorted(rare)}
    if spec.rare == "other":
        merged = counts[OTHER] * (OTHER not in rare) + sum(named.values())
        if merged >= minimum:
            return merge_rare(kept, rare, kind), [], named, minimum
    stay: list[Kept] = []
    aside: list[Quarantined] = []
    for item in kept:
        label = next((part for part in kind.parts(item.sample.label) if part in rare), "")
        if label:
            aside.append(set_aside(item.row, f"label {label} has {counts[label]} rows, fewer than {minimum}"))
        else:
            stay.append(item)
    return stay, aside, named, minimum


def _counts(samples: Iterable[Sample], kind: CellKind) -> Counter[str]:
    """How many samples name each class."""
    return Counter(part for sample in samples for part in kind.parts(sample.label))


def _least(minimum: int) -> int:
    """The fewest rows of a class that can be trained on, where ``minimum`` is the fewest it must have on all sides."""
    return max(1, minimum // 4)


def _learnable(
    placed: Sequence[tuple[Kept, Side]], rare: Mapping[str, int], minimum: int, spec: DataSpec, kind: CellKind
) -> tuple[list[tuple[Kept, Side]], list[Quarantined]]:
    """Sets aside the classes that have too few train rows. Raises InputError where fewer than two are left.

    A row that goes because of one of its labels may leave too few of another, so this is repeated until nothing goes.
    """
    if kind.name == "generate":
        return list(placed), []
    few = _least(minimum)
    trained = _counts((item.sample for item, side in placed if side == "train"), kind)
    if spec.rare == "other" and OTHER in trained:
        placed = [(merge_rare([item], rare, kind)[0], side) for item, side in placed]
    stay, aside = list(placed), list[Quarantined]()
    while True:
        trained = _counts((item.sample for item, side in stay if side == "train"), kind)
        learnt: list[tuple[Kept, Side]] = []
        for item, side in stay:
            label = next((part for part in kind.parts(item.sample.label) if trained[part] < few), "")
            if label:
                why = f"label {label} has {trained[label]} rows to train on, fewer than {few}"
                aside.append(set_aside(item.row, why))
            else:
                learnt.append((item, side))
        if len(learnt) == len(stay):
            break
        stay = learnt
    if len(trained) < 2:
        raise InputError(
            f"{spec.path}: two classes must have rows to train on but {len(trained)} has, of {len(placed)} rows kept; "
            "label more rows of each class"
        )
    return stay, aside


def _dataset(
    placed: Sequence[tuple[Kept, Side]], aside: Sequence[Quarantined], facts: Facts, kind: CellKind
) -> Dataset:
    ordered = sorted(placed, key=lambda pair: pair[0].sample.id)
    of: dict[Side, tuple[Sample, ...]] = {
        side: tuple(item.sample for item, at in ordered if at == side)
        for side in ("train", "dev", "calibration", "test")
    }
    return Dataset(
        train=of["train"],
        dev=of["dev"],
        calibration=of["calibration"],
        test=Sealed(of["test"]),
        labels=classes_of(kind, {item.sample.label for item, side in placed if side == "train"}),
        quarantined=tuple(sorted(aside, key=lambda item: (item.file, item.line))),
        facts=facts,
        hash=row_hash(f"{item.sample.id} {item.sample.label} {item.sample.unit} {side}" for item, side in ordered),
        kind=kind.name,
    )


def write_quarantine(path: Path, rows: Iterable[Quarantined]) -> None:
    """Writes the rows that were set aside as CSV: file, line, reason, text, label. Readers see the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = ((row.file, row.line, row.reason, row.text, row.label) for row in rows)
    write_table(path, ("file", "line", "reason", "text", "label"), cells)
