"""What every engine for text shares: token batches before the model, predictions after it.

The model's own call is all that a runtime adds. At batch 1 a small model answers in well under a millisecond, so what
surrounds that call is kept to a handful of operations: the tokenizer, two writes into kept buffers, one softmax
(``benchmarks/overhead.py`` measures the share).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from pare.errors import InputError
from pare.kinds import entities, kind_of
from pare.runtimes.words import first_tokens, words
from pare.types import Artifact, Prediction

Ids = NDArray[np.int64]
Logits = NDArray[np.float32]
Infer = Callable[[Ids, Ids], Logits]
"""A runtime's own call: token ids and attention mask, both (batch, tokens), to logits (batch, labels)."""

Single = Callable[[Sequence[int]], Logits]
ROWS = 8
"""The most texts in one call of a model: sorted by length, small batches hold little padding. Of 32 short messages, four
calls of 8 take two thirds of the time of one call (Banking77, one core, int8 and fp32 alike)."""


class Scorer(Protocol):
    """Texts to logits, (texts, labels)."""

    def __call__(self, texts: Sequence[str]) -> Logits: ...


class Tokens:
    """A fast tokenizer cut at ``max_length`` tokens, special tokens included.

    Raises InputError where the file is absent or no tokenizer.
    """

    def __init__(self, file: Path, max_length: int) -> None:
        from tokenizers import Tokenizer

        if not file.is_file():
            raise InputError(f"{file} is missing: the artifact has no tokenizer; build it again")
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:
            raise InputError(f"{file} is no tokenizer ({error}); build the artifact again") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._words = words(file, self._tokenizer, max_length)
        self._max_length = max_length
        self._cut: Any = None

    def one(self, text: str) -> list[int]:
        """The token ids of one text."""
        if self._words is not None and (known := self._words(text)) is not None:
            return known
        ids: list[int] = self._whole().encode(text).ids
        return ids

    def many(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text."""
        if self._words is not None:
            return [self.one(text) for text in texts]
        return [encoding.ids for encoding in self._whole().encode_batch_fast(list(texts))]

    def words(self, text: str) -> tuple[list[int], list[int]]:
        """The token ids of a text's words, and the position of each word's first token, -1 where it has none."""
        words = text.split()
        if self._words is not None and (known := self._words.apart(words)) is not None:
            return known
        encoding = self._whole().encode(" ".join(words))
        return encoding.ids, first_tokens(encoding.offsets, words)

    def _whole(self) -> Any:
        """The tokenizer with its cut; a copy, made when first needed, where words are looked up without one."""
        if self._cut is None:
            cut = self._tokenizer
            if self._words is not None:
                cut = type(self._tokenizer).from_str(self._tokenizer.to_str())
            cut.enable_truncation(self._max_length)
            self._cut = cut  # last, for another thread takes it as it is
        return self._cut


def padded(rows: Sequence[Sequence[int]]) -> tuple[Ids, Ids]:
    """Token ids and attention mask, (rows, longest): zeros to the right of each row, and at least one column."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    mask = np.arange(max(1, int(lengths.max()))) < lengths[:, None]
    ids = np.zeros(mask.shape, np.int64)
    ids[mask] = np.fromiter(chain.from_iterable(rows), np.int64, int(lengths.sum()))
    return ids, mask.astype(np.int64)


def by_length(rows: Sequence[Sequence[int]], size: int = ROWS) -> Iterator[list[int]]:
    """Batches of row numbers, rows of like length together, so that little of a batch is padding."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for start in range(0, len(order), size):
        yield order[start : start + size]


class EncoderScorer:
    """Tokenizer in front, model behind. Calls of the model are taken one at a time.

    ``single`` is a runtime's shortest way for one text: its token ids to logits (1, labels); ``infer`` with a full mask
    where there is none.
    """

    def __init__(self, tokens: Tokens, infer: Infer, labels: int, single: Single | None = None) -> None:
        self._tokens, self._infer, self._labels = tokens, infer, labels
        self._single = single or (lambda row: infer(*padded([row])))
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> Logits:
        if len(texts) == 1:
            row = self._tokens.one(texts[0])
            with self._lock:
                return self._single(row) if row else self._infer(*padded([row]))
        logits = np.empty((len(texts), self._labels), np.float32)
        rows = self._tokens.many(texts)
        with self._lock:
            for batch in by_length(rows):
                logits[batch] = self._infer(*padded([rows[i] for i in batch]))
        return logits


class TextEngine:
    """An engine (``runtimes.base.Engine``) made of a scorer and an artifact's labels, temperature and threshold.

    ``facts`` says how it runs: the precision, the threads, the versions.
    """

    def __init__(
        self, artifact: Artifact, score: Scorer, facts: Mapping[str, str], close: Callable[[], None] | None = None
    ) -> None:
        decoding = artifact.manifest.decoding
        self.labels = artifact.manifest.labels
        self.facts = dict(facts)
        self._score, self._close = score, close
        self._kind = kind_of(artifact.manifest.kind)
        self._temperature = decoding.get("temperature", 1.0)
        self._sharpness = 1.0 / self._temperature
        self._threshold = decoding.get("threshold", 0.0)

    def logits(self, texts: Sequence[str]) -> Logits:
        """Unnormalised scores in the form of the kind (``pare.kinds``)."""
        if not len(texts):
            return np.empty([max(0, size) for size in self._kind.shape(0, len(self.labels))], np.float32)
        return self._score(texts)

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction a text: what the kind decides, how sure that is at the artifact's temperature, whether to abstain.

        Raises InputError where ``texts`` is one text instead of a list, or an item is no text or not valid Unicode.
        """
        if isinstance(texts, str):
            raise InputError("classify takes a list of texts but got one text; write classify([text])")
        for index, text in enumerate(texts):
            if not isinstance(text, str) or not (text.isascii() or _is_unicode(text)):
                _refuse(index, text)
        decide = self._one_label if self._kind.name == "classify" else self._parts
        found = [decide(row) for row in self.logits(texts)]
        if self._kind.name == "tag":
            return [replace(one, entities=entities(text, one.labels)) for text, one in zip(texts, found, strict=True)]
        return found

    def _one_label(self, row: Logits) -> Prediction:
        """The likeliest label: as ``_parts`` has it, in a handful of operations."""
        best = int(row.argmax())
        confidence = 1.0 / float(np.exp((row - row[best]) * self._sharpness).sum())
        return Prediction(self.labels[best], confidence, confidence < self._threshold)

    def _parts(self, row: Logits) -> Prediction:
        """Several labels, or tags."""
        decided = self._kind.decide(row[None])[0]
        confidence = float(self._kind.confidence(row[None], self._temperature)[0])
        cell = self._kind.say(decided, self.labels)
        parts = tuple(cell.split()) if self._kind.name == "tag" else self._kind.parts(cell)
        return Prediction(cell, confidence, confidence < self._threshold, parts)

    def close(self) -> None:
        """Frees what the engine holds."""
        if self._close is not None:
            self._close()


def _is_unicode(text: str) -> bool:
    """Whether a text is valid Unicode. Half of a surrogate pair is none, and no tokenizer takes it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(index: int, item: object) -> NoReturn:
    if isinstance(item, str):
        raise InputError(
            f"texts[{index}] must be valid Unicode but holds half of a surrogate pair ({ascii(item)[:60]}); "
            "decode the text as UTF-8 where it is read"
        )
    raise InputError(
        f"texts[{index}] must be a text but is a {type(item).__name__} ({ascii(item)[:60]}); give a list of str"
    )
