"""Sides: which rows are trained on, selected on, calibrated on, and sealed.

A row's side is a keyed hash of its unit, under a key that is published here and never changes: it depends neither on the
seed, nor on the order of the rows, nor on other rows. Rows that must not be parted (one unit, or near-duplicates) form a
group, and a group takes the side of its member of smallest rank, rank and side being independent hashes, so that large
groups are drawn to no side. What was recorded stands: a group with a recorded sealed row is sealed.

Where so few rows were split that a class has no train rows or a side none at all, groups that were never recorded are
moved (``_teach``, ``_fill``); there alone a side depends on other rows.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from pare.data.clean import Kept, line_of, set_aside
from pare.errors import InputError
from pare.kinds import KINDS, NOTHING, CellKind
from pare.types import Quarantined, Sample, Side

__all__ = ["GIANT_SHARE", "SHARES", "assign", "group_rows", "one_of_alike"]

KEY = b"pare/split/1"
SHARES: Mapping[Side, float] = {"train": 0.80, "dev": 0.13, "calibration": 0.07}
"""The shares of the rows that are not sealed."""

GIANT_SHARE = 0.2
GIANT_ROWS = 20
"""A group above both is trained on, unless recorded as sealed: no proof can lean on one unit."""


def _uniform(purpose: str, unit: str) -> float:
    """A keyed hash of a unit as a number in [0, 1)."""
    raw = hashlib.blake2b(f"{purpose}\0{unit}".encode("utf-8", "surrogatepass"), digest_size=8, key=KEY).digest()
    return (int.from_bytes(raw, "big") >> 11) / 2**53


def group_rows(samples: Sequence[Sample], near: Sequence[int]) -> list[list[int]]:
    """Groups of places: samples of one unit or of one near-duplicate group, directly or through others."""
    parent = list(range(len(samples)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    first: dict[tuple[str, str | int], int] = {}
    for place, (sample, alike) in enumerate(zip(samples, near, strict=True)):
        for key in (("unit", sample.unit), ("near", alike)):
            parent[root(place)] = root(first.setdefault(key, place))
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(len(samples)):
        groups[root(place)].append(place)
    return list(groups.values())


def assign(
    kept: Sequence[Kept],
    groups: Sequence[Sequence[int]],
    *,
    test_share: float,
    by_time: bool,
    recorded: Mapping[str, Side],
    least: int = 1,
    kind: CellKind = KINDS["classify"],
) -> list[Side]:
    """The side of each row. A ``test_share`` of 0 seals nothing (the sealed rows are a file of their own).

    ``by_time`` seals the newest groups instead, up to the share, or from the oldest recorded sealed group on: then no row
    of another side is newer than a sealed group, even if its unit was trained on before. A class with fewer than
    ``least`` train rows takes groups of other sides, and a side that came out empty takes one, so that small data have
    all of them: eight groups, four of each of two classes, always do, unless recorded sides or the time forbid it.
    Raises InputError where ``by_time`` meets a time that is neither ISO 8601 nor a number, where all times are equal, or
    where the rows were split otherwise before.
    """
    draws = [_Draw([kept[place].sample for place in group], recorded, len(kept), kind) for group in groups]
    sides = [draw.side(0.0 if by_time else test_share) for draw in draws]
    if by_time:
        sealed = _sealed_by_time(kept, groups, draws, test_share, recorded)
        sides = ["test" if new else side for new, side in zip(sealed, sides, strict=True)]
    # What time has sealed stays: a row that is moved out would be newer than sealed ones, one that is moved in older.
    movable = [i for i, draw in enumerate(draws) if not draw.recorded and not (by_time and sides[i] == "test")]
    _teach(sides, draws, movable, least)
    wanted: list[Side] = ["dev", "calibration"] if by_time or not test_share else ["test", "dev", "calibration"]
    for side in wanted:
        _fill(side, sides, draws, movable, least)
    placed: dict[int, Side] = {}
    for group, side in zip(groups, sides, strict=True):
        placed.update(dict.fromkeys(group, side))
    return [placed[place] for place in range(len(kept))]


def one_of_alike(
    kept: Sequence[Kept],
    sides: Sequence[Side],
    near: Sequence[int],
    recorded: Mapping[str, Side],
    *,
    by_time: bool = False,
) -> tuple[list[tuple[Kept, Side]], list[Quarantined]]:
    """The rows with their sides, where of sealed rows that are near-duplicates one stays; the others are set aside.

    The proof tests sealed rows as independent draws. Near-duplicates are right or wrong together: were all of them
    tested, groups of two would bring the rate of false passes from 5 % to 9 %, groups of ten to 27 %. Rows recorded as
    sealed all stay, for none ever leaves; beside one of them no other stays. Else the row of smallest rank stays or,
    ``by_time``, the newest: the row that sealed its group must not be the one that is missing the next time.
    """
    alike: dict[int, list[int]] = defaultdict(list)
    for place, (side, group) in enumerate(zip(sides, near, strict=True)):
        if side == "test":
            alike[group].append(place)
    aside: dict[int, Quarantined] = {}
    for places in alike.values():
        first, *others = sorted(places, key=lambda place: _stays_first(kept[place], recorded, by_time))
        for place in others:
            row = kept[place].row
            if recorded.get(kept[place].sample.id) != "test":
                aside[place] = set_aside(row, f"near-duplicate of {line_of(kept[first].row, row)}, which is sealed")
    stay = [pair for place, pair in enumerate(zip(kept, sides, strict=True)) if place not in aside]
    return stay, list(aside.values())


def _stays_first(item: Kept, recorded: Mapping[str, Side], by_time: bool) -> tuple[bool, float, float]:
    age = -_moment(item) if by_time else 0.0
    return recorded.get(item.sample.id) != "test", age, _uniform("rank", item.sample.id)


class _Draw:
    """What decides a group's side: its member of smallest rank, its size, and what is recorded of it."""

    def __init__(self, samples: Sequence[Sample], recorded: Mapping[str, Side], rows: int, kind: CellKind) -> None:
        ranked = sorted({sample.unit for sample in samples}, key=lambda unit: _uniform("rank", unit))
        self.unit = ranked[0]
        self.size = len(samples)
        # rows that name no class count as a class of their own: they too must be trained on
        self.labels = Counter(part for sample in samples for part in kind.parts(sample.label) or (NOTHING,))
        self.giant = self.size >= GIANT_ROWS and self.size > GIANT_SHARE * rows
        known = sorted((_uniform("rank", s.id), recorded[s.id]) for s in samples if s.id in recorded)
        sides = [side for _, side in known]
        self.recorded: Side | None = "test" if "test" in sides else sides[0] if sides else None

    def side(self, test_share: float) -> Side:
        if self.recorded:
            return self.recorded
        if self.giant:
            return "train"
        if _uniform("test", self.unit) < test_share:
            return "test"
        drawn, reached = _uniform("rest", self.unit), 0.0
        for side, share in SHARES.items():
            reached += share
            if drawn < reached:
                return side
        return "calibration"


