"""How rows are split: shares, stability, near-duplicates, and what is refused."""

import csv
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pare.data import Dataset, write_quarantine
from pare.data.clean import keep
from pare.data.read import Row
from pare.errors import InputError
from pare.testing.tables import Record, everything, records, save, split, with_near
from pare.types import Quarantined


def test_shares(tmp_path: Path) -> None:
    data = split(tmp_path, records(6000))
    rest = len(data.train) + len(data.dev) + len(data.calibration)
    assert data.test.n / (rest + data.test.n) == pytest.approx(0.3, abs=0.025)
    assert len(data.train) / rest == pytest.approx(0.80, abs=0.025)
    assert len(data.dev) / rest == pytest.approx(0.13, abs=0.025)
    assert data.labels == ("c0", "c1", "c2")
    assert data.facts.read == 6000


def test_large_groups_are_drawn_to_no_side(tmp_path: Path) -> None:
    data = split(tmp_path, records(6000, units=600), unit="unit")
    assert data.test.n / 6000 == pytest.approx(0.3, abs=0.07)
    assert data.facts.units == 600


def test_the_split_is_pinned(tmp_path: Path) -> None:
    data = split(tmp_path, records(60))
    sides = [len(data.train), len(data.dev), len(data.calibration), data.test.n]
    assert (sides, data.hash) == ([34, 12, 3, 11], "a2231eaff3ca437f"), (
        "a changed key, share or id moves every recorded split"
    )


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.integers(0, 12), st.randoms(use_true_random=False))
def test_stable_under_order_and_additions(tmp_path: Path, seed: int, units: int, rng: random.Random) -> None:
    rows = records(120, seed, units=units * 5)
    unit = "unit" if units else None
    before = split(tmp_path, rows, unit=unit)
    shuffled = rng.sample(rows, len(rows))
    after = split(tmp_path, shuffled, unit=unit)
    assert after.membership() == before.membership()
    assert after.hash == before.hash
    grown = split(tmp_path, shuffled + records(60, seed + 1, units=units * 5), before.membership(), unit=unit)
    now = grown.membership()
    assert all(now[id] == "test" for id, side in before.membership().items() if side == "test")
    assert grown.facts.recorded == len(before.membership())


def test_without_a_record_additions_move_nothing(tmp_path: Path) -> None:
    before = split(tmp_path, records(300)).membership()
    after = split(tmp_path, records(300) + records(300, seed=9)).membership()
    assert {id: after[id] for id in before} == before


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.sampled_from([None, "time"]), st.integers(0, 3))
def test_no_unit_and_no_near_duplicate_is_parted(tmp_path: Path, seed: int, time: str | None, units: int) -> None:
    rows = records(100, seed, units=units * 10)
    rows += [row | {"text": row["text"] + "!?", "unit": row["unit"] and row["unit"]} for row in rows[:30]]
    rows += [row | {"text": row["text"] + " " + row["text"][-5:] + "s"} for row in rows[30:50]]
    data = split(tmp_path, rows, unit="unit" if units else None, time=time)
    placed = everything(data)
    of_unit: dict[str, set[str]] = {}
    of_text: dict[str, set[str]] = {}
    for sample, side in placed:
        of_unit.setdefault(sample.unit, set()).add(side)
        of_text.setdefault(sample.text.rstrip("!?"), set()).add(side)
    assert all(len(sides) == 1 for sides in (of_unit | of_text).values())


def test_additions_cannot_push_sealed_rows_out(tmp_path: Path) -> None:
    rows = records(80)
    before = split(tmp_path, rows)
    hostile = [row | {"label": "c1" if row["label"] == "c0" else "c0"} for row in rows]
    hostile += records(2000, seed=5, classes=2)
    after = split(tmp_path, hostile + rows, before.membership())
    assert set(before.test.ids) <= set(after.test.ids)


def test_rows_whose_side_was_recorded_are_counted(tmp_path: Path) -> None:
    rows = records(200)
    before = split(tmp_path, rows)
    gone = before.test.open("x")[0].text
    after = split(tmp_path, [row for row in rows if row["text"] != gone] + records(50, seed=3), before.membership())
    assert (before.facts.recorded, after.facts.recorded) == (0, 199)
    others = {"of another task": "test", before.train[0].id: "train"}
    assert split(tmp_path, rows, others).facts.recorded == 1


# -- near-duplicates of sealed rows -----------------------------------------------------------------------------------


def near_sealed(data: Dataset) -> Counter[str]:
    """The sealed rows by the text that near-duplicates share."""
    return Counter(sample.text.rstrip("!") for sample in data.test.open("tests"))


