"""``pare run``: what is a text, what is a file, and when an answer comes."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars
import pytest

from pare import artifacts
from pare.cli.run import BATCH, _lines
from pare.errors import InputError
from pare.testing.studies import fake_study
from pare.types import Prediction

Pare = Callable[..., Any]


def given(monkeypatch: pytest.MonkeyPatch, raw: bytes) -> None:
    """Puts bytes on standard input, under a locale that is not UTF-8."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw), encoding="latin-1"))


def pairs(said: Any) -> list[tuple[str, str]]:
    assert (said.code, said.err) == (0, "")
    return [(answer["text"], answer["label"]) for answer in said.lines()]


# -- texts and lines --------------------------------------------------------------------------------------------------


def test_arguments_are_texts_and_lines_of_files(pare: Pare, model: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\ufeffmy phone is lost\r\n\n \nmoney gone", encoding="utf-8")
    long = "where is my card " * 40
    expected = [(long, "card"), ("my phone is lost", "phone"), ("money gone", "money")]
    assert pairs(pare("run", model, long, "texts.txt")) == expected


def test_standard_input_is_utf8_whatever_the_locale(pare: Pare, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, "my café card\n".encode())
    assert pairs(pare("run", model)) == [("my café card", "card")]


def test_lines_that_are_no_utf8_are_named(
    pare: Pare, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(monkeypatch, b"\xff\xfe\n")
    pare("run", model).refused("standard input, line 1 is not UTF-8")
    (tmp_path / "texts.bin").write_bytes(b"my card\n\nmoney \xff\n")
    said = pare("run", model, "texts.bin")
    said.refused("texts.bin, line 3 is not UTF-8")
    assert [answer["text"] for answer in said.lines()] == ["my card"]  # what came before it is answered


def test_a_closed_standard_input_is_one_line(pare: Pare, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    pare("run", model).refused("standard input is closed", "as arguments")
    assert pairs(pare("run", model, "my card")) == [("my card", "card")]


def test_what_is_no_valid_unicode_is_refused(pare: Pare, model: Path) -> None:
    pare("run", model, "my card", os.fsdecode(b"caf\xe9")).refused("texts[1]", "valid Unicode")


# -- files of rows ----------------------------------------------------------------------------------------------------

ROWS = ("my card, please", 'a "phone"\nof mine', "", "money")


def _csv(path: Path, column: str) -> None:
    polars.DataFrame({"id": range(len(ROWS)), column: ROWS}).write_csv(
        path, separator="\t" if "tsv" in path.name else ","
    )


def _packed(path: Path, column: str) -> None:
    plain = path.with_suffix("")
    _csv(plain, column)
    path.write_bytes(gzip.compress(plain.read_bytes()))


def _jsonl(path: Path, column: str) -> None:
    path.write_text("".join(json.dumps({column: text}) + "\n" for text in ROWS))


def _parquet(path: Path, column: str) -> None:
    polars.DataFrame({column: ROWS}).write_parquet(path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", _csv),
        ("A.CSV", _csv),
        ("a.tsv", _csv),
        ("a.csv.gz", _packed),
        ("a.jsonl", _jsonl),
        ("a.ndjson", _jsonl),
        ("a.json", _jsonl),
        ("a.parquet", _parquet),
    ],
)
def test_rows_of_a_file_are_answered_one_to_one(pare: Pare, model: Path, tmp_path: Path, name: str, write: Any) -> None:
    write(tmp_path / name, "text")
    assert [text for text, _ in pairs(pare("run", model, name))] == list(ROWS)
    write(tmp_path / name, "message")
    assert [text for text, _ in pairs(pare("run", model, name, "--input", "message"))] == list(ROWS)
    pare("run", model, name).refused("has no column text", "message")


def test_the_column_is_the_one_of_the_runs_task(
    pare: Pare, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fake_study(tmp_path / "run", rows=40).study.path
    task = folder / "task.yaml"
    task.write_text(task.read_text().replace("input: text", "input: message"))
    monkeypatch.setattr("pare.cli.run.artifact_at", lambda *_: ("a model with weights", artifacts.read(model)))
    (tmp_path / "rows.csv").write_text("message,text\nmy card,my phone\n")
    assert pairs(pare("run", folder, "rows.csv")) == [("my card", "card")]
    assert pairs(pare("run", folder, "rows.csv", "--input", "text")) == [("my phone", "phone")]


def test_a_broken_row_is_named_after_what_came_before(pare: Pare, model: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,label\nmy card,a\nmoney\n")
    said = pare("run", model, "rows.csv")
    said.refused("rows.csv, line 3 must have 2 cells")
    assert [answer["text"] for answer in said.lines()] == ["my card"]


# -- what is neither --------------------------------------------------------------------------------------------------


def test_folders_and_missing_files_are_refused_before_anything_is_answered(
    pare: Pare, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "texts").mkdir()
    for text, words in (("texts", "is a folder"), ("small.csv", "does not exist"), ("b.jsonl.gz", "does not exist")):
        said = pare("run", model, "my card", text)
        said.refused(text, words)
        assert said.out == ""
    pare("run", model, "notes.txt").refused("echo notes.txt | pare run")
    assert pairs(pare("run", model, "see card.csv")) == [("see card.csv", "card")]


# -- when answers come ------------------------------------------------------------------------------------------------


class Pipe:
    """Both ends of a pipe: what is written can be read at once."""

    def __init__(self) -> None:
        reader, writer = os.pipe()
        self.reader, self._writer = os.fdopen(reader, "rb"), os.fdopen(writer, "wb", buffering=0)

    def write(self, lines: Iterable[str]) -> None:
        self._writer.write("".join(lines).encode())

    def end(self) -> None:
        self._writer.close()


def test_a_line_is_answered_when_no_more_is_ready() -> None:
    pipe = Pipe()
    batches = _lines(pipe.reader, "standard input")
    pipe.write(["one\n"])
    assert next(batches) == ["one"]  # it would hang here, were more waited for
    pipe.write(["two\n", "\n", "three\n", "fo"])
    assert next(batches) == ["two", "three"]
    pipe.write(["ur\n"])
    assert next(batches) == ["four"]
    pipe.write(["five"])
    pipe.end()
    assert list(batches) == [["five"]]


def test_many_ready_lines_come_in_batches() -> None:
    pipe = Pipe()
    pipe.write(f"{i}\n" for i in range(2 * BATCH + 3))
    pipe.end()
    batches = list(_lines(pipe.reader, "standard input"))
    assert [len(batch) for batch in batches] == [BATCH, BATCH, 3]
    assert [text for batch in batches for text in batch] == [str(i) for i in range(2 * BATCH + 3)]


def test_lines_are_counted_over_what_was_read_before() -> None:
    pipe = Pipe()
    batches = _lines(pipe.reader, "standard input")
    pipe.write(["one\n", "\n"])
    assert next(batches) == ["one"]
    os.write(pipe._writer.fileno(), b"two\n\xff\n")
    assert next(batches) == ["two"]
    with pytest.raises(InputError, match="standard input, line 4 is not UTF-8"):
        next(batches)


def test_answers_are_written_batch_by_batch(
    pare: Pare, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    class Slow(io.BytesIO):
        """Gives a line a read, and notes what was written before it was asked for the next."""

        def read1(self, size: int | None = -1) -> bytes:
            seen.append(capsys.readouterr().out)
            return self.readline()

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Slow(b"my card\nmoney\n")))
    pare("run", model)
    assert [out.count("\n") for out in seen] == [0, 1, 1]


# -- words ------------------------------------------------------------------------------------------------------------

SENTENCES = "my\tO\ncard\tB-thing\n\nmoney\tO\ngone\tO\n"


class Tagger:
    """Answers O for every word."""

    def classify(self, texts: list[str]) -> list[Prediction]:
        tags = [("O",) * len(text.split()) for text in texts]
        return [Prediction(" ".join(each), 1.0, labels=each) for each in tags]

    def close(self) -> None:
        pass


@pytest.fixture
def tagger(model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    plain = artifacts.read(model)
    artifact = replace(plain, manifest=replace(plain.manifest, kind="tag"))
    monkeypatch.setattr("pare.cli.run.artifact_at", lambda *_: ("tagger", artifact))
    monkeypatch.setattr("pare.cli.run.load", lambda *_, **__: Tagger())
    return model


def texts(said: Any) -> list[str]:
    assert (said.code, said.err) == (0, "")
    return [answer["text"] for answer in said.lines()]


def test_a_tagger_takes_the_sentences_of_a_conll_file_whatever_its_name(
    pare: Pare, tagger: Path, tmp_path: Path
) -> None:
    for name in ("a.conll", "b.test.annotated", "c.txt"):
        (tmp_path / name).write_text(SENTENCES)
        assert texts(pare("run", tagger, name)) == ["my card", "money gone"]
    assert texts(pare("run", tagger, "a.conll", "--input", "2")) == ["O B-thing", "O O"]
    (tmp_path / "plain.txt").write_text("where is my Order\nI have sent an E-mail\n")
    assert texts(pare("run", tagger, "plain.txt")) == ["where is my Order", "I have sent an E-mail"]


def test_a_tagger_takes_lists_of_words(pare: Pare, tagger: Path, tmp_path: Path) -> None:
    rows = [{"words": ["my", "card"]}, {"words": []}, {"words": ["gone"]}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    polars.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        assert texts(pare("run", tagger, name, "--input", "words")) == ["my card", "", "gone"]


def test_a_classifier_takes_a_file_of_that_name_only(pare: Pare, model: Path, tmp_path: Path) -> None:
    for name in ("a.conll", "b.txt"):
        (tmp_path / name).write_text(SENTENCES)
    assert texts(pare("run", model, "a.conll")) == ["my card", "money gone"]
    assert texts(pare("run", model, "b.txt")) == ["my\tO", "card\tB-thing", "money\tO", "gone\tO"]
