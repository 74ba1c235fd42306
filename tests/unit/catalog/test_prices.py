from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.catalog.prices import Offer, Rate, Unit, Usage, charge, offers, rates
from pare.errors import InputError

M = 1_000_000


def offer(**known: Rate) -> Offer:
    found: dict[Unit, Rate] = dict(known.items())  # type: ignore[misc]
    return Offer("maker", "model", found, False, "a page, since 2026-01-01")


def rate(usd: str, per: int = M) -> Rate:
    return Rate(Decimal(usd), per)


TOKENS = offer(tokens_in=rate("0.15"), tokens_cached=rate("0.075"), tokens_out=rate("0.60"))


# -- billing units ------------------------------------------------------------------------------------------------------


def test_tokens_by_hand() -> None:
    assert charge(TOKENS, Usage(1_000_000, 1_000_000)) == Decimal("0.75")
    assert charge(TOKENS, Usage(1_000_000, 0, tokens_cached=400_000)) == Decimal("0.12")
    # Without a rate of their own cached tokens cost what fresh ones do, and reasoning what an answer does.
    plain = offer(tokens_in=rate("1"), tokens_out=rate("2"))
    assert charge(plain, Usage(M, M, tokens_cached=M, tokens_reasoning=M)) == 3
    thinking = offer(tokens_in=rate("1"), tokens_out=rate("2"), tokens_reasoning=rate("5"))
    assert charge(thinking, Usage(0, M, tokens_reasoning=M // 4)) == Decimal("1.5") + Decimal("1.25")


def test_characters_requests_and_seconds_by_hand() -> None:
    characters = offer(characters_in=rate("15"), tokens_out=rate("1"))
    assert charge(characters, Usage(250, 0, characters_in=1_000)) == Decimal("0.015")
    generations = offer(requests=rate("12", 1_000))
    assert charge(generations, Usage(5_000, 5_000, requests=10)) == Decimal("0.12")
    spoken = offer(seconds=rate("0.36", 3_600))
    assert charge(spoken, Usage(None, None, seconds=60)) == Decimal("0.006")
    both = offer(tokens_in=rate("1"), tokens_out=rate("1"), requests=rate("12", 1_000))
    assert charge(both, Usage(1_000, 1_000, requests=2)) == Decimal("0.002") + Decimal("0.024")


def test_a_long_prompt_pays_its_tier_on_all_of_it() -> None:
    tiers = ((200_000, Decimal(2)), (400_000, Decimal(4)))
    long = offer(tokens_in=Rate(Decimal(1), M, tiers), tokens_out=rate("1"))
    assert charge(long, Usage(200_000, 0)) == Decimal("0.2")
    assert charge(long, Usage(200_001, 0)) == Decimal(2) * 200_001 / M
    assert charge(long, Usage(500_000, 0)) == Decimal("2")
    # Ten requests of 50,000 tokens are not one of 500,000.
    assert charge(long, Usage(500_000, 0, requests=10)) == Decimal("0.5")


@pytest.mark.parametrize(
    ("sold", "usage", "missing"),
    [
        (offer(characters_in=rate("15"), tokens_out=rate("1")), Usage(100, 10), "characters in"),
        (offer(tokens_in=rate("1")), Usage(100, 10), "a rate for what comes out"),
        (offer(tokens_out=rate("1")), Usage(100, 10), "a rate for what goes in"),
        (TOKENS, Usage(None, 10), "tokens in"),
        (offer(seconds=rate("1", 3_600)), Usage(100, 10), "a rate for a text"),
        (offer(seconds=rate("1", 3_600)), Usage(100, 10, seconds=None), "seconds"),
        (offer(), Usage(100, 10), "a rate for a text"),
    ],
)
def test_what_is_unknown_is_refused_and_never_free(sold: Offer, usage: Usage, missing: str) -> None:
    with pytest.raises(InputError, match=missing):
        charge(sold, usage)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=8))
def test_cost_is_additive_over_tokens(requests: list[tuple[int, int]]) -> None:
    billed = replace(TOKENS, rates={**TOKENS.rates, "requests": rate("3", 1_000)})
    apart = sum((charge(billed, Usage(i, o)) for i, o in requests), Decimal(0))
    whole = Usage(sum(i for i, _ in requests), sum(o for _, o in requests), requests=len(requests))
    assert charge(billed, whole) == apart


# -- genai-prices -------------------------------------------------------------------------------------------------------


def test_a_model_has_offers_and_never_a_price() -> None:
    pytest.importorskip("genai_prices", reason="the plan extra is not installed")
    found = offers("llama-3.1-8b", on=date(2026, 11, 22))
    assert len({one.provider for one in found}) >= 5
    assert found == offers("meta-llama/Llama-3.1-8B-Instruct", on=date(2026, 11, 22))
    costs = [charge(one, Usage(1_000, 1_000)) for one in found]
    assert max(costs) > 5 * min(costs)
    assert min(costs) > 0
    assert all("read for 2026-11-22" in one.source and "http" in one.source for one in found)


def test_prices_are_of_their_day_and_batches_cost_less() -> None:
    pytest.importorskip("genai_prices", reason="the plan extra is not installed")
    (then,), (now,) = (offers("llama-3.1-8b", "novita", on=day) for day in (date(2026, 10, 1), date(2026, 11, 1)))
    assert then.rates["tokens_in"].usd == Decimal("0.05")
    assert now.rates["tokens_in"].usd == Decimal("0.02")
    assert "since 2026-10-18" in now.source
    (batch,) = offers("gpt-4o-mini", "openai", batch=True)
    (plain,) = offers("gpt-4o-mini", "openai")
    assert batch.batch
    assert charge(batch, Usage(1_000, 100)) * 2 == charge(plain, Usage(1_000, 100))
    assert offers("llama-3.1-8b", batch=True) == ()


def test_what_is_free_or_unheard_of_has_no_offer() -> None:
    pytest.importorskip("genai_prices", reason="the plan extra is not installed")
    assert offers("no-such-model-of-anyone") == ()
    assert all(not one.model.endswith(":free") for one in offers("llama-3.1-8b"))
    assert rates("openrouter", "llama-3.1-8b-instruct:free", 1_000) is None


def test_a_fee_by_request_is_not_spread_over_tokens() -> None:
    pytest.importorskip("genai_prices", reason="the plan extra is not installed")
    found = rates("perplexity", "sonar", 1_000)
    assert found is not None
    assert (found.fresh, found.out, found.request) == (1, 1, Decimal("0.012"))
    assert found.cost(1_000_000, 0, requests=1_000) == 1 + 12