@pytest.mark.parametrize("time", [None, "time"])
def test_of_sealed_near_duplicates_one_stays(tmp_path: Path, time: str | None) -> None:
    rows = with_near(records(200), 5)
    data = split(tmp_path, rows, time=time)
    assert data.test.n == len(near_sealed(data)) == pytest.approx(60, abs=20)
    beside = Counter(sample.text.rstrip("!") for sample in data.train)
    assert set(beside.values()) == {5}, "only sealed rows are tested as independent draws"
    reasons = [item.reason for item in data.quarantined]
    assert len(reasons) == 4 * data.test.n
    assert all(re.fullmatch(r"near-duplicate of line \d+, which is sealed", reason) for reason in reasons)
    lines = {2 + n: row["text"] for n, row in enumerate(rows)}
    named = {lines[int(re.findall(r"\d+", reason)[0])] for reason in reasons}
    assert named == {sample.text for sample in data.test.open("tests")}


def test_rows_of_one_unit_that_are_no_near_duplicates_all_stay(tmp_path: Path) -> None:
    rows = records(400, units=40)
    data = split(tmp_path, rows + with_near(rows, 2), unit="unit")
    by_unit = Counter(sample.unit for sample in data.test.open("tests"))
    assert min(by_unit.values()) > 1
    assert set(near_sealed(data).values()) == {1}


def test_recorded_near_duplicates_all_stay_and_take_no_other_in(tmp_path: Path) -> None:
    rows = with_near(records(100), 2)
    before = split(tmp_path, rows)
    recorded = {item.id: "test" for item in before.test.open("x")}
    again = split(tmp_path, with_near(records(100), 6), recorded)
    assert set(recorded) <= set(again.test.ids)
    assert set(near_sealed(again).values()) == {1}
    sealed = [row for row in rows if row["text"].rstrip("!") in near_sealed(before)]
    several = {keep(Row("", 0, row["text"], row["label"])).sample.id: "test" for row in sealed}
    kept = split(tmp_path, with_near(records(100), 3), several)
    assert set(several) <= set(kept.test.ids), "rows that an earlier version sealed never leave"
    assert {near_sealed(kept)[text] for text in near_sealed(before)} == {2}


def test_a_near_duplicate_of_a_sealed_row_neither_joins_it_nor_is_trained_on(tmp_path: Path) -> None:
    rows = records(200)
    before = split(tmp_path, rows)
    sealed = before.test.open("x")[0]
    after = split(tmp_path, [{"text": sealed.text + " !", "label": sealed.label}, *rows], before.membership())
    assert after.test.ids == before.test.ids
    line = next(n for n, row in enumerate(rows, 3) if row["text"] == sealed.text)
    assert [item.reason for item in after.quarantined] == [f"near-duplicate of line {line}, which is sealed"]
    assert after.membership() == before.membership()


def test_a_near_duplicate_of_a_trained_row_joins_it(tmp_path: Path) -> None:
    rows = records(200)
    before = split(tmp_path, rows)
    trained = before.train[0]
    after = split(tmp_path, [*rows, {"text": trained.text + " !", "label": trained.label}], before.membership())
    assert len(after.train) == len(before.train) + 1


def test_a_sealed_file_keeps_its_near_duplicates(tmp_path: Path) -> None:
    sealed = save(tmp_path / "sealed.csv", with_near(records(20, seed=5), 3))
    assert split(tmp_path, records(100), test=sealed).test.n == 60


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([None, "time"]), st.randoms(use_true_random=False))
def test_near_duplicates_leave_the_split_stable(
    tmp_path: Path, seed: int, copies: int, time: str | None, rng: random.Random
) -> None:
    rows = with_near(records(60, seed, units=30), copies)
    before = split(tmp_path, rows, unit="unit", time=time)
    after = split(tmp_path, rng.sample(rows, len(rows)), unit="unit", time=time)
    assert (after.hash, after.membership()) == (before.hash, before.membership())
    again = split(tmp_path, rows, before.membership(), unit="unit", time=time)
    assert again.hash == before.hash, "a second run of one task must find the rows of the first"
    more = with_near(rng.sample(rows, 20), 3) + records(20, seed + 1, units=30)
    grown = split(tmp_path, rows + more, before.membership(), unit="unit", time=time)
    assert set(before.test.ids) <= set(grown.test.ids)


