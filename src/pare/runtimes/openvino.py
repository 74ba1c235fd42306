"""OpenVINO: how encoders are served, and decoders (``openvino_decoder``). Float arithmetic is f32, never bf16.

OpenVINO's own default on a processor with bf16 units is to run an fp32 graph in bf16, which changes answers from machine
to machine; it is switched off. Weight-only layers, of 8 and of 4 bits, quantise their inputs on the fly in groups of 32
values, where the processor has the units for it: without that they are no faster than fp32 (measured: 1.16 ms against
0.47 ms for a layer of width 384 in 8 bits). ``facts`` says both. Latency and throughput hints made no difference at one
request at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pare.errors import InputError
from pare.runtimes.base import Engine, Generator
from pare.runtimes.tagging import scorer
from pare.runtimes.text import Ids, Logits, TextEngine, Tokens
from pare.types import Artifact, Device, Support

MODEL = "model.xml"
TOKENIZER = "tokenizer.json"
GROUP = 32
"""How many inputs of a weight-only layer share a scale, where they are quantised on the fly."""


class OpenVino:
    """The runtime of the format ``openvino``, on the processor.

    ``group``: how many inputs of a weight-only layer share a scale when they are quantised on the fly; 0 leaves them float.
    """

    name = "openvino"

    def __init__(self, group: int = GROUP) -> None:
        self._group = group

    def supports(self, artifact: Artifact, device: Device) -> Support:
        form = artifact.manifest.format
        return Support(True) if form == "openvino" else Support(False, f"it serves the format openvino, not {form}")

    def load(self, artifact: Artifact, device: Device, threads: int) -> Engine | Generator:
        try:
            import openvino
        except ImportError:
            raise InputError(
                "serving an OpenVINO model needs openvino, which is absent: pip install openvino"
            ) from None
        manifest = artifact.manifest
        on_the_fly = f"; inputs of weight-only layers in int8 by groups of {self._group}" if self._group else ""
        facts = {
            "runtime": f"openvino {openvino.__version__.split('-')[0]}",
            "precision": "f32; int8 where the graph is quantised" + on_the_fly,
            "threads": str(threads),
        }
        if manifest.kind == "generate":
            from pare.runtimes import openvino_decoder

            return openvino_decoder.load(artifact, options(threads, self._group), facts)
        try:
            compiled = openvino.Core().compile_model(str(artifact.path / MODEL), "CPU", options(threads, self._group))
        except RuntimeError as error:
            raise InputError(f"{artifact.path / MODEL} cannot be loaded ({str(error).splitlines()[0]})") from None
        tokens = Tokens(artifact.path / TOKENIZER, manifest.max_length)
        call = Call(compiled, manifest.max_length)
        score = scorer(manifest.kind, manifest.labels, tokens, call, call.single)
        return TextEngine(artifact, score, facts, call.close)


def options(threads: int, group: int = GROUP) -> dict[str, Any]:
    """Compile options: exact precision, so many threads, one request at a time, nothing cached on disk."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(group),
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "CACHE_DIR": "",
    }


class Call:
    """OpenVINO's requests: one for batches, and one for single texts, whose input tensors are kept and only reshaped.

    ``infer`` runs in the calling thread; ``start_async`` and ``wait`` hand over to another and took a fifth longer.
    """

    def __init__(self, compiled: Any, max_length: int) -> None:
        self._compiled = compiled
        self._batch = compiled.create_infer_request()
        self._single = compiled.create_infer_request()
        self._inputs = [self._single.get_input_tensor(i) for i in (0, 1)]
        for tensor in self._inputs:
            tensor.shape = (1, max_length)
            tensor.data[:] = 1
        self._ids: Ids = self._inputs[0].data[0]
        self._length = max_length

    def __call__(self, ids: Ids, mask: Ids) -> Logits:
        """Logits of a batch; ``ids`` and ``mask`` (batch, tokens)."""
        result: Logits = self._batch.infer([ids, mask], share_inputs=True)[0]
        return result

    def single(self, row: Sequence[int]) -> Logits:
        """Logits, (1, labels), of one text's tokens, at most ``max_length``. A tensor that shrinks keeps its memory."""
        length = len(row)
        if length != self._length:
            for tensor in self._inputs:
                tensor.shape = (1, length)
            self._length = length
        self._ids[:length] = row
        self._single.infer()
        logits: Logits = self._single.get_output_tensor(0).data.copy()
        return logits

    def close(self) -> None:
        del self._batch, self._single, self._inputs, self._ids, self._compiled
