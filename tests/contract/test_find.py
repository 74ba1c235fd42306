"""Whole studies of the linear rung: what a study does around its training, in seconds."""

from __future__ import annotations

import csv
import random
from dataclasses import replace
from pathlib import Path

import pytest

import pare
from pare import api
from pare.errors import InputError
from pare.search import run as running
from pare.search import verdict as proving
from pare.search.listener import Silent
from pare.search.opening import open_session
from pare.search.study import Study
from pare.store import UserLedger
from pare.types import Bar, Limits

WORDS = {"card": "card plastic chip pin", "money": "money cash transfer fee", "phone": "phone mobile handset sim"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(running, "MEASURED_SECONDS", 0.1)


def written(path: Path, rows: int, seed: int = 0, **columns: str) -> Path:
    rng = random.Random(seed)
    filler = "please could you tell me what happens when anybody wants this today or tomorrow maybe later".split()  # noqa: SIM905
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["text", "label", *columns])
        for i in range(rows):
            label = list(WORDS)[i % 3]
            words = [rng.choice(WORDS[label].split()), *rng.sample(filler, 8), str(rng.randrange(10**6))]
            rng.shuffle(words)
            out.writerow([" ".join(words), label, *(form.format(i=i) for form in columns.values())])
    return path


def task_of(path: Path, **fields: object) -> pare.Task:
    given = {"name": "small", "candidates": "linear", "at_least": 0.6, **fields}
    return pare.Task.of(path, input="text", target="label", **given)  # type: ignore[arg-type]


def test_a_fixed_bar_on_the_linear_rung_trains_no_reference(tmp_path: Path) -> None:
    study = pare.find(task_of(written(tmp_path / "a.csv", 300)), tmp_path / "run")
    assert [trial.candidate.name for trial in study.trials] == ["linear"]
    assert study.verdict is not None
    assert study.verdict.answer == "pass"
    assert pare.load(tmp_path / "run").classify(["my cash"])[0].label == "money"


def test_the_verdict_is_the_one_on_the_bar_that_is_asked_for(tmp_path: Path) -> None:
    task = task_of(written(tmp_path / "a.csv", 300))
    answers = []
    for level in (0.995, 0.6, 0.995):
        study = pare.find(replace(task, bar=Bar(at_least=level)), tmp_path / "run")
        assert study.verdict is not None
        answers.append((study.verdict.answer, study.verdict.look))
        study.close()
    assert answers == [("unproven", 1), ("pass", 2), ("unproven", 1)]


def test_unproven_says_how_many_labels_a_fixed_bar_needs(tmp_path: Path) -> None:
    study = pare.find(task_of(written(tmp_path / "a.csv", 300), at_least=0.985), tmp_path / "run")
    assert study.verdict is not None
    assert study.verdict.answer == "unproven"
    assert study.verdict.labels_needed is not None
    assert study.verdict.labels_needed > study.verdict.n


@pytest.mark.parametrize("rows", [2, 3, 5, 8, 12])
def test_too_few_rows_are_unproven_never_an_error(tmp_path: Path, rows: int) -> None:
    study = pare.find(task_of(written(tmp_path / "a.csv", rows, seed=rows)), tmp_path / "run")
    assert study.verdict is not None
    assert study.verdict.answer == "unproven"
    assert (tmp_path / "run" / "report.html").is_file()


def test_limits_that_nothing_meets_end_before_the_reference_is_trained(tmp_path: Path) -> None:
    task = task_of(written(tmp_path / "a.csv", 300), candidates="linear", at_least=None)
    study = pare.find(replace(task, limits=Limits(size_mb=0.001)), tmp_path / "run")
    assert study.verdict is not None
    assert study.verdict.answer == "fail"
    assert "nothing meets the limits; nearest: linear: size" in study.verdict.sentence
    assert [trial.candidate.name for trial in study.complete] == ["linear"]


