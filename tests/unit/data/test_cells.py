"""Cells of a target: what each kind reads, in one form, and what it refuses with file, line and value."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.data.cells import target_cell, words_cell
from pare.data.read import Columns, rows
from pare.errors import InputError
from pare.kinds import KINDS, NOTHING

LABEL = st.text(st.characters(exclude_characters="|;[]", exclude_categories=("Cs", "Cc")), min_size=1).map(
    lambda text: text.strip() or "a"
)


def several(value: Any) -> str:
    return target_cell(value, "multilabel", "topics", "a.jsonl", 7)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (["refund", "late"], "late|refund"),
        ('["refund", "late", "late"]', "late|refund"),
        ("refund|late", "late|refund"),
        ("refund ; late;", "late|refund"),
        ("a;b|c", "a;b|c"),
        (["a;b", "c"], "a;b|c"),
        ("refund", "refund"),
        ([], NOTHING),
        (" [ ] ", NOTHING),
        ([""], NOTHING),
        ("", ""),
        (" | ", ""),
        (None, ""),
        (math.nan, ""),
        (3, "3"),
        ([1, True], "1|true"),
        ([1, 0, 4], "0|1|4"),
        ("[urgent", "[urgent"),
    ],
)
def test_cells_of_several_labels(value: Any, cell: str) -> None:
    assert several(value) == cell


@given(st.lists(LABEL, max_size=6), st.sampled_from(["list", "json", "|", ";"]))
def test_a_set_of_labels_reads_alike_however_it_is_written(labels: list[str], form: str) -> None:
    written = {"list": labels, "json": json.dumps(labels)}.get(form, form.join(labels))
    cell = several(written)
    assert KINDS["multilabel"].parts(cell) == tuple(sorted(set(labels)))
    if cell:
        assert several(cell) == cell


@given(st.one_of(st.text(max_size=30), st.lists(st.one_of(st.text(max_size=8), st.none(), st.integers()), max_size=4)))
def test_any_cell_is_read_or_refused_in_one_line(value: Any) -> None:
    refused, cell = "", ""
    try:
        cell = several(value)
    except InputError as error:
        refused = str(error)
    parts = KINDS["multilabel"].parts(cell)
    assert refused == "" or refused.startswith("a.jsonl, line 7: topics must ")
    assert cell in ("", NOTHING, "|".join(parts))
    assert all(part == part.strip() and part for part in parts)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (["a|b", "c"], "must hold labels without '|' but got 'a|b'"),
        (["[]"], "must hold labels without '|' but got '[]'"),
        ("['a', 'b']", 'which is no JSON; write ["a", "b"] or a|b'),
        ("[\"it's\", 'b']", "which is no JSON"),
        ([0, 1, 0, 1], "got [0, 1, 0, 1], a yes or no for each; write the labels' names"),
        ("[1, 0, 1]", "got [1, 0, 1], a yes or no for each"),
        ([1.0, 0.0, 0.0], "a yes or no for each"),
        ([True, False, True], "got [true, false, true], a yes or no for each"),
        ([["a"]], "must be a plain value"),
        ({"a": 1}, "must be a plain value"),
    ],
)
def test_what_is_no_cell_of_labels_is_refused(value: Any, words: str) -> None:
    with pytest.raises(InputError) as error:
        several(value)
    assert str(error.value).startswith("a.jsonl, line 7: topics ")
    assert words in str(error.value)


def test_words_and_tags_are_lists_or_texts() -> None:
    def tags(value: Any) -> str:
        return target_cell(value, "tag", "tags", "a.jsonl", 7)

    assert words_cell(["EU", "rejects", "it"], "tokens", "a.jsonl", 7) == "EU rejects it"
    assert words_cell("EU  rejects", "tokens", "a.jsonl", 7) == "EU  rejects"
    assert tags(["B-ORG", "O", "O"]) == tags('["B-ORG", "O", "O"]') == tags("B-ORG  O O") == "B-ORG O O"
    assert tags([]) == tags(None) == ""
    for word in ("New York", "", "a\u00a0b"):
        with pytest.raises(InputError, match="line 7: tokens must be a list of words without white space"):
            words_cell(["x", word], "tokens", "a.jsonl", 7)


@pytest.mark.parametrize("value", ["['B-x', 'O']", "['B-x' 'O']", "[B-x, O]", '["O"', "['B-x'\n 'O']"])
def test_tags_in_a_list_that_is_no_json_are_refused(value: str) -> None:
    with pytest.raises(InputError, match=r"line 7: tags must hold a list but got .* which is no JSON; write"):
        target_cell(value, "tag", "tags", "a.csv", 7)


@pytest.mark.parametrize("value", [[0, 0, 3], "[0, 0, 3]", "0 0 3", [-1], [0.0, 1.0], ["0", "3"]])
def test_tags_that_are_numbers_are_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"line 7: ner_tags must hold the names of tags but got .*; name the tags"):
        target_cell(value, "tag", "ner_tags", "a.jsonl", 7)
    assert target_cell(["O", "3"], "tag", "ner_tags", "a.jsonl", 7) == "O 3"


def test_words_in_a_list_that_is_no_json_are_refused_and_brackets_are_words() -> None:
    for text in ("['New', 'York']", "[\"it's\", 'New']", "['New' 'York']"):
        with pytest.raises(InputError, match=r"line 7: words must hold a list but got .* which is no JSON"):
            words_cell(text, "words", "a.csv", 7)
    for text in ("[1] see below", "[sic]", "[ERROR] disk full"):
        assert words_cell(text, "words", "a.csv", 7) == text


def test_numbers_of_tags_with_names_beside_them_are_read(tmp_path: Path) -> None:
    feature = {"feature": {"names": ["O", "B-x"], "_type": "ClassLabel"}, "_type": "Sequence"}
    (tmp_path / "dataset_info.json").write_text(json.dumps({"features": {"tags": feature}}))
    polars.DataFrame({"words": [["in", "Bonn"]], "tags": [[0, 1]]}).write_parquet(tmp_path / "a.parquet")
    columns = Columns("words", "tags", kind="tag")
    assert [(row.text, row.label) for row in rows(str(tmp_path), columns)] == [("in Bonn", "O B-x")]
    (tmp_path / "dataset_info.json").unlink()
    with pytest.raises(InputError, match=r"a.parquet, line 1: tags must hold the names of tags but got \[0, 1\]"):
        list(rows(str(tmp_path), columns))


def test_lists_come_from_json_lines_and_parquet_with_the_names_of_classes(tmp_path: Path) -> None:
    cells = [["late", "refund"], [], ["late"]]
    columns = Columns("text", "topics", kind="multilabel")
    lines = (json.dumps({"text": f"t{i}", "topics": cell}) for i, cell in enumerate(cells))
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    polars.DataFrame({"text": ["t0", "t1", "t2"], "topics": cells}).write_parquet(tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        assert [row.label for row in rows(str(tmp_path / name), columns)] == ["late|refund", NOTHING, "late"]

    (tmp_path / "hub").mkdir()
    feature = {"feature": {"names": ["late", "refund"], "_type": "ClassLabel"}, "_type": "Sequence"}
    (tmp_path / "hub" / "dataset_info.json").write_text(json.dumps({"features": {"topics": feature}}))
    polars.DataFrame({"text": ["t0", "t1"], "topics": [[1, 0], []]}).write_parquet(tmp_path / "hub" / "a.parquet")
    assert [row.label for row in rows(str(tmp_path / "hub"), columns)] == ["late|refund", NOTHING]
