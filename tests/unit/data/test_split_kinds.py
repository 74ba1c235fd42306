"""Splits where a cell holds several labels, or a tag for each word."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pare.data import Dataset, prepare, prepare_more
from pare.errors import InputError
from pare.testing.tables import Record, everything, records, save, split
from pare.types import DataSpec


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
