"""Fresh rows join a growing proof only if nothing like them was seen."""

import re
from pathlib import Path

import pytest

from pare.data import prepare_more
from pare.errors import InputError
from pare.testing.tables import records, save, with_near
from pare.types import DataSpec


def test_fresh_rows_give_way_to_seen_ones(tmp_path: Path) -> None:
    rows = records(100, units=20)
    spec = DataSpec(save(tmp_path / "rows.csv", rows), "text", "label", unit="unit")
    new = [
        *records(30, seed=3),
        rows[0] | {"unit": ""},
        {"text": "of a seen unit", "label": "c0", "unit": rows[1]["unit"]},
    ]
    new += [
        {"text": rows[2]["text"] + "!!", "label": "c0"},
        {"text": "new", "label": "c9"},
        {"text": "", "label": "c0"},
    ]
    fresh, aside = prepare_more(spec, save(tmp_path / "new.csv", new), ("c0", "c1", "c2"), (), "classify")
    assert fresh.n == 30
    assert [item.reason for item in aside] == [
        "same text as a row of data that were seen",
        f"unit {rows[1]['unit']} is in data that were seen",
        "near-duplicate of a row of data that were seen",
        "label not in the list of classes: c9",
        "text or label empty",
    ]
    with pytest.raises(InputError, match="has no fresh row: 100 were set aside"):
        prepare_more(spec, spec.path, ("c0", "c1", "c2"), (), "classify")


def test_fresh_rows_give_way_to_those_that_joined_before(tmp_path: Path) -> None:
    spec = DataSpec(save(tmp_path / "rows.csv", records(100, units=20)), "text", "label", unit="unit")
    new = [row | {"unit": f"new{n}"} for n, row in enumerate(records(30, seed=3))]
    first, _ = prepare_more(spec, save(tmp_path / "first.csv", new), ("c0", "c1", "c2"), (), "classify")
    second = [
        new[0] | {"unit": "u"},
        {"text": new[1]["text"] + "!!", "label": "c0"},
        {"text": "of a unit that joined before", "label": "c0", "unit": "new2"},
        *({"text": f"{row['text']} at last", "label": "c1", "unit": ""} for row in records(5, seed=4)),
    ]
    path = save(tmp_path / "second.csv", second)
    fresh, aside = prepare_more(spec, path, ("c0", "c1", "c2"), first.open("x"), "classify")
    assert fresh.n == 5
    assert [item.reason for item in aside] == [
        "same text as a row of data that were seen",
        "near-duplicate of a row of data that were seen",
        "unit new2 is in data that were seen",
    ]
    assert prepare_more(spec, path, ("c0", "c1", "c2"), (), "classify")[0].n == 8


def test_of_fresh_near_duplicates_one_stays(tmp_path: Path) -> None:
    spec = DataSpec(save(tmp_path / "rows.csv", records(100)), "text", "label")
    new = save(tmp_path / "new.csv", with_near(records(20, seed=3), 4))
    fresh, aside = prepare_more(spec, new, ("c0", "c1", "c2"), (), "classify")
    assert (fresh.n, len(aside)) == (20, 60)
    assert all(re.fullmatch(r"near-duplicate of line \d+, which is sealed", item.reason) for item in aside)
