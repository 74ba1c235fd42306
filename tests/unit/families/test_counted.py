"""Models that are counted and not built on."""

from __future__ import annotations

import pytest

from pare.catalog.models import models
from pare.errors import InputError
from pare.families import COUNTED, FAMILIES, family_of, keeps_context, shape_of
from pare.families.layers import windows_of
from pare.types import Shape


@pytest.mark.parametrize("family", COUNTED)
def test_nothing_is_built_on_what_is_only_counted(family: str) -> None:
    assert family not in FAMILIES
    with pytest.raises(InputError, match=f"is a {family}, which it only plans for; take one of bert"):
        family_of({"model_type": family})


@pytest.mark.parametrize("family", [*COUNTED, *FAMILIES])
def test_a_config_that_lacks_a_size_is_refused_with_its_name(family: str) -> None:
    with pytest.raises(InputError, match=f"config of a {family} must have '"):
        shape_of({"model_type": family})


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(InputError, match="'mixtrall'; did you mean mixtral"):
        shape_of({"model_type": "mixtrall"})
    with pytest.raises(InputError, match="config of a gpt2 cannot be counted"):
        shape_of({"model_type": "gpt2", "n_embd": None, "n_layer": 1, "n_head": 1})


def test_what_writes_keeps_its_context() -> None:
    assert keeps_context(Shape("mixtral", ()))
    assert keeps_context(Shape("gemma2", ()))
    assert not keeps_context(Shape("bert", ()))
    assert not keeps_context(Shape("linear", ()))


@pytest.mark.parametrize(
    ("config", "windows"),
    [
        ({"model_type": "llama", "sliding_window": 8}, ()),
        ({"model_type": "mistral", "sliding_window": 8}, (8, 8, 8)),
        ({"model_type": "mistral", "sliding_window": None}, ()),
        ({"model_type": "mistral"}, ()),
        ({"model_type": "qwen2", "sliding_window": 8, "use_sliding_window": False}, ()),
        ({"model_type": "qwen2", "sliding_window": 8, "use_sliding_window": True, "max_window_layers": 2}, (0, 0, 8)),
        ({"model_type": "qwen3_moe", "sliding_window": 8, "use_sliding_window": False}, ()),
        ({"model_type": "gemma2", "sliding_window": 8}, (8, 0, 8)),
        ({"model_type": "gemma2"}, (4096, 0, 4096)),
        ({"model_type": "gemma3_text", "sliding_window": 8, "sliding_window_pattern": 2}, (8, 0, 8)),
        ({"model_type": "gemma3_text", "layer_types": ["full_attention"] * 3, "sliding_window": 8}, ()),
        ({"model_type": "modernbert", "local_attention": 6}, (0, 6, 6)),
    ],
)
def test_windows_are_those_of_the_config(config: dict[str, object], windows: tuple[int, ...]) -> None:
    assert windows_of(config, 3) == windows


def test_openelm_counts_each_layer_by_its_own_sizes() -> None:
    """By hand: widths of feed-forward are multiples of 4, the head is tied, each layer has four norms."""
    config = {"model_type": "openelm", "model_dim": 16, "head_dim": 4, "vocab_size": 10, "max_context_length": 32}
    config |= {"num_query_heads": [2, 4], "num_kv_heads": [1, 2], "ffn_multipliers": [0.5, 1.1], "ffn_dim_divisor": 4}
    shape = shape_of(config | {"normalize_qk_projections": True, "share_input_output_layers": True})
    first = 16 * (2 + 2) * 4 + 2 * 4 * 16 + 8 + 2 * 16 + 3 * 16 * 8
    second = 16 * (4 + 4) * 4 + 4 * 4 * 16 + 8 + 2 * 16 + 3 * 16 * 16
    assert sum(part.elements for part in shape.parts) == 10 * 16 + first + second + 16
    assert shape.cache == (2 * 1 * 4, 2 * 2 * 4)
    assert shape.attention_flops == 4 * 4 * (2 + 4)


@pytest.mark.parametrize("name", ["llama-3.2-1b", "qwen3-30b-a3b", "deepseek-v2-lite"])
@pytest.mark.parametrize("value", [-1, 0, True, "x", [], 10**30, 10**400])
def test_a_config_with_an_absurd_value_is_counted_or_refused_in_one_line(name: str, value: object) -> None:
    known = models()[name].config
    assert known is not None
    refused = []
    for key in known:
        try:
            shape = shape_of({**known, key: value})
        except InputError as error:
            refused.append(str(error))
            continue
        assert shape.layers >= 1, key
        assert all(0 <= (part.active or 0) <= part.elements for part in shape.parts), key
    assert refused
    assert not any("\n" in words for words in refused)


def test_more_layers_than_any_model_has_are_refused_before_they_are_counted() -> None:
    known = models()["llama-3.2-1b"].config
    assert known is not None
    with pytest.raises(InputError, match="more than 10,000 layers"):
        shape_of({**known, "num_hidden_layers": 10**9})
