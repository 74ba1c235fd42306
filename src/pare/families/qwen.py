"""Qwen2 and Qwen3 (Qwen team 2024, 2025): Llama with biased queries, keys and values, then with their norms instead."""

from dataclasses import replace

from pare.families.base import Config, Sizes, llama_like
from pare.families.llama import LLAMA


def _qwen2(config: Config) -> Sizes:
    return llama_like(config, biased=("q", "k", "v"))


def _qwen3(config: Config) -> Sizes:
    return llama_like(config, head_norms=True)


QWEN2 = replace(LLAMA, name="qwen2", sizes=_qwen2)
QWEN3 = replace(LLAMA, name="qwen3", sizes=_qwen3)
