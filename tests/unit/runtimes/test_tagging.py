"""Where words are among tokens, for each kind of tokenizer, and what a tagger's scorer makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pare.kinds import entities
from pare.runtimes.tagging import SURE, TagScorer
from pare.runtimes.text import Ids, Logits, Tokens, padded
from pare.runtimes.words import first_tokens
from pare.testing.tiny import tiny_tokenizer

FAMILIES = ("bert", "roberta", "xlm-roberta")
CORPUS = ["Ada went to New York", "jean-luc's café [is] in sankt-gallen", "o'neill: 42% #tag @user http://t.co/x"] * 3
WORDS = [
    "Ada",
    "jean-luc's",
    "café",
    "[MASK]",
    "#tag",
    "@user",
    "🙂",
    "x" * 50,
    "...",
    "\u200b",
    "日本語",
    "naïve",
    "[",
    "10%",
]
TAGS = ("B-x", "I-x", "O")
SETTINGS = settings(derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def saved(folder: Path, family: str) -> Path:
    file = folder / f"{family}.json"
    if not file.is_file():
        tiny_tokenizer(family, CORPUS).save(str(file))
    return file


def test_a_word_is_found_by_the_characters_of_its_first_token() -> None:
    words = ["New", "York", "!"]
    assert first_tokens([(0, 0), (0, 1), (1, 3), (3, 8), (8, 9), (9, 10), (0, 0)], words) == [1, 3, 5]
    assert first_tokens([(0, 0), (0, 3), (4, 8), (0, 0)], words) == [1, 2, -1]
    assert first_tokens([(0, 0), (4, 8), (0, 0)], words) == [-1, 1, -1]
    assert first_tokens([(0, 3), (3, 4), (4, 8)], words) == [0, 2, -1]
    assert first_tokens([], []) == []


@pytest.mark.parametrize("family", FAMILIES)
@SETTINGS
@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=5).filter(lambda w: w.split() == [w]), max_size=12))
def test_the_first_token_begins_with_its_word(tmp_path: Path, family: str, words: list[str]) -> None:
    """Told apart from the text's other words by encoding ever longer beginnings of the text."""
    file = saved(tmp_path, family)
    ids, firsts = Tokens(file, 512).words("  ".join(words))
    reader = Tokenizer.from_file(str(file))
    assert ids == reader.encode(" ".join(words)).ids
    assert len(firsts) == len(words)
    assert [at for at in firsts if at >= 0] == sorted({at for at in firsts if at >= 0})
    special = 1
    for number, at in enumerate(firsts):
        before = len(reader.encode(" ".join(words[:number]), add_special_tokens=False).ids) + special
        through = len(reader.encode(" ".join(words[: number + 1]), add_special_tokens=False).ids) + special
        if family != "xlm-roberta":
            assert at in (range(before, through) if through > before else (-1,))


@pytest.mark.parametrize("family", FAMILIES)
def test_words_beyond_the_cut_have_no_token(tmp_path: Path, family: str) -> None:
    tokens = Tokens(saved(tmp_path, family), 8)
    ids, firsts = tokens.words("Ada went to New York and York and York again")
    assert len(ids) == 8
    assert firsts[0] == 1
    assert firsts[-1] == -1
    cut = [at < 0 for at in firsts]
    assert cut == sorted(cut)
    assert max(firsts) <= 6


def test_training_rows_and_served_texts_have_the_same_words(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from pare.training.batching import tokenize

    texts = [" ".join(WORDS), "", "Ada", "  Ada   went\tto\nNew York " * 3]
    for family in FAMILIES:
        file = saved(tmp_path, family)
        rows = tokenize(file, texts, 24, words=True)
        assert rows.words is not None
        for i, text in enumerate(texts):
            ids, firsts = Tokens(file, 24).words(text)
            assert rows.ids[rows.starts[i] : rows.starts[i + 1]].tolist() == ids
            assert rows.firsts[rows.words[i] : rows.words[i + 1]].tolist() == firsts


def echo(ids: Ids, mask: Ids) -> Logits:
    """A model whose logits name the token, its position and how many tokens of the row are no padding."""
    where = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    return np.stack([ids, where, np.broadcast_to(mask.sum(1, keepdims=True), ids.shape)], axis=2).astype(np.float32)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_word_gets_the_logits_of_its_first_token(tmp_path: Path, family: str) -> None:
    tokens = Tokens(saved(tmp_path, family), 16)
    texts = ["Ada went to New York", "café", "", "  jean-luc's \n Ada " * 20, *["Ada to York"] * 12]
    found = TagScorer(tokens, echo, TAGS)(texts)
    assert found.shape == (16, 40, 3)
    for row, text in zip(found, texts, strict=True):
        ids, firsts = tokens.words(text)
        expected = [[ids[at], at, len(ids)] if at >= 0 else [0, 0, SURE] for at in firsts]
        assert row[: len(firsts)].tolist() == expected
        assert np.isnan(row[len(firsts) :]).all()
    assert np.isnan(found).any()


def test_one_text_takes_the_short_way_and_none_of_the_batch(tmp_path: Path) -> None:
    tokens = Tokens(saved(tmp_path, "bert"), 16)
    calls: list[int] = []

    def single(row: Sequence[int]) -> Logits:
        calls.append(len(row))
        return echo(*padded([row]))

    score = TagScorer(tokens, echo, TAGS, single)
    assert np.array_equal(score(["Ada went to"]), TagScorer(tokens, echo, TAGS)(["Ada went to"]))
    assert score([""]).shape == (1, 0, 3)
    assert len(calls) == 2


@settings(derandomize=True)
@given(st.lists(st.sampled_from(["B-x", "I-x", "O", "B-y"]), min_size=1, max_size=8), st.data())
def test_entities_hold_the_caller_s_own_characters(tags: list[str], data: st.DataObject) -> None:
    space = st.text(" \t\n\u00a0\u2028\x1c", min_size=1, max_size=3)
    words = [f"w{i}é🙂" for i in range(len(tags))]
    text = data.draw(space) + "".join(word + data.draw(space) for word in words)
    assert text.split() == words
    found = entities(text, tags)
    assert all(text[e.start : e.end] == e.text for e in found)
    inside = {i for i, tag in enumerate(tags) if tag != "O"}
    assert {word for e in found for word in e.text.split()} == {words[i] for i in inside}
