"""A teacher invents messages for thin classes, on a local server that speaks the protocol."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("aiohttp", reason="the remote extra is not installed")

from pare import api
from pare.cli import group
from pare.data import Task, prepare
from pare.errors import InputError
from pare.search import run as running
from pare.search.study import LEDGER
from pare.store import UserLedger
from pare.testing.author import ask, rows, said, shown, trained
from pare.testing.server import Asked, Step, TeacherServer, kill_at, serving


def test_only_thin_classes_are_asked_for_with_train_rows_alone_and_nothing_twice(task: Path) -> None:
    data = prepare(Task.read(task).data)
    lacking = 20 - trained(task)["phone"]
    with serving(said) as server:
        done = ask(task, server, "--per-class", "20", "--price-in", "1", "--price-out", "2", "--max-usd", "1")
        assert done.exception is None, done.output
        assert f"{lacking} messages for 1 of 1 classes with fewer than 20 rows" in done.output
        assert "measured" in done.output
        train = {sample.text for sample in data.train if sample.label == "phone"}
        assert shown(server) <= train
        assert shown(server)
        sent = len(server.asked)
        assert ask(task, server, "--per-class", "20").exception is None
        assert len(server.asked) == sent
    made = rows(task.parent / "synthetic.csv")
    assert [(row["intent"], row["origin"], row["model"]) for row in made] == [
        ("phone", "synthetic", "teacher")
    ] * lacking
    after = prepare(Task.read(task).data)
    assert after.membership() == data.membership()
    assert UserLedger().sides() == data.membership()


def test_the_default_is_the_median_of_the_classes(task: Path) -> None:
    counts = trained(task)
    with serving(said) as server:
        found = api.synthesize(task, teacher=server.url, model="teacher")
    assert found.per_class == sorted(counts.values())[1]
    assert found.wanted == sum(max(0, found.per_class - n) for n in counts.values())
    assert sum(found.kept.values()) == found.rows == len(rows(Path(found.path)))


def test_what_is_no_new_message_is_set_aside_with_its_reason(task: Path) -> None:
    data = prepare(Task.read(task).data)
    held = [*data.dev, *data.calibration, *data.test.open("tests")]
    secret = [sample.text for sample in held]
    bad = {
        secret[0].upper(): "same text as a row of the real data",
        secret[1] + " " + secret[1][-2:]: "near-duplicate of a row of the real data",
        data.train[0].text + "!": "same text as|near-duplicate of a row of the real data",
        "": "empty",
        "word " * 200: "too long",
        "где моя карта и когда она придет": "another script: Cyrillic",
        "a wholly new one about a handset and a sim card?": "near-duplicate of another invented message",
    }
    good = "a wholly new one about a handset and a sim card"
    with serving(lambda sent: json.dumps([good, *bad, 3, None])) as server:
        found = api.synthesize(task, per_class=15, teacher=server.url, model="teacher")
    assert [row["message"] for row in rows(Path(found.path))] == [good]
    aside = {row["text"]: row["reason"] for row in rows(Path(found.quarantine))}
    for text, reason in bad.items():
        assert re.search(reason, aside[text.strip()]), (text, aside[text.strip()])
    assert sum(found.set_aside.values()) == len(aside)
    assert found.unreadable == 0
    assert not any(side in reason for reason in aside.values() for side in ("sealed", "test", "dev", "calib"))


def test_the_check_keeps_what_the_teacher_labels_so_again(task: Path) -> None:
    request: dict[str, str] = {}

    def answer(sent: Asked) -> str:
        if sent.text.startswith("Class: "):
            number = re.findall(r"list (\d+) of 2", sent.text)[0]
            request.update(dict.fromkeys(json.loads(said(sent))["messages"], number))
            return said(sent)
        return json.dumps({"label": "card" if "sim" in sent.text.split() else "phone"})

    with serving(answer) as server:
        plain = api.synthesize(task, per_class=20, teacher=server.url, model="teacher")
        before = rows(Path(plain.path))
        checked = api.synthesize(task, per_class=20, check=True, teacher=server.url, model="teacher")
    after = rows(Path(checked.path))
    assert after == [row for row in before if "sim" not in row["message"].split()]
    assert 0 < len(after) < len(before)
    assert rows(Path(plain.path)) == before
    aside = rows(Path(checked.quarantine))
    assert checked.set_aside == {"the teacher gives another label": len(aside)}
    assert len(aside) == len(before) - len(after)
    assert {row["reason"] for row in aside} == {"the teacher gives another label: card"}
    assert {row["text"]: row["line"] for row in aside}.items() <= request.items()
    assert checked.reused == plain.asked
    assert checked.asked == len(before)


def test_no_class_gets_more_than_it_lacks(task: Path) -> None:
    def thrice(sent: Asked) -> str:
        return json.dumps([text for n in range(3) for text in json.loads(said(other(sent, n)))["messages"]])

    def other(sent: Asked, n: int) -> Asked:
        return Asked(f"{sent.text}\n{n}", sent.body, sent.key)

    counts = trained(task)
    with serving(thrice) as server:
        found = api.synthesize(task, per_class=40, teacher=server.url, model="teacher")
    assert found.kept == {label: 40 - n for label, n in counts.items() if n < 40}
    assert found.set_aside["more than wanted"] > found.wanted
    assert sum(found.set_aside.values()) == len(rows(Path(found.quarantine)))


def test_other_rows_are_never_replaced(task: Path) -> None:
    with serving(said) as server:
        first = api.synthesize(task, per_class=20, teacher=server.url, model="teacher")
        before = Path(first.path).read_bytes()
        same = api.synthesize(task, per_class=20, teacher=server.url, model="teacher")
        done = ask(task, server, "--per-class", "30")
    assert same == replace(first, asked=0, reused=first.asked)
    assert Path(first.path).read_bytes() == before
    second = task.parent / "synthetic-2.csv"
    assert len(rows(second)) > len(rows(Path(first.path)))
    assert shlex.split(done.output.partition("next: ")[2])[:5] == [
        "pare",
        "find",
        str(task),
        "--synthetic",
        str(second),
    ]
    assert sorted(path.name for path in task.parent.glob("*synth*")) == [
        "synthetic-2-quarantine.csv",
        "synthetic-2.csv",
        "synthetic-quarantine.csv",
        "synthetic.csv",
    ]


def test_the_next_command_names_a_run_that_is_free(task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(task.parent)
    run = api.RUNS / Task.read(task).name

    def named(server: TeacherServer) -> list[str]:
        return shlex.split(ask(task, server, "--per-class", "20").output.partition("next: ")[2])[5:]

    with serving(said) as server:
        assert named(server) == []
        run.mkdir(parents=True)
        (run / LEDGER).touch()
        assert named(server) == ["--run", f"{run}-synthetic"]
        Path(f"{run}-synthetic").mkdir()
        assert named(server) == ["--run", f"{run}-synthetic-2"]


def test_what_the_endpoint_refuses_is_counted(task: Path) -> None:
    def answer(sent: Asked) -> str:
        return said(sent) if sent.text.startswith("Class: ") else json.dumps({"label": "phone"})

    with serving(answer, script=[Step(), Step(status=400), Step(), Step(status=400)]) as server:
        done = ask(task, server, "--per-class", "20", "--check")
    assert "2 requests were refused by the endpoint" in done.output
    aside = rows(task.parent / "synthetic-quarantine.csv")
    assert [(row["reason"], row["line"]) for row in aside] == [("not checked: the endpoint refused it", "1")]


def test_where_no_class_is_thin_it_says_so(task: Path) -> None:
    with serving(said) as server, pytest.raises(InputError, match=r"no class has fewer than 2 rows .*--per-class"):
        api.synthesize(task, per_class=2, teacher=server.url, model="teacher")
    assert not server.asked


def test_answers_without_messages_are_counted(task: Path) -> None:
    with serving("I am sorry, I cannot do that.") as server:
        found = api.synthesize(task, per_class=20, teacher=server.url, model="teacher")
    assert (found.rows, found.unreadable) == (0, found.asked)
    assert rows(Path(found.path)) == []


CHILD = """
import sys
from pare import api
api.synthesize(sys.argv[1], per_class=120, teacher=sys.argv[2], model="teacher")
"""
ANSWERED, AT_ONCE = 5, 8


def test_a_killed_command_asks_nothing_twice(task: Path) -> None:
    with serving(said, script=[Step()] * ANSWERED + [Step(delay_s=300)] * AT_ONCE) as server:
        kill_at(server, CHILD, [str(task), server.url], ANSWERED + AT_ONCE)
        under_way = {sent.text for sent in server.asked[ANSWERED:]}
        assert not (task.parent / "synthetic.csv").exists()
        found = api.synthesize(task, per_class=120, teacher=server.url, model="teacher")
        twice = {text for text, times in Counter(sent.text for sent in server.asked).items() if times > 1}
    assert (found.reused, found.stopped) == (ANSWERED, "")
    assert twice == under_way
    assert found.rows > found.wanted / 2


def test_the_command_it_names_runs_and_marks_the_rows(
    task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "MEASURED_SECONDS", 0.1)
    run = tmp_path / "run"
    first = api.find(Task.read(task), run)
    hashed, sealed = first.facts.data, first.facts.sides
    first.close()
    with serving(said) as server:
        done = ask(run, server, "--per-class", "20")
    command = shlex.split(done.output.partition("next: ")[2].strip())
    assert command[:2] == ["pare", "find"]
    again = CliRunner().invoke(group, command[1:], standalone_mode=False)
    assert again.exception is None or isinstance(again.exception, SystemExit), again.output
    study = api.show(f"{run}-synthetic")
    made = len(rows(run / "synthetic.csv"))
    assert study.facts.synthetic == made > 0
    assert f"beside them, to train only: {made} synthetic rows" in again.output
    assert (study.facts.sides, study.facts.data == hashed) == (sealed, False)
    trial = next(trial for trial in study.complete if trial.candidate.name == "linear")
    counted = study.store.get(trial.artifact).manifest.lineage["rows"]
    assert counted == {"real": sealed["train"], "synthetic": made, "unlabelled": 0}
    assert "synthetic rows" in (Path(f"{run}-synthetic") / "report.html").read_text()
    study.close()
