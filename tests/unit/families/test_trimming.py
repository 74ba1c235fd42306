import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pare.errors import InputError
from pare.families.trimming import trim
from pare.testing.tiny import pieces_bpe, plain_bpe, tiny_tokenizer

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


DECODERS = {"bytes": plain_bpe, "pieces": pieces_bpe}
odd = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", " ", "  a  ", "\n\t", "ünïcødé Straße", "أين", "我的卡", "👩‍👩‍👧", "\x00"]),
)


@pytest.mark.parametrize("kind", DECODERS)
@settings(max_examples=60, deadline=None)
@given(text=odd, tokens=st.integers(1, 300))
def test_a_decoders_text_comes_back_whatever_it_is(
    kind: str, text: str, tokens: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("t") / "tokenizer.json"
    full = DECODERS[kind](CORPUS * 2, 400)
    full.save(str(path))
    small = Tokenizer.from_str(json.dumps(trim(path, CORPUS[:2], tokens=tokens, min_uses=1).tokenizer))
    assert small.get_vocab_size() < full.get_vocab_size()
    ids = small.encode(text, add_special_tokens=False).ids
    assert small.decode(ids, skip_special_tokens=False) == text.replace("▁", " " if kind == "pieces" else "▁")


def test_bytes_to_fall_back_on_stay_and_characters_nobody_uses_go(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    full = pieces_bpe([*CORPUS, "мама мыла раму", "我的卡在哪里"] * 2, 300)
    full.save(str(path))
    small = Tokenizer.from_str(json.dumps(trim(path, CORPUS[:2], tokens=1, min_uses=1).tokenizer))
    assert {f"<0x{byte:02X}>" for byte in range(256)} <= set(small.get_vocab())
    assert "м" in full.get_vocab()
    assert "м" not in small.get_vocab()
    assert small.encode("м").tokens == ["▁", "<0xD0>", "<0xBC>"]


def test_what_must_stay_stays_and_what_has_no_embedding_goes(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    full = plain_bpe(CORPUS * 2, 300)
    full.add_tokens(["<image>"])
    full.save(str(path))
    rows = full.get_vocab_size() - 1
    kept = trim(path, ["a <image>"], tokens=1, min_uses=1, always=[rows - 1, rows], rows=rows).kept
    assert rows - 1 in kept
    assert rows not in kept


def test_an_unknown_kind_of_tokenizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text('{"model": {"type": "WordLevel"}, "added_tokens": []}')
    with pytest.raises(InputError, match="WordLevel"):
        trim(path, ["a"], 10, 1)
