from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.errors import InputError
from pare.runtimes.text import EncoderScorer, Ids, Logits, TextEngine, Tokens, by_length, padded
from pare.testing.tiny import tiny_tokenizer
from pare.types import Artifact, Manifest, Shape


@given(st.lists(st.lists(st.integers(1, 99), max_size=9), min_size=1, max_size=9))
def test_padding_keeps_every_row(rows: list[list[int]]) -> None:
    ids, mask = padded(rows)
    assert ids.shape == mask.shape == (len(rows), max(1, *map(len, rows)) if len(rows) > 1 else max(1, len(rows[0])))
    for row, line, kept in zip(rows, ids, mask, strict=True):
        assert line[kept == 1].tolist() == row
        assert line[kept == 0].sum() == 0


@given(st.lists(st.lists(st.just(1), max_size=20), max_size=100))
def test_batches_hold_each_row_once(rows: list[list[int]]) -> None:
    batches = list(by_length(rows, 8))
    assert sorted(i for batch in batches for i in batch) == list(range(len(rows)))
    assert all(len(batch) <= 8 for batch in batches)


def _tokens(folder: Path, family: str = "bert", max_length: int = 16) -> Tokens:
    tiny_tokenizer(family, []).save(str(folder / "tokenizer.json"))
    return Tokens(folder / "tokenizer.json", max_length)


def _sums(ids: Ids, mask: Ids) -> Logits:
    return np.stack([(ids * mask).sum(axis=1), mask.sum(axis=1)], axis=1).astype(np.float32)


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta"])
def test_long_lists_come_back_in_order(tmp_path: Path, family: str) -> None:
    score = EncoderScorer(_tokens(tmp_path, family), _sums, 2)
    texts = ["card " * (i % 13) for i in range(75)]
    assert np.array_equal(score(texts), np.concatenate([score([text]) for text in texts]))


def test_a_text_is_cut_at_max_length(tmp_path: Path) -> None:
    tokens = _tokens(tmp_path, max_length=6)
    assert len(tokens.one("card " * 50)) == 6
    assert tokens.many(["card " * 50])[0] == tokens.one("card " * 50)


def test_a_missing_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no tokenizer"):
        Tokens(tmp_path / "tokenizer.json", 8)


def test_a_damaged_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="is no tokenizer"):
        Tokens(tmp_path / "tokenizer.json", 8)


def _engine(decoding: dict[str, float]) -> TextEngine:
    manifest = Manifest("linear", "classify", ("a", "b"), 0, decoding, Shape("linear", ()), {}, {})

    def score(texts: Sequence[str]) -> Logits:
        return np.array([[len(text), 2.0] for text in texts], np.float32)

    return TextEngine(Artifact(Path(), "id", manifest, 0), score, {})


def test_temperature_changes_confidence_and_no_label() -> None:
    plain, soft = _engine({}).classify(["", "wwww"]), _engine({"temperature": 2.0}).classify(["", "wwww"])
    assert [p.label for p in plain] == [p.label for p in soft] == ["b", "a"]
    assert plain[0].confidence == pytest.approx(1 / (1 + np.exp(-2)))
    assert soft[0].confidence == pytest.approx(1 / (1 + np.exp(-1)))


def test_abstains_below_the_threshold() -> None:
    predictions = _engine({"threshold": 0.9}).classify(["ww", "wwwwwwwww"])
    assert [p.abstain for p in predictions] == [True, False]


def test_no_text_is_no_answer() -> None:
    assert _engine({}).classify([]) == []
    assert _engine({}).logits([]).shape == (0, 2)


def test_a_bare_text_is_no_list_of_letters() -> None:
    with pytest.raises(InputError, match=r"takes a list of texts but got one text; write classify\(\[text\]\)"):
        _engine({}).classify("where is my card?")


@pytest.mark.parametrize("texts", [["a", 7], ("a", None), ["caf\u00e9", b"a"]])
def test_what_is_no_text_is_named_by_its_place(texts: Sequence[str]) -> None:
    with pytest.raises(InputError, match=r"texts\[1\] must be a text but is a (int|NoneType|bytes)"):
        _engine({}).classify(texts)


def test_half_of_a_surrogate_pair_is_named_by_its_place() -> None:
    with pytest.raises(InputError, match=r"texts\[2\] must be valid Unicode .*'a\\ud800'"):
        _engine({}).classify(["a", "\U0001f600 caf\u00e9", "a\ud800"])
    assert len(_engine({}).classify(["\U0001f600"])) == 1


def test_array_and_tuple_of_texts_are_lists_of_texts() -> None:
    for texts in (np.array(["w", "www"]), ("w", "www")):
        assert [p.label for p in _engine({}).classify(texts)] == ["b", "a"]
