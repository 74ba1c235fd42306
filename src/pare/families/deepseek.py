"""DeepSeek V2 and V3 (DeepSeek-AI 2024, arXiv:2405.04434 and 2412.19437): latent attention and a mixture of experts.

Keys and values of a token are kept as one latent vector and one rotary key for all heads. In decoding the matrix that would
widen the latent is multiplied into queries and outputs instead (V2, section 2.1.2), so that each head works on the latent
itself: that work is what ``attention_flops`` counts. A prompt is read on widened keys and values, at less work for a pair of
tokens: a head's size in the shape is the mean of its keys' and its values', so that 4 x heads x size is that work.
The bias that V3 balances its experts with is no weight that learns, and is not counted.
"""

from __future__ import annotations

from pare.families.base import Config
from pare.families.counting import Block, Experts, Heads, Layer, Sides, counted, experts_in
from pare.types import Shape


def deepseek(config: Config) -> Shape:
    """The shape of a DeepSeek V2 or V3, whichever its ``model_type`` says; V3 without its head that predicts two tokens."""
    width, count = int(config["hidden_size"]), int(config["num_hidden_layers"])
    heads, latent = int(config["num_attention_heads"]), int(config["kv_lora_rank"])
    plain, rotary, value = (int(config[key]) for key in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"))
    inner, routed = 3 * width * int(config["moe_intermediate_size"]), experts_in(config, "n_routed_experts")
    experts = Experts(routed, int(config["num_experts_per_tok"]), inner)
    always = width * routed + inner * int(config.get("n_shared_experts") or 0)
    whole = 3 * width * int(config["intermediate_size"])
    mixed, dense = Block(always + width, always), Block(whole + width, whole)
    first = int(config.get("first_k_dense_replace") or 0)
    layers = [
        Layer(
            attention=_attention(config),
            ffn=dense if i < first else mixed,
            cache=latent + rotary,
            attention_flops=2.0 * heads * (2 * latent + rotary),
            experts=None if i < first else experts,
        )
        for i in range(count)
    ]
    tied = bool(config.get("tie_word_embeddings", False))
    sides = Sides(int(config["vocab_size"]), width, int(config["max_position_embeddings"]), width, tied)
    size = Heads(heads, heads, (plain + rotary + value) // 2)
    return counted(str(config["model_type"]), layers, sides, size, inner=int(config["intermediate_size"]))


def _attention(config: Config) -> Block:
    width, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    latent, narrow = int(config["kv_lora_rank"]), int(config.get("q_lora_rank") or 0)
    plain, rotary, value = (int(config[key]) for key in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"))
    queries = heads * (plain + rotary)
    asking = width * narrow + narrow * queries if narrow else width * queries
    products = asking + width * (latent + rotary) + latent * heads * (plain + value) + heads * value * width
    biases = narrow + latent + rotary + width if config.get("attention_bias", False) else 0
    return Block(products + biases + narrow + latent + width, products)
