"""Mixtures of experts on Llama's attention: Mixtral (Jiang et al. 2024), Qwen's (Qwen team 2024, 2025)."""

from __future__ import annotations

from collections.abc import Collection

from pare.families.base import Config, Sizes, llama_like
from pare.families.counting import Block, Experts, Heads, Layer, Sides, counted, experts_in
from pare.families.layers import windows_of
from pare.types import Shape


def mixtral(config: Config) -> Shape:
    """Every layer is a mixture; its experts have the config's ``intermediate_size``."""
    experts = Experts(
        experts_in(config, "num_local_experts"),
        int(config["num_experts_per_tok"]),
        3 * int(config["hidden_size"]) * int(config["intermediate_size"]),
    )
    return _mixture("mixtral", config, llama_like(config), experts, range(int(config["num_hidden_layers"])))


def qwen2_moe(config: Config) -> Shape:
    """Beside its experts a layer has a shared one, whose share a gate of its own decides."""
    biased = ("q", "k", "v") if config.get("qkv_bias", True) else ()
    shared = int(config["shared_expert_intermediate_size"])
    sizes = llama_like(config, biased=biased)
    return _mixture("qwen2_moe", config, sizes, _qwen_experts(config), _sparse(config), shared=shared)


def qwen3_moe(config: Config) -> Shape:
    """Norms of queries and keys; no shared expert."""
    sizes = llama_like(config, head_norms=True)
    return _mixture("qwen3_moe", config, sizes, _qwen_experts(config), _sparse(config))


def _qwen_experts(config: Config) -> Experts:
    each = 3 * int(config["hidden_size"]) * int(config["moe_intermediate_size"])
    return Experts(experts_in(config, "num_experts"), int(config["num_experts_per_tok"]), each)


def _sparse(config: Config) -> set[int]:
    """The layers that are mixtures: every so many, but those that are named."""
    dense, step = set(config.get("mlp_only_layers") or ()), int(config.get("decoder_sparse_step") or 1)
    return {i for i in range(int(config["num_hidden_layers"])) if i not in dense and (i + 1) % step == 0}


def _mixture(
    family: str, config: Config, sizes: Sizes, experts: Experts, sparse: Collection[int], *, shared: int = 0
) -> Shape:
    """A Llama whose layers in ``sparse`` have a router and experts for their feed-forward; ``shared`` is the inner width of
    an expert that every token passes, with its gate.
    """
    width, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    size = int(config.get("head_dim") or width // heads)
    keys = int(config.get("num_key_value_heads") or heads)
    always = width * experts.count + (3 * width * shared + width if shared else 0)
    mixed, dense = Block(always + width, always), Block(sizes.ffn[0], sizes.ffn_products)
    layers = [
        Layer(
            attention=Block(elements, sizes.attention_products),
            ffn=mixed if i in sparse else dense,
            cache=2 * keys * size,
            attention_flops=4.0 * heads * size,
            experts=experts if i in sparse else None,
        )
        for i, elements in enumerate(sizes.attention)
    ]
    tied = bool(config.get("tie_word_embeddings", False))
    sides = Sides(int(config["vocab_size"]), width, int(config["max_position_embeddings"]), width, tied)
    inner = int(config["intermediate_size"])
    return counted(
        family, layers, sides, Heads(heads, keys, size), inner=inner, windows=windows_of(config, len(layers))
    )
