"""WNUT17's CoNLL files, as published, from a task file to a verdict: a tiny base, so that minutes suffice."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner

import pare
from pare.cli import group
from pare.data.read import Columns, rows
from pare.kinds import spans

pytestmark = pytest.mark.slow
TEST = "emerging.test.annotated"
SENTENCES = 700


@pytest.fixture(scope="module")
def study(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[pare.Study]:
    pytest.importorskip("torch", reason="needs the build extra")
    from pare.testing.tiny import tiny_encoder

    folder, files = tmp_path_factory.mktemp("wnut17"), data / "extract" / "wnut17"
    read = list(islice(rows(str(files / "wnut17train.conll"), Columns("word", "tag")), SENTENCES))
    pairs = [zip(row.text.split(), row.label.split(), strict=True) for row in read]
    (folder / "train.conll").write_text("\n\n".join("\n".join(map("\t".join, pair)) for pair in pairs))
    tiny_encoder(folder / "base", "bert", [row.text for row in read])
    (folder / "task.yaml").write_text(
        f"kind: tag\ndata: {{path: train.conll, test: {files / TEST}}}\nbase: ./base\n"
        "bar: {metric: word_accuracy, at_least: 0.85}\ncandidates: ['students:1']\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARE_HOME", str(folder / "home"))
        yield pare.find(folder / "task.yaml", folder / "run")


def test_the_published_sentences_are_read_and_sealed(study: pare.Study) -> None:
    facts = study.facts
    assert facts.rows_read == SENTENCES + 1287
    with (study.path / "quarantine.csv").open(newline="") as file:
        aside = [row for row in csv.DictReader(file) if row["file"].endswith(TEST)]
    assert facts.sides["test"] == 1287 - len(aside) > 1200
    assert all("rows to train on" in row["reason"] for row in aside)
    assert 5 < len(facts.labels) <= 13
    assert {"O", "B-creative-work", "I-location"} <= set(facts.labels)


def test_the_study_ends_in_a_verdict_and_a_report(study: pare.Study) -> None:
    assert study.verdict is not None
    assert (study.verdict.answer, study.verdict.metric) == ("pass", "word_accuracy")
    assert study.verdict.n == study.facts.sides["test"]
    assert study.winner is not None
    assert set(study.winner.scores) == {"sentence_f1", "word_accuracy", "sentence_accuracy", "entity_f1"}
    page = (study.path / "report.html").read_text(encoding="utf-8")
    assert study.winner.candidate.name in page


def test_what_is_served_tags_every_word_and_names_entities_in_the_text(study: pare.Study, data: Path) -> None:
    file = data / "extract" / "wnut17" / TEST
    done = CliRunner().invoke(group, ["run", str(study.path), str(file)])
    assert done.exit_code == 0, done.output
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    sentences = list(rows(str(file), Columns("word", "tag")))
    assert len(answers) == len(sentences)
    for answer, sentence in zip(answers, sentences, strict=True):
        assert answer["text"] == sentence.text
        assert len(answer["tags"]) == len(sentence.text.split())
        assert len(answer["entities"]) == len(spans(answer["tags"]))
        assert all(sentence.text[e["start"] : e["end"]] == e["text"] for e in answer["entities"])