def test_a_sealed_file_of_its_own(tmp_path: Path) -> None:
    rows = records(200, units=50)
    sealed = [*records(50, seed=7), rows[0] | {"unit": "s"}, rows[1] | {"text": rows[1]["text"] + "?", "unit": "s"}]
    sealed += [{"text": "mine", "label": "c0", "unit": rows[2]["unit"]}, {"text": "mine", "label": "c0"}]
    data = split(tmp_path, rows, unit="unit", test=save(tmp_path / "sealed.csv", sealed))
    reasons = Counter(item.reason.partition(" u")[0] for item in data.quarantined)
    assert data.test.n == len(sealed)
    assert reasons["same text as a row of the sealed file"] == 1
    assert reasons["near-duplicate of a row of the sealed file"] == 1
    assert data.facts.beside_sealed >= 3
    assert not {sample.unit for sample in data.train} & {sample.unit for sample in data.test.open("x")}


def test_rare_labels_go_to_quarantine_or_to_other(tmp_path: Path) -> None:
    rows = records(300)
    rare = [row | {"label": f"rare{n % 5}"} for n, row in enumerate(records(30, seed=4))]
    data = split(tmp_path, rows + rare)
    assert data.labels == ("c0", "c1", "c2")
    assert data.facts.rare == {f"rare{n}": 6 for n in range(5)}
    assert {item.reason for item in data.quarantined} == {f"label rare{n} has 6 rows, fewer than 8" for n in range(5)}
    merged = split(tmp_path, rows + rare, rare="other")
    assert merged.labels == ("c0", "c1", "c2", "other")
    assert merged.quarantined == ()


@pytest.mark.parametrize("n", [20, 30, 40])
def test_too_few_rows_are_never_bad_input(tmp_path: Path, n: int) -> None:
    for seed in range(8):
        data = split(tmp_path, [row | {"label": f"c{k % 2}"} for k, row in enumerate(records(n, seed))])
        assert data.train
        assert data.dev
        assert data.calibration
        assert data.test.n


@pytest.mark.parametrize("n", range(2, 13))
def test_tiny_data_hold_both_classes_and_from_eight_rows_on_all_sides(tmp_path: Path, n: int) -> None:
    for seed in range(12):
        rows = [row | {"label": f"c{k % 2}"} for k, row in enumerate(records(n, seed))]
        data = split(tmp_path, rows)
        assert {sample.label for sample in data.train} == {"c0", "c1"}
        sides = {side for _, side in everything(data)}
        assert n < 8 or sides == {"train", "dev", "calibration", "test"}
        assert split(tmp_path, rows[::-1]).hash == data.hash
        assert split(tmp_path, rows, data.membership()).hash == data.hash


def test_one_giant_unit_is_trained_on(tmp_path: Path) -> None:
    rows = [row | {"unit": "giant"} for row in records(200)] + [
        row | {"unit": str(n)} for n, row in enumerate(records(100, 8))
    ]
    data = split(tmp_path, rows, unit="unit")
    assert data.facts.largest_group >= 200
    assert "giant" in {sample.unit for sample in data.train}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "has a header but no rows"),
        (
            [{"text": "a", "label": "x"}, {"text": "b", "label": "x"}],
            "label must hold two classes or more but has only x",
        ),
        ([{"text": "", "label": "x"}], "two classes or more but has none"),
        ([{"text": f"t{n}", "label": f"l{n}"} for n in range(40)], "40 different values in 40 rows"),
        ([{"text": "a", "label": "x"}, {"text": "a", "label": "y"}], "two classes must have rows to train on"),
    ],
)
def test_messages(tmp_path: Path, rows: list[Record], message: str) -> None:
    with pytest.raises(InputError, match=message):
        split(tmp_path, rows)


def test_the_sealed_side_is_guarded(tmp_path: Path) -> None:
    sealed = split(tmp_path, records(100)).test
    assert (sealed.n, len(sealed), len(sealed.ids)) == (sealed.n,) * 3
    assert sum(sealed.classes.values()) == sealed.n
    assert sealed.open("plan")[0].id == sealed.ids[0]
    assert "card" not in repr(sealed)
    with pytest.raises(TypeError):
        list(sealed)
    with pytest.raises(ValueError, match="frozen plan"):
        sealed.open("")


def test_quarantine_file(tmp_path: Path) -> None:
    path = tmp_path / "run" / "quarantine.csv"
    write_quarantine(path, [Quarantined("a.csv", 3, "text empty", 'a "b"\nc', "x")])
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "line", "reason", "text", "label"],
            ["a.csv", "3", "text empty", 'a "b"\nc', "x"],
        ]
    assert [p.name for p in path.parent.iterdir()] == ["quarantine.csv"]
