"""Gemma 1 to 3 (Gemma team 2024, 2025): Llama with scaled embeddings; norms behind the blocks too from the second on, and
norms of queries and keys in the third. Layers attend locally and globally by turns from the second on.
"""

from dataclasses import replace

from pare.families.base import Config, Sizes, llama_like
from pare.families.llama import LLAMA


def _gemma2(config: Config) -> Sizes:
    return llama_like(config, norms=4)


def _gemma3(config: Config) -> Sizes:
    return llama_like(config, norms=4, head_norms=True)


GEMMA = replace(LLAMA, name="gemma", tied=True)
GEMMA2 = replace(GEMMA, name="gemma2", sizes=_gemma2)
GEMMA3 = replace(GEMMA, name="gemma3_text", sizes=_gemma3)
