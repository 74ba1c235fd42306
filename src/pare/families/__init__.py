"""Encoders and decoders: where their parts are and how large, known from ``config.json`` alone, without torch.

A new architecture is one file that makes a ``Family`` and one line in ``ENCODERS`` or ``DECODERS``, keyed by the config's
``model_type``.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pare.errors import InputError, nearest
from pare.families.base import Family

__all__ = ["DECODERS", "ENCODERS", "FAMILIES", "Family", "family_of", "read_config"]

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
    if model_type not in FAMILIES:
        hint = nearest(model_type, FAMILIES)
        raise InputError(f"the base model's model_type must be a known family but is {model_type!r}; {hint}")
    module, name = FAMILIES[model_type].split(":")
    family = getattr(importlib.import_module(module), name)
    if not isinstance(family, Family):
        raise TypeError(f"{FAMILIES[model_type]} is no Family")
    return family
