"""Weights, and activations, in few bits, after training.

``int8`` (W8A8): of an OpenVINO graph by NNCF, of an ONNX graph by ONNX Runtime; activations too, their ranges taken from
train texts (asymmetric, a range a tensor), which is what int8 matrix units need. Activations that 8 bits break (outliers,
mostly) are found on the dev side and left in float, the worst first, until the graph believes in the right labels as
before. NNCF's own accuracy control was tried: ten times slower, and on a one-layer model it returned a worse graph than it
was given. ``w8`` and ``w4`` (weight-only) are ours (``weight_only``): NNCF gives embeddings and the head no width of
their own, and no matrix a width by its measured sensitivity. ``int8_dynamic``: ONNX Runtime's.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from pare.errors import InputError, MissingExtra
from pare.families import DECODERS, FAMILIES, family_of
from pare.families.factors import is_factored
from pare.methods import weight_only
from pare.methods.base import NO_FACTS, BuildContext
from pare.methods.graphs import write_openvino
from pare.methods.lineage import lineage, seal_child
from pare.methods.quiet import quiet
from pare.methods.rounding import Packed, group_of
from pare.methods.watch import Watch, drawn, feeds, tokens_of
from pare.methods.weight_only import Choice, Compressed, Widths
from pare.runtimes.openvino import MODEL, TOKENIZER, options
from pare.types import Artifact, DataFacts, Part, Shape

__all__ = ["Quantize", "Watch", "rolled_back"]

WATCHED = 600
"""The most dev texts on which agreement is watched."""
SENSITIVITY = "sensitivity.json"


TAKES: Mapping[str, tuple[str, ...]] = {
    "int8": ("openvino", "onnx"),
    "int8_dynamic": ("onnx",),
    "w8": ("openvino",),
    "w4": ("openvino",),
}
"""The formats that each scheme is for. OpenVINO quantises the inputs of ``w8`` on the fly, so it needs no other for that."""

_WAYS = {
    "int8": "put lower before it",
    "int8_dynamic": "put lower:onnx before it, or use w8, whose inputs OpenVINO quantises on the fly",
    "w8": "put lower before it; of ONNX graphs use int8 or int8_dynamic",
    "w4": "put lower before it; of ONNX graphs use int8 or int8_dynamic",
}


@dataclass(frozen=True)
class Quantize:
    """``scheme``: what is quantised; ``rollback``: leave in float, or wider, where few bits cost more than ``tolerance``.

    ``tolerance`` is a drop of the mean probability of the right label on the dev side; of a decoder, bits per byte.
    ``ranges``: how many train texts give the ranges of activations, and show ``awq`` and ``gptq`` what enters the products.

    Of the weight-only schemes alone: ``algorithm``; ``group``: the columns that share a scale at 4 bits (-1: a whole row);
    ``zero_points`` at 4 bits; the bits of ``embeddings`` and of the ``head``; ``keep``: the share of the layers' weights
    that may stay wider, the most sensitive first (0: none is measured). Raises InputError where another scheme gets one of
    them.
    """

    gives: ClassVar[str] = ""
    once: ClassVar[str] = "quantisation"

    scheme: Literal["int8", "int8_dynamic", "w8", "w4"] = "int8"
    algorithm: Literal["rtn", "awq", "gptq"] = "rtn"
    group: Literal[-1, 32, 64, 128] = 64
    zero_points: bool = False
    embeddings: Literal[4, 8, 16, 32] = 8
    head: Literal[4, 8, 16, 32] = 8
    keep: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    rollback: bool = True
    tolerance: Annotated[float, Meta(gt=0, lt=1)] = 0.01
    ranges: Annotated[int, Meta(ge=8)] = 256

    def __post_init__(self) -> None:
        if self.scheme in ("w8", "w4"):
            return
        usual = {"algorithm": "rtn", "group": 64, "zero_points": False, "embeddings": 8, "head": 8, "keep": 0.0}
        for name, value in usual.items():
            if getattr(self, name) != value:
                raise InputError(
                    f"quantize: {name} is for weight-only schemes but scheme is {self.scheme}; "
                    f"leave {name} out, or set scheme to w8 or w4"
                )

    @property
    def takes(self) -> tuple[str, ...]:
        return TAKES[self.scheme]

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """Matrices at their bits and a scale a row or group, vectors at 32; an upper bound where some may stay wider.

        Raises InputError where a decoder is to have fixed ranges of activations.
        """
        self._check(shape)
        if self.scheme in ("w8", "w4"):
            parts = tuple(self._part(part, shape) for part in shape.parts)
            known = not self.keep and not (self.scheme == "w4" and is_factored(shape))
            return replace(shape, parts=parts, exact=shape.exact and known)
        return replace(shape, parts=tuple(_eight_bits(part, shape.width) for part in shape.parts))

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Quantises an artifact of one of the formats ``takes``.

        Raises InputError where the parent is of another format, or the scheme is not for its model.
        """
        if parent is None or parent.manifest.format not in self.takes:
            found = parent.manifest.format if parent else "nothing"
            wanted = " or ".join(self.takes)
            raise InputError(
                f"quantize: scheme {self.scheme} takes format {wanted} but got {found}; {_WAYS[self.scheme]}"
            )
        self._check(parent.manifest.shape)
        ctx.progress(0.0, f"quantising ({self.scheme})")
        apply = self._onnx if parent.manifest.format == "onnx" else self._openvino
        shape, notes = apply(parent, ctx, out)
        for name in (TOKENIZER, "config.json"):
            if (parent.path / name).is_file():
                shutil.copyfile(parent.path / name, out / name)
        return seal_child(parent, out, shape, lineage(self, "quantize", parent, ctx) | notes)

    def _check(self, shape: Shape) -> None:
        if self.scheme == "int8" and shape.family in DECODERS:
            raise InputError(
                "quantize: scheme int8 takes a fixed range for each activation, which the outliers of decoders' activations "
                "break; use w8, whose inputs are quantised on the fly, or w4"
            )

    def _openvino(self, parent: Artifact, ctx: BuildContext, out: Path) -> tuple[Shape, dict[str, Any]]:
        import openvino

        model = openvino.Core().read_model(str(parent.path / MODEL))
        with quiet():
            if self.scheme == "int8":
                quantised, reverted = self._full(model, parent, ctx)
                write_openvino(quantised, out)
                return self.reshape(parent.manifest.shape, NO_FACTS), {"rolled_back": reverted}
            made = self._weights(model, parent, ctx)
            write_openvino(made.model, out)
        if made.table:
            (out / SENSITIVITY).write_bytes(
                msgspec.json.format(msgspec.json.encode([row._asdict() for row in made.table]))
            )
        return self._exact(parent.manifest.shape, made), self._notes(made)

    def _weights(self, model: Any, parent: Artifact, ctx: BuildContext) -> Compressed:
        bits = 8 if self.scheme == "w8" else 4
        widths = Widths(bits, self.embeddings, self.head, self.group, self.zero_points, self.algorithm)
        tokens, shape = tokens_of(parent), parent.manifest.shape
        samples = drawn(ctx.train, self.ranges, ctx.seed)
        choice = None
        if self.keep:
            dev = Watch(tokens, drawn(ctx.dev, WATCHED, ctx.seed), ctx) if self.rollback and ctx.dev else None
            choice = Choice(self.keep, self.tolerance, Watch(tokens, samples, ctx).worth, dev)
        seen = feeds(model, tokens, samples) if self.algorithm != "rtn" else []
        return weight_only.compress(model, shape, widths, seen, options(ctx.threads), choice)

    def _full(self, model: Any, parent: Artifact, ctx: BuildContext) -> tuple[Any, list[str]]:
        """The quantised graph, and the names of the operations whose activations were left in float."""
        try:
            import nncf
        except ImportError as error:
            raise MissingExtra(str(error.name), "build", "int8 with fixed ranges") from None

        tokens = tokens_of(parent)
        quantised = nncf.quantize(
            model,
            nncf.Dataset(feeds(model, tokens, drawn(ctx.train, self.ranges, ctx.seed))),
            subset_size=self.ranges,
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
            target_device=nncf.TargetDevice.CPU,
        )
        if not (self.rollback and ctx.dev):
            return quantised, []
        watch = Watch(tokens, drawn(ctx.dev, WATCHED, ctx.seed), ctx)
        return rolled_back(quantised, watch, watch(model) - self.tolerance)

    def _onnx(self, parent: Artifact, ctx: BuildContext, out: Path) -> tuple[Shape, dict[str, Any]]:
        from pare.methods import quantize_onnx

        shape = parent.manifest.shape
        quantize_onnx.write(parent, drawn(ctx.train, self.ranges, ctx.seed), out, dynamic=self.scheme == "int8_dynamic")
        return replace(shape, parts=tuple(_eight_bits(part, shape.width) for part in shape.parts)), {}

    def _exact(self, shape: Shape, made: Compressed) -> Shape:
        """The shape with what is stored: by part where matrices have known parts, else spread over the layers."""
        predicted = self.reshape(shape, NO_FACTS)
        stored: dict[str, float] = {}
        elements: dict[str, int] = {}
        for weight, form in made.forms.items():
            stored[weight.part] = stored.get(weight.part, 0.0) + weight_only.stored_bits(weight, form)
            elements[weight.part] = elements.get(weight.part, 0) + weight.elements
        layers = [p.name for p in shape.parts if p.flops_per_token and not p.name.startswith(("embeddings.", "head"))]
        unknown = sum(part.elements for part in shape.parts if part.name in layers)
        parts = []
        for part, guess in zip(shape.parts, predicted.parts, strict=True):
            added = 32.0 * made.added * part.elements / unknown if part.name in layers and unknown else 0.0
            if part.name in stored and part.elements:
                bits = stored[part.name] + 32.0 * (part.elements - elements[part.name])
                parts.append(replace(part, bits=(bits + added) / part.elements))
            elif "" in stored and part.name in layers:
                bits = stored[""] + 32.0 * (unknown - elements[""])
                parts.append(replace(part, bits=bits / unknown + added / part.elements))
            else:
                parts.append(guess)
        return replace(predicted, parts=tuple(parts), exact=True)

    def _notes(self, made: Compressed) -> dict[str, Any]:
        """What the lineage says: matrices by width and group, and those that are not as wide as was asked."""
        counts: dict[str, int] = {}
        for form in made.forms.values():
            group = f" by {form.group}" if isinstance(form, Packed) and form.bits == 4 else ""
            width = f"{weight_only.width_of(form)} bits{group}"
            counts[width] = counts.get(width, 0) + 1
        asked = 8 if self.scheme == "w8" else 4
        wider = [w.name for w, f in made.forms.items() if w.role == "layers" and weight_only.width_of(f) > asked]
        return {
            "matrices": counts,
            "wider": wider,
            "sensitivity": {row.layer: round(row.loss, 6) for row in made.table[:8]},
        }

    def _part(self, part: Part, shape: Shape) -> Part:
        """A part with the bits that a weight-only scheme leaves it."""
        if not part.elements or part.name == "embeddings.rest":
            return part
        if part.name.startswith("embeddings."):
            tied = part.name == "embeddings.word" and any(p.name == "head" and not p.elements for p in shape.parts)
            width = max(self.embeddings, self.head) if tied else self.embeddings
            columns = part.elements // shape.vocabulary if part.name == "embeddings.word" else shape.width
            return replace(part, bits=self._bits(width, columns))
        products = (part.flops_per_token or part.flops_per_request) / 2
        if not products:
            return part
        # Which ranks have groups of 4 bits is not known: those that have none stay at 8.
        width = self.head if part.name == "head" else 8 if self.scheme == "w8" or part.rows else 4
        sizes = _sizes(part, shape, products)
        keep = self.keep if part.name.startswith("layers.") else 0.0
        wider = weight_only.WIDER.get(width, width)
        bits = sum(
            rows * columns * ((1 - keep) * self._bits(width, columns) + keep * self._bits(wider, columns))
            for rows, columns in sizes
        )
        if self.algorithm == "awq" and part.name.startswith("layers."):
            bits += 32 * _divided(sizes, shape)
        return replace(part, bits=(bits + 32 * (part.elements - products)) / part.elements)

    def _bits(self, width: int, columns: float) -> float:
        """The bits of an element of a matrix with so many columns, its share of scale and zero point counted."""
        group = group_of(int(columns), self.group) if width == 4 else 0
        if width == 4 and group:
            return 4 + (20 if self.zero_points else 16) / group
        return float(width) if width > 8 else 8 + 16 / max(1.0, columns)


