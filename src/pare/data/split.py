"""Sides: which rows are trained on, selected on, calibrated on, and sealed.

A row's side is a keyed hash of its unit, under a key that is published here and never changes: it depends neither on the
seed, nor on the order of the rows, nor on other rows. Rows that must not be parted (one unit, or near-duplicates) form a
group, and a group takes the side of its member of smallest rank, rank and side being independent hashes, so that large
groups are drawn to no side. What was recorded stands: a group with a recorded sealed row is sealed.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pare.data.clean import Kept
from pare.errors import InputError
from pare.types import Sample, Side

__all__ = ["GIANT_SHARE", "SHARES", "assign", "group_rows"]

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
) -> list[Side]:
    """The side of each row. A ``test_share`` of 0 seals nothing (the sealed rows are a file of their own).

    ``by_time`` seals the newest groups instead, up to the share, or from the oldest recorded sealed group on: then no row
    of another side is newer than a sealed group, even if its unit was trained on before. A side that came out empty takes
    a train group, so that small data have all of them.
    Raises InputError where ``by_time`` meets a time that is neither ISO 8601 nor a number, or where all times are equal.
    """
    draws = [_Draw([kept[place].sample for place in group], recorded) for group in groups]
    sides: list[Side] = [draw.side(test_share, len(kept)) for draw in draws]
    if by_time and test_share:
        newest = [max(_moment(kept[place]) for place in group) for group in groups]
        cut = _cut(newest, [len(group) for group in groups], [draw.recorded for draw in draws], test_share)
        sides = [
            "test" if time >= cut or draw.recorded == "test" else draw.side(0.0, len(kept))
            for time, draw in zip(newest, draws, strict=True)
        ]
    wanted: list[Side] = ["dev", "calibration"] if by_time or not test_share else ["test", "dev", "calibration"]
    for side in wanted:
        _fill(side, sides, draws)
    placed: dict[int, Side] = {}
    for group, side in zip(groups, sides, strict=True):
        placed.update(dict.fromkeys(group, side))
    return [placed[place] for place in range(len(kept))]


class _Draw:
    """What decides a group's side: its member of smallest rank, its size, and what is recorded of it."""

    def __init__(self, samples: Sequence[Sample], recorded: Mapping[str, Side]) -> None:
        ranked = sorted({sample.unit for sample in samples}, key=lambda unit: _uniform("rank", unit))
        self.unit = ranked[0]
        self.size = len(samples)
        known = sorted((_uniform("rank", s.id), recorded[s.id]) for s in samples if s.id in recorded)
        sides = [side for _, side in known]
        self.recorded: Side | None = "test" if "test" in sides else sides[0] if sides else None

    def side(self, test_share: float, rows: int) -> Side:
        if self.recorded:
            return self.recorded
        if self.size >= GIANT_ROWS and self.size > GIANT_SHARE * rows:
            return "train"
        if _uniform("test", self.unit) < test_share:
            return "test"
        drawn, reached = _uniform("rest", self.unit), 0.0
        for side, share in SHARES.items():
            reached += share
            if drawn < reached:
                return side
        return "calibration"


def _fill(side: Side, sides: list[Side], draws: Sequence[_Draw]) -> None:
    """Gives an empty side one train group: the smallest, then the one of smallest draw; never a recorded one."""
    free = [i for i, (was, draw) in enumerate(zip(sides, draws, strict=True)) if was == "train" and not draw.recorded]
    if side not in sides and sides.count("train") > 2 and free:
        sides[min(free, key=lambda i: (draws[i].size, _uniform(side, draws[i].unit)))] = side


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


def _cut(newest: Sequence[float], sizes: Sequence[int], recorded: Sequence[Side | None], share: float) -> float:
    """The time from which groups are sealed: the recorded one, else the latest that seals the share."""
    before = [time for time, side in zip(newest, recorded, strict=True) if side == "test"]
    if before:
        return min(before)
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
