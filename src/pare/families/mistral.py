"""Mistral (Jiang et al. 2023): Llama, each layer with a window where the config has one. Phi-3 and Phi-4 (Abdin et al. 2024)
hold the same weights in fused matrices. Both are counted, and not built on yet.
"""

from dataclasses import replace

from pare.families.base import Config
from pare.families.llama import LLAMA
from pare.types import Shape


def mistral(config: Config) -> Shape:
    """The shape of a Mistral."""
    return replace(LLAMA, name="mistral").shape(config, 0)


def phi3(config: Config) -> Shape:
    """The shape of a Phi-3 or Phi-4."""
    return replace(LLAMA, name="phi3").shape(config, 0)
