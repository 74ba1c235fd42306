"""The matrices of an OpenVINO graph: which they are, what enters them, and how they are written in few bits.

A compressed matrix is a constant of integers that is converted, shifted by zero points, multiplied with a scale a group, and
so becomes the float matrix again; the CPU plugin runs products on the integers themselves. 8 and 4 bits are what it has
kernels for. Where one constant is a decoder's word embeddings and its head, both read the same integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pare.families import FAMILIES, family_of
from pare.methods.rounding import Packed
from pare.types import Shape

Feed = Mapping[str, NDArray[Any]]
Role = Literal["embeddings", "layers", "head"]
Scales = Literal["f16", "f32"]
KINDS: Mapping[Scales, Any] = {"f16": np.float16, "f32": np.float32}
MOST_GRAMS = 2**30
"""Bytes of Gram matrices that are summed in one pass over the texts."""


@dataclass(frozen=True)
class Weight:
    """A matrix of a graph: ``node`` is its constant's name there, ``site`` what enters the product (a node's name and port),
    empty for embeddings. ``name`` says where it is in the model, ``part`` is the shape's part that counts it, if known.
    ``tied``: word embeddings that are the head as well.
    """

    name: str
    node: str
    role: Role
    rows: int
    columns: int
    site: str = ""
    part: str = ""
    tied: bool = False

    @property
    def elements(self) -> int:
        return self.rows * self.columns


def weights_of(model: Any, shape: Shape) -> tuple[Weight, ...]:
    """The float matrices of a graph, in its order. The last that is multiplied is the head.

    Names are those of the family's modules where the graph's matrices have the sizes that ``shape`` predicts, in its order.
    """
    read = list(_matrices(model))
    products = [(node, op) for node, op in read if op.get_type_name() == "MatMul"]
    looked_up = [node for node, op in read if op.get_type_name() == "Gather"]
    last = products[-1][0].get_friendly_name() if products else ""
    found: dict[str, Weight] = {}
    tables = {part.elements: part.name for part in reversed(shape.parts) if part.name.startswith("embeddings.")}
    for node in looked_up:
        rows, columns = node.get_output_shape(0)
        part = "embeddings.word" if rows == shape.vocabulary else tables.get(rows * columns, "embeddings.rest")
        if part == "embeddings.rest":
            continue
        found.setdefault(node.get_friendly_name(), _weight(part, node, "embeddings", part=part))
    inner = [(node, op) for node, op in products if node.get_friendly_name() != last]
    names = _names(shape, [tuple(node.get_output_shape(0)) for node, _ in inner])
    for (node, op), (name, part) in zip(inner, names, strict=True):
        found.setdefault(node.get_friendly_name(), _weight(name, node, "layers", _site(op), part))
    for node, op in products:
        if node.get_friendly_name() == last:
            known = found.get(last)
            found[last] = (
                Weight(**{**vars(known), "tied": True}) if known else _weight("head", node, "head", _site(op), "head")
            )
    return tuple(found.values())


def rewritten(model: Any, stored: Mapping[str, Packed | Literal[16]], scales: Scales = "f16") -> Any:
    """A copy of a graph with some constants, by node name, as integers with their scales, or as 16-bit floats."""
    copy = model.clone()
    for node in [op for op in copy.get_ordered_ops() if op.get_friendly_name() in stored]:
        form = stored[node.get_friendly_name()]
        readers = list(node.output(0).get_target_inputs())
        output = _half(node) if form == 16 else _integers(form, scales)
        for reader in readers:
            reader.replace_source_output(output)
    copy.validate_nodes_and_infer_types()
    return copy


def scaled(model: Any, scales: Mapping[str, NDArray[Any]]) -> Any:
    """A copy of a graph that answers the same: what enters the products at these sites is divided by its scales, (columns,),
    and the matrices' columns, which keep their names, are multiplied with them. A norm's weights before take the division
    where only those products read them; else a product of its own does.
    """
    from openvino import opset13 as ops

    copy = model.clone()
    for _, op in [pair for pair in _matrices(copy) if pair[1].get_type_name() == "MatMul"]:
        if (site := _site(op)) in scales:
            node = op.input_value(1).get_node()
            wider = ops.constant((node.get_data() * scales[site][None, :]).astype(np.float32))
            wider.set_friendly_name(node.get_friendly_name())
            op.input(1).replace_source_output(wider.output(0))
    for node in copy.get_ordered_ops():
        for port in node.outputs():
            if (site := f"{node.get_friendly_name()}:{port.get_index()}") in scales:
                _divide(port, 1.0 / scales[site])
    copy.validate_nodes_and_infer_types()
    return copy


@dataclass(frozen=True)
class Inputs:
    """What entered the products at a site: ``gram`` (columns, columns), the mean of x xᵀ; ``magnitudes`` (columns,), the
    mean of |x|.
    """

    gram: NDArray[np.float64]
    magnitudes: NDArray[np.float64]


def inputs_of(
    model: Any, weights: Iterable[Weight], feeds: Sequence[Feed], options: Mapping[str, Any]
) -> Iterator[tuple[str, Inputs]]:
    """The statistics of every site of some matrices over texts, a few sites a pass, so that they fit into memory."""
    sites = {weight.site: weight.columns for weight in weights if weight.site}
    batch: dict[str, int] = {}
    for site, columns in sites.items():
        if batch and 8 * (sum(c * c for c in batch.values()) + columns * columns) > MOST_GRAMS:
            yield from _observed(model, batch, feeds, options)
            batch = {}
        batch[site] = columns
    if batch:
        yield from _observed(model, batch, feeds, options)


def _observed(
    model: Any, sites: Mapping[str, int], feeds: Sequence[Feed], options: Mapping[str, Any]
) -> Iterator[tuple[str, Inputs]]:
    import openvino

    copy = model.clone()
    ports = {f"{op.get_friendly_name()}:{port.get_index()}": port for op in copy.get_ops() for port in op.outputs()}
    before = len(copy.outputs)
    copy.add_outputs([ports[site] for site in sites])
    request = openvino.Core().compile_model(copy, "CPU", dict(options)).create_infer_request()
    grams = [np.zeros((columns, columns)) for columns in sites.values()]
    sums = [np.zeros(columns) for columns in sites.values()]
    counts = [0] * len(sites)
    for feed in feeds:
        request.reset_state()
        request.infer(dict(feed))
        for place, columns in enumerate(sites.values()):
            rows = request.get_output_tensor(before + place).data.reshape(-1, columns).astype(np.float64)
            grams[place] += rows.T @ rows
            sums[place] += np.abs(rows).sum(axis=0)
            counts[place] += len(rows)
    for site, gram, magnitudes, count in zip(sites, grams, sums, counts, strict=True):
        yield site, Inputs(gram / max(1, count), magnitudes / max(1, count))


def _matrices(model: Any) -> Iterator[tuple[Any, Any]]:
    """The graph's float matrices with what reads them: products with a matrix of (rows, columns), and look-ups of rows."""
    for op in model.get_ordered_ops():
        kind = op.get_type_name()
        if kind not in ("MatMul", "Gather") or (kind == "MatMul" and not op.get_attributes()["transpose_b"]):
            continue
        node = op.input_value(1 if kind == "MatMul" else 0).get_node()
        if node.get_type_name() != "Constant" or len(node.get_output_shape(0)) != 2:
            continue
        if node.get_output_element_type(0).get_type_name() == "f32":
            yield node, op


