from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pare.errors import InputError
from pare.families.trimming import trim
from pare.testing.tiny import tiny_tokenizer

CORPUS = [
    "where is my card and when does it arrive",
    "I was charged twice for one transfer",
    "topping up failed, please help me",
    "what exchange rate do you apply to transfers",
    "transferring money abroad is slow",
    "Can I use Apple Pay & Google Pay? £5 fee!",
]
KINDS = ["bert", "roberta", "xlm-roberta"]
words = st.sampled_from(sorted({word for text in CORPUS for word in text.split()}))


def trimmed(family: str, tokens: int, texts: list[str], folder: Path) -> tuple[Tokenizer, Tokenizer, tuple[int, ...]]:
    import json

    path = folder / "tokenizer.json"
    full = tiny_tokenizer(family, CORPUS * 2)
    full.save(str(path))
    result = trim(path, texts, tokens=tokens, min_uses=1)
    return full, Tokenizer.from_str(json.dumps(result.tokenizer)), result.kept


@pytest.mark.parametrize("family", KINDS)
@settings(max_examples=15, deadline=None)
@given(texts=st.lists(st.lists(words, min_size=1, max_size=6).map(" ".join), min_size=1), tokens=st.integers(1, 400))
def test_every_text_still_encodes(
    family: str, texts: list[str], tokens: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    full, small, _ = trimmed(family, tokens, texts, tmp_path_factory.mktemp("t"))
    for text in [*texts, *CORPUS]:
        before, after = full.encode(text).tokens, small.encode(text).tokens
        assert not {"[UNK]", "<unk>"} & set(after) - set(before)
        assert small.decode(small.encode(text).ids).replace(" ", "") == full.decode(full.encode(text).ids).replace(
            " ", ""
        )


@pytest.mark.parametrize("family", KINDS)
def test_a_kept_token_keeps_its_row_and_texts_of_kept_tokens_encode_alike(family: str, tmp_path: Path) -> None:
    full, small, kept = trimmed(family, 10_000, CORPUS, tmp_path)
    for text in CORPUS:
        assert [kept[i] for i in small.encode(text).ids] == full.encode(text).ids


@pytest.mark.parametrize("family", KINDS)
def test_used_tokens_come_before_others(family: str, tmp_path: Path) -> None:
    full, _, kept = trimmed(family, 300, CORPUS[:1], tmp_path)
    assert set(full.encode(CORPUS[0]).ids) <= set(kept)


def test_an_unknown_kind_of_tokenizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text('{"model": {"type": "WordLevel"}, "added_tokens": []}')
    with pytest.raises(InputError, match="WordLevel"):
        trim(path, ["a"], 10, 1)
