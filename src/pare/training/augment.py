"""Texts near the user's own, for a teacher to label and a student to learn from.

A fine-tuned teacher is almost certain on its own training rows, so they tell a student little beyond the label. Cut,
mixed and misspelt texts make it hesitate, and that is the knowledge worth copying (Beyer et al. 2021, arXiv:2106.05237:
a patient student matches the teacher's function on aggressively augmented inputs). Such texts have no gold label.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DROP, SWAP, REPLACE, TYPO = 0.15, 0.1, 0.15, 0.05
"""The share of a text's words that each operation touches, on average, when it is chosen."""
MIX = 0.5
"""The share of the texts that are put together from spans of two."""


def augment(texts: Sequence[str], copies: int, seed: int) -> list[str]:
    """``copies`` variants of every text, (copies * texts,), the same for the same seed and texts."""
    rng = np.random.default_rng(seed)
    words = [text.split() for text in texts]
    pool = [word for row in words for word in row] or [""]
    made = []
    for _ in range(copies):
        for row in words:
            changed = _mix(row, words[int(rng.integers(len(words)))], rng) if rng.random() < MIX else list(row)
            made.append(" ".join(_disturb(changed, pool, rng)))
    return made


def _mix(first: list[str], second: list[str], rng: np.random.Generator) -> list[str]:
    """A span of one text and a span of another, in random order."""
    share = rng.uniform(0.3, 1.0)
    spans = [_span(first, share, rng), _span(second, 1.3 - share, rng)]
    return spans[0] + spans[1] if rng.random() < 0.5 else spans[1] + spans[0]


def _span(row: list[str], share: float, rng: np.random.Generator) -> list[str]:
    size = max(1, round(len(row) * min(share, 1.0)))
    start = int(rng.integers(max(1, len(row) - size + 1)))
    return row[start : start + size]


def _disturb(row: list[str], pool: list[str], rng: np.random.Generator) -> list[str]:
    """Drops, replaces, swaps or misspells some words, at least one word is left."""
    chosen = rng.random(3) < 0.5
    if chosen[0]:
        row = [word for word in row if rng.random() >= DROP] or row
    if chosen[1]:
        row = [pool[int(rng.integers(len(pool)))] if rng.random() < REPLACE else word for word in row]
    if chosen[2]:
        for i in range(len(row) - 1):
            if rng.random() < SWAP:
                row[i], row[i + 1] = row[i + 1], row[i]
    return [_misspell(word, rng) if len(word) > 3 and rng.random() < TYPO else word for word in row]


def _misspell(word: str, rng: np.random.Generator) -> str:
    """One letter lost, doubled, or exchanged with its neighbour."""
    i = int(rng.integers(1, len(word) - 1))
    kind = int(rng.integers(3))
    if kind == 0:
        return word[:i] + word[i + 1 :]
    if kind == 1:
        return word[:i] + word[i] + word[i:]
    return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
