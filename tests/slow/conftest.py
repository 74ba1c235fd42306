"""A small task with a base encoder of a few thousand weights, so that a whole study takes seconds."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

WORDS = {
    "card": ("card", "plastic", "chip"),
    "money": ("money", "cash", "transfer"),
    "phone": ("phone", "mobile", "handset"),
}
STATES = ("lost", "gone", "late", "stuck", "broken", "missing", "wrong", "slow")
FILLERS = (
    "please",
    "hello",
    "thanks",
    "um",
    "so",
    "well",
    "again",
    "today",
    "since",
    "really",
    "help",
    "my",
    "was",
    "it",
)


def write_messages(path: Path, rows: int, seed: int, noise: float = 0.05) -> list[str]:
    """Writes labelled messages: each names its label by one of three words; a share has a wrong label."""
    rng = random.Random(seed)
    texts = []
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["text", "intent"])
        for number in range(rows):
            label = rng.choice(list(WORDS))
            words = [*rng.sample(FILLERS, 6), rng.choice(WORDS[label]), rng.choice(STATES), *rng.sample(FILLERS, 3)]
            text = " ".join([*words, str(seed * 100_000 + number)])
            out.writerow([text, rng.choice(list(WORDS)) if rng.random() < noise else label])
            texts.append(text)
    return texts


@pytest.fixture
def small_task(tmp_path: Path) -> Path:
    """A task.yaml over 700 messages and a tiny base, with a fixed bar that the linear rung clears."""
    pytest.importorskip("torch", reason="needs the build extra")
    from pare.testing.tiny import tiny_encoder

    texts = write_messages(tmp_path / "messages.csv", 700, seed=1)
    tiny_encoder(tmp_path / "base", "bert", texts)
    (tmp_path / "task.yaml").write_text(
        "name: small\ndata: {path: messages.csv, input: text, target: intent}\nbase: ./base\n"
        "bar: {at_least: 0.7}\ncandidates: [linear, static, 'students:1']\n"
    )
    return tmp_path / "task.yaml"


@pytest.fixture
def more_messages(tmp_path: Path) -> Path:
    """900 fresh labelled messages of the same kind."""
    write_messages(tmp_path / "more.csv", 900, seed=2)
    return tmp_path / "more.csv"
