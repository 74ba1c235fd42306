"""Splits by time: the newest rows are sealed."""

import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pare.errors import InputError
from pare.testing.tables import Record, records, split


def test_by_time_the_newest_are_sealed(tmp_path: Path) -> None:
    rows = records(400)
    data = split(tmp_path, rows, time="time")
    oldest = min(sample.time for sample in data.test.open("x"))
    assert oldest > max(sample.time for sample in data.train + data.dev + data.calibration)
    assert data.test.n == pytest.approx(120, abs=20)
    newer = [row | {"time": "2025-01-01"} for row in records(50, seed=3)]
    grown = split(tmp_path, rows + newer, data.membership(), time="time")
    assert grown.test.n == data.test.n + 50


def test_time_after_a_split_without_it_is_refused(tmp_path: Path) -> None:
    rows = records(400)
    before = split(tmp_path, rows).membership()
    with pytest.raises(InputError) as caught:
        split(tmp_path, rows, before, time="time")
    oldest = min(row["time"] for row in rows)
    others = sum(side != "test" for side in before.values())
    message = str(caught.value)
    assert re.search(rf"data.time must seal the newest rows but \d+ of {others} rows recorded as train, dev", message)
    assert f"(from {oldest} on), for they were split otherwise before" in message
    assert message.endswith("leave data.time out, or use rows that were never split")
    assert split(tmp_path, rows, before).membership() == before


def test_a_unit_that_was_trained_on_is_sealed_with_its_newer_rows(tmp_path: Path) -> None:
    rows = records(200, units=100)
    before = split(tmp_path, rows, unit="unit", time="time")
    known = before.train[0]
    newer = [row | {"unit": known.unit, "time": "2025-01-01"} for row in records(3, seed=8)]
    grown = split(tmp_path, rows + newer, before.membership(), unit="unit", time="time")
    assert grown.membership()[known.id] == "test"
    again = split(tmp_path, rows + newer, dict(before.membership()) | grown.membership(), unit="unit", time="time")
    assert again.hash == grown.hash


def test_by_time_the_newest_of_near_duplicates_stays(tmp_path: Path) -> None:
    rows = records(200)
    newer = [row | {"text": row["text"] + "!", "time": "2025-01-01"} for row in rows[:20]]
    data = split(tmp_path, rows + newer, time="time")
    assert {row["text"] for row in newer} <= {sample.text for sample in data.test.open("x")}
    aside = {item.text for item in data.quarantined}
    assert aside == {row["text"] for row in rows[:20]}
    tidy = split(tmp_path, [row for row in rows + newer if row["text"] not in aside], data.membership(), time="time")
    assert tidy.hash == data.hash, "what was set aside may be removed: the cut does not lean on it"


def test_what_time_has_sealed_is_not_moved_to_teach_a_class(tmp_path: Path) -> None:
    rows = records(40, classes=2) + [row | {"label": "new", "time": "2025-01-01"} for row in records(10, seed=3)]
    data = split(tmp_path, rows, time="time")
    assert data.labels == ("c0", "c1")
    assert {item.reason for item in data.quarantined} == {"label new has 0 rows to train on, fewer than 2"}


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.sampled_from([None, "unit"]), st.integers(2, 4), st.booleans())
def test_data_that_grow_by_time_are_never_refused(
    tmp_path: Path, seed: int, unit: str | None, rounds: int, tidy: bool
) -> None:
    """Rows of any age join, units and near-duplicates span the cut, and what was set aside may be removed."""
    rng = random.Random(seed)
    rows: list[Record] = []
    recorded: dict[str, Any] = {}
    for number in range(rounds):
        for row in records(60, seed + number, classes=2):
            month, day = rng.randint(1, 9 + number), rng.randint(1, 28)
            of_round = rng.choice([number, number, number, rng.randint(0, number)])
            rows.append(row | {"time": f"2024-{month:02d}-{day:02d}", "unit": f"{of_round} {rng.randrange(40)}"})
        rows += [row | {"text": row["text"] + "!", "time": f"2024-{rng.randint(1, 9):02d}-15"} for row in rows[-5:]]
        data = split(tmp_path, rows, recorded, unit=unit, time="time")
        sealed = {id for id, side in recorded.items() if side == "test"}
        assert sealed <= set(data.test.ids)
        recorded |= data.membership()
        if tidy:
            aside = {item.text for item in data.quarantined}
            rows = [row for row in rows if row["text"] not in aside]


@pytest.mark.parametrize(
    ("time", "message"), [("soon", "time must be ISO 8601 or a number but got 'soon'"), ("2024", "seals all of them")]
)
def test_times_that_cannot_cut(tmp_path: Path, time: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        split(tmp_path, [row | {"time": time} for row in records(50)], time="time")