def rolled_back(model: Any, watch: Callable[[Any], float], least: float) -> tuple[Any, list[str]]:
    """Takes activation quantisers out of a graph, the most harmful first, until ``watch`` gives at least ``least``.

    Each is ranked by what the graph regains without it alone. Weights stay int8, so no byte is added. Where nothing
    suffices, all are out: the graph is then weight-only. The names of those taken out are returned with the graph.
    """
    if watch(model) >= least:
        return model, []
    names = [op.get_friendly_name() for op in model.get_ordered_ops() if _quantises_activations(op)]
    regained = {name: watch(_without(model, [name])) for name in names}
    order = sorted(names, key=lambda name: -regained[name])
    for count in range(1, len(order) + 1):
        lighter = _without(model, order[:count])
        if watch(lighter) >= least:
            return lighter, order[:count]
    return _without(model, order), order


def _without(model: Any, names: Sequence[str]) -> Any:
    copy = model.clone()
    for op in copy.get_ordered_ops():
        if op.get_friendly_name() in names and _quantises_activations(op):
            for reader in list(op.output(0).get_target_inputs()):
                reader.replace_source_output(op.input_value(0))
    copy.validate_nodes_and_infer_types()
    return copy


def _quantises_activations(op: Any) -> bool:
    return bool(op.get_type_name() == "FakeQuantize" and op.input_value(0).get_node().get_type_name() != "Constant")


