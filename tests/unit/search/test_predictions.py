"""A proof by itself: what is refused before a look is booked, and what is compared."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pare import api, artifacts, runtimes
from pare.errors import InputError
from pare.evaluation.metrics import METRICS, Metric, brier
from pare.kinds import KINDS
from pare.methods.base import BuildContext
from pare.methods.calibrate import calibrated
from pare.methods.linear import Linear
from pare.search import predictions
from pare.search.predictions import check_labels, check_unseen, identity, judged, labelled
from pare.store import UserLedger
from pare.testing.contexts import LABELS, several_samples, tiny_samples
from pare.testing.studies import fake_study

ROWS = 60


def _rows(path: Path, rows: int = ROWS) -> Path:
    lines = (json.dumps({"text": s.text, "label": s.label}) for s in tiny_samples(rows))
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def _predicted(path: Path, labels: Iterable[str]) -> Path:
    path.write_text("".join(f"{label}\n" for label in labels))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return _rows(tmp_path / "data.jsonl")


@pytest.fixture
def right(tmp_path: Path) -> Path:
    return _predicted(tmp_path / "right.txt", [sample.label for sample in tiny_samples(ROWS)])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    ctx = BuildContext(tiny_samples(), [], LABELS, folder, None, 0, 1.0, 1, folder, lambda share, words: None)
    (folder / "out").mkdir()
    return Linear().apply(None, ctx, folder / "out").path


def booked(data: Path) -> int:
    """The looks that were ever booked at a file's rows."""
    return len(UserLedger().looks(sample.id for sample in labelled(data, "text", "label", "classify")))


def test_predictions_that_share_no_label_book_no_look(tmp_path: Path, data: Path, right: Path) -> None:
    capitals = _predicted(tmp_path / "capitals.txt", [sample.label.upper() for sample in tiny_samples(ROWS)])
    for pair in ((capitals, right), (right, capitals)):
        with pytest.raises(InputError, match=r"capitals.txt must .* it says 'CARD', the data say 'card'"):
            api.prove(*pair, data)
    assert booked(data) == 0


