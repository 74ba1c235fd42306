import csv
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pare.data import Dataset, prepare, prepare_more, write_quarantine
from pare.data.clean import RARE_MINIMUM, Kept, keep
from pare.data.read import Row
from pare.data.split import assign
from pare.errors import InputError
from pare.types import DataSpec, Quarantined, Sample, Side

WORDS = re.findall(
    r"\w+",
    """card order refund payment invoice parcel password login account fee limit transfer statement top balance currency
    exchange branch teller pin mobile update cancel change close lost late wrong twice missing broken blocked delayed
    unknown yesterday today morning monday holiday abroad home work shop online bank phone letter mail agent support
    robot human""",
)

Record = dict[str, Any]


def records(n: int, seed: int = 0, classes: int = 3, units: int = 0) -> list[Record]:
    rng = random.Random(seed)
    return [
        {
            "text": " ".join(rng.choices(WORDS, k=rng.randint(5, 12))),
            "label": f"c{rng.randrange(classes)}",
            "unit": f"u{rng.randrange(units)}" if units else "",
            "time": f"2024-{1 + k * 12 // n:02d}-{1 + k % 28:02d}",
        }
        for k, _ in enumerate(range(n))
    ]


def save(path: Path, rows: list[Record]) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["text", "label", "unit", "time"])
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def split(folder: Path, rows: list[Record], recorded: Any = None, **spec: Any) -> Dataset:
    return prepare(DataSpec(save(folder / "rows.csv", rows), "text", "label", **spec), recorded)


def everything(data: Dataset) -> list[tuple[Sample, str]]:
    sides = {"train": data.train, "dev": data.dev, "calibration": data.calibration, "test": data.test.open("tests")}
    return [(sample, side) for side, samples in sides.items() for sample in samples]


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


def with_near(rows: list[Record], copies: int) -> list[Record]:
    """The rows, each followed by near-duplicates of it."""
    return [row | {"text": row["text"] + "!" * n} for row in rows for n in range(copies)]


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


# -- by time ----------------------------------------------------------------------------------------------------------


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


def test_a_sealed_file_of_its_own(tmp_path: Path) -> None:
    rows = records(200, units=50)
    sealed = [*records(50, seed=7), rows[0] | {"unit": "s"}, rows[1] | {"text": rows[1]["text"] + "?", "unit": "s"}]
    sealed += [{"text": "mine", "label": "c0", "unit": rows[2]["unit"]}, {"text": "mine", "label": "c0"}]
    data = split(tmp_path, rows, unit="unit", test=save(tmp_path / "sealed.csv", sealed))
    reasons = Counter(item.reason.partition(" u")[0] for item in data.quarantined)
    assert data.test.n == len(sealed)
    assert reasons["same text as a row of the sealed file"] == 1
    assert reasons["near-duplicate of a row of the sealed file"] >= 0
    assert data.facts.beside_sealed >= 3
    assert not {sample.unit for sample in data.train} & {sample.unit for sample in data.test.open("x")}


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


# -- several labels, tags ---------------------------------------------------------------------------------------------


def several(n: int, seed: int = 0) -> list[Record]:
    """Rows of up to three labels, some of none."""
    rng = random.Random(seed)
    made = records(n, seed)
    for row in made:
        row["label"] = "|".join(f"c{k}" for k in range(3) if rng.random() < 0.4) or "[]"
    return made


def split_as(kind: Any, folder: Path, rows: list[Record], **spec: Any) -> Dataset:
    return prepare(DataSpec(save(folder / "rows.csv", rows), "text", "label", **spec), None, kind)


def test_classes_of_several_labels_are_those_that_cells_name(tmp_path: Path) -> None:
    data = split_as("multilabel", tmp_path, several(400))
    assert data.labels == ("c0", "c1", "c2")
    assert data.kind == "multilabel"
    assert any(sample.label == "[]" for sample in data.train)
    targets = data.targets(data.train)
    assert targets.shape == (len(data.train), 3)
    assert targets.sum() == sum(len(sample.label.split("|")) for sample in data.train if sample.label != "[]")


