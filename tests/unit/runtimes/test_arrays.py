from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from pare.errors import InputError
from pare.runtimes.arrays import Linear, Ngrams, Vocabulary, char_ngrams, tensors, word_ngrams

TEXTS = ["Where is my card?", "my card is  LOST\n", "naïve Straße, 12.50 £ a b", "card card card lost", "أين بطاقتي"]
WORD = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(TEXTS)
CHAR = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True).fit(TEXTS)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_ngrams_are_scikit_learns(text: str) -> None:
    assert word_ngrams(text.lower(), 1, 2) == WORD.build_analyzer()(text)
    assert [gram for word in text.lower().split() for gram in char_ngrams(word, 2, 5)] == CHAR.build_analyzer()(text)


def _model() -> Linear:
    terms = [vectoriser.get_feature_names_out().tolist() for vectoriser in (WORD, CHAR)]
    size = len(terms[0]) + len(terms[1])
    rng = np.random.default_rng(0)
    return Linear(
        Vocabulary(Ngrams(1, 2, terms[0]), Ngrams(2, 5, terms[1])),
        rng.integers(-127, 128, (size, 3)).astype(np.int8),
        rng.random(size).astype(np.float32) / 127,
        np.concatenate([WORD.idf_, CHAR.idf_]).astype(np.float32),
        rng.random(3).astype(np.float32),
    )


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(TEXTS) | st.text(st.sampled_from("card lost my. £"), max_size=40), min_size=1, max_size=4)
)
def test_logits_are_scikit_learns(texts: list[str]) -> None:
    model = _model()
    rows = np.concatenate([WORD.transform(texts).toarray(), CHAR.transform(texts).toarray()], axis=1)
    expected = rows @ (model.scale[:, None] * model.weights) + model.bias
    assert np.allclose(model(texts), expected, atol=1e-5)
    assert np.array_equal(model(texts), model(texts))


def test_written_and_read_it_is_the_same(tmp_path: Path) -> None:
    model = _model()
    model.write(tmp_path)
    assert np.array_equal(Linear.read(tmp_path)(TEXTS), model(TEXTS))


def test_damaged_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "arrays.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="build the artifact again"):
        tensors(tmp_path / "arrays.safetensors")
    with pytest.raises(InputError, match=r"vocabulary\.json"):
        Linear.read(tmp_path)
