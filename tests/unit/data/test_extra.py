"""Rows for training only: whatever they hold, the real rows and their sides stay as they are."""

from __future__ import annotations

import csv
import gzip
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pare.data import Dataset, Task, prepare, prepare_more, screen
from pare.data.clean import exact_form
from pare.data.extra import seen_key
from pare.data.near import near_groups
from pare.data.read import Row
from pare.errors import InputError
from pare.types import DataSpec, Sample

WORDS = re.findall(
    r"\w+",
    """card order refund payment invoice parcel password login account fee limit transfer statement top balance branch
    teller pin mobile update cancel change close lost late wrong twice missing broken blocked delayed unknown""",
)
Record = dict[str, Any]


def records(n: int, seed: int = 0, units: int = 0) -> list[Record]:
    rng = random.Random(seed)
    return [
        {
            "text": " ".join(rng.choices(WORDS, k=rng.randint(5, 10))),
            "label": f"c{rng.randrange(3)}",
            "unit": f"u{rng.randrange(units)}" if units else "",
        }
        for _ in range(n)
    ]


def save(path: Path, rows: list[Record], columns: tuple[str, ...] = ("text", "label", "unit")) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def spec(folder: Path, rows: list[Record], **fields: Any) -> DataSpec:
    return DataSpec(save(folder / "rows.csv", rows), "text", "label", **fields)


def sealed(data: Dataset) -> tuple[Sample, ...]:
    return data.test.open("tests")


def held_out(data: Dataset) -> list[Sample]:
    return [*data.dev, *data.calibration, *sealed(data)]


def reasons(data: Dataset, file: str) -> dict[str, str]:
    return {item.text: item.reason for item in data.quarantined if item.file.endswith(file)}


def disturbed(text: str, rng: random.Random) -> str:
    """The text as it is, in another form of the same, near it, or far from it."""
    kind = rng.randrange(4)
    if kind == 0:
        return text
    if kind == 1:
        return f" {text.upper()}!?"
    if kind == 2:
        return text + " " + text[-3:]
    return " ".join(rng.sample(text.split(), 2))


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.sampled_from([0, 20]), st.sampled_from([0.3, 0.1]))
def test_whatever_the_files_hold_the_real_rows_keep_their_sides(
    tmp_path: Path, seed: int, units: int, share: float
) -> None:
    rng = random.Random(seed)
    rows = records(120, seed, units)
    rows += [row | {"text": row["text"] + "?"} for row in rows[:10]] + [rows[3] | {"label": "c9"}]
    unit = "unit" if units else None
    before = prepare(spec(tmp_path, rows, unit=unit, test_share=share))
    made = [
        {
            "text": disturbed(row["text"], rng),
            "label": rng.choice(["c0", "c1", "c9", ""]),
            "unit": f"u{rng.randrange(40)}",
        }
        for row in rng.choices(rows + records(20, seed + 1), k=60)
    ]
    files = {
        "synthetic": save(tmp_path / "synthetic.csv", made),
        "unlabelled": save(tmp_path / "unlabelled.csv", [*made[::-1], *records(10, seed + 2, 40)]),
    }
    after = prepare(spec(tmp_path, rows, unit=unit, test_share=share, **files))
    assert after.membership() == before.membership()
    assert (after.real, after.dev, after.calibration) == (before.train, before.dev, before.calibration)
    assert sealed(after) == sealed(before)
    assert (after.test.hash, after.labels, after.facts) == (before.test.hash, before.labels, before.facts)
    assert {sample.origin for sample in held_out(after)} <= {""}
    # What joins is far from every real row that is held out, in text and in unit.
    joined = [*(sample.text for sample in after.train if sample.origin), *after.unlabelled]
    held = held_out(after)
    near = near_groups([*joined, *(sample.text for sample in held)]).tolist()
    assert not set(near[: len(joined)]) & set(near[len(joined) :])
    assert not {exact_form(text) for text in joined} & {exact_form(sample.text) for sample in (*held, *after.real)}
    invented = {sample.unit for sample in after.train if sample.origin}
    assert not {sample.unit for sample in after.beside} & {sample.unit for sample in held}
    assert not invented & {sample.unit for sample in after.real}
    assert (after.hash == before.hash) == (not joined)
    # Nothing is lost: every row of both files has joined, or is in quarantine with its reason.
    aside = sum(item.file.endswith(("synthetic.csv", "unlabelled.csv")) for item in after.quarantined)
    assert len(joined) + aside == 130