def _weight(name: str, node: Any, role: Role, site: str = "", part: str = "") -> Weight:
    rows, columns = node.get_output_shape(0)
    return Weight(name, node.get_friendly_name(), role, rows, columns, site, part)


def _site(op: Any) -> str:
    source = op.input_value(0)
    return f"{source.get_node().get_friendly_name()}:{source.get_index()}"


def _names(shape: Shape, sizes: Sequence[tuple[int, ...]]) -> list[tuple[str, str]]:
    """A name and a part for each matrix of the layers, by its place; numbers where sizes are not as predicted.

    A graph may have a layer's queries, keys and values in another order: a number is then the place in the layer.
    """
    names = [(f"matrix.{i}", "") for i in range(len(sizes))]
    if shape.family in FAMILIES:
        each = family_of({"model_type": shape.family}).matrices(shape)
        expected = [(m.rows, m.columns) for m in each] * shape.layers
        n = len(each)
        for first in range(len(sizes) - len(expected) + 1):
            run = list(sizes[first : first + len(expected)])
            layers = [run[i * n : (i + 1) * n] for i in range(shape.layers)]
            if expected and all(sorted(layer) == sorted(expected[:n]) for layer in layers):
                inside = [
                    (f"layers.{i}.{m.path if run == expected else place}", f"layers.{i}.{m.part}")
                    for i in range(shape.layers)
                    for place, m in enumerate(each)
                ]
                after = first + len(expected)
                return (
                    [(name, "rest") for name, _ in names[:first]]
                    + inside
                    + [(name, "rest") for name, _ in names[after:]]
                )
    return names


