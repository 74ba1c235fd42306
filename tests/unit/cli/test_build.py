"""``pare build`` and ``pare export``: what is refused in one line, before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pare import api
from pare.testing.building import tiny_built
from pare.testing.contexts import tiny_samples

Pare = Callable[..., Any]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f'"{row.text}",{row.label}\n' for row in tiny_samples(60)))
    return path


COLUMNS = ("--input", "text", "--target", "label", "--out", "out")


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("", ("character 1", "the name of a method")),
        ("lower > quantise:full", ("character 9", "did you mean quantize")),
        ("drop_layers:0", ("keep must be at least 1",)),
        ("quantize > quantize", ("step 1 (quantize)", "format linear")),
        ("drop_layers:1", ("format decoder but is given format linear", "methods that take format linear")),
    ],
)
def test_recipes_that_cannot_run(pare: Pare, model: Path, data: Path, recipe: str, words: tuple[str, ...]) -> None:
    pare("build", model, "--recipe", recipe, "--data", data, *COLUMNS).refused(*words)
    assert not Path("out").exists()
    assert api.all_builds() == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nowhere", "--recipe", "lower", "--data", "rows.csv", *COLUMNS), ("base must be a folder",)),
        (("rows.csv", "--recipe", "lower", "--data", "rows.csv", *COLUMNS), ("is a file",)),
        (("MODEL", "--recipe", "lower", "--out", "out"), ("give --data",)),
        (("MODEL", "--recipe", "lower", "--kind", "tag", "--out", "out"), ("go with --data",)),
        (("MODEL", "--recipe", "lower", "--data", "rows.csv", "--out", "out"), ("--input must name a column",)),
        (("MODEL", "--recipe", "lower", "--data", "none.yaml", "--out", "out"), ("none.yaml does not exist",)),
        (("MODEL", "--data", "rows.csv", *COLUMNS), ("--recipe",)),
    ],
)
def test_arguments(pare: Pare, model: Path, data: Path, args: tuple[str, ...], words: tuple[str, ...]) -> None:
    pare("build", *[str(model) if arg == "MODEL" else arg for arg in args]).refused(*words)


def test_a_result_is_shown_with_the_next_step(pare: Pare, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "build", lambda *given, **named: tiny_built(Path("out")))
    said = pare("build", "m", "--recipe", "lower", "--data", data, "--kind", "classify", *COLUMNS)
    assert said.code == 0
    assert said.out.startswith("recipe: drop_layers:1 > lower\n")
    assert said.err.endswith("next: pare show out\n"), "a graph has no form to be exported in"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("MODEL", "--to", "tflite", "--out", "out"), ("--to must be one of hf, onnx",)),
        (("MODEL", "--to", "hf", "--out", "out"), ("of format linear", "build the recipe without that step")),
        (("MODEL", "--to", "onnx", "--out", "."), ("is not empty",)),
        (("MODEL", "--to", "hf", "--width", "f16", "--out", "out"), ("--width is for gguf",)),
        (("nowhere", "--to", "hf", "--out", "out"), ("is no artifact",)),
    ],
)
def test_exports(pare: Pare, model: Path, data: Path, args: tuple[str, ...], words: tuple[str, ...]) -> None:
    pare("export", *[str(model) if arg == "MODEL" else arg for arg in args]).refused(*words)
    assert not Path("out").exists()


def test_a_study_of_a_decoder_is_refused(pare: Pare, data: Path, tmp_path: Path) -> None:
    (tmp_path / "llama").mkdir()
    (tmp_path / "llama" / "config.json").write_text('{"model_type": "llama"}')
    said = pare("find", data, "--base", tmp_path / "llama", *COLUMNS[:4])
    assert said.code == 2
    assert said.err.endswith(
        "is a decoder (llama); pare build builds decoders; find for kind generate is not there yet\n"
    )


def test_find_says_that_texts_are_for_build(pare: Pare, data: Path) -> None:
    pare("find", data, "--kind", "generate", "--target", "text").refused("find for kind generate is not there yet")
    shown = pare("find", data, "--kind", "generate", "--target", "text", "--task-only")
    assert shown.code == 0
    assert "input: ''" in shown.out
