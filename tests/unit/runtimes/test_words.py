from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pare.runtimes.text import Tokens
from pare.runtimes.words import LONGEST, Words, words
from pare.testing.tiny import tiny_tokenizer

CORPUS = ["where is my card?", "i can't log in - help!", "straße naïve 12.50 £", "我的卡在哪里 أين بطاقتي"]
TEXTS = st.text(max_size=60) | st.text(
    st.sampled_from("abcd eéß İ[]MASK'.,-_\x00\x7f\t\n\u2028\u0301 12£我🙂"), max_size=60
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokens, Any]:
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tiny_tokenizer("bert", CORPUS).save(str(file))
    reference = Tokenizer.from_file(str(file))
    reference.enable_truncation(12)
    return Tokens(file, 12), reference


@settings(max_examples=500, deadline=None)
@given(text=TEXTS)
def test_the_tokens_are_the_tokenizers(pair: tuple[Tokens, Any], text: str) -> None:
    tokens, reference = pair
    assert tokens.one(text) == reference.encode(text).ids


def test_special_tokens_written_out_are_left_to_the_tokenizer(pair: tuple[Tokens, Any]) -> None:
    tokens, reference = pair
    for text in ("my [MASK] card", "[SEP]", "[sep] [", "a[CLS]b"):
        assert tokens.one(text) == reference.encode(text).ids


def test_long_words_are_not_remembered(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer("bert", CORPUS)
    memory = Words(tokenizer, 12, "[")._memory
    assert memory["x" * (LONGEST + 1)] == tokenizer.encode("x" * (LONGEST + 1), add_special_tokens=False).ids
    assert not memory


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta"])
def test_other_tokenizers_are_left_alone(tmp_path: Path, family: str) -> None:
    tokenizer = tiny_tokenizer(family, CORPUS)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert words(tmp_path / "tokenizer.json", tokenizer, 12) is None
