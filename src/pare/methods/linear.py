"""The first rung: TF-IDF of word and character n-grams with logistic regression, trained in seconds.

One binary logistic regression a class (dual coordinate descent: Yu, Huang and Lin 2011, as in liblinear), one after the
other, since the solver's random state is shared by all threads of a process. Weights are kept in 8 bits, a scale a
feature; what is scored is what is served. On the train folds of Banking77 the softmax of all classes together (L-BFGS)
was no better and slower, and character 5-grams and rarer terms added bytes but no accuracy: see ``docs/LOG.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pare.artifacts import seal
from pare.errors import InputError
from pare.methods.base import BASE, BuildContext
from pare.methods.lineage import lineage
from pare.runtimes.arrays import Linear as Model
from pare.runtimes.arrays import Ngrams, Vocabulary
from pare.types import Artifact, DataFacts, Part, Sample, Shape

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TERMS_PER_WORD = 24
"""Upper bound of how many features a word brings: its n-grams, where all of them are new."""


@dataclass(frozen=True)
class Linear:
    """``features``: the most n-grams kept, the commonest of each block; ``strength``: inverse of the regularisation.

    ``words`` and ``chars``: the longest n-grams of words and of characters; ``rows``: rows a term must be seen in.
    """

    takes: ClassVar[tuple[str, ...]] = (BASE,)
    gives: ClassVar[str] = "linear"

    features: Annotated[int, Meta(ge=100, le=1_000_000)] = 20_000
    strength: Annotated[float, Meta(gt=0)] = 10.0
    words: Annotated[int, Meta(ge=1, le=4)] = 2
    chars: Annotated[int, Meta(ge=2, le=8)] = 5
    rows: Annotated[int, Meta(ge=1)] = 2

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """An upper bound: how many n-grams there are depends on the data."""
        found = int(TERMS_PER_WORD * max(1.0, facts.tokens_per_row) * facts.rows)
        return anatomy(min(self.features, found), facts.classes, facts.tokens_per_row, exact=False)

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Trains on the train side (a share of each class, at fidelity below 1) and seals format ``linear``."""
        train = share_of_each(ctx.train, ctx.fidelity, ctx.seed)
        texts, targets = [sample.text for sample in train], ctx.targets(train)
        holds = targets == 1 if ctx.kind == "multilabel" else targets[:, None] == np.arange(len(ctx.labels))
        ctx.progress(0.0, "counting n-grams")
        vocabulary, idf, rows = self._read(texts)
        weights, bias = _train(rows, holds, self.strength, ctx)
        model = Model(vocabulary, *eight_bits(weights), idf, bias)
        model.write(out)
        tokens = float(np.mean([len(text.split()) for text in texts]))
        return seal(
            out,
            format="linear",
            labels=ctx.labels,
            shape=anatomy(len(idf), len(ctx.labels), tokens),
            kind=ctx.kind,
            lineage=lineage(self, "linear", parent, ctx),
        )

    def _read(self, texts: Sequence[str]) -> tuple[Vocabulary, NDArray[np.float32], csr_matrix]:
        """The vocabulary, its idf, and the rows as a sparse matrix, (texts, features)."""
        from scipy.sparse import hstack

        least = self.rows if len(texts) > 50 else 1
        word, idf, rows = _block(texts, "word", 1, self.words, least, self.features // 3)
        char, char_idf, char_rows = _block(texts, "char_wb", 2, self.chars, least, self.features - len(idf))
        if not word.terms and not char.terms:
            raise InputError(f"linear finds no n-gram that {least} texts share; give longer texts, or more of them")
        both = hstack([rows, char_rows], format="csr")
        both.sort_indices()
        return Vocabulary(word, char), np.concatenate([idf, char_idf]).astype(np.float32), both


def _block(
    texts: Sequence[str], analyzer: str, low: int, high: int, least: int, most: int
) -> tuple[Ngrams, NDArray[np.float64], csr_matrix]:
    """One kind of n-grams: the terms, their idf, and the rows scaled to length 1. Empty where no term is common enough."""
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

    reader = TfidfVectorizer(
        analyzer=analyzer, ngram_range=(low, high), max_features=most, min_df=least, sublinear_tf=True
    )
    try:
        rows = reader.fit_transform(texts)
    except ValueError:
        return Ngrams(low, high, []), np.empty(0), csr_matrix((len(texts), 0))
    return Ngrams(low, high, reader.get_feature_names_out().tolist()), reader.idf_, rows


def anatomy(features: int, classes: int, words_per_row: float, *, exact: bool = True) -> Shape:
    """The parts of a linear model. A word meets about 16 of its n-grams."""
    met = 16.0 * words_per_row
    parts = (
        Part("features", features * classes, bits=8, flops_per_request=2 * met * classes),
        Part("scales", 2 * features, flops_per_request=6 * met),
        Part("bias", classes, flops_per_request=float(classes)),
    )
    return Shape(family="linear", parts=parts, vocabulary=features, exact=exact)


def eight_bits(weights: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Rows of weights as int8 and the f32 scale of each row: symmetric, the largest magnitude becomes 127."""
    scale = (np.abs(weights).max(axis=1) / 127).astype(np.float32)
    divisor = np.where(scale > 0, scale, 1)[:, None]
    return np.rint(weights / divisor).clip(-127, 127).astype(np.int8), scale


def share_of_each(samples: Sequence[Sample], share: float, seed: int) -> list[Sample]:
    """That share of each label's samples, at least one, in their order; which ones is drawn by ``seed``."""
    if share >= 1:
        return list(samples)
    order = np.random.default_rng(seed).permutation(len(samples))
    sizes: dict[str, int] = {}
    for sample in samples:
        sizes[sample.label] = sizes.get(sample.label, 0) + 1
    left = {label: max(1, round(share * size)) for label, size in sizes.items()}
    kept = []
    for i in order:
        if left[samples[i].label] > 0:
            left[samples[i].label] -= 1
            kept.append(int(i))
    return [samples[i] for i in sorted(kept)]


def _train(
    rows: csr_matrix, holds: NDArray[np.bool_], strength: float, ctx: BuildContext
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Weights, (features, labels), and bias, (labels,), of one logistic regression a label; ``holds`` (texts, labels)."""
    from sklearn.linear_model import LogisticRegression

    weights = np.zeros((rows.shape[1], len(ctx.labels)))
    bias = np.zeros(len(ctx.labels), np.float32)
    for label in range(len(ctx.labels)):
        ctx.progress(label / len(ctx.labels), "logistic regression")
        held = holds[:, label]
        if held.all() or not held.any():
            bias[label] = 10.0 if held.all() else -10.0
            continue
        solver = LogisticRegression(C=strength, solver="liblinear", dual=True, tol=0.1, random_state=ctx.seed)
        solver.fit(rows, held)
        weights[:, label], bias[label] = solver.coef_[0], solver.intercept_[0]
    return weights, bias