def _half(node: Any) -> Any:
    from openvino import opset13 as ops

    held = ops.constant(node.get_data().astype(np.float16))
    return ops.convert(held, "f32").output(0)


def _integers(packed: Packed, scales: Scales) -> Any:
    """The sub-graph that gives a packed matrix back in f32, as the CPU plugin knows it: its arithmetic is that of scales."""
    from openvino import opset13 as ops

    rows, columns = packed.codes.shape
    groups = columns // packed.group
    shape = (rows, columns) if groups == 1 else (rows, groups, packed.group)
    aside = (rows, 1) if groups == 1 else (rows, groups, 1)
    value = ops.convert(_constant(packed.codes.reshape(shape), packed), scales)
    if packed.zero_points:
        value = ops.subtract(value, ops.convert(_constant(packed.grid.zero.reshape(aside), packed), scales))
    value = ops.multiply(value, ops.constant(packed.grid.scale.astype(KINDS[scales]).reshape(aside)))
    if groups > 1:
        value = ops.reshape(value, ops.constant(np.array([rows, columns])), special_zero=False)
    return (value if scales == "f32" else ops.convert(value, "f32")).output(0)


def _constant(codes: NDArray[Any], packed: Packed) -> Any:
    """Codes as a constant of i8, u8, i4 or u4; of 4 bits two a byte, the first in the lower half."""
    import openvino

    kind = getattr(openvino.Type, f"{'u' if packed.zero_points else 'i'}{packed.bits}")
    if packed.bits == 8:
        return openvino.op.Constant(codes.astype(np.uint8 if packed.zero_points else np.int8))
    low = codes.astype(np.int16).astype(np.uint8).ravel() & 15
    if len(low) % 2:
        low = np.append(low, np.uint8(0))
    tensor = openvino.Tensor(np.ascontiguousarray(low[0::2] | low[1::2] << 4), list(codes.shape), kind)
    return openvino.op.Constant(tensor, shared_memory=False)


def _divide(port: Any, factors: NDArray[Any]) -> None:
    """Multiplies an output with ``factors`` for those of its readers that multiply it with a matrix."""
    from openvino import opset13 as ops

    constants = ops.constant(factors.astype(np.float32))
    readers = [reader for reader in port.get_target_inputs() if _reads_as_input(reader)]
    node = port.get_node()
    others = [
        r for r in port.get_target_inputs() if not _reads_as_input(r) and r.get_node().get_type_name() != "ShapeOf"
    ]
    if not others and node.get_type_name() == "Multiply":
        for place in (0, 1):
            norm = node.input_value(place).get_node()
            if norm.get_type_name() == "Constant" and norm.get_output_shape(0)[-1:] == [len(factors)]:
                folded = (norm.get_data() * factors).astype(np.float32)
                node.input(place).replace_source_output(ops.constant(folded).output(0))
                return
    divided = ops.multiply(port, constants)
    for reader in readers:
        reader.replace_source_output(divided.output(0))


def _reads_as_input(reader: Any) -> bool:
    """Whether it is the first input of a product with a matrix."""
    op = reader.get_node()
    return (
        op.get_type_name() == "MatMul"
        and reader.get_index() == 0
        and bool(op.get_attributes()["transpose_b"])
        and op.input_value(1).get_node().get_type_name() == "Constant"
        and len(op.input_value(1).get_shape()) == 2
    )
