"""Parameters, bytes, keys and values, and work of a shape: against hand counts and published figures."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.catalog.models import find_model
from pare.errors import InputError
from pare.families import shape_of
from pare.planner import estimate
from pare.planner.anatomy import (
    active_parameters,
    at_widths,
    flops_per_token,
    kv_bytes,
    kv_bytes_per_token,
    prefill_flops,
    read_widths,
    step_bytes,
)
from pare.planner.types import Widths
from pare.testing.minilm import MINILM
from pare.types import Part, Shape

LLAMA_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
}
MIXTRAL = LLAMA_8B | {
    "model_type": "mixtral",
    "vocab_size": 32000,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}
MISTRAL = LLAMA_8B | {"model_type": "mistral", "vocab_size": 32000, "sliding_window": 4096}
TINY = LLAMA_8B | {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "vocab_size": 50}
TINY |= {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64}
GEMMA = TINY | {"model_type": "gemma2", "num_hidden_layers": 4, "sliding_window": 16}
OPENELM = {"model_type": "openelm", "model_dim": 16, "head_dim": 4, "vocab_size": 50, "max_context_length": 64}
OPENELM |= {"num_query_heads": [2, 4], "num_kv_heads": [1, 2], "ffn_multipliers": [0.5, 1.0]}
SHAPES = [shape_of(config) for config in (LLAMA_8B, MIXTRAL, MISTRAL, GEMMA, OPENELM, MINILM)]


def test_a_token_of_mixtral_uses_two_experts_of_eight() -> None:
    shape = shape_of(MIXTRAL)
    assert estimate.parameters(shape) == 46_702_792_704
    assert active_parameters(shape) == 46_702_792_704 - 32 * 6 * 3 * 4096 * 14336
    assert active_parameters(shape_of(LLAMA_8B)) == 8_030_261_248


def test_a_token_of_llama_keeps_what_anchors_say() -> None:
    shape = shape_of(LLAMA_8B)
    assert kv_bytes_per_token(shape) == 131_072
    assert kv_bytes_per_token(shape, 8) == 65_536
    assert kv_bytes(shape, 1000) == 131_072_000
    assert flops_per_token(shape, 1000) == 2 * (8_030_261_248 - 128256 * 4096 - 65 * 4096) + 4 * 32 * 4096 * 1000


def test_what_does_not_write_keeps_nothing() -> None:
    shape = shape_of(MINILM)
    assert (kv_bytes_per_token(shape), kv_bytes(shape, 128)) == (None, 0)


def test_a_window_bounds_what_is_kept_and_seen() -> None:
    shape = shape_of(MISTRAL)
    unbound = replace(shape, windows=())
    assert kv_bytes_per_token(shape) == kv_bytes_per_token(unbound) == 131_072
    assert kv_bytes(shape, 4096) == kv_bytes(unbound, 4096)
    assert kv_bytes(shape, 32768) == kv_bytes(unbound, 4096)
    assert flops_per_token(shape, 32768) == flops_per_token(unbound, 4096)
    every_other = shape_of(GEMMA)
    assert every_other.windows == (16, 0, 16, 0)
    per_layer = 2 * 1 * 4 * 2
    assert kv_bytes(every_other, 40) == per_layer * (16 + 40 + 16 + 40)
    words = sum(part.flops_per_token for part in every_other.parts)
    assert flops_per_token(every_other, 40) == words + 4 * 2 * 4 * (16 + 40 + 16 + 40)


def test_layers_that_keep_different_amounts_are_added_up() -> None:
    shape = Shape("openelm", (), layers=2, kv_heads=9, head_dim=9, cache=(10, 20), windows=(4, 0))
    assert kv_bytes_per_token(shape) == 60
    assert kv_bytes(shape, 10, bits=8) == 10 * 4 + 20 * 10


@pytest.mark.parametrize("shape", SHAPES[:-1], ids=lambda shape: shape.family)
def test_reading_a_text_is_its_tokens_one_after_another(shape: Shape) -> None:
    """Apart from the head, which works on the last token alone."""
    head = 2 * shape.vocabulary * shape.width
    in_turn = sum(flops_per_token(shape, i) for i in range(1, 41)) - 39 * head
    assert prefill_flops(shape, 40) == pytest.approx(in_turn, rel=1e-12)


def test_latent_attention_reads_a_text_on_widened_keys_and_values() -> None:
    """DeepSeek-V3: 128 heads with keys of 192 and values of 128; a step works on latents of 512 and rotary keys of 64."""
    entry = find_model("deepseek-v3")
    assert entry is not None
    assert entry.config is not None
    shape = shape_of(entry.config)
    plain = replace(shape, attention_flops=0.0, cache=())
    assert flops_per_token(shape, 100) - flops_per_token(plain, 100) == 61 * 2 * 128 * (2 * 512 + 64) * 100
    assert prefill_flops(shape, 100) - prefill_flops(plain, 100) == 61 * 2 * 128 * (192 + 128) * 100 * 101 / 2


def test_an_encoder_looks_both_ways() -> None:
    shape = shape_of(MINILM, 3)
    assert prefill_flops(shape, 32) == estimate.flops_per_request(shape, 32)


def test_a_step_reads_weights_once_and_every_session_s_keys_and_values() -> None:
    shape = at_widths(shape_of(LLAMA_8B), Widths())
    table = 128256 * 4096
    assert step_bytes(shape, 4, 1000) == 8_030_261_248 - table + 4 * 131_072_000
    assert step_bytes(shape, 4, 1000, kv_bits=8) == 8_030_261_248 - table + 4 * 65_536_000
    tied = shape_of({**LLAMA_8B, "tie_word_embeddings": True})
    assert step_bytes(at_widths(tied, Widths()), 1, 0) == 8_030_261_248 - table
    learnt = replace(shape, parts=(*shape.parts, Part("embeddings.position", 10**9)))
    assert step_bytes(learnt, 4, 1000) == step_bytes(shape, 4, 1000)


def test_a_batch_touches_experts_as_chance_has_it() -> None:
    shape = at_widths(shape_of(MIXTRAL), Widths())
    experts = 32 * 8 * 3 * 4096 * 14336
    rest = 46_702_792_704 - experts - 32000 * 4096
    assert step_bytes(shape, 1, 0) == pytest.approx(rest + experts / 4)
    assert step_bytes(shape, 2, 0) == pytest.approx(rest + experts * (1 - 0.75**2))
    assert step_bytes(shape, 500, 0) == pytest.approx(rest + experts)


def test_widths_are_those_of_the_parts() -> None:
    shape = shape_of(LLAMA_8B)
    bits = {part.name: part.bits for part in at_widths(shape, read_widths("int4,emb=16,head=8")).parts}
    assert (bits["embeddings.word"], bits["layers.3.attention"], bits["rest"], bits["head"]) == (16, 4.25, 4.25, 8)
    assert {part.bits for part in at_widths(shape, Widths(4.5)).parts} == {4.5}
    tied = shape_of({**LLAMA_8B, "tie_word_embeddings": True})
    words = {part.name: part.bits for part in at_widths(tied, Widths(4, head=8)).parts}["embeddings.word"]
    assert words == 8, "a tied head is stored with the embeddings"
    words = {part.name: part.bits for part in at_widths(tied, Widths(4, embeddings=6, head=8)).parts}["embeddings.word"]
    assert words == 6


@pytest.mark.parametrize(
    ("text", "widths"),
    [
        ("w8", Widths()),
        ("bf16", Widths(16)),
        ("q4_0, head=q8_0", Widths(4.5, head=8.5)),
        ("4.5,embeddings=8,kv=fp8", Widths(4.5, 8.0, None, 8.0)),
    ],
)
def test_widths_are_read_as_written(text: str, widths: Widths) -> None:
    assert read_widths(text) == widths


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a width must be bits"),
        ("int5", "or int4?"),
        ("nan", "between 1 and 64"),
        ("w0", "between 1 and 64"),
        ("int4,8", "'8' in 'int4,8'"),
        ("int4,keys=8", "embeddings, head or kv"),
    ],
)
def test_widths_that_are_none_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_widths(text)


@given(st.sampled_from(SHAPES), st.floats(1, 300), st.floats(0, 1e5), st.floats(1, 31), st.floats(0.1, 30))
def test_more_of_anything_never_costs_less(
    shape: Shape, batch: float, context: float, bits: float, more: float
) -> None:
    wider = at_widths(shape, Widths(bits + more))
    narrow = at_widths(shape, Widths(bits))
    assert estimate.weight_bytes(wider) >= estimate.weight_bytes(narrow)
    assert step_bytes(wider, batch, context) >= step_bytes(narrow, batch, context)
    assert step_bytes(narrow, batch + more, context) >= step_bytes(narrow, batch, context)
    assert step_bytes(narrow, batch, context + more) >= step_bytes(narrow, batch, context)
    assert flops_per_token(narrow, context + more) >= flops_per_token(narrow, context)
    assert prefill_flops(narrow, context + more) > prefill_flops(narrow, context)
    assert math.isfinite(prefill_flops(narrow, context))
