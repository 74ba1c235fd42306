"""Texts as padded batches: tokenised once, rows of like length together, in an order that depends on the seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from pare.runtimes.words import first_tokens

LENGTH_JITTER = 0.25
"""How far, relatively, a row's length may be off when rows are sorted: batches then differ between epochs."""


@dataclass(frozen=True)
class TokenRows:
    """Token ids end to end: row i is ``ids[starts[i]:starts[i + 1]]``.

    ``pad`` is the padding token's id, ``mask`` the one that stands for a hidden word (the unknown token's where there is no
    mask token), ``special`` holds the ids that are never hidden.

    Where words are tagged, word j of row i is number ``words[i] + j``, and ``firsts`` is the position in its row of each
    word's first token, -1 where it has none. Where a decoder's turns are read (``training/turns.py``), so are the tokens of
    the answers: ``firsts`` is then the position that predicts each.
    """

    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    pad: int
    mask: int = 0
    special: tuple[int, ...] = ()
    words: NDArray[np.int64] | None = None
    firsts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    @property
    def answers(self) -> int:
        """How many answers a model gives to these rows: one a text, or one a word."""
        return len(self) if self.words is None else int(self.words[-1])


@dataclass(frozen=True)
class Batch:
    """``rows`` are the indices of the texts, (rows,); ``ids`` and ``mask`` are (rows, longest).

    Where words are tagged, ``words`` are the numbers of those that have a token here, and ``at`` is where each one's first
    token is in the batch's tokens, row after row. Of a decoder's turns, ``at`` is where each token is predicted, and a token
    that no row holds, because a model has just made it, has the number -1.
    """

    rows: NDArray[np.int64]
    ids: Tensor
    mask: Tensor
    words: NDArray[np.int64] | None = None
    at: Tensor | None = None

    @property
    def answers(self) -> NDArray[np.int64]:
        """The numbers of the answers that this batch asks for: its texts', or its words'."""
        return self.rows if self.words is None else self.words


def tokenize(tokenizer: Path, texts: Sequence[str], max_length: int, *, words: bool = False) -> TokenRows:
    """Encodes the texts with a ``tokenizer.json``, special tokens included, cut to ``max_length`` tokens.

    ``words``: also finds the words' first tokens, as a tagger is served (``runtimes.tagging``).
    """
    reader = Tokenizer.from_file(str(tokenizer))
    padding = reader.padding
    pad = int(padding["pad_id"]) if padding else _first(reader, "[PAD]", "<pad>")
    reader.no_padding()
    reader.enable_truncation(max_length)
    parts = [text.split() for text in texts] if words else []
    encodings = (
        reader.encode_batch([" ".join(part) for part in parts]) if words else reader.encode_batch_fast(list(texts))
    )
    encoded = [encoding.ids for encoding in encodings]
    lengths = np.array([len(ids) for ids in encoded], dtype=np.int64)
    starts = starts_of(lengths)
    flat = np.fromiter((token for ids in encoded for token in ids), dtype=np.int64, count=int(starts[-1]))
    special = tuple(sorted(i for i, token in reader.get_added_tokens_decoder().items() if token.special))
    made = TokenRows(flat, starts, pad, _first(reader, "[MASK]", "<mask>", "[UNK]", "<unk>"), special)
    if not words:
        return made
    firsts = [first_tokens(encoding.offsets, part) for encoding, part in zip(encodings, parts, strict=True)]
    counts = np.array([len(part) for part in parts], dtype=np.int64)
    return replace(made, words=starts_of(counts), firsts=np.array(list(chain.from_iterable(firsts)), dtype=np.int64))


def only(rows: TokenRows, answers: NDArray[np.bool_]) -> TokenRows:
    """The rows with those words left out whose entry in ``answers`` is False: nobody is asked for their tag. Rows whose
    texts are not tagged stay as they are.
    """
    return rows if rows.words is None else replace(rows, firsts=np.where(answers, rows.firsts, -1))


def hide(rows: TokenRows, batch: Batch, share: float, rng: np.random.Generator) -> Batch:
    """The batch with about ``share`` of its tokens replaced by the mask token."""
    ids = batch.ids.numpy()
    hidden = (rng.random(ids.shape) < share) & ~np.isin(ids, [rows.pad, *rows.special])
    return replace(batch, ids=torch.from_numpy(np.where(hidden, rows.mask, ids)))


def shuffled(rows: TokenRows, size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """One epoch of batches: rows sorted by a jittered length, cut into batches, the batches in random order."""
    jitter = 1.0 + LENGTH_JITTER * (rng.random(len(rows)) - 0.5)
    order = np.argsort(rows.lengths * jitter, kind="stable")
    cuts = [order[i : i + size] for i in range(0, len(order), size)]
    for i in rng.permutation(len(cuts)):
        yield pad(rows, cuts[i])


def in_order(rows: TokenRows, size: int) -> Iterator[Batch]:
    """All rows by falling length: the quickest order for inference."""
    order = np.argsort(-rows.lengths, kind="stable")
    for i in range(0, len(order), size):
        yield pad(rows, order[i : i + size])


def pad(rows: TokenRows, picked: NDArray[np.int64]) -> Batch:
    """The picked rows as one padded batch."""
    lengths = rows.lengths[picked]
    width = int(lengths.max(initial=1))
    columns = np.arange(width)
    inside = columns[None, :] < lengths[:, None]
    ids = np.full((len(picked), width), rows.pad, dtype=np.int64)
    ids[inside] = rows.ids[(rows.starts[picked][:, None] + columns[None, :])[inside]]
    batch = Batch(picked, torch.from_numpy(ids), torch.from_numpy(inside.astype(np.int64)))
    if rows.words is None:
        return batch
    counts = np.diff(rows.words)[picked]
    row = np.repeat(np.arange(len(picked)), counts)
    numbers = np.arange(int(counts.sum())) + np.repeat(rows.words[picked] - starts_of(counts)[:-1], counts)
    firsts = rows.firsts[numbers]
    seen = firsts >= 0
    return replace(batch, words=numbers[seen], at=torch.from_numpy((row * width + firsts)[seen]))


def starts_of(lengths: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each part begins, and where the last ends, of parts end to end."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def _first(reader: Tokenizer, *names: str) -> int:
    """The id of the first of the names that the tokenizer knows, else 0."""
    return next((int(i) for name in names if (i := reader.token_to_id(name)) is not None), 0)
