"""How right a tagging is: entities by their limits and type, words, and whole sentences.

An entity is right where its type, its first and its last word are (Tjong Kim Sang and De Meulder 2003, CoNLL). F1 over
all entities of a data set is the field's figure, but it is no mean over sentences; what can be proven is the mean of each
sentence's own F1. Logits are (n, words, classes), NaN where a sentence has no word; targets (n, words), there -1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pare.kinds import kind_of, spans

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Logits = NDArray[np.float32]


def entity_counts(decided: Ints, targets: Ints, classes: Sequence[str]) -> Floats:
    """Each sentence's entities: how many are right, how many were given or expected, (n, 2). Both inputs (n, words)."""
    found = np.zeros((len(targets), 2))
    for row, both in enumerate(zip(decided, targets, strict=True)):
        given, expected = (set(spans([classes[i] for i in tags[tags >= 0]])) for tags in both)
        found[row] = len(given & expected), len(given) + len(expected)
    return found


def entity_f1(sums: Floats) -> float:
    """F1 over the entities of all sentences (micro average), from the sums of ``entity_counts``."""
    return float(_f1(sums))


def sentence_f1(logits: Logits, targets: Ints, classes: Sequence[str]) -> Floats:
    """F1 of each sentence's entities, (n,); 1 where none is expected and none given."""
    return _f1(entity_counts(kind_of("tag").decide(logits), targets, classes))


def word_accuracy(logits: Logits, targets: Ints, classes: Sequence[str]) -> Floats:
    """The share of each sentence's words that get the right tag, (n,); 1 where there is no word."""
    words = targets >= 0
    right = (kind_of("tag").decide(logits) == targets) & words
    return np.where(words.any(axis=1), right.sum(axis=1) / np.maximum(words.sum(axis=1), 1), 1.0)


def sentence_accuracy(logits: Logits, targets: Ints, classes: Sequence[str]) -> Floats:
    """1 where every word of a sentence gets the right tag, else 0, (n,)."""
    return np.asarray((kind_of("tag").decide(logits) == targets).all(axis=1), dtype=np.float64)


def _f1(counts: Floats) -> Floats:
    right, both = counts[..., 0], counts[..., 1]
    return np.where(both > 0, 2.0 * right / np.maximum(both, 1), 1.0)
