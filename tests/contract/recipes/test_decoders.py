"""``pare build`` and ``pare export`` of decoders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pare import api, artifacts
from pare.data.task import Task
from pare.errors import InputError
from pare.store import UserLedger
from pare.testing.tiny import tiny_decoder


@pytest.mark.usefixtures("timed")
def test_a_decoder_is_lowered_scored_in_bits_per_byte_and_timed(stories: Path, llama: Path, tmp_path: Path) -> None:
    assert api.kind_of_model(llama) == "generate"
    task = Task.of(stories, input="ask", target="say", kind="generate")
    found = api.build(llama, "lower", task, tmp_path / "small")
    assert (found.format, found.runtime) == ("openvino", "openvino")
    assert artifacts.read(tmp_path / "small").manifest.kind == "generate"
    assert found.quality is not None
    before, after, drop = found.quality.before, found.quality.after, found.quality.drop
    assert before is not None
    assert drop is not None
    assert (before.metric, after.metric, drop.metric) == ("bits_per_byte", "bits_per_byte", "drop")
    assert 0.5 < after.value < 20
    assert abs(drop.value) < 0.01
    assert found.measurement is not None
    assert found.measurement.figures["decode_tokens_per_s_batch_8"].value > 0
    assert UserLedger().looks([id for id, side in UserLedger().sides().items() if side == "test"]) == []
    assert found.before is not None
    assert found.before.runtime == "pytorch"
    with pytest.raises(InputError, match="find for kind generate is not there yet"):
        api.find(task, tmp_path / "run")


def test_a_decoder_is_a_plain_folder_for_others(
    stories: Path, llama: Path, tmp_path: Path, card_says: Callable[[Path], str]
) -> None:
    task = Task.of(stories, input="ask", target="say", kind="generate")
    api.build(llama, "lower", task, tmp_path / "small")
    api.export(tmp_path / "small", "hf", tmp_path / "hf")
    assert card_says(tmp_path / "hf").startswith("a prompt")
    api.export(tmp_path / "small", "gguf", tmp_path / "gguf", "q8_0")
    assert (tmp_path / "gguf" / "model.gguf").read_bytes()[:4] == b"GGUF"
    with pytest.raises(InputError, match="--width must be one of f32, f16, q8_0, q4_0 but got int8"):
        api.export(tmp_path / "small", "gguf", tmp_path / "other", "int8")
    with pytest.raises(InputError, match="a decoder has no ONNX form"):
        api.export(tmp_path / "small", "onnx", tmp_path / "onnx")


@pytest.mark.usefixtures("timed")
def test_a_gguf_file_is_scored_and_timed_one_text_at_a_time(stories: Path, llama: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    written = Task.of(stories, input="ask", target="say", kind="generate")
    found = api.build(llama, "lower:gguf", written, tmp_path / "small")
    assert found.runtime == "llamacpp"
    assert found.measurement is not None
    assert found.measurement.figures["decode_tokens_per_s_batch_1"].value > 0
    assert "decode_tokens_per_s_batch_8" not in found.measurement.figures


def test_tiny_decoders_are_shown_with_what_they_keep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pare.cli import main

    folder = tiny_decoder(tmp_path / "llama")
    with pytest.raises(SystemExit):
        main(["show", str(folder), "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert shown["kv_bytes_per_token_of_context"] == 2 * 3 * 2 * 8 * 2
    assert shown["model_class"] == 0