def test_a_refused_command_changes_nothing(tmp_path: Path) -> None:
    task = task_of(written(tmp_path / "a.csv", 300))
    pare.find(task, tmp_path / "run").close()
    before = (tmp_path / "run" / "task.yaml").read_text()
    with pytest.raises(InputError, match="cannot be proven by a growing plan"):
        pare.find(replace(task, bar=Bar(at_least=0.6, metric="balanced_accuracy", growing=True)), tmp_path / "run")
    assert (tmp_path / "run" / "task.yaml").read_text() == before
    assert Study.open(tmp_path / "run").winner is not None


def test_a_killed_proof_replays_its_frozen_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(written(tmp_path / "a.csv", 300))

    def killed(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(proving, "_outcome", killed)
        with pytest.raises(MemoryError):
            pare.find(task, tmp_path / "run")
    frozen = Study.open(tmp_path / "run").ledger.proofs()
    monkeypatch.setattr(proving, "_freeze", killed)  # it must not choose again
    study = pare.find(task, tmp_path / "run")
    assert study.verdict is not None
    assert study.verdict.look == 1
    assert [plan for plan, _, _ in study.ledger.proofs()] == [plan for plan, _, _ in frozen]


def test_growing_goes_on_with_rows_that_no_other_proof_has_read(tmp_path: Path) -> None:
    data = written(tmp_path / "a.csv", 300)
    study = pare.find(task_of(data, growing=True, at_least=0.9), tmp_path / "run")
    assert study.verdict is not None
    n = study.verdict.n
    fresh, peeked = written(tmp_path / "fresh.csv", 60, seed=1), written(tmp_path / "peeked.csv", 60, seed=2)
    api.prove(predictions(tmp_path / "p", peeked), predictions(tmp_path / "q", peeked), peeked)
    with pytest.raises(InputError, match="another proof has read each"):
        api.prove_more(tmp_path / "run", peeked)
    grown = api.prove_more(tmp_path / "run", fresh)
    assert grown.verdict is not None
    assert n < grown.verdict.n <= n + 60
    assert grown.verdict.look == 1
    with pytest.raises(InputError, match="no fresh row"):
        api.prove_more(tmp_path / "run", fresh)
    sides = UserLedger().sides()
    assert sum(side == "test" for side in sides.values()) == grown.verdict.n


def test_data_that_changed_since_the_study_are_refused(tmp_path: Path) -> None:
    data = written(tmp_path / "a.csv", 300)
    pare.find(task_of(data, growing=True), tmp_path / "run").close()
    written(data, 330)
    with pytest.raises(InputError, match="have changed since the study"):
        api.prove_more(tmp_path / "run", written(tmp_path / "fresh.csv", 60, seed=1))


def test_more_rows_of_a_closed_proof_are_a_further_look(tmp_path: Path) -> None:
    few, more = written(tmp_path / "few.csv", 100), written(tmp_path / "more.csv", 200)
    both = [
        api.prove(predictions(tmp_path / "p", rows), predictions(tmp_path / "q", rows), rows) for rows in (few, more)
    ]
    assert [verdict.look for verdict in both] == [1, 2]


def predictions(path: Path, data: Path) -> Path:
    """A file of right answers."""
    path = path.with_name(f"{path.name}-{data.stem}.csv")
    with data.open() as file, path.open("w") as out:
        out.write("prediction\n" + "".join(f"{row['label']}\n" for row in csv.DictReader(file)))
    return path


def test_a_given_reference_of_any_format_is_what_the_candidates_must_match(tmp_path: Path) -> None:
    large = pare.find(task_of(written(tmp_path / "large.csv", 900, seed=3)), tmp_path / "large")
    task = task_of(written(tmp_path / "a.csv", 300), at_least=None, within=0.2, reference=str(tmp_path / "large"))
    study = pare.find(task, tmp_path / "run")
    assert [trial.candidate.name for trial in study.complete] == ["linear", "encoder"]
    assert study.reference is not None
    assert study.reference.candidate.runtime == "arrays"
    assert large.winner is not None
    assert study.store.get(study.reference.artifact).manifest.files == large.deployed("linear").manifest.files
    assert study.verdict is not None
    assert study.verdict.winner == "linear"
    assert (tmp_path / "run" / "report.html").is_file()


def logged(path: Path, rows: int, accuracy: float) -> Path:
    """Rows with the true label, and what a large model answered: right in so many of 100, else something else."""
    plain = written(path, rows)
    with plain.open() as file:
        given = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["text", "label", "answer"])
        for i, row in enumerate(given):
            wrong = "no idea" if i % 2 else "card"
            out.writerow([row["text"], row["label"], row["label"] if (i * 37) % 100 < 100 * accuracy else wrong])
    return path


