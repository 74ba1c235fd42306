"""Review of a study on logged answers: who is asked what, blind, and what the answers make of the verdict."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

import pare
from pare import api
from pare.cli import group
from pare.errors import InputError
from pare.report.review import page, write
from pare.search import run as running
from pare.search.review import NEITHER, Question, Review
from pare.testing.logs import WORDS, write_log

TRUTH = {word: label for label, words in WORDS.items() for word in words.split()}


def truth(text: str) -> str:
    return next(TRUTH[word] for word in text.split() if word in TRUTH)


@pytest.fixture(scope="module")
def imitation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study on a job's logged answers, a tenth of which are wrong: nobody labelled anything."""
    folder = tmp_path_factory.mktemp("review")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARE_HOME", str(folder / "home"))
        patch.setattr(running, "MEASURED_SECONDS", 0.1)
        found = api.extract(write_log(folder / "log.jsonl", 3000), 2, folder / "run")
        task = pare.Task.of(
            found.path,
            input="text",
            target="answer",
            name="job",
            candidates="linear",
            within=0.02,
            reference="column:answer",
        )
        pare.find(task, folder / "run").close()
    return folder


@pytest.fixture
def run(imitation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(imitation, tmp_path / "copy")
    monkeypatch.setenv("PARE_HOME", str(tmp_path / "copy" / "home"))
    return tmp_path / "copy" / "run"


def test_only_rows_that_decide_are_asked_about_and_few_labels_prove(run: Path) -> None:
    before = pare.api.show(run).verdict
    assert before is not None
    assert before.answer == "unproven"
    assert "as if it were wrong wherever the two differ" in before.sentence
    assert before.sentence.endswith("pare review")
    found = api.review(run)
    assert 0 < len(found.questions) < 0.2 * found.rows
    assert all(len(set(question.options)) == 2 for question in found.questions)
    half = found.questions[: len(found.questions) // 2]
    early = api.take_labels(run, {question.id: truth(question.text) for question in half})
    assert early.labelled == len(half)
    assert early.verdict.evidence[0].drop_high < before.evidence[0].drop_high
    after = api.take_labels(run, {question.id: truth(question.text) for question in found.questions})
    assert after.verdict.answer == "pass"
    assert after.verdict.look == before.look == 1
    assert pare.api.show(run).verdict == after.verdict
    assert pare.api.show(run).winner is not None


def test_labels_that_back_the_incumbent_never_pass(run: Path) -> None:
    rows = {row["text"]: row["answer"] for row in map(json.loads, (run / "job.jsonl").read_text().splitlines())}
    given = {question.id: rows[question.text] for question in api.review(run).questions}
    found = api.take_labels(run, given)
    assert found.verdict.answer != "pass"
    assert found.verdict.evidence[0].drop > 0.02


def test_the_order_of_options_says_nothing_of_who_gave_which(run: Path) -> None:
    rows = {row["text"]: row["answer"] for row in map(json.loads, (run / "job.jsonl").read_text().splitlines())}
    questions = api.review(run).questions
    first = sum(question.options[0] == rows[question.text] for question in questions)
    assert 0.25 * len(questions) < first < 0.75 * len(questions)


def test_two_reviewers_are_compared_and_what_they_dispute_stays_a_loss(run: Path) -> None:
    questions = api.review(run).questions
    api.take_labels(run, {question.id: truth(question.text) for question in questions}, "anna")
    other = {question.id: truth(question.text) if i % 4 else NEITHER for i, question in enumerate(questions)}
    found = api.take_labels(run, other, "ben")
    assert found.agreement is not None
    assert found.agreement.share == pytest.approx(0.75, abs=0.02)
    assert found.labelled == sum(label != NEITHER for label in other.values())


def test_by_the_command_line(run: Path) -> None:
    asked = CliRunner().invoke(group, ["review", str(run)], standalone_mode=False)
    assert "sealed rows need a label" in asked.output
    with (run / "review.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (run / "done.csv").open("w") as file:
        out = csv.writer(file)
        out.writerow(["id", "label"])
        out.writerows((row["id"], truth(row["text"])) for row in rows)
    done = CliRunner().invoke(group, ["review", str(run), "--labels", str(run / "done.csv")])
    assert done.exit_code == 0
    assert done.output.startswith("pass: linear is proven within 2 points of the incumbent's logged answers")


def test_what_is_wrong_is_said(run: Path) -> None:
    question = api.review(run).questions[0]
    with pytest.raises(InputError, match="none of the"):
        api.take_labels(run, {"nobody": "card"})
    with pytest.raises(InputError, match="must be one of the task's"):
        api.take_labels(run, {question.id: "cards"})


def test_the_page_and_the_sheet_are_blind_and_safe(tmp_path: Path) -> None:
    found = Review((Question("1", "</script><b>hi", ("a", "b")),), ("a", "b"), 0, 10)
    assert "</script><b>hi" not in page(found)
    assert ">linear" not in page(found)
    sheet, _ = write(found, tmp_path)
    assert sheet.read_text().splitlines() == ["id,text,option_1,option_2,label", "1,</script><b>hi,a,b,"]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_the_page_shows_its_first_row(tmp_path: Path) -> None:
    questions = tuple(Question(str(i), f"message number {i}", ("card", "money")) for i in range(3))
    (tmp_path / "review.html").write_text(page(Review(questions, ("card", "money", "phone"), 0, 30)))
    command = ["chromium", "--headless", "--no-sandbox", "--dump-dom", f"file://{tmp_path}/review.html"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert ">message number 0</p>" in shown
    assert "0 of 3 labelled" in shown
    assert shown.count('data-label="') == 2