def test_one_label_a_row_is_split_as_ever(tmp_path: Path) -> None:
    rows = records(300, classes=4)
    one, more = split(tmp_path, rows), split_as("multilabel", tmp_path, rows)
    assert one.membership() == more.membership()
    assert (one.hash, one.labels) == (more.hash, more.labels)


def test_rows_that_name_a_rare_label_are_set_aside_whole_or_the_label_is_other(tmp_path: Path) -> None:
    rows = several(400)
    for place, row in enumerate(rows[:5]):
        row["label"] = f"c0|rare{place % 2}"
    data = split_as("multilabel", tmp_path, rows)
    assert dict(data.facts.rare) == {"rare0": 3, "rare1": 2}
    aside = [item for item in data.quarantined if "rare" in item.reason]
    assert len(aside) == 5
    assert aside[0].reason == "label rare0 has 3 rows, fewer than 8"
    rows[5:15] = [row | {"label": "c1|seldom"} for row in rows[5:15]]
    merged = split_as(
        "multilabel", tmp_path, [*rows, *(r | {"label": "rare2"} for r in records(6, seed=9))], rare="other"
    )
    assert "other" in merged.labels
    assert {sample.label for sample, _ in everything(merged) if "other" in sample.label} == {"c0|other", "other"}


def test_a_row_that_goes_for_one_label_takes_no_other_below_what_can_be_learnt(tmp_path: Path) -> None:
    for seed in range(6):
        rng = random.Random(seed)
        rows = records(60, seed)
        for row in rows:
            row["label"] = "|".join(sorted(rng.sample([f"k{k}" for k in range(12)], 2)))
        data = split_as("multilabel", tmp_path, rows)
        named = {part for sample, _ in everything(data) for part in sample.label.split("|")}
        assert named == set(data.labels)


def test_the_same_labels_in_another_order_are_a_duplicate_and_others_a_contradiction(tmp_path: Path) -> None:
    rows = several(60)
    same = rows[0] | {"label": "c1;c0"}
    rows[0]["label"], rows[1]["label"] = "c0|c1", "c2"
    data = split_as("multilabel", tmp_path, [*rows, same, rows[1] | {"label": "c0|c2"}])
    reasons = Counter(item.reason.split(" line")[0] for item in data.quarantined)
    assert reasons == {"duplicate of": 1, "same text as": 2}


def test_a_row_needs_a_tag_for_each_word(tmp_path: Path) -> None:
    rows = [
        row | {"label": " ".join("B-x" if i % 4 == 0 else "O" for i, _ in enumerate(row["text"].split()))}
        for row in records(80)
    ]
    rows[0]["label"] += " O O"
    data = split_as("tag", tmp_path, rows)
    words = len(rows[0]["text"].split())
    (reason,) = (item.reason for item in data.quarantined)
    assert reason == f"tags that do not fit the words of the row: {words + 2} for {words}"
    assert data.labels == ("B-x", "O")
    assert data.facts.empty == 0


def test_fresh_rows_of_several_labels_join_if_all_of_them_are_known(tmp_path: Path) -> None:
    rows = several(120)
    data = split_as("multilabel", tmp_path, rows)
    fresh = [row | {"label": label} for row, label in zip(records(3, seed=77), ("c0|c1", "c0|new", "[]"), strict=True)]
    spec = DataSpec(str(tmp_path / "rows.csv"), "text", "label")
    sealed, aside = prepare_more(spec, save(tmp_path / "more.csv", fresh), data.labels, (), "multilabel")
    assert sorted(row.label for row in sealed.open("tests")) == ["[]", "c0|c1"]
    assert [item.reason for item in aside] == ["label not in the list of classes: new"]


def test_labels_that_are_parted_by_commas_are_refused_with_the_marks_that_part_them(tmp_path: Path) -> None:
    rows = [row | {"label": row["label"].replace("|", ", ")} for row in several(200)]
    with pytest.raises(InputError, match=r"labels must be parted by '\|' or ';' but \d+ cells part them by ','"):
        split_as("multilabel", tmp_path, rows)
    with pytest.raises(InputError, match=r"set kind: multilabel and part labels by '\|'"):
        split(tmp_path, [row for row in rows if row["label"] != "[]"])
