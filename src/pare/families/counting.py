"""Decoders whose layers are not Llama's, counted part by part: what one layer holds, and a Shape made of such layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pare.types import Part, Shape


@dataclass(frozen=True, slots=True)
class Block:
    """``elements`` are all weights with biases and norms, ``products`` those that are multiplied with every token."""

    elements: int
    products: int


@dataclass(frozen=True, slots=True)
class Experts:
    """``count`` feed-forward blocks of ``each`` elements, of which a token is sent to ``chosen``."""

    count: int
    chosen: int
    each: int


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer. ``ffn`` is what every token passes: of a mixture the router, the shared experts and the norm.

    ``cache`` are the elements that it keeps of a token, ``attention_flops`` the work per token and token of context.
    """

    attention: Block
    ffn: Block
    cache: int
    attention_flops: float
    experts: Experts | None = None


@dataclass(frozen=True, slots=True)
class Sides:
    """What lies around the layers: ``position`` is a learnt table's elements, ``norm`` those of the norm behind them."""

    vocabulary: int
    width: int
    max_length: int
    norm: int
    tied: bool
    position: int = 0


@dataclass(frozen=True, slots=True)
class Heads:
    """Heads of queries, of keys and values, and their size: the largest where layers differ."""

    queries: int
    keys: int
    size: int


def counted(
    family: str, layers: Sequence[Layer], sides: Sides, heads: Heads, *, inner: int, windows: tuple[int, ...] = ()
) -> Shape:
    """The shape of a decoder made of those layers. Routed experts are parts of their own (``layers.0.experts.ffn``)."""
    table = sides.vocabulary * sides.width
    parts = [Part("embeddings.word", table)]
    if sides.position:
        parts.append(Part("embeddings.position", sides.position))
    for i, layer in enumerate(layers):
        parts.append(_part(f"layers.{i}.attention", layer.attention))
        parts.append(_part(f"layers.{i}.ffn", layer.ffn))
        if layer.experts is not None:
            parts.append(_routed(f"layers.{i}.experts.ffn", layer.experts))
    parts.append(Part("rest", sides.norm))
    parts.append(Part("head", 0 if sides.tied else table, flops_per_token=2.0 * table))
    usual = 2 * heads.keys * heads.size
    cache = tuple(layer.cache for layer in layers)
    return Shape(
        family=family,
        parts=tuple(parts),
        layers=len(layers),
        width=sides.width,
        vocabulary=sides.vocabulary,
        max_length=sides.max_length,
        attention_flops=sum(layer.attention_flops for layer in layers),
        inner=inner,
        heads=heads.queries,
        kv_heads=heads.keys,
        head_dim=heads.size,
        cache=() if all(kept == usual for kept in cache) else cache,
        windows=windows,
    )


def experts_in(config: Mapping[str, Any], key: str) -> int:
    """How many experts a layer has, by the publisher's key or by the one under which transformers saves it again."""
    return int(config.get("num_local_experts") or config[key])


def _part(name: str, block: Block) -> Part:
    return Part(name, block.elements, flops_per_token=2.0 * block.products)


def _routed(name: str, experts: Experts) -> Part:
    active = experts.chosen * experts.each
    return Part(name, experts.count * experts.each, flops_per_token=2.0 * active, active=active)
