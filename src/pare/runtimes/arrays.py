"""Models that are arrays, served by NumPy alone: ``linear`` (TF-IDF and a linear head) and ``static`` (token embeddings).

A linear model reads n-grams exactly as scikit-learn's vectorisers do (``\\w\\w+`` words; ``char_wb``: characters inside
word boundaries, each word padded by one space). The n-grams of a word do not depend on its neighbours, so the feature
numbers of a word are remembered, and a message costs one dictionary look-up a word once its words have been seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pare.errors import InputError
from pare.runtimes.base import Engine
from pare.runtimes.text import Logits, TextEngine, Tokens
from pare.types import Artifact, Device, Support

ARRAYS = "arrays.safetensors"
VOCABULARY = "vocabulary.json"
TOKENIZER = "tokenizer.json"
WORDS = re.compile(r"(?u)\b\w\w+\b")
REMEMBERED = 50_000
"""The most words whose features are kept."""


class Arrays:
    """The runtime of array models. It needs nothing but NumPy; BLAS takes the threads it finds."""

    name = "arrays"

    def supports(self, artifact: Artifact, device: Device) -> Support:
        form = artifact.manifest.format
        if form in ("linear", "static"):
            return Support(True)
        return Support(False, f"it serves the formats linear and static, not {form}")

    def load(self, artifact: Artifact, device: Device, threads: int) -> Engine:
        facts = {"runtime": f"numpy {np.__version__}", "threads": "1"}
        if artifact.manifest.format == "linear":
            return TextEngine(
                artifact, Linear.read(artifact.path), facts | {"precision": "int8 weights, f32 arithmetic"}
            )
        return TextEngine(artifact, static(artifact), facts | {"precision": "int8 embeddings, f32 arithmetic"})


def static(artifact: Artifact) -> Static:
    """Reads an artifact of format ``static``."""
    tokens = Tokens(artifact.path / TOKENIZER, artifact.manifest.max_length)
    return Static(tokens, tensors(artifact.path / ARRAYS))


def tensors(file: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file. Raises InputError where it cannot be read."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(file))
    except (OSError, SafetensorError) as error:
        raise InputError(f"{file} cannot be read ({error}); build the artifact again") from None


# -- linear -----------------------------------------------------------------------------------------------------------


class Ngrams(msgspec.Struct, frozen=True):
    """Terms of ``low`` to ``high`` units (words or characters), in the order of their features."""

    low: int
    high: int
    terms: list[str]


class Vocabulary(msgspec.Struct, frozen=True):
    """What ``vocabulary.json`` holds. Features are numbered through: word terms first, then character terms."""

    word: Ngrams
    char: Ngrams


def word_ngrams(text: str, low: int, high: int) -> list[str]:
    """N-grams of the words of a lower-cased text, as ``TfidfVectorizer(analyzer="word")`` has them."""
    words = WORDS.findall(text)
    grams = list(words) if low == 1 else []
    for n in range(max(2, low), high + 1):
        grams.extend(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
    return grams


def char_ngrams(word: str, low: int, high: int) -> Iterator[str]:
    """N-grams of one word in its padding, as ``analyzer="char_wb"`` has them: a word shorter than n counts once."""
    padded = f" {word} "
    for n in range(low, high + 1):
        yield padded[:n]
        if len(padded) <= n:
            return
        for i in range(1, len(padded) - n + 1):
            yield padded[i : i + n]


class Linear:
    """A TF-IDF model: sublinear counts x idf, each block scaled to length 1, then a linear head in 8 bits.

    ``weights`` int8 (features, labels), ``scale`` and ``idf`` f32 (features,), ``bias`` f32 (labels,): the weight of
    feature f for label c is ``scale[f] * weights[f, c]``.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        weights: NDArray[np.int8],
        scale: NDArray[np.float32],
        idf: NDArray[np.float32],
        bias: NDArray[np.float32],
    ) -> None:
        words = vocabulary.word.terms
        self.vocabulary = vocabulary
        self.weights, self.scale, self.idf, self.bias = weights, scale, idf, bias
        self._words = {term: i for i, term in enumerate(words)}
        self._chars = {term: i for i, term in enumerate(vocabulary.char.terms, len(words))}
        self._known: dict[str, list[int]] = {}

    @classmethod
    def read(cls, folder: Path) -> Linear:
        """Reads the files of an artifact of format ``linear``. Raises InputError where one cannot be read."""
        file = folder / VOCABULARY
        try:
            vocabulary = msgspec.json.decode(file.read_bytes(), type=Vocabulary)
        except (OSError, msgspec.DecodeError) as error:
            raise InputError(f"{file} cannot be read ({error}); build the artifact again") from None
        arrays = tensors(folder / ARRAYS)
        return cls(vocabulary, arrays["weights"], arrays["scale"], arrays["idf"], arrays["bias"])

    def write(self, folder: Path) -> None:
        """Writes the model's files."""
        from safetensors.numpy import save_file

        (folder / VOCABULARY).write_bytes(msgspec.json.encode(self.vocabulary))
        arrays = {"weights": self.weights, "scale": self.scale, "idf": self.idf, "bias": self.bias}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / ARRAYS)

    def __call__(self, texts: Sequence[str]) -> Logits:
        """Logits, (texts, labels)."""
        logits = np.empty((len(texts), len(self.bias)), np.float32)
        for i, text in enumerate(texts):
            features, values = self.features(text)
            logits[i] = (values * self.scale[features]) @ self.weights[features].astype(np.float32) + self.bias
        return logits

    def features(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """A text's feature numbers, ascending, and their TF-IDF values."""
        text = text.lower()
        word, char = self.vocabulary.word, self.vocabulary.char
        find = self._words.get
        found = [i for term in word_ngrams(text, word.low, word.high) if (i := find(term)) is not None]
        known = self._known
        for token in text.split():
            indices = known.get(token)
            found += self._remember(token, char.low, char.high) if indices is None else indices
        features, counts = np.unique(np.array(found, np.int64), return_counts=True)
        values: NDArray[np.float32] = (1 + np.log(counts.astype(np.float32))) * self.idf[features]
        border = int(np.searchsorted(features, len(self._words)))
        for block in (slice(border), slice(border, None)):
            values[block] /= max(float(np.sqrt(values[block] @ values[block])), 1e-12)
        return features, values

    def _remember(self, token: str, low: int, high: int) -> list[int]:
        find = self._chars.get
        indices = [i for term in char_ngrams(token, low, high) if (i := find(term)) is not None]
        if len(self._known) < REMEMBERED and len(token) < 64:
            self._known[token] = indices
        return indices


# -- static -----------------------------------------------------------------------------------------------------------


class Static:
    """Token embeddings in 8 bits, pooled with a learned weight a token, and a dense head.

    ``embeddings`` int8 (tokens, width), ``scale`` f32 (tokens,): its scale times its learned weight; ``weight`` f32
    (labels, width), ``bias`` f32 (labels,). The pooled vector is the weighted sum over the tokens, scaled to length 1.
    """

    def __init__(self, tokens: Tokens, arrays: dict[str, NDArray[Any]]) -> None:
        self._tokens = tokens
        self._embeddings: NDArray[np.int8] = arrays["embeddings"]
        self._scale: NDArray[np.float32] = arrays["scale"]
        self._head = np.ascontiguousarray(arrays["weight"].T).astype(np.float32)
        self._bias = arrays["bias"].astype(np.float32)

    def __call__(self, texts: Sequence[str]) -> Logits:
        """Logits, (texts, labels)."""
        rows = [self._tokens.one(texts[0])] if len(texts) == 1 else self._tokens.many(texts)
        return np.stack([self.pooled(row) for row in rows]) @ self._head + self._bias

    def pooled(self, row: Sequence[int]) -> NDArray[np.float32]:
        """The vector of a text's tokens, (width,), of length 1; zero where there is no token."""
        ids = np.array(row, np.int64)
        vector: NDArray[np.float32] = self._scale[ids] @ self._embeddings[ids].astype(np.float32)
        return vector / np.float32(max(float(np.sqrt(vector @ vector)), 1e-12))
