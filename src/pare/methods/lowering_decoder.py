"""A decoder becomes a stateful OpenVINO graph: token ids in, logits out, and what was read stays inside.

The graph has the inputs that OpenVINO GenAI's pipelines expect: ``input_ids``, ``attention_mask`` (of all that was read),
``position_ids``, and ``beam_idx``, which row of the state each row goes on from. Keys and values of a layer are a state of
shape (rows, key-value heads, tokens read, head's width), empty at the start, as wide as the first call has rows.

The module is traced with a cache of its own and with its masks made here, so that nothing of transformers' cache and mask
code, which neither tracing nor ``torch.export`` takes well, is in the graph; ``torch.export`` gives the same graph in three
times the time. The graph is compared with the module before it is sealed (``lower``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers.cache_utils import Cache

from pare.errors import InputError, PareError
from pare.methods.graphs import write_openvino
from pare.methods.lower import TOLERANCE
from pare.methods.rounding import Grid, Packed
from pare.methods.weights import rewritten
from pare.runtimes import load_generator, this_device
from pare.runtimes.openvino import OpenVino
from pare.runtimes.writing import FLOATS, Writer, left_padded, places
from pare.types import Artifact

if TYPE_CHECKING:
    import openvino

LONGEST = 512
"""The most tokens of a text on which graph and module are compared."""

LEAST = torch.finfo(torch.float32).min

KEPT = ("model_type", "vocab_size", "max_position_embeddings", "bos_token_id", "eos_token_id", "pad_token_id")
"""What serving reads of ``config.json``."""


def to_openvino(module: nn.Module, out: Path) -> None:
    """Writes a decoder as a stateful graph, with integers where it was trained on grids.

    Raises InputError where its positions depend on the length of the text.
    """
    _refuse_growing_positions(module.config)
    write_openvino(_folded(stateful(module), module), out)


def write_config(parent: Path, out: Path) -> None:
    """Writes what serving needs of the parent's ``config.json``."""
    config = json.loads((parent / "config.json").read_bytes())
    kept = {name: config[name] for name in KEPT if config.get(name) is not None}
    (out / "config.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")


class _Past(Cache):  # type: ignore[misc]
    """Keys and values, (rows, heads, tokens, width), layer after layer; new tokens are joined to them."""

    def __init__(self, past: Sequence[Tensor]) -> None:
        super().__init__(layers=[])
        self.tensors = list(past)

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        at = 2 * layer_idx
        self.tensors[at] = torch.cat([self.tensors[at], key_states], 2)
        self.tensors[at + 1] = torch.cat([self.tensors[at + 1], value_states], 2)
        return self.tensors[at], self.tensors[at + 1]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return int(self.tensors[0].shape[2])


