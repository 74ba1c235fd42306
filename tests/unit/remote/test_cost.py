from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from pare.errors import InputError
from pare.remote import Answer, Parameters, Price, Prompt, describe, usd
from pare.remote.cost import Budget, Full, Need, check_cap, modelled_tokens, money, need, reckon

PRICE = Price(Decimal(1), Decimal(10))
NEED = Need(tokens_in=1000, most_out=100, expected_out=10)  # at most $0.002, expected $0.0011


def budget(cap: str | None, before: str = "0") -> Budget:
    return Budget(PRICE, None if cap is None else Decimal(cap), Decimal(before))


def test_tokens_are_modelled_or_counted() -> None:
    assert modelled_tokens("") == 0
    assert modelled_tokens("abcde") == 2
    assert modelled_tokens("\ud83d") == 1, "half a surrogate pair, as logs hold them"
    prompt = Prompt.of("x" * 40, system="y" * 8)
    assert need(prompt, Parameters(max_tokens=50), None, None) == Need(10 + 2 + 8, 50, 50)
    assert need(prompt, Parameters(max_tokens=50), 5, len) == Need(40 + 8 + 8, 50, 5)
    assert need(prompt, Parameters(max_tokens=None), 70, None).most_out == 70


def test_money_is_exact() -> None:
    assert money(PRICE, 1, 0) == Decimal("0.000001")
    assert money(PRICE, 1_000_000, 500_000) == 6


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "$0.00"), ("12.401", "$12.41"), ("0.00306", "$0.0031"), ("0.5", "$0.50"), ("2000", "$2,000.00")],
)
def test_amounts_for_people_are_rounded_up(amount: str, shown: str) -> None:
    assert usd(Decimal(amount)) == shown


def test_an_estimate_says_what_it_is_made_of() -> None:
    answered = [(NEED, Answer("refund", "stop", 900, 20)), (NEED, Answer("refund", "stop"))]
    estimate = reckon([NEED, NEED], answered, PRICE, None)
    assert (estimate.requests, estimate.cached, estimate.tokens_in, estimate.tokens_out) == (2, 2, 2000, 20)
    assert estimate.usd == Decimal("0.0022")
    assert estimate.paid_usd == Decimal("0.0011") + money(PRICE, 1000, 2)
    assert estimate.provenance == "modelled"
    assert "4 bytes a token" in describe(estimate)


def test_an_unknown_price_stays_unknown_and_cannot_be_capped() -> None:
    estimate = reckon([NEED], [], None, None)
    assert estimate.usd is None
    assert "unknown price" in describe(estimate)
    check_cap(estimate, None, Decimal(0))
    with pytest.raises(InputError, match="--price-in and --price-out"):
        check_cap(estimate, Decimal(1), Decimal(0))


def test_an_estimate_above_the_cap_is_refused_with_a_cap_that_would_do() -> None:
    estimate = reckon([NEED] * 10, [(NEED, Answer("x", "stop", 1000, 100))], PRICE, None)
    check_cap(estimate, Decimal("0.013"), Decimal(0))
    with pytest.raises(InputError, match=r"\$0\.013 in all, \$0\.0020 of it paid by .* cap of \$0\.0050: raise it to"):
        check_cap(estimate, Decimal("0.005"), Decimal(0))


@pytest.mark.parametrize("cap", ["-1", "NaN"])
def test_a_cap_that_is_none_is_refused(cap: str) -> None:
    with pytest.raises(InputError, match="cap must be at least"):
        check_cap(reckon([NEED], [], PRICE, None), Decimal(cap), Decimal(0))


def test_a_price_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="price must be at least"):
        Price(Decimal(-1), Decimal(1))


def test_the_cap_holds_for_requests_under_way() -> None:
    async def run() -> tuple[int, Budget]:
        kept, peak, under_way = budget("0.005"), 0, 0

        async def one() -> None:
            nonlocal peak, under_way
            await kept.reserve(NEED)
            under_way += 1
            peak = max(peak, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            await kept.settle(NEED, Answer("x", "stop", 1000, 0))

        results = await asyncio.gather(*(one() for _ in range(8)), return_exceptions=True)
        assert [type(result) for result in results].count(Full) == 4, "the fifth would need $0.002 of the $0.001 left"
        return peak, kept

    peak, kept = asyncio.run(run())
    assert peak == 2
    assert kept.spent_usd == Decimal("0.004")


def test_what_was_lost_counts_at_its_most_and_what_was_refused_costs_nothing() -> None:
    async def run() -> Budget:
        kept = budget("1", before="0.5")
        for after in (kept.lose, kept.release):
            await kept.reserve(NEED)
            await after(NEED)
        return kept

    kept = asyncio.run(run())
    assert (kept.spent_usd, kept.unsure_usd, kept.total_usd) == (0, Decimal("0.002"), Decimal("0.502"))


def test_a_closed_budget_lets_those_who_wait_go() -> None:
    async def run() -> None:
        kept = budget("0.002")
        await kept.reserve(NEED)
        waiting = asyncio.ensure_future(kept.reserve(NEED))
        await asyncio.sleep(0)
        await kept.close()
        with pytest.raises(Full):
            await waiting

    asyncio.run(run())


def test_without_a_price_nothing_is_known_to_be_spent() -> None:
    async def run() -> Budget:
        kept = Budget(None, None, None)
        await kept.reserve(NEED)
        await kept.settle(NEED, Answer("x", "stop", 1, 1))
        return kept

    assert asyncio.run(run()).spent_usd is None
