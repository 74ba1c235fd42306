"""GPT-2 (Radford et al. 2019), GPT-NeoX (Black et al. 2022) and Falcon (Almazrouei et al. 2023): counted, not built on yet.

Layer norms with biases, feed-forward blocks of two matrices; GPT-2 has learnt positions, Falcon shares keys and values.
"""

from __future__ import annotations

from pare.families.base import Config
from pare.families.counting import Block, Heads, Layer, Sides, counted
from pare.types import Shape


def gpt2(config: Config) -> Shape:
    """The shape of a GPT-2."""
    width, count, heads = (int(config[key]) for key in ("n_embd", "n_layer", "n_head"))
    inner, positions = int(config.get("n_inner") or 4 * width), int(config["n_positions"])
    layer = _layer(width, heads, heads, inner, bias=True, norms=2)
    tied = bool(config.get("tie_word_embeddings", True))
    sides = Sides(int(config["vocab_size"]), width, positions, 2 * width, tied, positions * width)
    return counted("gpt2", [layer] * count, sides, Heads(heads, heads, width // heads), inner=inner)


def gpt_neox(config: Config) -> Shape:
    """The shape of a GPT-NeoX; Pythia is one too."""
    width, count, heads = (int(config[key]) for key in ("hidden_size", "num_hidden_layers", "num_attention_heads"))
    inner, biased = int(config["intermediate_size"]), bool(config.get("attention_bias", True))
    layer = _layer(width, heads, heads, inner, bias=biased, norms=2, ffn_bias=True)
    tied = bool(config.get("tie_word_embeddings", False))
    sides = Sides(int(config["vocab_size"]), width, int(config["max_position_embeddings"]), 2 * width, tied)
    return counted("gpt_neox", [layer] * count, sides, Heads(heads, heads, width // heads), inner=inner)


def falcon(config: Config) -> Shape:
    """The shape of a Falcon. The newer design (40B, 180B) shares keys and values in groups, the older one (7B) among all."""
    width, count, heads = (int(config[key]) for key in ("hidden_size", "num_hidden_layers", "num_attention_heads"))
    grouped = bool(config.get("new_decoder_architecture", False))
    own = int(config.get("num_kv_heads") or heads)
    keys = own if grouped or not config.get("multi_query", True) else 1
    both = grouped and int(config.get("num_ln_in_parallel_attn") or 2) == 2
    norms = 2 if both or not config.get("parallel_attn", True) else 1
    inner, bias = int(config.get("ffn_hidden_size") or 4 * width), bool(config.get("bias", False))
    layer = _layer(width, heads, keys, inner, bias=bias, norms=norms)
    tied = bool(config.get("tie_word_embeddings", True))
    sides = Sides(int(config["vocab_size"]), width, int(config.get("max_position_embeddings") or 2048), 2 * width, tied)
    return counted("falcon", [layer] * count, sides, Heads(heads, keys, width // heads), inner=inner)


def _layer(
    width: int, heads: int, keys: int, inner: int, *, bias: bool, norms: int, ffn_bias: bool | None = None
) -> Layer:
    """A layer whose first norm is counted with the attention, and the second, where there is one, with the feed-forward."""
    size = width // heads
    rows, norm = (heads + 2 * keys) * size, 2 * width
    products, feed = width * rows + heads * size * width, 2 * width * inner
    biases = rows + width if bias else 0
    more = inner + width if (bias if ffn_bias is None else ffn_bias) else 0
    return Layer(
        attention=Block(products + biases + norm, products),
        ffn=Block(feed + more + (norms - 1) * norm, feed),
        cache=2 * keys * size,
        attention_flops=4.0 * heads * size,
    )
