"""Tiny artifacts of every format, each built once a session, by the methods themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pare.methods import method
from pare.methods.base import BuildContext
from pare.testing.contexts import tiny_context, tiny_samples
from pare.types import Artifact, Step

ENCODER = Step("finetune", {"epochs": 1.0})
RECIPES: dict[str, list[Step]] = {
    "linear": [Step("linear")],
    "static": [Step("static", {"epochs": 2.0, "width": 8, "tokens": 300})],
    "encoder": [ENCODER],
    "encoder-int8": [ENCODER, Step("qat", {"epochs": 0.5, "ranges": 8})],
    "encoder-w4": [ENCODER, Step("qat", {"width": "w4", "epochs": 0.5})],
    "openvino": [ENCODER, Step("lower")],
    "onnx": [ENCODER, Step("lower", {"to": "onnx"})],
    "openvino-w8": [ENCODER, Step("lower"), Step("quantize", {"scheme": "w8"})],
    "openvino-int8": [ENCODER, Step("lower"), Step("quantize", {"ranges": 16})],
}
"""Artifact by name → how it is made."""

Made = Callable[[str], Artifact]


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> BuildContext:
    pytest.importorskip("torch", reason="the build extra is not installed")
    rows = tiny_samples(90)
    made = tiny_context(tmp_path_factory.mktemp("context"), samples=rows[:60])
    return replace(made, dev=rows[60:])


@pytest.fixture(scope="session")
def made(context: BuildContext, tmp_path_factory: pytest.TempPathFactory) -> Made:
    known: dict[str, Artifact] = {}

    def build(steps: list[Step], folder: Path) -> Artifact:
        key = repr(steps)
        if key not in known:
            parent = build(steps[:-1], folder) if len(steps) > 1 else None
            out = folder / f"step-{len(known)}"
            out.mkdir(parents=True)
            known[key] = method(steps[-1]).apply(parent, context, out)
        return known[key]

    root = tmp_path_factory.mktemp("artifacts")
    return lambda name: build(RECIPES[name], root)
