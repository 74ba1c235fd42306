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
    "prune": (Step("prune", {"ffn": 0.5, "heads": 0.5}), "encoder"),
    "trim_vocab": (Step("trim_vocab", {"tokens": 200}), "encoder"),
    "distil": (Step("distil", {"epochs": 1.0, "copies": 0}), "encoder"),
    "lowrank": (Step("lowrank", {"ratio": 0.5, "rule": "uniform"}), "encoder"),
    "lowrank-budget": (Step("lowrank", {"ratio": 0.6, "rule": "budget"}), "encoder"),
    "lowrank-energy": (Step("lowrank", {"ratio": 0.8, "rule": "energy"}), "encoder"),
    "lowrank-plain": (Step("lowrank", {"ratio": 0.5, "whiten": False}), "encoder"),
    "sparsify": (Step("sparsify", {"share": 0.5}), "encoder"),
    "sparsify-magnitude": (Step("sparsify", {"by": "magnitude", "among": "2:4"}), "encoder"),
    "student": (Step("student", {"layers": 2, "width": 8}), None),
    "student-of-artifact": (Step("student", {"layers": 1, "width": 32, "heads": 4, "inner": 48}), "encoder"),
    "lora": (Step("lora", {"epochs": 1.0, "keep": True}), "encoder"),
    "lora-of-base": (Step("lora", {"epochs": 1.0, "targets": "attention"}), None),
    "lower": (Step("lower", {"to": "openvino"}), "encoder"),
    "lower-onnx": (Step("lower", {"to": "onnx"}), "encoder"),
    "qat": (Step("qat", {"epochs": 0.5, "ranges": 8}), "encoder"),
    "qat-w8": (Step("qat", {"width": "w8", "epochs": 0.5}), "encoder"),
    "qat-w4": (Step("qat", {"width": "w4", "epochs": 0.5}), "encoder"),
    "lower-qat": (Step("lower"), "encoder-int8"),
    "lower-qat-w4": (Step("lower"), "encoder-w4"),
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
