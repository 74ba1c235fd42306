"""Sides of groups, as a pure function: every class can be learnt, and what was recorded stays."""

from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pare.data.clean import RARE_MINIMUM, Kept, keep
from pare.data.read import Row
from pare.data.split import assign
from pare.types import Side

Groups = list[tuple[int, int]]
"""The rows of either class in each group."""


def sides_of(shape: Groups, recorded: dict[int, Side], **more: Any) -> list[Side]:
    """The side of each group."""
    kept: list[Kept] = []
    groups: list[list[int]] = []
    for unit, sizes in enumerate(shape):
        groups.append(list(range(len(kept), len(kept) + sum(sizes))))
        labels = [label for label, size in zip("ab", sizes, strict=True) for _ in range(size)]
        kept += [keep(Row("a.csv", 1, f"{unit} {n}", label, f"u{unit}")) for n, label in enumerate(labels)]
    known = {kept[place].sample.id: side for unit, side in recorded.items() for place in groups[unit]}
    options = {"test_share": 0.3, "by_time": False} | more
    sides = assign(kept, groups, recorded=known, **options)
    assert all(len({sides[place] for place in group}) == 1 for group in groups)
    return [sides[group[0]] for group in groups]


def teachable(shape: Groups, sides: list[Side], least: int) -> bool:
    trained = [sizes for sizes, side in zip(shape, sides, strict=True) if side == "train"]
    return all(sum(sizes[label] for sizes in trained) >= least for label in (0, 1))


ONE_CLASS = st.tuples(st.integers(1, 30), st.just(0)) | st.tuples(st.just(0), st.integers(1, 30))
GROUPS = st.lists(ONE_CLASS | st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=8, max_size=14)


@settings(deadline=None, max_examples=300)
@given(GROUPS, st.sampled_from([0.02, 0.3, 0.9]))
def test_eight_groups_with_four_of_each_class_have_all_sides(shape: Groups, share: float) -> None:
    assume(all(sum(sizes[label] > 0 for sizes in shape) >= 4 for label in (0, 1)))
    totals = [sum(sizes[label] for sizes in shape) for label in (0, 1)]
    least = 2 if min(totals) >= RARE_MINIMUM else 1
    sides = sides_of(shape, {}, test_share=share, least=least)
    assert set(sides) == {"train", "dev", "calibration", "test"}
    assert teachable(shape, sides, least)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(ONE_CLASS, min_size=1, max_size=14),
    st.dictionaries(st.integers(0, 13), st.sampled_from(["train", "dev", "calibration", "test"])),
    st.sampled_from([0.0, 0.3]),
)
def test_recorded_groups_are_never_moved(shape: Groups, recorded: dict[int, Side], share: float) -> None:
    recorded = {unit: side for unit, side in recorded.items() if unit < len(shape)}
    sides = sides_of(shape, recorded, test_share=share, least=2)
    assert {unit: sides[unit] for unit in recorded} == recorded


def test_a_side_is_filled_from_the_class_of_the_most_train_groups() -> None:
    shape = [(1, 0)] * 12 + [(0, 1)] * 2
    recorded: dict[int, Side] = {0: "dev", 1: "calibration"}
    without = sides_of(shape, recorded, test_share=0.0)
    filled = sides_of(shape, recorded | dict.fromkeys(range(2, 6), "train"), test_share=1e-9)
    moved = [n for n, side in enumerate(filled) if side == "test"]
    assert len(moved) == 1
    assert 6 <= moved[0] < 12, "a group of class a, and none that was recorded"
    assert "test" not in without
