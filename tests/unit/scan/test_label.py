"""A teacher labels a file, on a local server that speaks the protocol."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("aiohttp", reason="the remote extra is not installed")

from pare.cli import group
from pare.data import prepare
from pare.errors import InputError
from pare.remote.label import instruction, label_of
from pare.scan.label import read_labels
from pare.testing.server import Asked, TeacherServer, serving
from pare.types import DataSpec

LABELS = {"card": "about cards", "money": ""}
PAIRS = (("card", "card"), ("transfer", "money"))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARE_HOME", str(tmp_path / "home"))
    texts = [f"my {'card' if i % 2 else 'cash'} {i}" for i in range(10)]
    (tmp_path / "inputs.csv").write_text("\n".join(["text", *texts, "my card 1", ""]))
    (tmp_path / "labels.yaml").write_text("card: about cards\nmoney:\n")
    return tmp_path


def answer(sent: Asked) -> str:
    text = sent.text
    if text == "my cash 4":
        return "I cannot say."
    return json.dumps({"label": "card" if "card" in text else "money"})


def asked(folder: Path, server: TeacherServer, *more: str) -> Result:
    given = ["label", str(folder / "inputs.csv"), "--labels", str(folder / "labels.yaml"), "--teacher", server.url]
    return CliRunner().invoke(group, [*given, "--model", "teacher", *more], standalone_mode=False)


def test_every_distinct_text_is_asked_once_and_never_again(files: Path) -> None:
    with serving(answer) as server:
        done = asked(files, server, "--price-in", "1", "--price-out", "2", "--cap", "1")
        assert done.exception is None, done.output
        assert "9 of 10 texts have a label" in done.output
        sent = len(server.asked)
        assert sent == 10
        asked(files, server)
        assert len(server.asked) == sent
    with (files / "inputs-labelled.csv").open() as file:
        rows = {row["text"]: row["label"] for row in csv.DictReader(file)}
    assert rows["my card 1"] == "card"
    assert rows["my cash 2"] == "money"
    assert rows["my cash 4"] == ""


def test_an_estimate_above_the_cap_asks_nothing(files: Path) -> None:
    with serving(answer) as server:
        done = asked(files, server, "--price-in", "1000000", "--price-out", "1", "--cap", "0.01")
        assert isinstance(done.exception, InputError)
        assert len(server.asked) == 0


def test_two_passes_measure_the_teachers_agreement_with_itself(files: Path) -> None:
    with serving(answer) as server:
        done = asked(files, server, "--passes", "2", "--json")
        assert done.exception is None, done.output
        found = json.loads(done.stdout)
        assert found["self_agreement"] == 1.0
        assert found["asked"] == 20


def test_labels_are_read_from_what_teachers_write() -> None:
    for text in ('{"label": "card"}', '```json\n{"label": "Card"}\n```', "card", " CARD ", '"card"'):
        assert label_of(text, LABELS) == "card"
    for text in ("", "a card", "{}", '{"label": 3}', '{"label": "phone"}', "[]"):
        assert label_of(text, LABELS) is None
    assert "- card: about cards\n- money" in instruction(LABELS)


def test_bad_labels_are_one_line(tmp_path: Path) -> None:
    for content in ("card", "- card", "[1, 2", "3"):
        (tmp_path / "labels.yaml").write_text(content)
        with pytest.raises(InputError, match=r"labels\.yaml"):
            read_labels(tmp_path / "labels.yaml")
    (tmp_path / "labels.yaml").write_text("- card\n- money\n")
    assert read_labels(tmp_path / "labels.yaml") == {"card": "", "money": ""}


def test_what_it_writes_is_taken_as_rows_for_training_only(files: Path) -> None:
    with serving(answer) as server:
        assert asked(files, server).exception is None
    rows = "".join(f"what about my {word} number {i * 7919},{label}\n" for i in range(40) for word, label in PAIRS)
    (files / "rows.csv").write_text("message,intent\n" + rows)
    data = prepare(DataSpec(str(files / "rows.csv"), "message", "intent", synthetic=str(files / "inputs-labelled.csv")))
    made = [sample for sample in data.train if sample.origin]
    assert {sample.origin for sample in made} == {"synthetic"}
    assert len(made) == 9
    unfit = [row.text for row in data.quarantined if row.reason == "synthetic text or label empty"]
    assert unfit == ["my cash 4"]
