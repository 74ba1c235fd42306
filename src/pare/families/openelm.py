"""OpenELM (Mehta et al. 2024, arXiv:2404.14619): each layer has its own number of heads and its own feed-forward width."""

from __future__ import annotations

from pare.families.base import Config
from pare.families.counting import Block, Heads, Layer, Sides, counted
from pare.types import Shape


def openelm(config: Config) -> Shape:
    """The shape of an OpenELM. Its config lists the heads of each layer, and the feed-forward's multiple of the width."""
    width, size = int(config["model_dim"]), int(config["head_dim"])
    queries, keys = ([int(heads) for heads in config[key]] for key in ("num_query_heads", "num_kv_heads"))
    divisor = int(config.get("ffn_dim_divisor", 256))
    inner = [_divisible(float(multiple) * width, divisor) for multiple in config["ffn_multipliers"]]
    matrices = 3 if config.get("ffn_with_glu", True) else 2
    norms = 2 * size if config.get("normalize_qk_projections", False) else 0
    layers = []
    for q, k, wide in zip(queries, keys, inner, strict=True):
        products = width * (2 * q + 2 * k) * size
        layers.append(
            Layer(
                attention=Block(products + norms + width, products),
                ffn=Block(matrices * width * wide + width, matrices * width * wide),
                cache=2 * k * size,
                attention_flops=4.0 * q * size,
            )
        )
    tied = bool(config.get("share_input_output_layers", True))
    sides = Sides(int(config["vocab_size"]), width, int(config["max_context_length"]), width, tied)
    return counted("openelm", layers, sides, Heads(max(queries), max(keys), size), inner=max(inner))


def _divisible(value: float, divisor: int) -> int:
    """The nearest multiple of ``divisor``, the next one where that loses more than a tenth."""
    near = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * value else near
