"""Every row of RUNTIMES passes the conformance suite, on every tiny artifact that it serves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pare.methods.base import BuildContext
from pare.runtimes import RUNTIMES, load, runtime
from pare.testing.conformance import check_refusal, check_runtime
from pare.types import Artifact

SERVED = {
    "arrays": ("linear", "static"),
    "openvino": ("openvino", "openvino-w8", "openvino-int8"),
    "onnx": ("onnx",),
    "llamacpp": (),
    "pytorch": ("encoder",),
}
"""llama.cpp serves decoders, which are compared with PyTorch in ``test_gguf.py``."""
PACKAGES = {"openvino": "openvino", "onnx": "onnxruntime", "pytorch": "transformers"}


def test_every_row_is_tested() -> None:
    assert set(SERVED) == set(RUNTIMES)


@pytest.mark.parametrize(("name", "artifact"), [(name, a) for name, served in SERVED.items() for a in served])
def test_conforms(name: str, artifact: str, made: Callable[[str], Artifact], context: BuildContext) -> None:
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    check_runtime(runtime(name), made(artifact), [sample.text for sample in context.train[:12]])


@pytest.mark.parametrize("name", RUNTIMES)
def test_refuses_other_formats(name: str, made: Callable[[str], Artifact]) -> None:
    check_refusal(runtime(name), made("openvino" if name != "openvino" else "linear"))


def test_load_finds_the_runtime(made: Callable[[str], Artifact]) -> None:
    engine = load(made("linear"), threads=1)
    assert engine.classify(["my card is lost"])[0].label in engine.labels
