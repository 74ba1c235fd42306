"""A teacher invents messages for thin classes, on a local server that speaks the protocol."""

from __future__ import annotations

import csv
import json
import random
import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("aiohttp", reason="the remote extra is not installed")

from pare import api
from pare.cli import group
from pare.data import Task, prepare
from pare.errors import InputError
from pare.remote.synthesize import invent, messages_of
from pare.search import run as running
from pare.store import UserLedger
from pare.testing.server import Asked, Step, TeacherServer, serving

TOPICS = {"card": "card plastic chip pin", "money": "money cash transfer fee", "phone": "phone mobile handset sim"}
ROWS = {"card": 60, "money": 60, "phone": 12}
FILLER = re.findall(
    r"\w+", "please could you tell me what happens when anybody wants this today or tomorrow maybe later"
)


def text_of(label: str, rng: random.Random) -> str:
    words = [rng.choice(TOPICS[label].split()), *rng.sample(FILLER, 8), str(rng.randrange(10**6))]
    rng.shuffle(words)
    return " ".join(words)


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARE_HOME", str(tmp_path / "home"))
    rng = random.Random(1)
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["message", "intent"])
        out.writerows([text_of(label, rng), label] for label, n in ROWS.items() for _ in range(n))
    (tmp_path / "task.yaml").write_text(
        "data: {path: rows.csv, input: message, target: intent}\ncandidates: linear\nbar: {at_least: 0.6}\n"
    )
    return tmp_path / "task.yaml"


def said(sent: Asked) -> str:
    """What a good teacher invents: as many as it is asked for, new and of the class."""
    label = re.findall(r"^Class: (.+)$", sent.text, re.MULTILINE)[0]
    count = int(re.findall(r"^Write (\d+) new", sent.text, re.MULTILINE)[0])
    rng = random.Random(sent.text)
    return json.dumps({"messages": [text_of(label, rng) for _ in range(count)]})


def ask(task: Path, server: TeacherServer, *more: str) -> Result:
    given = ["synthesize", str(task), "--teacher", server.url, "--model", "teacher", *more]
    return CliRunner().invoke(group, given, standalone_mode=False)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def trained(task: Path) -> Counter[str]:
    return Counter(sample.label for sample in prepare(Task.read(task).data).train)


def shown(server: TeacherServer) -> set[str]:
    """All examples that were sent."""
    return {text for sent in server.asked for text in messages_of(sent.text.partition("Messages of it: ")[2])}


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
    def answer(sent: Asked) -> str:
        if sent.text.startswith("Class: "):
            return said(sent)
        return json.dumps({"label": "card" if "sim" in sent.text.split() else "phone"})

    with serving(answer) as server:
        plain = api.synthesize(task, per_class=20, teacher=server.url, model="teacher")
        before = rows(Path(plain.path))
        checked = api.synthesize(task, per_class=20, check=True, teacher=server.url, model="teacher")
    after = rows(Path(checked.path))
    assert after == [row for row in before if "sim" not in row["message"].split()]
    assert 0 < len(after) < len(before)
    assert checked.set_aside == {"the teacher": len(before) - len(after)}
    assert checked.reused == plain.asked
    assert checked.asked == len(before)


@pytest.mark.parametrize("check", [False, True])
def test_an_estimate_above_the_cap_asks_nothing(task: Path, check: bool) -> None:
    more = ["--check"] if check else []
    with serving(said) as server:
        done = ask(task, server, "--price-in", "1000", "--price-out", "1000", "--max-usd", "0.01", *more)
        assert isinstance(done.exception, InputError)
        assert "above the cap of $0.01" in str(done.exception)
        assert not server.asked
    assert not (task.parent / "synthetic.csv").exists()


def test_the_check_counts_towards_the_cap_beforehand(task: Path) -> None:
    said_of_it: list[str] = []
    with serving(said) as server:
        with pytest.raises(InputError, match="messages and their check cost about"):
            api.synthesize(
                task,
                per_class=20,
                check=True,
                say=said_of_it.append,
                teacher=server.url,
                model="teacher",
                price_in=Decimal(1),
                price_out=Decimal(1),
                cap=(cap := Decimal("0.0012")),
            )
        assert not server.asked
    first, second = (Decimal(found) for found in re.findall(r"about \$([\d.]+)", " ".join(said_of_it)))
    assert first < cap < first + second


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
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(task), server.url])
        deadline = time.monotonic() + 60
        while len(server.asked) < ANSWERED + AT_ONCE and time.monotonic() < deadline:
            assert child.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        child.kill()
        child.wait()
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


def test_messages_are_read_from_what_teachers_write() -> None:
    two = ["one", "two, with [brackets]"]
    for answer in (
        json.dumps(two),
        json.dumps({"messages": two}),
        json.dumps({"class": "x", "items": [{"text": text} for text in two]}),
        f"Here you are:\n```json\n{json.dumps(two, indent=1)}\n```\nAnything else?",
        f'{json.dumps(two)[:-1]}, "cut off in the mid',
        "Sure!\n1. one\n2) two, with [brackets]\n",
        "- one\n* two, with [brackets]",
    ):
        expected = ["one", "two, with [brackets]"]
        assert messages_of(answer) == expected, answer
    assert messages_of('[" a ", 3, null, {"n": 1}, ["b"]]') == ["a"]
    for answer in ("", "no", "[", "{}", "[]", '{"messages": "one"}'):
        assert messages_of(answer) == []


def test_requests_of_one_class_differ() -> None:
    examples = ["a", "b"]
    assert invent("card", examples, 5, 1, 2) != invent("card", examples, 5, 2, 2)
