"""Which layers attend to a window and which to everything, and a config for some of a model's layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pare.families.base import Config, Family

LOCAL, FULL = "sliding_attention", "full_attention"


def layer_kinds(config: Config, layers: int) -> list[str] | None:
    """The kind of each layer's attention, as transformers reads a config; None where a family has one kind only.

    Configs written before ``layer_types`` give a rule instead, by the layer's number: every so many layers attend to
    everything (``sliding_window_pattern``, ``global_attn_every_n_layers``), or those before ``max_window_layers`` do.
    """
    if isinstance(config.get("layer_types"), list):
        return [str(kind) for kind in config["layer_types"]]
    match config.get("model_type"):
        case "gemma2":
            every, last = 2, True
        case "gemma3_text":
            every, last = int(config.get("sliding_window_pattern") or 6), True
        case "modernbert":
            every, last = int(config.get("global_attn_every_n_layers") or 3), False
        case "qwen2" | "qwen3" if config.get("use_sliding_window") and config.get("sliding_window"):
            until = int(config.get("max_window_layers", 28))
            return [FULL if i < until else LOCAL for i in range(layers)]
        case _:
            return None
    return [LOCAL if (i + last) % every else FULL for i in range(layers)]


def config_of_layers(config: Config, family: Family, layers: Sequence[int]) -> dict[str, Any]:
    """The config of a model of those layers alone, in that order: the kinds of its layers are named one by one."""
    count = int(config[family.layers_key])
    short = {**config, family.layers_key: len(layers)}
    kinds = layer_kinds(config, count)
    if kinds is not None:
        short["layer_types"] = [kinds[i] for i in layers]
    if "max_window_layers" in config:
        short["max_window_layers"] = sum(i < int(config["max_window_layers"]) for i in layers)
    if "sliding_window_pattern" in config:
        rule = layer_kinds({**short, "layer_types": None}, len(layers))
        if rule != short.get("layer_types"):
            del short["sliding_window_pattern"]
    return short
