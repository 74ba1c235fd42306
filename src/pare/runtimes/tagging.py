"""What every engine that tags words shares: a text's words in front of the model, each word's logits behind it.

A word's tag is read at its first token, as in training (Devlin et al. 2018, 5.3). Words are those of ``text.split()``; what
white space is between them is nothing to the model.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from pare.kinds import OUTSIDE
from pare.runtimes.text import EncoderScorer, Infer, Logits, Scorer, Single, Tokens, by_length, padded
from pare.types import Kind

SURE = 10.0
"""The logit of ``O`` for a word that the model never saw, all others being 0: as sure as a trained model is of most words.
One word that is surer still would weigh more in a temperature than all that the model did see."""


def scorer(kind: Kind, labels: Sequence[str], tokens: Tokens, infer: Infer, single: Single | None = None) -> Scorer:
    """What turns texts into the logits of a kind of task, given a model's own call."""
    if kind == "tag":
        return TagScorer(tokens, infer, labels, single)
    return EncoderScorer(tokens, infer, len(labels), single)


class TagScorer:
    """Texts to logits, (texts, words, tags), NaN where a text has fewer words. Calls of the model are taken one at a time.

    ``infer`` and ``single`` give logits of every token, (batch, tokens, tags).
    """

    def __init__(self, tokens: Tokens, infer: Infer, tags: Sequence[str], single: Single | None = None) -> None:
        self._tokens, self._infer = tokens, infer
        self._single = single or (lambda row: infer(*padded([row])))
        self._unseen = np.zeros(len(tags), np.float32)
        if OUTSIDE in tags:
            self._unseen[list(tags).index(OUTSIDE)] = SURE
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> Logits:
        rows, firsts = zip(*map(self._tokens.words, texts), strict=True)
        logits = np.full((len(texts), max(map(len, firsts)), len(self._unseen)), np.nan, np.float32)
        with self._lock:
            for batch in by_length(rows):
                ids = [rows[i] for i in batch]
                found = self._single(ids[0]) if len(batch) == 1 and ids[0] else self._infer(*padded(ids))
                for i, tokens in zip(batch, found, strict=True):
                    self._place(tokens, firsts[i], logits[i])
        return logits

    def _place(self, tokens: Logits, firsts: Sequence[int], out: Logits) -> None:
        """Writes the logits of a text's words, read at their first tokens."""
        at = np.array(firsts, np.int64)
        out[: len(at)] = np.where(at[:, None] < 0, self._unseen, tokens[at])
