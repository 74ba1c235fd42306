"""Every row of METHODS keeps its promises on a tiny model: predicted bytes, sealed files, the same bytes twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pare.families import family_of, read_config
from pare.methods import METHODS, method
from pare.methods.base import BuildContext
from pare.testing.conformance import check_method
from pare.types import Artifact, Step

CASES: dict[str, tuple[Step, str | None]] = {
    "linear": (Step("linear"), None),
    "static": (Step("static", {"epochs": 2.0, "width": 8, "tokens": 300}), None),
    "finetune": (Step("finetune", {"epochs": 1.0}), None),
    "drop_layers": (Step("drop_layers", {"keep": 1}), "encoder"),
    "trim_vocab": (Step("trim_vocab", {"tokens": 200}), "encoder"),
    "distil": (Step("distil", {"epochs": 1.0, "copies": 0}), "encoder"),
    "lower": (Step("lower", {"to": "openvino"}), "encoder"),
    "lower-onnx": (Step("lower", {"to": "onnx"}), "encoder"),
    "quantize": (Step("quantize", {"ranges": 16}), "openvino"),
    "quantize-weights": (Step("quantize", {"scheme": "w8"}), "openvino"),
    "quantize-w4-gptq": (Step("quantize", {"scheme": "w4", "algorithm": "gptq", "zero_points": True}), "openvino"),
    "quantize-w4-awq": (Step("quantize", {"scheme": "w4", "algorithm": "awq", "embeddings": 4}), "openvino"),
    "quantize-onnx": (Step("quantize", {"ranges": 16}), "onnx"),
    "quantize-onnx-dynamic": (Step("quantize", {"scheme": "int8_dynamic"}), "onnx"),
    "calibrate": (Step("calibrate", {"temperature": 1.5, "threshold": 0.4}), "linear"),
}
"""A step for each row, and the artifact it starts from."""


def test_every_row_is_tested() -> None:
    assert set(METHODS) == {step.method for step, _ in CASES.values()}


@pytest.mark.parametrize("case", CASES)
def test_conforms(case: str, made: Callable[[str], Artifact], context: BuildContext, tmp_path: Path) -> None:
    step, parent_name = CASES[case]
    parent = made(parent_name) if parent_name else None
    config = read_config(context.base)
    base = parent.manifest.shape if parent else family_of(config).shape(config, len(context.labels))
    check_method(method(step), parent, base, replace(context, teacher=made("encoder")), tmp_path)