def test_a_better_candidate_is_proven_against_the_incumbents_logged_answers(tmp_path: Path) -> None:
    task = task_of(logged(tmp_path / "a.csv", 900, 0.8), at_least=None, within=0.02, reference="column:answer")
    study = pare.find(task, tmp_path / "run")
    assert study.reference is not None
    assert study.reference.candidate.name == "incumbent"
    assert 0.75 < study.quality(study.reference) < 0.9
    verdict = study.verdict
    assert verdict is not None
    assert (verdict.answer, verdict.winner) == ("pass", "linear")
    assert verdict.evidence[0].drop_high < 0
    assert "the incumbent's logged answers" in verdict.sentence
    assert "better by at least" in verdict.sentence
    page = (tmp_path / "run" / "report.html").read_text()
    assert "incumbent" in page
    assert pare.load(tmp_path / "run").classify(["my cash"])[0].label == "money"
    assert pare.find(task, tmp_path / "run").verdict == verdict


def test_without_labels_the_claim_is_imitation_and_the_limit_is_the_disagreement(tmp_path: Path) -> None:
    data = logged(tmp_path / "a.csv", 900, 0.9)
    task = pare.Task.of(
        data, input="text", target="answer", name="small", candidates="linear", within=0.02, reference="column:answer"
    )
    study = pare.find(task, tmp_path / "run")
    verdict = study.verdict
    assert verdict is not None
    assert verdict.answer == "unproven"
    evidence = verdict.evidence[0]
    assert evidence.p_fail == 1.0
    assert evidence.drop == pytest.approx(1 - evidence.value)
    assert evidence.drop_high > evidence.drop
    assert f"imitates the incumbent on {100 * evidence.value:.1f} %" in verdict.sentence
    assert f"label the {round(evidence.drop * verdict.n)} rows" in verdict.sentence


def test_texts_that_were_learnt_from_take_no_side_and_prove_nothing(tmp_path: Path) -> None:
    data, more = written(tmp_path / "a.csv", 300), written(tmp_path / "more.csv", 90, seed=5)
    plain = pare.find(task_of(data), tmp_path / "plain")
    study = pare.find(task_of(data, unlabelled=str(more)), tmp_path / "run")
    assert study.facts.unlabelled == 90
    assert any("beside them, to train only: 90 unlabelled texts" in note for note in study.facts.notes)
    assert (study.facts.sides, plain.facts.unlabelled) == (plain.facts.sides, 0)
    assert study.facts.data != plain.facts.data
    assert plain.verdict is not None
    assert study.verdict is not None
    assert (study.verdict.n, plain.verdict.look, study.verdict.look) == (plain.verdict.n, 1, 2)  # the same sealed rows
    assert len(open_session(task_of(data, unlabelled=str(more)), tmp_path / "run", Silent()).ctx.unlabelled) == 90
    # the linear rung is built before there is a teacher
    assert study.store.get(study.complete[0].artifact).manifest.lineage["rows"]["unlabelled"] == 0
    assert "unlabelled texts" in (tmp_path / "run" / "report.html").read_text()
    with pytest.raises(InputError, match="90 of 90 were used by pare find"):
        api.prove(tmp_path / "run", predictions(tmp_path / "p", more), more)
    with pytest.raises(InputError, match="another data"):
        pare.find(task_of(data), tmp_path / "run")