def _train_groups(sides: Sequence[Side], draws: Sequence[_Draw]) -> Iterator[_Draw]:
    return (draw for side, draw in zip(sides, draws, strict=True) if side == "train")


def _train_rows(sides: Sequence[Side], draws: Sequence[_Draw]) -> Counter[str]:
    """The train rows of each class."""
    rows: Counter[str] = Counter()
    for draw in _train_groups(sides, draws):
        rows.update(draw.labels)
    return rows


def _teach(sides: list[Side], draws: Sequence[_Draw], movable: Collection[int], least: int) -> None:
    """Gives train groups of the classes of which it has fewer than ``least`` rows.

    Each is taken from the side of the most groups: its smallest, then the one of smallest draw.
    """
    held, trained = Counter(sides), _train_rows(sides, draws)
    able: dict[str, list[int]] = {label: [] for draw in draws for label in draw.labels if trained[label] < least}
    for i in movable:
        for label in able.keys() & draws[i].labels.keys():
            able[label].append(i)
    for label, places in sorted(able.items()):
        while trained[label] < least and (free := [i for i in places if sides[i] != "train"]):
            taken = min(free, key=lambda i: (-held[sides[i]], draws[i].size, _uniform("train", draws[i].unit)))
            held[sides[taken]] -= 1
            sides[taken] = "train"
            trained.update(draws[taken].labels)


