"""Every row of COUNTED and DECODERS: its shape holds what the model holds, and keeps what the model's cache keeps."""

from __future__ import annotations

from typing import Any

import pytest

from pare.families import COUNTED, DECODERS, shape_of
from pare.planner.anatomy import kv_bytes

torch = pytest.importorskip("torch", reason="the build extra is not installed")
pytest.importorskip("transformers")

NOT_IN_TRANSFORMERS = {"openelm"}
LLAMA = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
MIXTURE = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 12}
GPT2 = {"vocab_size": 96, "n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": 64}
LATENT = {
    **LLAMA,
    "moe_intermediate_size": 12,
    "n_routed_experts": 6,
    "num_experts_per_tok": 2,
    "n_shared_experts": 2,
    "first_k_dense_replace": 1,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4,
    "v_head_dim": 6,
    "n_group": 2,
    "topk_group": 1,
}
NEOX = {key: value for key, value in LLAMA.items() if key not in ("num_key_value_heads", "head_dim")}
CONFIGS: list[tuple[str, dict[str, Any]]] = [
    ("llama", LLAMA),
    ("llama", LLAMA | {"tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True}),
    ("qwen2", LLAMA),
    ("qwen2", LLAMA | {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2}),
    ("qwen3", LLAMA | {"head_dim": 16}),
    ("gemma", LLAMA),
    ("gemma2", LLAMA | {"sliding_window": 8}),
    ("gemma3_text", LLAMA | {"sliding_window": 8, "sliding_window_pattern": 2}),
    ("mistral", LLAMA | {"sliding_window": 8}),
    ("mistral", LLAMA | {"sliding_window": None, "head_dim": 16, "tie_word_embeddings": True}),
    ("mixtral", LLAMA | {"num_local_experts": 6, "num_experts_per_tok": 2}),
    ("phi3", LLAMA | {"sliding_window": 8}),
    ("phi3", LLAMA),
    ("gpt2", GPT2),
    ("gpt2", GPT2 | {"n_inner": 40, "tie_word_embeddings": False}),
    ("gpt_neox", NEOX),
    ("gpt_neox", NEOX | {"attention_bias": False}),
    ("falcon", NEOX),
    ("falcon", NEOX | {"multi_query": False, "parallel_attn": False, "alibi": True, "bias": True}),
    ("falcon", NEOX | {"new_decoder_architecture": True, "num_kv_heads": 2, "tie_word_embeddings": False}),
    ("qwen2_moe", LLAMA | MIXTURE | {"shared_expert_intermediate_size": 20}),
    ("qwen2_moe", LLAMA | MIXTURE | {"shared_expert_intermediate_size": 20, "decoder_sparse_step": 2}),
    ("qwen3_moe", LLAMA | MIXTURE),
    ("qwen3_moe", LLAMA | MIXTURE | {"mlp_only_layers": [0, 2], "tie_word_embeddings": True}),
    ("deepseek_v2", LATENT | {"q_lora_rank": None}),
    ("deepseek_v2", LATENT | {"q_lora_rank": 10, "attention_bias": True}),
    ("deepseek_v3", LATENT | {"q_lora_rank": 10}),
]
NAMES = [f"{family}-{i}" for i, (family, _) in enumerate(CONFIGS)]


def test_every_architecture_is_here() -> None:
    assert {family for family, _ in CONFIGS} == {*DECODERS, *COUNTED} - NOT_IN_TRANSFORMERS


def _made(family: str, config: dict[str, Any], device: str = "meta") -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device(device):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **config)).eval()


@pytest.mark.parametrize(("family", "config"), CONFIGS, ids=NAMES)
def test_a_shape_counts_every_parameter_of_the_model(family: str, config: dict[str, Any]) -> None:
    made = _made(family, config)
    shape = shape_of({**config, "model_type": family})
    assert sum(part.elements for part in shape.parts) == sum(weights.numel() for weights in made.parameters())
    assert shape == shape_of(made.config.to_dict()), "a saved config, with every default, is counted alike"
    layers = next(module for module in made.modules() if isinstance(module, torch.nn.ModuleList))
    for i, layer in enumerate(layers):
        own = sum(part.elements for part in shape.parts if part.name.startswith(f"layers.{i}."))
        assert own == sum(weights.numel() for weights in layer.parameters())


@pytest.mark.parametrize(("family", "config"), CONFIGS, ids=NAMES)
def test_a_token_is_multiplied_with_the_matrices_that_the_shape_says(family: str, config: dict[str, Any]) -> None:
    """All matrices of the model but tables, experts in the share that a token is sent to; vectors are not."""
    from torch.nn import Embedding

    made = _made(family, config)
    shape = shape_of({**config, "model_type": family})
    tables = {id(module.weight) for module in made.modules() if isinstance(module, Embedding)}
    products = 0.0
    for weights in made.parameters():
        if weights.dim() == 3:
            products += weights.numel() * config["num_experts_per_tok"] / weights.shape[0]
        elif weights.dim() == 2 and id(weights) not in tables:
            products += weights.numel()
    if made.config.tie_word_embeddings:
        products += made.get_input_embeddings().weight.numel()
    assert sum(part.flops_per_token for part in shape.parts) == 2 * products


@pytest.mark.parametrize(("family", "config"), CONFIGS, ids=NAMES)
def test_a_shape_keeps_of_a_context_what_the_cache_keeps(family: str, config: dict[str, Any]) -> None:
    """Behind a window transformers keeps one token less, as the next one takes its place. It widens the keys and values of
    Falcon's groups and of DeepSeek's latents before it keeps them, which engines do not: these are compared with the papers.
    """
    tokens = 20
    shape = shape_of({**config, "model_type": family})
    if family.startswith("deepseek"):
        assert kv_bytes(shape, tokens, 8) == tokens * 4 * (config["kv_lora_rank"] + config["qk_rope_head_dim"])
        return
    torch.manual_seed(0)
    made = _made(family, config, "cpu")
    with torch.no_grad():
        cache = made(torch.randint(1, 90, (1, tokens)), use_cache=True).past_key_values
    kept = sum(layer.keys.numel() + layer.values.numel() for layer in cache.layers)
    if config.get("new_decoder_architecture"):
        kept //= shape.heads // shape.kv_heads
    narrow = sum(window > 0 for window in shape.windows)
    assert kept == kv_bytes(shape, tokens, 8) - narrow * 2 * shape.kv_heads * shape.head_dim
