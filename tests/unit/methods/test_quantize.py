from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from pare.errors import InputError
from pare.methods.quantize import Quantize, rolled_back
from pare.testing.contexts import tiny_context
from pare.types import DataFacts, Part, Shape

FACTS = DataFacts(classes=3, rows=60, tokens_per_row=9.0)


def _graph(quantisers: int) -> Any:
    """A chain of so many activation quantisers, named q0, q1 and so on."""
    node = first = ops.parameter([-1, 4], np.float32, name="x")
    for i in range(quantisers):
        node = ops.fake_quantize(node, 0.0, float(i + 1), 0.0, float(i + 1), 256, name=f"q{i}")
    return openvino.Model([ops.relu(node)], [first], "chain")


def _names(model: Any) -> set[str]:
    return {op.get_friendly_name() for op in model.get_ordered_ops() if op.get_type_name() == "FakeQuantize"}


def test_what_harms_is_rolled_back_worst_first() -> None:
    harm = {"q0": 0.01, "q1": 0.2, "q2": 0.05}

    def watch(model: Any) -> float:
        return 1 - sum(harm[name] for name in _names(model))

    model, reverted = rolled_back(_graph(3), watch, 0.97)
    assert reverted == ["q1", "q2"]
    assert _names(model) == {"q0"}


def test_what_does_no_harm_stays() -> None:
    model, reverted = rolled_back(_graph(2), lambda model: 1.0, 0.9)
    assert (reverted, _names(model)) == ([], {"q0", "q1"})


def test_where_nothing_suffices_all_are_out() -> None:
    model, reverted = rolled_back(_graph(2), lambda model: 0.0, 0.9)
    assert len(reverted) == 2
    assert not _names(model)


def test_bits_of_matrices_and_vectors() -> None:
    shape = Shape(
        "bert", (Part("embeddings.word", 1600), Part("layers.0.attention", 1088, flops_per_token=2048)), width=16
    )
    word, attention = Quantize("int8").reshape(shape, FACTS).parts
    assert word.bits == 8 + 32 / 16
    assert attention.bits == pytest.approx((8 * 1024 + 32 * 64 + 32 * 64) / 1088)


def test_another_format_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the build extra is not installed")
    with pytest.raises(InputError, match="takes format openvino or onnx but got nothing"):
        Quantize().apply(None, tiny_context(tmp_path), tmp_path)