def test_a_model_of_other_labels_books_no_look(tmp_path: Path, model: Path) -> None:
    lines = (json.dumps({"text": f"t{i}", "label": "ab"[i % 2]}) + "\n" for i in range(ROWS))
    other = tmp_path / "other.jsonl"
    other.write_text("".join(lines))
    with pytest.raises(InputError, match=r"shares none with them: it says 'card', the data say 'a'"):
        api.prove(model, model, other)
    assert booked(other) == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"within": 2}, "within must be between 0 and 1 .* but got 2; write 0.02"),
        ({"within": 1.0}, "within must be"),
        ({"within": float("nan")}, "within must be"),
        ({"confidence": 0.5}, "confidence must be above 0.5 and below 1 but got 0.5"),
        ({"confidence": 95}, "confidence must be .* write 0.95"),
        ({"metric": "brier"}, "needs probabilities"),
    ],
)
def test_what_cannot_be_proven_books_no_look(data: Path, right: Path, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        api.prove(right, right, data, **fields)
    assert booked(data) == 0


def test_no_drop_at_all_may_be_asked_for(data: Path, right: Path) -> None:
    assert api.prove(right, right, data, within=0).answer == "unproven"


def test_the_look_is_booked_before_a_model_reads_the_rows(
    data: Path, right: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(predictions.runtimes, "load", killed)
        with pytest.raises(MemoryError):
            api.prove(model, right, data)
    assert booked(data) == 1
    assert api.prove(model, right, data).look == 1


def test_more_rows_of_the_same_pair_are_a_further_look(tmp_path: Path, data: Path, model: Path) -> None:
    looks = [api.prove(model, model, file).look for file in (data, _rows(tmp_path / "more.jsonl", 2 * ROWS), data)]
    assert looks == [1, 2, 1]


# -- rows that a model has seen ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["train", "dev", "calibration"])
def test_rows_that_were_built_with_are_refused_for_models(data: Path, right: Path, model: Path, side: Any) -> None:
    ids = [sample.id for sample in labelled(data, "text", "label", "classify")]
    UserLedger().record({**dict.fromkeys(ids[:7], side), **dict.fromkeys(ids[7:20], "test")})
    for pair in ((model, right), (right, model), (model, model)):
        with pytest.raises(InputError, match=rf"but 7 of 60 were used by pare find \(7 {side}\); give rows that"):
            api.prove(*pair, data)
    assert booked(data) == 0
    assert api.prove(right, right, data).look == 1  # nobody knows where files of predictions come from


def test_sealed_and_new_rows_are_taken(data: Path, model: Path) -> None:
    ids = [sample.id for sample in labelled(data, "text", "label", "classify")]
    UserLedger().record(dict.fromkeys(ids[:20], "test"))
    assert api.prove(model, model, data).n == ROWS


def test_the_counts_of_seen_rows_are_told_by_side(data: Path, model: Path) -> None:
    samples = labelled(data, "text", "label", "classify")
    sides: Any = {sample.id: ("train", "train", "dev")[i % 3] for i, sample in enumerate(samples)}
    with pytest.raises(InputError, match=r"60 of 60 .* \(40 train, 20 dev\)"):
        check_unseen([model, model], samples, sides)


# -- what is compared -------------------------------------------------------------------------------------------------


def test_probabilities_are_those_that_are_served(tmp_path: Path, data: Path, model: Path) -> None:
    plain = artifacts.read(model)
    blunt = calibrated(plain, 3.0, 0.0, tmp_path / "blunt")
    verdict = api.prove(blunt.path, model, data, metric="brier")
    samples = labelled(data, "text", "label", "classify")
    logits = runtimes.load(plain).logits([sample.text for sample in samples])
    truth = np.array([plain.manifest.labels.index(sample.label) for sample in samples])
    assert verdict.reference_value == pytest.approx(brier(logits, truth, plain.manifest.labels).mean(), abs=1e-6)
    assert verdict.evidence[0].value == pytest.approx(
        brier(logits / 3.0, truth, plain.manifest.labels).mean(), abs=1e-6
    )
    assert verdict.evidence[0].value < verdict.reference_value - 0.01


def test_identities_are_content_hashes(tmp_path: Path, right: Path, model: Path) -> None:
    same = _predicted(tmp_path / "same.txt", right.read_text().split())
    assert identity(same) == identity(right) != identity(_predicted(tmp_path / "other.txt", ["card"]))
    assert identity(model) == artifacts.read(model).id


def test_a_run_stands_for_its_winner(tmp_path: Path) -> None:
    study = fake_study(tmp_path / "run", rows=40).study
    assert study.winner is not None
    assert identity(study.path) == study.deployed(study.winner.candidate.name).id


# -- other kinds ------------------------------------------------------------------------------------------------------


def _several(path: Path, cells: Iterable[str]) -> Path:
    lines = (json.dumps({"text": f"text number {i}", "label": cell}) for i, cell in enumerate(cells))
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_files_of_several_labels_are_read_in_every_form(tmp_path: Path) -> None:
    truth = ["a|b", "[]", "c", "b"]
    samples = labelled(_several(tmp_path / "data.jsonl", truth), "text", "label", "multilabel")
    table = tmp_path / "table.csv"
    table.write_text('prediction\nb;a\n""\nc\nd\n')
    lines = tmp_path / "lines.jsonl"
    lines.write_text("".join(json.dumps({"label": cell}) + "\n" for cell in (["b", "a"], [], ["c"], ["d"])))
    plain = _predicted(tmp_path / "plain.txt", ["a|b", "[]", "c", "d"])
    for path in (table, lines, plain):
        check_labels(path, samples, "multilabel")
        found = judged(samples, METRICS["example_f1"], [path])
        assert found.sheet.classes == ("a", "b", "c", "d")
        assert found.outcomes[0].values.tolist() == [1.0, 1.0, 1.0, 0.0]
    with pytest.raises(InputError, match="shares none with them: it says 'x', the data say 'a'"):
        check_labels(_predicted(tmp_path / "x.txt", ["x"] * 4), samples, "multilabel")


def test_several_labels_are_not_compared_as_one_without_being_told(tmp_path: Path) -> None:
    data = _several(tmp_path / "data.jsonl", ["a|b", "b|a", "a", "b"] * 5)
    one = _predicted(tmp_path / "one.txt", ["b|a", "a|b", "a", "b"] * 5)
    other = _predicted(tmp_path / "other.txt", ["a|b", "a|b", "a", "b"] * 5)
    with pytest.raises(InputError, match=r"data.jsonl, line 1: .* several, like 'a\|b'; give --metric example_f1 if"):
        api.prove(one, other, data)
    assert not UserLedger().looks(sample.id for sample in labelled(data, "text", "label", "multilabel"))
    verdict = api.prove(one, other, data, metric="example_f1")
    assert (verdict.reference_value, verdict.evidence[0].value) == (1.0, 1.0)


def test_files_of_tags_have_one_for_each_word(tmp_path: Path) -> None:
    truth = ["O B-x O", "O O B-y"]
    samples = labelled(_several(tmp_path / "data.jsonl", truth), "text", "label", "tag")
    tags = KINDS["tag"]

    def exact(logits: Any, targets: Any, classes: Any) -> Any:
        return (tags.decide(logits) == targets).all(axis=1).astype(float)

    given = _predicted(tmp_path / "given.txt", ["O B-x O", "O O O"])
    check_labels(given, samples, "tag")
    found = judged(samples, Metric("exact", exact, "tag", binary=True), [given])
    assert found.outcomes[0].values.tolist() == [1.0, 0.0]
    with pytest.raises(InputError, match="prediction 2 must be a tag for each of 3 words but has 2 tags"):
        check_labels(_predicted(tmp_path / "short.txt", ["O B-x O", "O O"]), samples, "tag")
    with pytest.raises(InputError, match=r"label must hold one tag a word but has tags that do not fit .*: 2 for 3"):
        labelled(_several(tmp_path / "bad.jsonl", ["O O"]), "text", "label", "tag")


def test_models_of_two_kinds_are_not_compared(tmp_path: Path, model: Path, data: Path) -> None:
    ctx = BuildContext(
        several_samples(), [], LABELS, tmp_path, None, 0, 1.0, 1, tmp_path, lambda share, words: None, kind="multilabel"
    )
    (tmp_path / "out").mkdir()
    other = Linear().apply(None, ctx, tmp_path / "out").path
    with pytest.raises(InputError, match="both models must be of one kind"):
        api.prove(model, other, data)
