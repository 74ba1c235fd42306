import csv
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pare.data import Dataset, prepare, prepare_more, write_quarantine
from pare.errors import InputError
from pare.types import DataSpec, Quarantined, Sample

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
    assert grown.facts.sealed_missing == 0
    assert all(now[id] == "test" for id, side in before.membership().items() if side == "test")


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
    assert after.facts.sealed_missing == 0
    assert set(before.test.ids) <= set(after.test.ids)


def test_deleted_sealed_rows_are_counted(tmp_path: Path) -> None:
    rows = records(200)
    before = split(tmp_path, rows)
    gone = before.test.open("x")[0].text
    after = split(tmp_path, [row for row in rows if row["text"] != gone], before.membership())
    assert after.facts.sealed_missing == 1


def test_a_near_duplicate_of_a_sealed_row_joins_it(tmp_path: Path) -> None:
    rows = records(200)
    before = split(tmp_path, rows)
    sealed = before.test.open("x")[0]
    after = split(tmp_path, [*rows, {"text": sealed.text + " !", "label": sealed.label}], before.membership())
    assert after.test.n == before.test.n + 1


def test_by_time_the_newest_are_sealed(tmp_path: Path) -> None:
    rows = records(400)
    data = split(tmp_path, rows, time="time")
    oldest = min(sample.time for sample in data.test.open("x"))
    assert oldest > max(sample.time for sample in data.train + data.dev + data.calibration)
    assert data.test.n == pytest.approx(120, abs=20)
    newer = [row | {"time": "2025-01-01"} for row in records(50, seed=3)]
    grown = split(tmp_path, rows + newer, data.membership(), time="time")
    assert grown.test.n == data.test.n + 50


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
    fresh, aside = prepare_more(spec, save(tmp_path / "new.csv", new), ("c0", "c1", "c2"))
    assert fresh.n == 30
    assert [item.reason for item in aside] == [
        "same text as a row of data that were seen",
        f"unit {rows[1]['unit']} is in data that were seen",
        "near-duplicate of a row of data that were seen",
        "label c9 is none of the task's",
        "text or label empty",
    ]
    with pytest.raises(InputError, match="has no fresh row: 100 were set aside"):
        prepare_more(spec, spec.path, ("c0", "c1", "c2"))


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
