"""Weights, and activations, in 8 bits: NNCF's post-training quantisation of an OpenVINO graph.

``weight_only``: every matrix and embedding becomes int8 with a scale a row; arithmetic stays float where the runtime
says so. ``full`` (W8A8): activations too, their ranges taken from train texts (asymmetric, a range a tensor), which is
what int8 matrix units need. Activations that 8 bits break (outliers, mostly) are found on the dev side and left in
float, the worst first, until the graph believes in the right labels as before. NNCF's own accuracy control was tried:
ten times slower, and on a one-layer model it returned a worse graph than it was given.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pare.artifacts import seal
from pare.errors import InputError, MissingExtra
from pare.kinds import kind_of
from pare.methods.base import BuildContext
from pare.methods.graphs import write_openvino
from pare.methods.lineage import lineage
from pare.methods.quiet import quiet
from pare.runtimes.openvino import MODEL, TOKENIZER, options
from pare.runtimes.tagging import scorer
from pare.runtimes.text import Tokens, padded
from pare.types import Artifact, DataFacts, Part, Sample, Shape

Feed = dict[str, NDArray[np.int64]]
NO_FACTS = DataFacts(classes=0, rows=0, tokens_per_row=0.0)
WATCHED = 600
"""The most dev texts on which agreement is watched."""


@dataclass(frozen=True)
class Quantize:
    """``scheme``: what is quantised; ``rollback``: leave activations in float where 8 bits cost more than ``tolerance``.

    ``tolerance`` is a drop of the mean probability of the right label on the dev side.
    ``ranges``: how many train texts give the ranges of activations.
    """

    takes: ClassVar[tuple[str, ...]] = ("openvino",)
    gives: ClassVar[str] = ""
    once: ClassVar[str] = "quantisation"

    scheme: Literal["weight_only", "full"] = "full"
    rollback: bool = True
    tolerance: Annotated[float, Meta(gt=0, lt=1)] = 0.01
    ranges: Annotated[int, Meta(ge=8)] = 256

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """Matrices at 8 bits and a scale a row, vectors at 32: what is left where nothing is rolled back."""
        scale = 16 if self.scheme == "weight_only" else 32
        return replace(shape, parts=tuple(_eight_bits(part, shape.width, scale) for part in shape.parts))

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Quantises an artifact of format ``openvino``. Raises InputError where the parent is none."""
        if parent is None or parent.manifest.format != "openvino":
            found = parent.manifest.format if parent else "nothing"
            raise InputError(f"quantize needs an artifact of format openvino but got {found}; put lower before it")
        try:
            import nncf  # noqa: F401
            import openvino
        except ImportError as error:
            raise MissingExtra(str(error.name), "build", "quantisation") from None
        ctx.progress(0.0, f"quantising ({self.scheme})")
        core = openvino.Core()
        model = core.read_model(str(parent.path / MODEL))
        tokens = Tokens(parent.path / TOKENIZER, parent.manifest.max_length)
        with quiet():
            quantised, reverted = (
                self._weights(model) if self.scheme == "weight_only" else self._full(model, tokens, ctx)
            )
            write_openvino(quantised, out)
        shutil.copyfile(parent.path / TOKENIZER, out / TOKENIZER)
        manifest = parent.manifest
        return seal(
            out,
            format="openvino",
            labels=manifest.labels,
            shape=self.reshape(manifest.shape, NO_FACTS),
            max_length=manifest.max_length,
            decoding=manifest.decoding,
            kind=manifest.kind,
            lineage=lineage(self, "quantize", parent, ctx) | {"rolled_back": reverted},
        )

    def _weights(self, model: Any) -> tuple[Any, list[str]]:
        import nncf

        return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM), []

    def _full(self, model: Any, tokens: Tokens, ctx: BuildContext) -> tuple[Any, list[str]]:
        """The quantised graph, and the names of the operations whose activations were left in float."""
        import nncf

        quantised = nncf.quantize(
            model,
            nncf.Dataset(_feeds(tokens, _drawn(ctx.train, self.ranges, ctx.seed))),
            subset_size=self.ranges,
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
            target_device=nncf.TargetDevice.CPU,
        )
        if not (self.rollback and ctx.dev):
            return quantised, []
        watch = Watch(tokens, _drawn(ctx.dev, WATCHED, ctx.seed), ctx)
        return rolled_back(quantised, watch, watch(model) - self.tolerance)


class Watch:
    """The mean over some dev texts of the probability that a graph gives to its least right decision: of one label the
    label's, of several labels or tags the lowest of them, so that many easy ones hide no broken one.

    It is smoother than accuracy, so that a few hundred texts tell a broken layer from chance.
    """

    def __init__(self, tokens: Tokens, samples: Sequence[Sample], ctx: BuildContext) -> None:
        self._texts, self._targets = [sample.text for sample in samples], ctx.targets(samples)
        self._tokens, self._ctx = tokens, ctx

    def __call__(self, model: Any) -> float:
        import openvino

        ctx = self._ctx
        request = openvino.Core().compile_model(model, "CPU", options(ctx.threads)).create_infer_request()
        score = scorer(ctx.kind, ctx.labels, self._tokens, lambda ids, mask: request.infer([ids, mask])[0])
        logits, right = kind_of(ctx.kind).choices(score(self._texts), self._targets)
        probabilities = 1.0 / np.exp(logits - np.take_along_axis(logits, right[:, None], axis=1)).sum(axis=1)
        decisions = (self._targets.reshape(len(self._texts), -1) >= 0).sum(axis=1)
        return float(np.minimum.reduceat(probabilities, np.cumsum(decisions) - decisions).mean())


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


def _drawn(samples: Sequence[Sample], most: int, seed: int) -> list[Sample]:
    """At most so many samples, drawn by ``seed``."""
    order = np.random.default_rng(seed).permutation(len(samples))[:most]
    return [samples[i] for i in sorted(order.tolist())]


def _feeds(tokens: Tokens, samples: Sequence[Sample]) -> list[Feed]:
    """One text a feed: no padding, so that ranges are those of real tokens."""
    rows = [tokens.one(sample.text) or [0] for sample in samples]
    return [dict(zip(("input_ids", "attention_mask"), padded([row]), strict=True)) for row in rows]


def _eight_bits(part: Part, width: int, scale_bits: int) -> Part:
    """The average bits of a part's elements when its matrices are int8 with a scale a row and its vectors stay f32."""
    if part.name.startswith("embeddings.") and part.name != "embeddings.rest":
        return replace(part, bits=8 + scale_bits / max(1, width))
    products = (part.flops_per_token or part.flops_per_request) / 2
    if not products or not part.elements:
        return part
    rows = part.rows or products / max(1, width)
    bits = 8 * products + scale_bits * rows + 32 * (part.elements - products)
    return replace(part, bits=bits / part.elements)
