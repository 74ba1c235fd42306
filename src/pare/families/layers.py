"""Which layers attend to a window and which to everything, and a config for some of a model's layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pare.families.base import Config, Family

LOCAL, FULL = "sliding_attention", "full_attention"
WINDOW_KEYS = {"modernbert": "local_attention"}
DEFAULT_WINDOW = {"gemma2": 4096, "gemma3_text": 4096, "modernbert": 128}
"""What transformers takes where a config of the family does not say."""
EVERY_LAYER = ("mistral", "mixtral", "phi3", "qwen3_moe")
"""Families whose layers all have the window, where the config has one."""


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


def windows_of(config: Config, layers: int) -> tuple[int, ...]:
    """The tokens that each layer looks back to, 0 for all of them; empty where every layer looks back to all."""
    family = str(config.get("model_type", ""))
    window = int(config.get(WINDOW_KEYS.get(family, "sliding_window"), DEFAULT_WINDOW.get(family, 0)) or 0)
    kinds = layer_kinds(config, layers)
    if kinds is None and family in EVERY_LAYER and config.get("use_sliding_window", True):
        kinds = [LOCAL] * layers
    if not window or LOCAL not in (kinds or ()):
        return ()
    return tuple(window if kind == LOCAL else 0 for kind in kinds or ())


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
