from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from pare.errors import InputError
from pare.methods import METHODS, method
from pare.types import Step

REQUIRED: dict[str, dict[str, Any]] = {
    "drop_layers": {"keep": 1},
    "student": {"layers": 1},
    "calibrate": {"temperature": 1.0, "threshold": 0.5},
}


@pytest.mark.parametrize("name", METHODS)
def test_every_row_resolves_to_a_configuration(name: str) -> None:
    assert fields(method(Step(name, REQUIRED.get(name, {}))))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step("liner"), "no method is called 'liner': did you mean linear"),
        (Step("linear", {"feature": 5}), "linear has no parameter 'feature': did you mean features"),
        (
            Step("linear", {"features": 5}),
            "linear: features must be an integer of at least 100 and at most 1000000 but got 5",
        ),
        (Step("linear", {"features": "many"}), "features must be an integer .* but got 'many'"),
        (Step("lower", {"to": "tflite"}), "lower: to must be one of openvino, onnx, gguf but got 'tflite'"),
        (Step("quantize", {"rollback": 3}), "rollback must be true or false but got 3"),
        (Step("lora", {"rank": 0}), "lora: rank must be an integer of at least 1 and at most 1024 but got 0"),
        (Step("distil", {"mode": "online"}), "distil: mode must be one of logits, on_policy, answers but got 'online'"),
        (Step("student", {"layers": 1, "width": 0}), "student: width must be an integer of at least 1"),
        (Step("calibrate", {"temperature": 1.0}), "calibrate needs threshold"),
        (Step("calibrate", {"temperature": 0.0, "threshold": 0.1}), "of at least 0.05"),
    ],
)
def test_bad_steps_are_one_line(step: Step, message: str) -> None:
    with pytest.raises(InputError, match=message):
        method(step)
