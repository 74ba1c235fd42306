"""Rows of kind generate: no classes, so nothing is rare and nothing contradicts, but prompts are kept on one side."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from pare.data import prepare
from pare.errors import InputError
from pare.types import DataSpec

WORDS = [
    "river",
    "stone",
    "lamp",
    "cloud",
    "bread",
    "window",
    "garden",
    "letter",
    "bridge",
    "candle",
    "mirror",
    "basket",
    "orange",
    "silver",
    "hammer",
    "violet",
]


def story(i: int) -> str:
    draw = random.Random(i)
    return " ".join(draw.choice(WORDS) for _ in range(8)) + f" {draw.randrange(10**6)}"


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rows_without_prompts_are_split_by_their_answers(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", [{"story": story(i)} for i in range(100)])
    found = prepare(DataSpec(str(file), "", "story"), kind="generate")
    sizes = [len(found.train), len(found.dev), len(found.calibration), found.test.n]
    assert sum(sizes) == 100
    assert min(sizes) > 0
    assert found.labels == ()
    assert not found.quarantined
    assert {sample.text for sample in found.train} == {""}


def test_answers_stay_as_they_are_and_repeats_are_set_aside(tmp_path: Path) -> None:
    rows = [{"ask": story(i), "say": f" {story(i + 50)}\n"} for i in range(30)]
    file = written(tmp_path / "a.jsonl", [*rows, rows[0], {"ask": "nothing", "say": " "}])
    found = prepare(DataSpec(str(file), "ask", "say"), kind="generate")
    assert all(sample.label.startswith(" ") and sample.label.endswith("\n") for sample in found.train)
    assert sorted(item.reason for item in found.quarantined) == ["duplicate of line 1", "say empty"]


def test_two_answers_to_one_prompt_are_kept_on_one_side(tmp_path: Path) -> None:
    rows = [{"ask": f"{story(i)}?", "say": story(i + 40 + 200 * j)} for i in range(40) for j in range(2)]
    found = prepare(DataSpec(str(written(tmp_path / "a.jsonl", rows)), "ask", "say"), kind="generate")
    kept = [*found.train, *found.dev, *found.calibration]
    assert len(kept) + found.test.n == 80
    for side in (found.train, found.dev, found.calibration):
        prompts = [sample.text for sample in side]
        assert all(prompts.count(prompt) == 2 for prompt in prompts)


def test_too_few_answers_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", [{"say": story(i)} for i in range(5)])
    with pytest.raises(InputError, match="must hold 8 answers or more but has 5"):
        prepare(DataSpec(str(file), "", "say"), kind="generate")
