"""A teacher that invents messages, and a task with a class that has too few: what ``pare synthesize`` is tried on."""

from __future__ import annotations

import csv
import json
import random
import re
from collections import Counter
from pathlib import Path

from click.testing import CliRunner, Result

from pare.cli import group
from pare.data import Task, prepare
from pare.remote.synthesize import messages_of
from pare.testing.server import Asked, TeacherServer

TOPICS = {"card": "card plastic chip pin", "money": "money cash transfer fee", "phone": "phone mobile handset sim"}
ROWS = {"card": 60, "money": 60, "phone": 12}
FILLER = re.findall(
    r"\w+", "please could you tell me what happens when anybody wants this today or tomorrow maybe later"
)


def text_of(label: str, rng: random.Random) -> str:
    words = [rng.choice(TOPICS[label].split()), *rng.sample(FILLER, 8), str(rng.randrange(10**6))]
    rng.shuffle(words)
    return " ".join(words)


def write_task(folder: Path) -> Path:
    """Writes the rows and their task.yaml, whose path is returned."""
    rng = random.Random(1)
    with (folder / "rows.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["message", "intent"])
        out.writerows([text_of(label, rng), label] for label, n in ROWS.items() for _ in range(n))
    (folder / "task.yaml").write_text(
        "data: {path: rows.csv, input: message, target: intent}\ncandidates: linear\nbar: {at_least: 0.6}\n"
    )
    return folder / "task.yaml"


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
