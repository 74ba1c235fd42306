"""Lowering: what holds for every target beyond the row's own contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

from pare.errors import InputError, PareError
from pare.methods import method
from pare.methods.lower import Lower, _check
from pare.testing.contexts import tiny_context
from pare.types import Artifact, Shape, Step


def _encoder(folder: Path) -> Artifact:
    out = folder / "encoder"
    out.mkdir()
    return method(Step("finetune", {"epochs": 0.2, "max_length": 32})).apply(None, tiny_context(folder), out)


def test_standard_output_stays_clean(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    encoder = _encoder(tmp_path)
    capfd.readouterr()
    for name, step in (("ir", Step("lower")), ("onnx", Step("lower", {"to": "onnx"}))):
        (tmp_path / name).mkdir()
        artifact = method(step).apply(encoder, tiny_context(tmp_path), tmp_path / name)
        if name == "ir":
            (tmp_path / "int8").mkdir()
            method(Step("quantize", {"ranges": 8})).apply(artifact, tiny_context(tmp_path), tmp_path / "int8")
    assert capfd.readouterr().out == ""


def test_no_machine_path_is_in_a_graph(tmp_path: Path) -> None:
    for to in ("onnx", "openvino"):
        (tmp_path / to).mkdir()
    encoder = _encoder(tmp_path)
    for to in ("onnx", "openvino"):
        made = method(Step("lower", {"to": to})).apply(encoder, tiny_context(tmp_path), tmp_path / to)
        for name in made.manifest.files:
            assert b"site-packages" not in (made.path / name).read_bytes()


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs an artifact of format encoder or decoder but got nothing"):
        Lower().apply(None, tiny_context(tmp_path), tmp_path / "out")
    assert Lower().reshape(Shape("bert", ()), None) == Shape("bert", ())  # type: ignore[arg-type]


def test_a_graph_that_differs_is_not_sealed_silently(tmp_path: Path) -> None:
    encoder = _encoder(tmp_path)
    (tmp_path / "other").mkdir()
    context = tiny_context(tmp_path, seed=3)
    other = method(Step("finetune", {"epochs": 3.0, "max_length": 32})).apply(None, context, tmp_path / "other")
    (tmp_path / "graph").mkdir()
    graph = Lower().apply(other, context, tmp_path / "graph")
    with pytest.raises(PareError, match="does not lower faithfully"):
        _check(replace(encoder), graph, ["card", "phone"], 1)
