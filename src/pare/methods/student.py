"""A small model that starts from nothing: the parent's architecture and tokenizer, any depth and width, random weights.

It has learnt nothing, so ``distil`` or ``finetune`` follows. Turc et al. (2019, arXiv:1908.08962) found that such a student
is worth more where it is trained before it is distilled; where layers can be kept, ``drop_layers`` starts ahead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from pare.errors import InputError
from pare.families import Family, family_of, read_config
from pare.families.factors import dense
from pare.families.layers import layer_kinds
from pare.methods.base import BASE, BuildContext
from pare.methods.lineage import lineage
from pare.methods.source import Source, finish, needs, source_of
from pare.types import Artifact, DataFacts, Part, Shape

Size = Annotated[int, Meta(ge=1)] | None


@dataclass(frozen=True)
class Student:
    """A new model of ``layers``, ``width``, attention ``heads`` and feed-forward width ``inner``.

    What is None follows: ``width`` is the parent's, ``heads`` as many of the parent's size as fit (at least one), ``inner``
    as many times the width as the parent's. Keys and values have the parent's share of the heads, where that is whole.
    Raises InputError where a size is below 1, the heads do not divide the width, or the family needs more layers.
    """

    takes: ClassVar[tuple[str, ...]] = (BASE, "encoder", "decoder")
    gives: ClassVar[str] = ""

    layers: Annotated[int, Meta(ge=1)]
    width: Size = None
    heads: Size = None
    inner: Size = None

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """The parts scaled: matrices by both their sides, all else by the width. Exact where heads keep their size."""
        shape = dense(shape, family_of({"model_type": shape.family}))
        new = self._sizes(shape)
        before, after, ratio = _products(shape), _products(new), new.width / shape.width
        parts = []
        for part in shape.parts:
            match = re.fullmatch(r"layers\.0\.(attention|ffn)", part.name)
            if match:
                kind = match[1]
                rest = round((part.elements - before[kind]) * ratio)
                made = replace(part, elements=after[kind] + rest, flops_per_token=2.0 * after[kind])
                parts += [replace(made, name=f"layers.{i}.{kind}") for i in range(self.layers)]
            elif not part.name.startswith("layers."):
                parts.append(_scaled(part, ratio, shape, facts))
        attention = 4.0 * self.layers * new.heads * new.head_dim
        windows = tuple(_in_turns(shape.windows, self.layers)) if shape.windows else ()
        return replace(
            new,
            parts=tuple(sorted(parts, key=_place)),
            attention_flops=attention,
            windows=windows if any(windows) else (),
        )

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Draws the weights by the seed. Raises MissingExtra without torch and transformers."""
        needs("making a student")
        source = source_of(parent, ctx)
        old = read_config(source.path)
        family = family_of(old)
        config = self._config(old, family, self._sizes(family.shape(old, 0)))
        shape = family.shape(config, len(source.labels), each_token=source.kind == "tag")
        model = _drawn(config, family, source, ctx.seed)
        return finish(replace(source, shape=shape), model, out, lineage(self, "student", parent, ctx))

    def _sizes(self, shape: Shape) -> Shape:
        """The shape with the student's sizes; its parts are still the parent's."""
        family = family_of({"model_type": shape.family})
        if self.layers < family.min_layers:
            raise InputError(
                f"student: a {family.name} model must have at least {family.min_layers} layers but layers is {self.layers}"
            )
        width = self.width or shape.width
        heads = self.heads or max(1, shape.heads * width // shape.width)
        if self.heads or not family.decoder:
            if width % heads:
                raise InputError(
                    f"student: heads must divide the width but {heads} does not divide {width}; set width to a multiple of "
                    f"{heads}, or heads"
                )
            head_dim = width // heads
        else:
            head_dim = shape.head_dim
        share = max(1, shape.heads // max(1, shape.kv_heads))
        kv_heads = heads // share if heads % share == 0 else heads
        inner = self.inner or max(1, shape.inner * width // shape.width)
        return replace(
            shape, layers=self.layers, width=width, inner=inner, heads=heads, kv_heads=kv_heads, head_dim=head_dim
        )

    def _config(self, old: dict[str, Any], family: Family, sizes: Shape) -> dict[str, Any]:
        new = {
            **old,
            family.layers_key: sizes.layers,
            family.width_key: sizes.width,
            family.inner_key: sizes.inner,
            family.heads_key: sizes.heads,
        }
        if family.decoder:
            new |= {"num_key_value_heads": sizes.kv_heads, "head_dim": sizes.head_dim}
        if "head_dim" in old and old.get("query_pre_attn_scalar") == old["head_dim"]:
            new["query_pre_attn_scalar"] = sizes.head_dim
        if old.get("embedding_size") == old[family.width_key]:
            new["embedding_size"] = sizes.width
        if (kinds := layer_kinds(old, int(old[family.layers_key]))) is not None:
            new["layer_types"] = _in_turns(kinds, sizes.layers)
        return new


def _drawn(config: dict[str, Any], family: Family, source: Source, seed: int) -> Any:
    """A random model of that config, the same for the same seed."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    from pare.families.pooling import read_pooling
    from pare.training.decoder import Decoder
    from pare.training.model import Encoder, new_head

    settings = {
        key: value for key, value in config.items() if key not in ("model_type", "transformers_version", "dtype")
    }
    made = AutoConfig.for_model(family.name, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if family.decoder:
            return Decoder(AutoModelForCausalLM.from_config(made, dtype=torch.float32))
        options = {"add_pooling_layer": False} if family.has_pooler else {}
        backbone = AutoModel.from_config(made, dtype=torch.float32, **options)
    pooling = "none" if source.kind == "tag" else read_pooling(source.path, family.pooling)
    return Encoder(backbone, new_head(int(config[family.width_key]), len(source.labels), seed), pooling)


def _in_turns(old: Sequence[Any], layers: int) -> list[Any]:
    """The kinds (or windows) of so many layers, in the parent's turns; the last gives way to one that would be missing."""
    new = [old[i % len(old)] for i in range(layers)]
    missing = [kind for kind in old if kind not in new]
    return [*new[:-1], missing[-1]] if missing and layers > 1 else new


def _products(shape: Shape) -> dict[str, int]:
    """The elements of a layer's matrices, without biases and norms, by part."""
    found = {"attention": 0, "ffn": 0}
    for matrix in family_of({"model_type": shape.family}).matrices(shape):
        found[matrix.part] += matrix.rows * matrix.columns
    return found


def _scaled(part: Part, ratio: float, shape: Shape, facts: DataFacts) -> Part:
    """A part outside the layers at another width. A head's biases stay; embeddings of a width of their own stay too."""
    if part.name == "embeddings.word" and part.elements != shape.vocabulary * shape.width:
        return part
    fixed = facts.classes if part.name == "head" and not family_of({"model_type": shape.family}).decoder else 0
    return replace(
        part,
        elements=round((part.elements - fixed) * ratio) + fixed,
        flops_per_token=part.flops_per_token * ratio,
        flops_per_request=part.flops_per_request * ratio,
    )


def _place(part: Part) -> tuple[int, int]:
    """Where a part stands in a shape: embeddings, layer by layer, what is left."""
    match = re.fullmatch(r"layers\.(\d+)\..+", part.name)
    return (1, int(match[1])) if match else (0 if part.name.startswith("embeddings.") else 2, 0)