def test_synthetic_rows_are_marked_and_each_that_is_set_aside_says_why(tmp_path: Path) -> None:
    rows = records(200)
    data = prepare(spec(tmp_path, rows))
    near_sealed = sealed(data)[0].text + " " + sealed(data)[0].text[-3:]
    made = [
        ("a wholly new message about gold", "c0"),
        ("A wholly new message about GOLD", "c0"),
        (data.train[0].text, data.train[0].label),
        (near_sealed, "c1"),
        ("another new one about silver", "c77"),
        ("nobody knows the label of this", ""),
        ("one text under two labels", "c0"),
        ("one text under two labels", "c1"),
    ]
    file = save(tmp_path / "synthetic.csv", [{"text": text, "label": label} for text, label in made])
    after = prepare(spec(tmp_path, rows, synthetic=file))
    (kept,) = [sample for sample in after.train if sample.origin]
    assert (exact_form(kept.text), kept.label, kept.origin) == (exact_form(made[0][0]), "c0", "synthetic")
    said = reasons(after, "synthetic.csv")
    assert said[data.train[0].text] == "same text as a row of the real data"
    assert said[near_sealed] == "near-duplicate of a row of the real data"
    assert said["another new one about silver"] == "synthetic label not in the list of classes: c77"
    assert said["nobody knows the label of this"] == "synthetic text or label empty"
    assert "labelled c" in said["one text under two labels"]
    assert not any(side in reason for reason in said.values() for side in ("train", "test", "sealed", "dev"))


def test_the_output_of_pare_label_serves_whatever_the_data_call_their_columns(tmp_path: Path) -> None:
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["message", "intent", "customer"])
        writer.writerows([row["text"], row["label"], row["unit"]] for row in records(100, units=30))
    made = save(tmp_path / "made.csv", [{"text": "something quite new here", "label": "c1"}], ("text", "label"))
    data = prepare(DataSpec(str(tmp_path / "rows.csv"), "message", "intent", unit="customer", synthetic=made))
    assert [sample.label for sample in data.train if sample.origin] == ["c1"]
    other = save(tmp_path / "other.csv", [{"text": "x"}], ("text",))
    with pytest.raises(InputError, match="has no column"):
        prepare(DataSpec(str(tmp_path / "rows.csv"), "message", "intent", synthetic=other))


def test_unlabelled_texts_come_from_a_table_or_from_plain_lines(tmp_path: Path) -> None:
    rows = records(100)
    new = ["the first new text of all", "and a second one, in its own line"]
    (tmp_path / "texts.txt").write_text("\n".join([*new, "", new[0], rows[0]["text"]]), encoding="utf-8")
    table = save(tmp_path / "texts.csv", [{"text": text} for text in (*new, new[0], rows[0]["text"])], ("text",))
    plain = prepare(spec(tmp_path, rows, unlabelled=str(tmp_path / "texts.txt")))
    listed = prepare(spec(tmp_path, rows, unlabelled=table))
    assert sorted(plain.unlabelled) == sorted(new)
    assert plain.unlabelled == listed.unlabelled
    assert plain.hash == listed.hash


def test_a_row_without_label_may_take_part_as_a_text(tmp_path: Path) -> None:
    rows = [*records(100), {"text": "this row has waited for a label", "label": ""}]
    data = prepare(spec(tmp_path, rows, unlabelled=str(tmp_path / "rows.csv")))
    assert data.unlabelled == ("this row has waited for a label",)


def test_rows_of_a_unit_that_is_trained_on_may_be_unlabelled_and_of_a_sealed_unit_may_not(tmp_path: Path) -> None:
    rows = records(200, units=40)
    data = prepare(spec(tmp_path, rows, unit="unit"))
    trained, held = data.train[0].unit, sealed(data)[0].unit
    made = [{"text": "new words of a known customer", "unit": trained}, {"text": "words of a sealed one", "unit": held}]
    after = prepare(spec(tmp_path, rows, unit="unit", unlabelled=save(tmp_path / "more.csv", made)))
    assert after.unlabelled == ("new words of a known customer",)
    both = [row | {"label": "c0"} for row in made]
    after = prepare(spec(tmp_path, rows, unit="unit", synthetic=save(tmp_path / "made.csv", both)))
    assert after.real == after.train


def test_fresh_sealed_rows_must_not_repeat_what_was_trained_on_beside_the_data(tmp_path: Path) -> None:
    synthetic = [{"text": "an invented message of some length", "label": "c0"}]
    unlabelled = [{"text": "a text that nobody has labelled yet"}]
    data = spec(
        tmp_path,
        records(100),
        synthetic=save(tmp_path / "s.csv", synthetic),
        unlabelled=save(tmp_path / "u.csv", unlabelled),
    )
    before = prepare(data)
    assert before.seen() == {seen_key(row["text"]): "train" for row in (*synthetic, *unlabelled)}
    fresh = [synthetic[0], unlabelled[0] | {"label": "c1"}, {"text": "never seen by anybody before", "label": "c1"}]
    found, aside = prepare_more(data, save(tmp_path / "f.csv", fresh), before.labels, before.beside, "classify")
    assert [sample.text for sample in found.open("x")] == ["never seen by anybody before"]
    assert len(aside) == 2


