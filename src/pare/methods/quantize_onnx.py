"""8 bits for ONNX graphs: ONNX Runtime's own quantisers, a scale a row of each matrix.

Static: activations get ranges from train texts and the graph pairs of quantise and dequantise (QDQ). Dynamic: the inputs of
products are quantised on the fly.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pare.errors import MissingExtra
from pare.methods.quiet import quiet
from pare.methods.watch import Feed, feed, tokens_of
from pare.runtimes.onnx import MODEL
from pare.runtimes.text import Tokens
from pare.types import Artifact, Sample

NAMES = ("input_ids", "attention_mask")
OPERATIONS = ["MatMul", "Gemm", "Gather"]
"""What is quantised: products, and look-ups of embeddings. Norms, softmax and sums stay float."""


def write(parent: Artifact, samples: Sequence[Sample], out: Path, *, dynamic: bool) -> None:
    """Writes the quantised ``model.onnx`` into ``out``; static ranges come from ``samples``.

    Raises MissingExtra without onnx and onnxruntime.
    """
    try:
        import onnx
        from onnxruntime import quantization
    except ImportError as error:
        raise MissingExtra(str(error.name), "onnx", "quantising an ONNX graph") from None
    model = onnx.load(str(parent.path / MODEL))
    del model.graph.value_info[:]  # the quantisers turn the head's matrix and would meet its old shape
    common: dict[str, Any] = {
        "per_channel": True,
        "weight_type": quantization.QuantType.QInt8,
        "op_types_to_quantize": OPERATIONS,
        "extra_options": {"WeightSymmetric": True, "MatMulConstBOnly": True},
    }
    with quiet(), tempfile.TemporaryDirectory(dir=out) as scratch:
        made = Path(scratch) / MODEL
        if dynamic:
            quantization.quantize_dynamic(model, str(made), **common)
        else:
            tokens = tokens_of(parent)
            assert isinstance(tokens, Tokens)
            rows = [feed(NAMES, tokens.one(sample.text) or [0]) for sample in samples]
            quantization.quantize_static(model, str(made), _Reader(rows), **common)
        quantised = onnx.load(str(made))
    _number(quantised.graph)
    (out / MODEL).write_bytes(quantised.SerializeToString(deterministic=True))


def _number(graph: Any) -> None:
    """Numbers the graph's inner values and leaves nodes without names: those of the quantisers are longer than the weights
    of a small model.
    """
    del graph.value_info[:]
    outer = {value.name for value in (*graph.input, *graph.output)} | {""}
    names: dict[str, str] = {name: name for name in outer}
    for array in graph.initializer:
        array.name = names.setdefault(array.name, str(len(names)))
    for node in graph.node:
        node.name = ""
        for values in (node.input, node.output):
            values[:] = [names.setdefault(name, str(len(names))) for name in list(values)]


class _Reader:
    """Feeds one after the other, as ONNX Runtime's calibration asks for them."""

    def __init__(self, rows: Sequence[Feed]) -> None:
        self._rows = iter(rows)

    def get_next(self) -> Feed | None:
        return next(self._rows, None)
