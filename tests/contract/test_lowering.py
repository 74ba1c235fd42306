"""Lowering: what holds for every target beyond the row's own contract."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

from safetensors.numpy import load_file, save_file

from pare.errors import InputError, PareError
from pare.methods import method
from pare.methods.base import BuildContext
from pare.methods.lower import Lower, _check
from pare.testing.contexts import tiny_context
from pare.types import Artifact, Shape, Step

Made = Callable[[str], Artifact]


def test_standard_output_stays_clean_and_no_machine_path_is_in_a_graph(
    made: Made, context: BuildContext, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    graph = made("encoder")
    capfd.readouterr()
    for name, step in (("onnx", Step("lower", {"to": "onnx"})), ("ir", Step("lower")), ("int8", Step("quantize"))):
        (tmp_path / name).mkdir()
        parent = graph if name == "int8" else made("encoder")
        graph = method(step).apply(parent, replace(context, dev=[], train=context.train[:16]), tmp_path / name)
        for file in graph.manifest.files:
            assert b"site-packages" not in (graph.path / file).read_bytes()
    assert capfd.readouterr().out == ""


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs an artifact of format encoder or decoder but got nothing"):
        Lower().apply(None, tiny_context(tmp_path), tmp_path / "out")
    assert Lower().reshape(Shape("bert", ()), None) == Shape("bert", ())  # type: ignore[arg-type]


def test_a_graph_that_differs_is_not_sealed_silently(made: Made, tmp_path: Path) -> None:
    encoder = made("encoder")
    shutil.copytree(encoder.path, tmp_path / "other")
    head = load_file(encoder.path / "head.safetensors")
    save_file({name: array + 0.1 for name, array in head.items()}, tmp_path / "other" / "head.safetensors")
    _check(encoder, made("openvino"), ["card", "phone"], 1)
    with pytest.raises(PareError, match="does not lower faithfully"):
        _check(replace(encoder, path=tmp_path / "other"), made("openvino"), ["card", "phone"], 1)
