"""Weight-only quantisation of a graph: each matrix in 8 or 4 bits, and which of them stay wider, by measured sensitivity.

Sensitivity is what the graph loses, on folds of train, when one matrix alone is quantised. The matrices that lose most for
their size stay wider (8 bits instead of 4, 16 instead of 8), until dev is content or the share that may is spent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from pare.methods.rounding import Packed, awq, gptq, group_of, rtn
from pare.methods.watch import Feed, Worth
from pare.methods.weights import Inputs, Weight, inputs_of, rewritten, scaled, weights_of
from pare.types import Shape

Algorithm = Literal["rtn", "awq", "gptq"]
Form = Packed | Literal[16, 32]
FOLDS = 3
"""Folds of train on which a sensitivity is measured: their differences show how much of it is chance."""
WIDER = {4: 8, 8: 16}
"""The width at which a sensitive matrix is left."""


@dataclass(frozen=True)
class Widths:
    """What is stored how: bits of the layers' matrices, of embeddings and of the head; ``group`` and ``zero_points`` count
    where bits are 4, for 8 bits have a scale a row.
    """

    layers: int
    embeddings: int
    head: int
    group: int
    zero_points: bool
    algorithm: Algorithm

    def of(self, weight: Weight) -> int:
        """The width of a matrix. One that is embeddings and head at once has the wider of both."""
        if weight.tied:
            return max(self.embeddings, self.head)
        return {"layers": self.layers, "embeddings": self.embeddings, "head": self.head}[weight.role]


class Row(NamedTuple):
    """A line of the table of sensitivity: the mean of ``folds``, what the graph loses by this matrix alone."""

    layer: str
    rows: int
    columns: int
    loss: float
    folds: list[float]
    width: int


class Compressed(NamedTuple):
    """A quantised graph; the form of each matrix; where it was measured, the table of sensitivity; and the elements of the
    vectors that AWQ put before products.
    """

    model: Any
    forms: Mapping[Weight, Form]
    table: list[Row]
    added: int


class Choice(NamedTuple):
    """How to choose what stays wider: at most the share ``keep`` of the layers' weights, by the worth on ``train``,
    while the worth on ``dev`` (None: do not ask) is more than ``tolerance`` below that of the float graph.
    """

    keep: float
    tolerance: float
    train: Callable[[Any], Worth]
    dev: Callable[[Any], float] | None


def compress(
    model: Any, shape: Shape, widths: Widths, feeds: Sequence[Feed], options: Mapping[str, Any], choice: Choice | None
) -> Compressed:
    """A graph with its matrices at ``widths``; ``feeds`` are texts that show AWQ and GPTQ what enters the products.

    A matrix whose columns no group of 16 or more divides is left at 8 bits.
    """
    weights = weights_of(model, shape)
    original, inputs = model, dict[str, Inputs]()
    if widths.algorithm != "rtn":
        inputs = dict(inputs_of(model, [w for w in weights if widths.of(w) in WIDER], feeds, options))
    if widths.algorithm == "awq":
        model, inputs = _equalised(model, weights, inputs, widths)
    arrays = arrays_of(model, weights)

    def form(weight: Weight, bits: int) -> Form:
        return _form(arrays[weight.node], bits, widths, inputs.get(weight.site))

    forms = {weight: form(weight, widths.of(weight)) for weight in weights}
    table: list[Row] = []
    if choice is not None:
        table, kept = _kept(original, model, forms, form, choice)
        forms |= kept
    return Compressed(_write(model, forms), forms, table, _floats(model) - _floats(original))


def width_of(form: Form) -> int:
    """The bits of a form's codes."""
    return form.bits if isinstance(form, Packed) else form


def stored_bits(weight: Weight, form: Form) -> float:
    """The bits of a matrix with its scales and zero points."""
    if not isinstance(form, Packed):
        return float(form * weight.elements)
    groups = weight.elements / form.group
    return form.bits * weight.elements + groups * (16 + (form.bits if form.zero_points else 0))


def arrays_of(model: Any, weights: Sequence[Weight]) -> dict[str, Any]:
    """The matrices by their node's name, (rows, columns)."""
    names = {weight.node for weight in weights}
    return {op.get_friendly_name(): op.get_data() for op in model.get_ops() if op.get_friendly_name() in names}


def _form(array: Any, bits: int, widths: Widths, seen: Inputs | None) -> Form:
    if bits > 8:
        return 16 if bits == 16 else 32
    columns = array.shape[1]
    group = group_of(columns, widths.group) if bits == 4 else columns
    zero_points = widths.zero_points and bits == 4 and group > 0
    if not group:
        bits, group = 8, columns
    if seen is None:
        return rtn(array, bits, group, zero_points)
    if widths.algorithm == "gptq":
        return gptq(array, seen.gram, bits, group, zero_points)
    return rtn(array, bits, group, zero_points, np.diag(seen.gram))


def _equalised(
    model: Any, weights: Sequence[Weight], inputs: Mapping[str, Inputs], widths: Widths
) -> tuple[Any, dict[str, Inputs]]:
    """AWQ: the graph with its layers' columns scaled, and what enters its products then."""
    arrays, scales, changed = arrays_of(model, weights), {}, dict(inputs)
    for site, seen in inputs.items():
        readers = [arrays[w.node].astype(np.float64) for w in weights if w.site == site and w.role == "layers"]
        columns = len(seen.magnitudes)
        group = group_of(columns, widths.group) if widths.layers == 4 else columns
        if readers and group:
            scale = awq(readers, seen.gram, seen.magnitudes, widths.layers, group, widths.zero_points)
            scales[site] = scale
            changed[site] = Inputs(seen.gram / np.outer(scale, scale), seen.magnitudes / scale)
    return scaled(model, scales), changed


def _kept(
    original: Any,
    model: Any,
    forms: Mapping[Weight, Form],
    form: Callable[[Weight, int], Form],
    choice: Choice,
) -> tuple[list[Row], dict[Weight, Form]]:
    """The table of sensitivity, the most sensitive for its size first, and the matrices that stay wider."""
    layers = [weight for weight in forms if weight.role == "layers" and width_of(forms[weight]) in WIDER]
    whole = choice.train(original).folds(FOLDS)
    lost: dict[Weight, list[float]] = {}
    for weight in layers:
        alone = choice.train(_write(model, {weight: forms[weight]})).folds(FOLDS)
        lost[weight] = [float(before - after) for before, after in zip(whole, alone, strict=True)]
    order = sorted(layers, key=lambda weight: -float(np.mean(lost[weight])) / weight.elements)
    room = choice.keep * sum(weight.elements for weight in layers)
    least = choice.dev(original) - choice.tolerance if choice.dev else np.inf
    kept: dict[Weight, Form] = {}
    for weight in order:
        if choice.dev and choice.dev(_write(model, {**forms, **kept})) >= least:
            break
        if weight.elements <= room and np.mean(lost[weight]) > 0:
            room -= weight.elements
            kept[weight] = form(weight, WIDER[width_of(forms[weight])])
    table = [
        Row(w.name, w.rows, w.columns, float(np.mean(lost[w])), lost[w], width_of({**forms, **kept}[w])) for w in order
    ]
    return table, kept


def _write(model: Any, forms: Mapping[Weight, Form]) -> Any:
    return rewritten(model, {weight.node: form for weight, form in forms.items() if form != 32})


def _floats(model: Any) -> int:
    """How many elements the graph's float constants have."""
    return sum(
        int(np.prod(op.get_output_shape(0)))
        for op in model.get_ops()
        if op.get_type_name() == "Constant" and op.get_output_element_type(0).get_type_name() == "f32"
    )
