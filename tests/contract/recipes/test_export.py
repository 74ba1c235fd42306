"""``pare export`` of encoders."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import pare
from pare import api, artifacts
from pare.data.task import Task
from pare.errors import InputError
from pare.testing.building import texts


@pytest.fixture
def small(base: Path, task: Task, tmp_path: Path) -> Callable[[str], Path]:
    def built(recipe: str) -> Path:
        api.build(base, recipe, task, tmp_path / "small")
        return tmp_path / "small"

    return built


def test_an_encoder_is_read_by_transformers_and_sentence_transformers(
    small: Callable[[str], Path], tmp_path: Path, card_says: Callable[[Path], str]
) -> None:
    pytest.importorskip("sentence_transformers")
    path = small("finetune:1 > drop_layers:2")
    found = api.export(path, "hf", tmp_path / "hf")
    assert found.files == tuple(sorted(found.files))
    assert found.source == artifacts.read(path).id
    assert card_says(tmp_path / "hf").strip() == pare.load(path).classify(["a text"])[0].label
    from transformers import AutoModel

    assert AutoModel.from_pretrained(tmp_path / "hf").config.num_hidden_layers == 2


@pytest.mark.usefixtures("fresh")
def test_a_lowered_encoder_is_exported_from_the_step_before(small: Callable[[str], Path], tmp_path: Path) -> None:
    path = small("finetune:1 > lower > calibrate:1.5(threshold=0)")
    found = api.export(path, "hf", tmp_path / "hf")
    assert found.source != artifacts.read(path).id
    assert (tmp_path / "hf" / "model.safetensors").is_file()
    for folder in api.all_builds():
        api.gc(folder)
    with pytest.raises(InputError, match="no step of a build here any more"):
        api.export(path, "hf", tmp_path / "again")


def test_an_encoder_becomes_onnx(
    small: Callable[[str], Path], tmp_path: Path, card_says: Callable[[Path], str]
) -> None:
    pytest.importorskip("onnxscript")
    path = small("finetune:1")
    api.export(path, "onnx", tmp_path / "onnx")
    ours, theirs = pare.load(path, "pytorch"), pare.load(tmp_path / "onnx", "onnx")
    rows = [text for text, _ in texts(8)]
    assert np.allclose(ours.logits(rows), theirs.logits(rows), atol=1e-4)
    shown = np.array(re.findall(r"-?\d+\.\d+(?:e-?\d+)?", card_says(tmp_path / "onnx")), dtype=float)
    assert np.allclose(shown, ours.logits(["a text"])[0], atol=1e-4)


@pytest.mark.parametrize(
    ("recipe", "to", "words"),
    [
        ("finetune:1 > quantize:w8", "hf", "weights were changed there by quantize"),
        ("linear", "hf", "of format linear"),
        ("finetune:1", "pickle", "--to must be one of"),
    ],
)
def test_what_cannot_be_exported_says_why(
    small: Callable[[str], Path], tmp_path: Path, recipe: str, to: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        api.export(small(recipe), to, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_factors_are_exported_as_nothing_else(
    stories: Path, llama: Path, base: Path, task: Task, tmp_path: Path
) -> None:
    api.build(base, "finetune:1 > lowrank(texts=8)", task, tmp_path / "encoder")
    written = Task.of(stories, input="ask", target="say", kind="generate")
    api.build(llama, "lowrank(texts=8)", written, tmp_path / "decoder")
    for path, to in (("encoder", "hf"), ("decoder", "hf"), ("decoder", "gguf")):
        with pytest.raises(InputError, match="low-rank factors"):
            api.export(tmp_path / path, to, tmp_path / "out")
        assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="lowrank needs dense matrices"):
        api.build(tmp_path / "decoder", "lowrank:0.3", written, tmp_path / "again")
    with pytest.raises(InputError, match="sparsify needs dense matrices"):
        api.build(tmp_path / "encoder", "sparsify", task, tmp_path / "again")
