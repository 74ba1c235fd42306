"""Encoders and decoders: where their parts are and how large, known from ``config.json`` alone, without torch.

A new architecture is one file that makes a ``Family`` and one line in ``ENCODERS`` or ``DECODERS``, keyed by the config's
``model_type``. One that is planned for, and not built on, is a function from a config to its ``Shape`` and a line in
``COUNTED``.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pare.errors import InputError, nearest
from pare.families.base import Family
from pare.types import Shape

__all__ = [
    "COUNTED",
    "DECODERS",
    "ENCODERS",
    "FAMILIES",
    "Family",
    "family_of",
    "keeps_context",
    "read_config",
    "shape_of",
]

ENCODERS: Mapping[str, str] = {
    "bert": "pare.families.bert:BERT",
    "distilbert": "pare.families.distilbert:DISTILBERT",
    "electra": "pare.families.electra:ELECTRA",
    "modernbert": "pare.families.modernbert:MODERNBERT",
    "mpnet": "pare.families.mpnet:MPNET",
    "roberta": "pare.families.roberta:ROBERTA",
    "xlm-roberta": "pare.families.xlm_roberta:XLM_ROBERTA",
}

DECODERS: Mapping[str, str] = {
    "llama": "pare.families.llama:LLAMA",
    "qwen2": "pare.families.qwen:QWEN2",
    "qwen3": "pare.families.qwen:QWEN3",
    "gemma": "pare.families.gemma:GEMMA",
    "gemma2": "pare.families.gemma:GEMMA2",
    "gemma3_text": "pare.families.gemma:GEMMA3",
}

FAMILIES: Mapping[str, str] = {**ENCODERS, **DECODERS}

COUNTED: Mapping[str, str] = {
    "deepseek_v2": "pare.families.deepseek:deepseek",
    "deepseek_v3": "pare.families.deepseek:deepseek",
    "falcon": "pare.families.gpt:falcon",
    "gpt2": "pare.families.gpt:gpt2",
    "gpt_neox": "pare.families.gpt:gpt_neox",
    "mistral": "pare.families.mistral:mistral",
    "mixtral": "pare.families.mixtures:mixtral",
    "openelm": "pare.families.openelm:openelm",
    "phi3": "pare.families.mistral:phi3",
    "qwen2_moe": "pare.families.mixtures:qwen2_moe",
    "qwen3_moe": "pare.families.mixtures:qwen3_moe",
}
"""Decoders that are planned for: their anatomy is known, but no method changes them and none is served."""

LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_transformer_layers")
MOST_LAYERS, MOST_PARAMETERS = 10_000, 10**18
"""What no model has, and counting which would take all memory or overflow: a broken config."""


def read_config(folder: Path) -> dict[str, Any]:
    """The model's ``config.json``. Raises InputError where it is missing or is no JSON object."""
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder} is no model: it has no config.json; give a folder in Hugging Face form")
    try:
        config = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); download the model again") from None
    if not isinstance(config, dict):
        raise InputError(
            f"{path} must hold a JSON object but holds a {type(config).__name__}; download the model again"
        )
    return config


def family_of(config: Mapping[str, Any]) -> Family:
    """The family of a model. Raises InputError where its ``model_type`` is not in ``FAMILIES``."""
    model_type = str(config.get("model_type", ""))
    if model_type in COUNTED:
        raise InputError(
            f"the base model must be of a family that pare builds on but is a {model_type}, which it only plans for; "
            f"take one of {', '.join(FAMILIES)}"
        )
    if model_type not in FAMILIES:
        hint = nearest(model_type, FAMILIES)
        raise InputError(f"the base model's model_type must be a known family but is {model_type!r}; {hint}")
    family = _found(FAMILIES[model_type])
    if not isinstance(family, Family):
        raise TypeError(f"{FAMILIES[model_type]} is no Family")
    return family


def shape_of(config: Mapping[str, Any], classes: int = 2) -> Shape:
    """The anatomy of any model that can be counted; ``classes`` are those of an encoder's head. Raises InputError where its
    ``model_type`` is in neither ``FAMILIES`` nor ``COUNTED``, or the config lacks what the count needs.
    """
    model_type = str(config.get("model_type", ""))
    if model_type not in FAMILIES and model_type not in COUNTED:
        hint = nearest(model_type, [*FAMILIES, *COUNTED])
        raise InputError(f"the model_type must be one that can be counted but is {model_type!r}; {hint}")
    try:
        if any(int(config.get(key) or 0) > MOST_LAYERS for key in LAYERS):
            raise ValueError(f"it has more than {MOST_LAYERS:,} layers")
        if model_type in FAMILIES:
            return _possible(family_of(config).shape(config, classes))
        count: Callable[[Mapping[str, Any]], Shape] = _found(COUNTED[model_type])
        return _possible(count(config))
    except KeyError as error:
        raise InputError(f"the config of a {model_type} must have {error}; take the config.json as published") from None
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise InputError(f"the config of a {model_type} cannot be counted: {error}; take it as published") from None


def _possible(shape: Shape) -> Shape:
    """The shape as it is. Raises ValueError where no model can be like that."""
    for part in shape.parts:
        used = part.elements if part.active is None else part.active
        if not 0 <= used <= part.elements:
            raise ValueError(f"{part.name} has {part.elements:,} parameters, of which a token uses {used:,}")
    elements = sum(part.elements for part in shape.parts)
    if shape.layers < 1 or not 0 < elements <= MOST_PARAMETERS:
        raise ValueError(f"it has {shape.layers:,} layers and {elements:,} parameters")
    return shape


def keeps_context(shape: Shape) -> bool:
    """Whether a model of that shape writes, and so keeps keys and values of every token before."""
    return shape.family in DECODERS or shape.family in COUNTED


def _found(address: str) -> Any:
    module, name = address.split(":")
    return getattr(importlib.import_module(module), name)