class _Traced(nn.Module):  # type: ignore[misc]
    """The call that is traced: token ids, mask, positions and the past, to logits and the past with what was read."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, position_ids: Tensor, past: list[Tensor]
    ) -> tuple[Tensor, ...]:
        read, new = past[0].shape[2], input_ids.shape[1]
        columns = torch.arange(read + new)
        lines = torch.arange(new)[:, None] + read
        cache = _Past(past)
        found = self.model(
            input_ids=input_ids,
            attention_mask=self._masks(attention_mask[:, None, None, :].bool(), columns, lines),
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
        )
        return (found.logits, *cache.tensors)

    def _masks(self, real: Tensor, columns: Tensor, lines: Tensor) -> Any:
        """What is added to attention, (rows, 1, new, all): one for all layers, or one for each type of layer."""
        config: Any = self.model.config
        types = set(getattr(config, "layer_types", None) or ())
        before = columns <= lines
        full = torch.where(before & real, 0.0, LEAST)
        if not types:
            return full
        masks = {"full_attention": full}
        if "sliding_attention" in types:
            masks["sliding_attention"] = _windowed(before, real, columns, lines, config.sliding_window)
        return masks


def _windowed(before: Tensor, real: Tensor, columns: Tensor, lines: Tensor, window: int) -> Tensor:
    """The mask of a sliding window, in the form by which OpenVINO's paged attention knows one (``StateManagementPattern``).

    In any other form it attends to everything, silently: hence the ones, the expansion and the cut that changes nothing.
    """
    ones = torch.ones_like(before)
    near = ones & (columns > lines + (-window))
    seen = (ones & (near & before)) & real
    seen = seen.expand(real.shape[0], 1, lines.shape[0], columns.shape[0])
    return torch.where(seen, 0.0, LEAST)[:, :, :, : columns.shape[0]]


def stateful(module: nn.Module) -> openvino.Model:
    """A decoder's graph with its keys and values as states."""
    import openvino
    from openvino import passes

    module = module.eval().requires_grad_(False)
    past = _past(module)
    names = [f"{layer}.{part}" for layer in range(len(past) // 2) for part in ("key", "value")]
    example = (*_example(past), past)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        traced = torch.jit.trace(_Traced(module), example, check_trace=False)
    finally:
        torch.set_num_threads(threads)
    model = openvino.convert_model(traced, example_input=example)
    for port, name in zip(
        model.inputs, ["input_ids", "attention_mask", "position_ids", *(f"past.{n}" for n in names)], strict=True
    ):
        port.get_tensor().set_names({name})
        port.get_node().set_friendly_name(name)
    for port, name in zip(model.outputs, ["logits", *(f"present.{n}" for n in names)], strict=True):
        port.get_tensor().set_names({name})
    for port, tensor in zip(model.inputs[3:], past, strict=True):
        port.get_node().set_partial_shape(openvino.PartialShape([-1, tensor.shape[1], -1, tensor.shape[3]]))
    _share(model)
    _reorder(model)
    made = passes.Manager()
    made.register_pass(passes.MakeStateful({f"past.{name}": f"present.{name}" for name in names}))
    made.run_passes(model)
    _start_empty(model)
    return model


def _past(module: nn.Module) -> list[Tensor]:
    """Some past of two rows, four tokens long: the module's own keys and values tell each layer's sizes."""
    with torch.inference_mode():
        cache = module(input_ids=torch.ones(2, 4, dtype=torch.int64), use_cache=True).past_key_values
    return [torch.zeros_like(tensor) for layer in cache.layers for tensor in (layer.keys, layer.values)]


def _example(past: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Two rows of three new tokens behind the past. Ids below 5 are in every vocabulary."""
    read = past[0].shape[2]
    ids = torch.ones(2, 3, dtype=torch.int64)
    return ids, torch.ones(2, read + 3, dtype=torch.int64), torch.arange(read, read + 3).repeat(2, 1)


def _share(model: openvino.Model) -> None:
    """Makes weights that are one tensor in the module one constant of the graph: tied embeddings are stored once."""
    known: dict[tuple[int, str], Any] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Constant" or node.get_byte_size() < 4096:
            continue
        key = (node.data.ctypes.data, str(node.get_output_partial_shape(0)))
        first = known.setdefault(key, node)
        if first is not node:
            for reader in node.output(0).get_target_inputs():
                reader.replace_source_output(first.output(0))


def _folded(model: openvino.Model, module: nn.Module) -> openvino.Model:
    """The graph with the matrices that lie on a grid (``runtimes/grids.py``) as its integers, with their steps in f32.

    A constant is known by its values: the same values are the same points of a grid. Raises PareError where a matrix is
    missing, which would be served wider than was said.
    """
    packed = {_digest(part.weight.numpy()): pack(part) for part in module.modules() if hasattr(part, "weight_grid")}
    if not packed:
        return model
    forms = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant" and len(node.get_output_shape(0)) == 2:
            key = _digest(node.get_data())
            if key in packed:
                forms[node.get_friendly_name()] = packed[key]
    if len({id(form) for form in forms.values()}) < len(packed):
        raise PareError(
            f"the graph has {len(forms)} of the {len(packed)} matrices that were trained on grids; "
            "this architecture does not lower faithfully: leave it out of the candidates"
        )
    return rewritten(model, forms, "f32")


def pack(module: nn.Module) -> Packed:
    """The integers of a module's weight, which lies on its grid."""
    grid = module.weight_grid
    weight = module.weight.detach()
    rows, columns = weight.shape
    steps = grid.step.reshape(rows, -1)
    codes = (weight.reshape(rows, steps.shape[1], -1) / steps[:, :, None]).round().clamp(grid.low, grid.high)
    scale = steps.numpy()
    return Packed(
        codes.reshape(rows, columns).numpy().astype(np.int16),
        Grid(scale, np.zeros_like(scale), grid.low, grid.high),
        8 if grid.kind == "int8" else 4,
        columns // steps.shape[1],
        False,
    )


def _digest(matrix: NDArray[Any]) -> tuple[tuple[int, ...], str]:
    """What tells a float matrix from others: its size and its bytes."""
    return matrix.shape, hashlib.sha256(np.ascontiguousarray(matrix, dtype=np.float32).tobytes()).hexdigest()


def _reorder(model: openvino.Model) -> None:
    """Puts a choice of rows, ``beam_idx``, behind each past: what beam search and batching need."""
    import openvino
    from openvino import opset13 as ops

    rows = ops.parameter([-1], openvino.Type.i32, name="beam_idx")
    rows.output(0).get_tensor().set_names({"beam_idx"})
    states = model.inputs[3:]
    model.add_parameters([rows])
    for port in states:
        readers = port.get_target_inputs()
        chosen = ops.gather(port, rows, ops.constant(0, openvino.Type.i64))
        for reader in readers:
            reader.replace_source_output(chosen.output(0))
    model.validate_nodes_and_infer_types()


def _start_empty(model: openvino.Model) -> None:
    """Gives each state its first value: no tokens, for as many rows as ``input_ids`` has."""
    import openvino
    from openvino import opset13 as ops

    ids = model.input("input_ids")
    rows = ops.gather(ops.shape_of(ids), ops.constant(np.array([0])), ops.constant(0, openvino.Type.i64))
    for node in model.get_ordered_ops():
        if node.get_type_name() == "ReadValue":
            _, heads, _, width = node.get_output_partial_shape(0)
            sizes = [rows, *(ops.constant(np.array([size])) for size in (heads.get_length(), 0, width.get_length()))]
            empty = ops.broadcast(ops.constant(np.float32(0.0)), ops.concat(sizes, axis=0))
            node.set_arguments([empty])
    model.validate_nodes_and_infer_types()


def check(parent: Artifact, child: Artifact, texts: Sequence[str], threads: int) -> None:
    """Compares the graph's logits with PyTorch's: rows of unequal length at once, then on from there token by token.

    Weight-only layers do not round their inputs here, as they do when they are served: no grid describes that. Raises
    PareError where the logits differ by more than float arithmetic explains.
    """
    engines = load_generator(parent, threads=threads), OpenVino(group=0).load(child, this_device(), threads)
    theirs, ours = (_logits(artifact, engine, texts) for artifact, engine in zip((parent, child), engines, strict=True))
    worst, largest = float(np.abs(theirs - ours).max()), float(np.abs(theirs).max())
    if not worst <= TOLERANCE * max(1.0, largest):
        raise PareError(
            f"the {child.manifest.format} graph's logits differ from PyTorch's by {worst:.3g}, more than float arithmetic "
            f"explains; this architecture does not lower faithfully: leave it out of the candidates"
        )


def _logits(artifact: Artifact, engine: Any, texts: Sequence[str]) -> Any:
    """Logits behind the last tokens of some texts, (tokens, vocabulary): all but four are read at once, those one by one."""
    assert isinstance(engine, Writer)
    longest = min(artifact.manifest.max_length, LONGEST)
    rows = [engine.prompts.prompt(text)[:longest] for text in (*texts[:3], " ".join(texts)[: 8 * longest], "a")]
    ids, mask = left_padded(rows)
    at, total = places(mask), ids.shape[1]
    first = max(1, total - 4)
    kept = min(first, max(4, FLOATS // (artifact.manifest.shape.vocabulary * len(rows))))
    with engine.session() as step:
        found = [step(ids[:, :first], mask[:, :first], at[:, :first], kept)]
        for i in range(first, total):
            found.append(step(ids[:, i : i + 1], mask[:, : i + 1], at[:, i : i + 1], 1))
    engine.close()
    return np.concatenate(found, axis=1)[mask[:, first - kept :].astype(bool)]


def _refuse_growing_positions(config: Any) -> None:
    """Raises InputError where rotary frequencies change with the length of the text: one trace holds one set of them."""
    rope = getattr(config, "rope_parameters", None) or {}
    kinds = {str(part.get("rope_type")) for part in (rope, *rope.values()) if isinstance(part, dict)}
    if growing := sorted(kinds & {"dynamic", "longrope"}):
        raise InputError(
            f"lower needs rotary positions that do not depend on the length of the text but rope_type is {growing[0]!r}; "
            f"serve this model with the pytorch runtime"
        )
