"""Prompts with their answers as rows of tokens: what a decoder learns to say, and where it is asked to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pare.runtimes.causal import Prompts
from pare.training.batching import TokenRows, starts_of

PAD = 0
"""What stands behind the shorter rows of a batch. Its mask is 0 and nothing that counts comes after it."""


class Turns(NamedTuple):
    """Turns as token rows whose answers are the tokens to predict: those of each answer and the end behind it.

    ``targets`` are these tokens, (answers,), row after row.
    """

    rows: TokenRows
    targets: NDArray[np.int64]


def read_turns(prompts: Prompts, pairs: Sequence[tuple[str, str]]) -> Turns:
    """The tokens of prompts and their answers, in the form in which the model is served (``Prompts.turn``)."""
    turns = [prompts.turn(text, answer) for text, answer in pairs]
    return turns_of([turn.ids for turn in turns], [turn.start for turn in turns])


def turns_of(ids: Sequence[Sequence[int]], starts: Sequence[int]) -> Turns:
    """Rows of token ids as turns: from position ``starts[i]`` on, which is at least 1, row i is an answer."""
    predicted = [np.arange(start - 1, len(row) - 1) for row, start in zip(ids, starts, strict=True)]
    rows = TokenRows(
        np.fromiter((token for row in ids for token in row), dtype=np.int64),
        starts_of([len(row) for row in ids]),
        PAD,
        words=starts_of([len(places) for places in predicted]),
        firsts=np.concatenate([*predicted, np.empty(0, dtype=np.int64)]),
    )
    targets = [np.asarray(row[start:], dtype=np.int64) for row, start in zip(ids, starts, strict=True)]
    return Turns(rows, np.concatenate([*targets, np.empty(0, dtype=np.int64)]))


def asked(rows: TokenRows, picked: NDArray[np.int64]) -> list[list[int]]:
    """The prompts of some rows, as token ids."""
    assert rows.words is not None, "rows of turns"
    said = rows.words[picked + 1] - rows.words[picked]
    ends = rows.starts[picked + 1] - said
    return [rows.ids[start:end].tolist() for start, end in zip(rows.starts[picked], ends, strict=True)]
