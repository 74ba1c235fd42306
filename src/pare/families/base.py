"""What a family tells: sizes of its parts, and where they are in the torch module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pare.types import Part, Shape

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Parameter counts of a backbone, all elements (matrices with their biases and norms).

    ``attention_products`` and ``ffn_products`` are the elements of a layer that are multiplied with every token.
    """

    word: int
    position: int
    type_and_norm: int
    attention: tuple[int, ...]
    ffn: tuple[int, ...]
    attention_products: int
    ffn_products: int
    rest: int
    rest_products: int = 0


@dataclass(frozen=True)
class Family:
    """An architecture. Paths are attribute paths in the module that ``AutoModel`` gives.

    ``sizes`` counts the parameters of a config. ``layers_key`` and ``width_key`` are the config's names for them.
    ``position_offset`` is the number of leading rows in the position table that no token uses. ``positions`` is None where
    positions are not a table (rotary). ``pooling`` is the default where the folder does not say. ``min_layers``: the fewest
    that transformers can load.
    """

    name: str
    sizes: Callable[[Config], Sizes]
    layers: str
    words: str
    positions: str | None
    layers_key: str = "num_hidden_layers"
    width_key: str = "hidden_size"
    position_offset: int = 0
    pooling: Literal["mean", "cls"] = "mean"
    token_types: bool = False
    has_pooler: bool = False
    min_layers: int = 1

    def shape(self, config: Config, classes: int, *, each_token: bool = False) -> Shape:
        """The anatomy of a model with a linear head of ``classes``: the backbone as ``AutoModel`` has it, no pooler.

        ``each_token``: the head reads every token's state, not one state for the text.
        """
        sizes = self.sizes(config)
        width = int(config[self.width_key])
        parts = [
            Part("embeddings.word", sizes.word),
            Part("embeddings.position", sizes.position),
            Part("embeddings.rest", sizes.type_and_norm),
        ]
        for i, (attention, ffn) in enumerate(zip(sizes.attention, sizes.ffn, strict=True)):
            parts.append(Part(f"layers.{i}.attention", attention, flops_per_token=2.0 * sizes.attention_products))
            parts.append(Part(f"layers.{i}.ffn", ffn, flops_per_token=2.0 * sizes.ffn_products))
        if sizes.rest:
            parts.append(Part("rest", sizes.rest, flops_per_token=2.0 * sizes.rest_products))
        work = "flops_per_token" if each_token else "flops_per_request"
        parts.append(Part("head", (width + 1) * classes, **{work: 2.0 * width * classes}))
        layers = len(sizes.attention)
        return Shape(
            family=self.name,
            parts=tuple(part for part in parts if part.elements),
            layers=layers,
            width=width,
            vocabulary=int(config["vocab_size"]),
            max_length=int(config["max_position_embeddings"]) - self.position_offset,
            attention_flops=4.0 * layers * width,
        )


def bert_like(
    config: Config,
    *,
    layers: str = "num_hidden_layers",
    width: str = "hidden_size",
    inner: str = "intermediate_size",
    embedding: str | None = None,
    token_types: bool = True,
    rest: int = 0,
    rest_products: int = 0,
) -> Sizes:
    """The post-norm transformer of Devlin et al. (2018): four matrices of attention, two of feed-forward, with biases."""
    h, i, n = int(config[width]), int(config[inner]), int(config[layers])
    e = int(config.get(embedding, h)) if embedding else h
    types = int(config.get("type_vocab_size", 0)) if token_types else 0
    return Sizes(
        word=int(config["vocab_size"]) * e,
        position=int(config["max_position_embeddings"]) * e,
        type_and_norm=types * e + 2 * e,
        attention=(4 * (h * h + h) + 2 * h,) * n,
        ffn=(2 * h * i + i + h + 2 * h,) * n,
        attention_products=4 * h * h,
        ffn_products=2 * h * i,
        rest=rest,
        rest_products=rest_products,
    )
