"""Texts as padded batches: tokenised once, rows of like length together, in an order that depends on the seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

LENGTH_JITTER = 0.25
"""How far, relatively, a row's length may be off when rows are sorted: batches then differ between epochs."""


@dataclass(frozen=True)
class TokenRows:
    """Token ids end to end: row i is ``ids[starts[i]:starts[i + 1]]``.

    ``pad`` is the padding token's id, ``mask`` the one that stands for a hidden word (the unknown token's where there is no
    mask token), ``special`` holds the ids that are never hidden.
    """

    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    pad: int
    mask: int = 0
    special: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)


@dataclass(frozen=True)
class Batch:
    """``rows`` are the indices of the texts, (rows,); ``ids`` and ``mask`` are (rows, longest)."""

    rows: NDArray[np.int64]
    ids: Tensor
    mask: Tensor


def tokenize(tokenizer: Path, texts: Sequence[str], max_length: int) -> TokenRows:
    """Encodes the texts with a ``tokenizer.json``, special tokens included, cut to ``max_length`` tokens."""
    reader = Tokenizer.from_file(str(tokenizer))
    padding = reader.padding
    pad = int(padding["pad_id"]) if padding else _first(reader, "[PAD]", "<pad>")
    reader.no_padding()
    reader.enable_truncation(max_length)
    encoded = [encoding.ids for encoding in reader.encode_batch_fast(list(texts))]
    lengths = np.array([len(ids) for ids in encoded], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    flat = np.fromiter((token for ids in encoded for token in ids), dtype=np.int64, count=int(starts[-1]))
    special = tuple(sorted(i for i, token in reader.get_added_tokens_decoder().items() if token.special))
    return TokenRows(flat, starts, pad, _first(reader, "[MASK]", "<mask>", "[UNK]", "<unk>"), special)


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
    return Batch(picked, torch.from_numpy(ids), torch.from_numpy(inside.astype(np.int64)))


def _first(reader: Tokenizer, *names: str) -> int:
    """The id of the first of the names that the tokenizer knows, else 0."""
    return next((int(i) for name in names if (i := reader.token_to_id(name)) is not None), 0)
