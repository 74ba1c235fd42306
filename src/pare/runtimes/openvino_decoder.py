"""OpenVINO: how decoders are served. A stateful graph (``methods/lowering_decoder.py``) keeps keys and values itself.

Keys and values are kept in f32. OpenVINO keeps them in 8 bits by default on x86-64: a quarter of the memory and 0.001 % of a
trained small Llama's nats a token, but other greedy texts; and scoring, which reads a text at once, would not see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pare.errors import InputError
from pare.runtimes.causal import Prompts
from pare.runtimes.text import Ids, Logits
from pare.runtimes.writing import Step, Writer
from pare.types import Artifact


def load(artifact: Artifact, options: dict[str, Any], facts: dict[str, str]) -> Writer:
    """The engine of a stateful graph. Raises InputError where the graph cannot be loaded."""
    import openvino

    core = openvino.Core()
    file = artifact.path / "model.xml"
    try:
        model = core.read_model(str(file))
        _cut_logits(model)
        compiled = core.compile_model(model, "CPU", options | {"KV_CACHE_PRECISION": "f32"})
    except RuntimeError as error:
        raise InputError(f"{file} cannot be loaded ({str(error).splitlines()[0]})") from None
    requests = Requests(compiled)
    prompts = Prompts(artifact.path, artifact.manifest.max_length)
    facts = facts | {"keys and values": "f32"}
    return Writer(prompts, requests.session, artifact.manifest.shape.vocabulary, facts, requests.close)


def _cut_logits(model: Any) -> None:
    """Adds an input, ``keep``: the head is computed for that many last tokens only.

    A prompt needs its last token's logits alone, and over a large vocabulary the head is most of a small model's work.
    """
    from openvino import Type
    from openvino import opset13 as ops

    head = model.output("logits").get_node().input_value(0).get_node()
    while head.get_type_name() != "MatMul":
        head = head.input_value(0).get_node()
    keep = ops.parameter([1], Type.i64, name="keep")
    keep.output(0).get_tensor().set_names({"keep"})
    model.add_parameters([keep])
    one, end = (ops.constant(np.array([value])) for value in (1, np.iinfo(np.int64).max))
    kept = ops.slice(head.input_value(0), ops.negative(keep), end, one, one)
    head.input(0).replace_source_output(kept.output(0))
    model.validate_nodes_and_infer_types()


class Requests:
    """OpenVINO's requests, each with a past of its own, kept for the next session."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._idle: list[Any] = []

    @contextmanager
    def session(self) -> Iterator[Step]:
        """A request that has read nothing."""
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        request.reset_state()

        def step(ids: Ids, mask: Ids, positions: Ids, keep: int) -> Logits:
            found = request.infer(
                {
                    "input_ids": ids,
                    "attention_mask": mask,
                    "position_ids": positions,
                    "beam_idx": np.arange(len(ids), dtype=np.int32),
                    "keep": np.array([keep]),
                }
            )
            logits: Logits = found["logits"].copy()
            return logits

        try:
            yield step
        finally:
            self._idle.append(request)

    def close(self) -> None:
        self._idle.clear()
        del self._compiled