def _fill(side: Side, sides: list[Side], draws: Sequence[_Draw], movable: Collection[int], least: int) -> None:
    """Gives an empty side one group: of train where that keeps ``least`` rows of each class, else of another side.

    Taken is a group of the class of the most train groups: the smallest, then the one of smallest draw; a giant last.
    """
    if side in sides:
        return
    held, trained = Counter(sides), _train_rows(sides, draws)
    groups = Counter(label for draw in _train_groups(sides, draws) for label in draw.labels)

    def spare(i: int) -> bool:
        if sides[i] == "train":
            return all(trained[label] - rows >= least for label, rows in draws[i].labels.items())
        return held[sides[i]] > 1

    def precedence(i: int) -> tuple[bool, bool, int, int, float]:
        common = min(groups[label] for label in draws[i].labels) if sides[i] == "train" else held[sides[i]]
        return sides[i] != "train", draws[i].giant, -common, draws[i].size, _uniform(side, draws[i].unit)

    if able := [i for i in movable if spare(i)]:
        sides[min(able, key=precedence)] = side


def _moment(kept: Kept) -> float:
    """A row's time in seconds: a number as it is, or ISO 8601 (UTC where it names no zone)."""
    value = kept.sample.time
    try:
        if math.isfinite(number := float(value)):
            return number
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise InputError(
            f"{kept.row.file}, line {kept.row.line}: time must be ISO 8601 or a number but got {value[:40]!r}; "
            "write 2024-05-31, for example"
        ) from None


def _sealed_by_time(
    kept: Sequence[Kept],
    groups: Sequence[Sequence[int]],
    draws: Sequence[_Draw],
    share: float,
    recorded: Mapping[str, Side],
) -> list[bool]:
    """Which groups time seals: those with a row at or after the cut, which is the recorded one, else a new one."""
    moments = [_moment(item) for item in kept]
    newest = [max(moments[place] for place in group) for group in groups]
    before = [time for time, draw in zip(newest, draws, strict=True) if draw.recorded == "test"]
    if before:
        _refuse_split_otherwise(kept, moments, min(before), recorded)
    cut = min(before) if before else _cut(newest, [len(group) for group in groups], share)
    return [time >= cut for time in newest]


def _refuse_split_otherwise(
    kept: Sequence[Kept], moments: Sequence[float], cut: float, recorded: Mapping[str, Side]
) -> None:
    """Raises InputError where a recorded row is as new as the sealed ones and yet on another side.

    A split by time leaves none: rows were split by hash before, and to seal from their oldest sealed row on would seal
    nearly everything.
    """
    others = [i for i, item in enumerate(kept) if recorded.get(item.sample.id, "test") != "test"]
    new = sum(moments[i] >= cut for i in others)
    if new:
        since = next(item.sample.time for item, moment in zip(kept, moments, strict=True) if moment == cut)
        raise InputError(
            f"data.time must seal the newest rows but {new} of {len(others)} rows recorded as train, dev or calibration "
            f"are as new as the sealed ones (from {since[:40]} on), for they were split otherwise before; "
            "leave data.time out, or use rows that were never split"
        )


def _cut(newest: Sequence[float], sizes: Sequence[int], share: float) -> float:
    """The latest time from which on groups make up the share."""
    rows_at: dict[float, int] = defaultdict(int)
    for time, size in zip(newest, sizes, strict=True):
        rows_at[time] += size
    wanted, reached, cut = share * sum(sizes), 0, float("inf")
    for time in sorted(rows_at, reverse=True):
        if reached and abs(reached + rows_at[time] - wanted) > abs(reached - wanted):
            break
        reached, cut = reached + rows_at[time], time
    if reached == sum(sizes):
        raise InputError("data.time must tell old rows from new ones but seals all of them; leave time out, or unit")
    return cut
