from pathlib import Path

import pytest

from pare.errors import InputError
from pare.families.tokens import MULTILINGUAL_BASE, script_advice, script_of, scripts_unknown, token_facts
from pare.testing.tiny import tiny_tokenizer

TEXTS = ["where is my card", "my card is lost"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_tokenizer("bert", TEXTS * 3).save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_known_texts_have_no_unknown_tokens(folder: Path) -> None:
    facts = token_facts(folder, TEXTS, max_length=64)
    assert facts.unknown_share == 0
    assert facts.truncated_share == 0
    assert facts.tokens_per_row == 6
    assert facts.tokens_in_use == 7


def test_unknown_and_truncated_shares_are_counted(folder: Path) -> None:
    facts = token_facts(folder, ["my карта", "where is my card my card"], max_length=6)
    assert facts.unknown_share == pytest.approx(1 / 8)
    assert facts.truncated_share == 0.5
    assert facts.tokens_per_row == (4 + 6) / 2


def test_no_texts_is_no_error(folder: Path) -> None:
    assert token_facts(folder, [], max_length=6).tokens_per_row == 0


def test_a_script_that_the_tokenizer_does_not_know_is_named(folder: Path) -> None:
    assert scripts_unknown(folder, ["أين بطاقتي", "where is my card"]) == ("Arabic",)
    assert scripts_unknown(folder, TEXTS) == ()
    assert MULTILINGUAL_BASE in script_advice(("Arabic",))
    assert script_advice(()) == ""


def test_a_script_of_single_characters_counts_as_unknown(tmp_path: Path) -> None:
    tiny_tokenizer("bert", ["card", "к а р т а", "##к"], size=60).save(str(tmp_path / "tokenizer.json"))
    assert scripts_unknown(tmp_path, ["карта карта"]) == ("Cyrillic",)


@pytest.mark.parametrize(("word", "script"), [("card", "Latin"), ("日本", "CJK"), ("!?", ""), ("a4!", "Latin")])
def test_script_of(word: str, script: str) -> None:
    assert script_of(word) == script


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        token_facts(tmp_path, TEXTS, 8)