def test_fresh_sealed_rows_must_not_be_of_a_unit_whose_unlabelled_texts_were_learnt_from(tmp_path: Path) -> None:
    unlabelled = [{"text": "nobody has labelled these words", "unit": "u900"}]
    file = save(tmp_path / "u.csv", unlabelled, ("text", "unit"))
    data = spec(tmp_path, records(100, units=30), unit="unit", unlabelled=file)
    before = prepare(data)
    assert before.unlabelled == ("nobody has labelled these words",)
    fresh = [
        {"text": "other things that they said", "label": "c1", "unit": "u900"},
        {"text": "never seen by anybody before", "label": "c1", "unit": "u901"},
    ]
    found, aside = prepare_more(data, save(tmp_path / "f.csv", fresh), before.labels, before.beside, "classify")
    assert [sample.unit for sample in found.open("x")] == ["u901"]
    assert [item.reason for item in aside] == ["unit u900 is in data that were seen"]


def test_a_teachers_rows_are_read_as_the_kind_of_the_task_reads(tmp_path: Path) -> None:
    cells = ("a", "b", "a|b", "[]")
    rows = [row | {"label": cells[i % 4]} for i, row in enumerate(records(200))]
    made = save(tmp_path / "made.csv", [{"text": "something quite new here", "label": "b;a"}], ("text", "label"))
    save(tmp_path / "rows.csv", rows)
    lines = (tmp_path / "rows.csv").read_text().replace("text,label", "message,topics", 1)
    (tmp_path / "rows.csv").write_text(lines)
    data = prepare(DataSpec(str(tmp_path / "rows.csv"), "message", "topics", synthetic=made), None, "multilabel")
    assert [sample.label for sample in data.train if sample.origin] == ["a|b"]


def test_unlabelled_sentences_may_be_a_conll_file_of_any_name(tmp_path: Path) -> None:
    def sentences(count: int, seed: int) -> str:
        return "\n\n".join(
            "\n".join(f"{word}\t{'B-x' if word[0] in 'aco' else 'O'}" for word in row["text"].split())
            for row in records(count, seed)
        )

    (tmp_path / "rows.conll").write_text(sentences(100, 0))
    (tmp_path / "more.txt").write_text(sentences(3, 9))
    data = prepare(
        DataSpec(str(tmp_path / "rows.conll"), "word", "tag", unlabelled=str(tmp_path / "more.txt")), None, "tag"
    )
    assert sorted(data.unlabelled) == sorted(row["text"] for row in records(3, 9))


def test_a_packed_file_that_is_cut_off_is_bad_input(tmp_path: Path) -> None:
    whole = gzip.compress("\n".join(row["text"] for row in records(200, 5)).encode())
    (tmp_path / "texts.txt.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"texts.txt.gz cannot be unpacked: .*; pack it again"):
        prepare(spec(tmp_path, records(100), unlabelled=str(tmp_path / "texts.txt.gz")))


def test_screening_gives_what_a_file_of_the_same_rows_would(tmp_path: Path) -> None:
    rows = records(100)
    made = [*rows[:5], *records(20, seed=5), {"text": "fresh words", "label": "c0"}]
    file = save(tmp_path / "made.csv", made)
    asked = [Row("x", i, row["text"], row["label"]) for i, row in enumerate(made)]
    kept, _ = screen(spec(tmp_path, rows), asked, {}, "classify")
    read = prepare(spec(tmp_path, rows, synthetic=file))
    assert kept == [sample for sample in read.train if sample.origin]


def test_the_files_are_written_as_seen_from_the_run(tmp_path: Path) -> None:
    task = Task.of(
        "data.csv", input="text", target="label", synthetic=str(tmp_path / "a.csv"), unlabelled=str(tmp_path / "b.txt")
    )
    (tmp_path / "task.yaml").write_text("data: {path: d.csv, input: a, target: b, synthetic: s.csv, unlabelled: u.txt}")
    read = Task.read(tmp_path / "task.yaml")
    assert read.data.synthetic == str(tmp_path / "s.csv")
    assert read.data.unlabelled == str(tmp_path / "u.txt")
    assert Task.parse(task.to_yaml()).data == task.data