def _sizes(part: Part, shape: Shape, products: float) -> list[tuple[float, float]]:
    """Rows and columns of a part's matrices; of factors one of as many rows, and their mean columns; one of the model's
    width where the family's do not have its products.
    """
    kind = part.name.rpartition(".")[2]
    if part.rows:
        return [(part.rows, products / part.rows)]
    if part.name.startswith("layers.") and shape.family in FAMILIES:
        each = family_of({"model_type": shape.family}).matrices(shape)
        sizes: list[tuple[float, float]] = [(m.rows, m.columns) for m in each if m.part == kind]
        if sum(rows * columns for rows, columns in sizes) == products:
            return sizes
    return [(products / max(1, shape.width), max(1, shape.width))]


def _divided(sizes: list[tuple[float, float]], shape: Shape) -> float:
    """The columns that AWQ divides with a vector of its own: what enters a part's first and its last matrix. In a decoder
    the first ones' division is in the norm before.
    """
    decoder = shape.family in FAMILIES and family_of({"model_type": shape.family}).decoder
    return sizes[-1][1] + (0 if decoder else sizes[0][1])


def _eight_bits(part: Part, width: int) -> Part:
    """The average bits of a part's elements when its matrices are int8 with an f32 scale a row and its vectors stay f32."""
    scale_bits = 32
    if part.name.startswith("embeddings.") and part.name != "embeddings.rest":
        return replace(part, bits=8 + scale_bits / max(1, width))
    products = (part.flops_per_token or part.flops_per_request) / 2
    if not products or not part.elements:
        return part
    rows = part.rows or products / max(1, width)
    bits = 8 * products + scale_bits * rows + 32 * (part.elements - products)
    return replace(part, bits=bits / part.elements)
