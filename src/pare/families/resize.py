"""The anatomy of a model whose layers have been made narrower, from its anatomy before."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product
from typing import Any

from pare.errors import InputError
from pare.families.base import Family, Sizes
from pare.families.factors import refuse_factored
from pare.types import Part, Shape

FLAGS = ("attention_bias", "mlp_bias", "norm_bias")
"""What a config says of biases, and a shape does not: it is found by the number of elements."""


def resized(shape: Shape, family: Family, *, inner: int, heads: int, kv_heads: int, width: int) -> Shape:
    """The shape with other sizes in all its layers. ``width`` may change for encoders only: theirs is heads x head size.

    Raises InputError where the layers are not those of a whole model of the family (low-rank factors).
    """
    refuse_factored("prune", shape, "put prune before lowrank")
    flags = _flags(shape, family)
    new = replace(shape, inner=inner, heads=heads, kv_heads=kv_heads, width=width)
    sizes = family.sizes(_config(new, family) | flags)
    narrow = next(p.elements for p in shape.parts if p.name == "embeddings.word") // shape.vocabulary != shape.width
    parts = tuple(_part(part, shape, new, sizes, narrow=narrow) for part in shape.parts)
    return replace(new, parts=parts, attention_flops=4.0 * shape.layers * heads * shape.head_dim)


def _part(part: Part, old: Shape, new: Shape, sizes: Sizes, *, narrow: bool) -> Part:
    """``narrow``: the embeddings have a width of their own, and are projected to the model's."""
    if match := re.fullmatch(r"layers\.(\d+)\.(attention|ffn)", part.name):
        if match[2] == "attention":
            return replace(
                part, elements=sizes.attention[int(match[1])], flops_per_token=2.0 * sizes.attention_products
            )
        return replace(part, elements=sizes.ffn[int(match[1])], flops_per_token=2.0 * sizes.ffn_products)
    if old.width == new.width or (narrow and part.name.startswith("embeddings.")):
        return part
    ratio = new.width / old.width
    elements = part.elements * new.width // old.width
    if part.name == "head":
        elements = part.elements // (old.width + 1) * (new.width + 1)
    token, request = part.flops_per_token * ratio, part.flops_per_request * ratio
    return replace(part, elements=elements, flops_per_token=token, flops_per_request=request)


def _config(shape: Shape, family: Family) -> dict[str, Any]:
    """What a config says of the layers' sizes."""
    return {
        family.layers_key: shape.layers,
        family.width_key: shape.width,
        family.inner_key: shape.inner,
        family.heads_key: shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.max_length + family.position_offset,
    }


def _flags(shape: Shape, family: Family) -> dict[str, bool]:
    """Which biases the layers have: those with which the family's count gives the shape's elements."""
    held = {part.name: part.elements for part in shape.parts}
    attention, ffn = ([held.get(f"layers.{i}.{part}") for i in range(shape.layers)] for part in ("attention", "ffn"))
    for values in product((False, True), repeat=len(FLAGS)):
        flags = dict(zip(FLAGS, values, strict=True))
        sizes = family.sizes(_config(shape, family) | flags)
        if (list(sizes.attention), list(sizes.ffn)) == (attention, ffn):
            return flags
    raise InputError(
        f"prune needs the whole matrices of a {family.name} model but this one has other weights in its layers; "
        f"put prune before quantize"
    )
