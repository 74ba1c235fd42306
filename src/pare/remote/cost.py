"""What asking costs: an estimate before the first request, and a cap that holds while requests are under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from pare.errors import InputError
from pare.remote.types import Answer, Estimate, Parameters, Price, Prompt

Counter = Callable[[str], int]
"""Text → its number of tokens."""

BYTES_A_TOKEN = 4
"""Modelled: OpenAI's rule of thumb of four characters a token, taken as bytes of UTF-8, so that other scripts count more."""
FRAME_TOKENS = 4
"""Modelled: what a chat template adds to each message (OpenAI's cookbook counts 3, and 3 for the whole prompt)."""
ASSUMED_TOKENS = 256
"""Assumed tokens of an answer where neither a limit nor an expectation is given."""
MILLION = Decimal(1_000_000)


class Full(Exception):
    """The next request does not fit under the cap, or the call is ending."""


@dataclass(frozen=True, slots=True)
class Need:
    """Tokens of one request: of its prompt, the most its answer may have, and the expected ones."""

    tokens_in: int
    most_out: int
    expected_out: int

    @property
    def tokens(self) -> int:
        """What the request takes from a limit of tokens."""
        return self.tokens_in + self.most_out


def modelled_tokens(text: str) -> int:
    """Tokens of a text by the rule of thumb."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_A_TOKEN)


def need(prompt: Prompt, parameters: Parameters, expected: int | None, counter: Counter | None) -> Need:
    """The tokens that one request needs."""
    count = counter or modelled_tokens
    tokens_in = sum(count(message.text) + FRAME_TOKENS for message in prompt.messages)
    most = parameters.max_tokens or expected or ASSUMED_TOKENS
    return Need(tokens_in, most, min(expected or most, most))


def money(price: Price, tokens_in: int, tokens_out: int) -> Decimal:
    """US dollars for so many tokens."""
    return (price.usd_per_million_in * tokens_in + price.usd_per_million_out * tokens_out) / MILLION


def paid(price: Price | None, wanted: Need, answer: Answer) -> tuple[Decimal, Decimal]:
    """(measured, modelled) US dollars of one answer: modelled where the endpoint counted no tokens."""
    if price is None:
        return Decimal(0), Decimal(0)
    if answer.tokens_in is None or answer.tokens_out is None:
        return Decimal(0), money(price, wanted.tokens_in, modelled_tokens(answer.text))
    return money(price, answer.tokens_in, answer.tokens_out), Decimal(0)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The sum; of nothing it is $0."""
    return sum(amounts, Decimal(0))


def charged(price: Price, wanted: Need, answer: Answer) -> Decimal:
    """US dollars of one answer, measured or modelled."""
    measured, modelled = paid(price, wanted, answer)
    return measured + modelled


def reckon(
    needs: Sequence[Need], answered: Sequence[tuple[Need, Answer]], price: Price | None, counter: Counter | None
) -> Estimate:
    """The estimate for requests still to be sent, beside what was answered before."""
    tokens_in, tokens_out = sum(one.tokens_in for one in needs), sum(one.expected_out for one in needs)
    counted = "the given counter" if counter else f"{BYTES_A_TOKEN} bytes a token"
    return Estimate(
        requests=len(needs),
        cached=len(answered),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        usd=None if price is None else money(price, tokens_in, tokens_out),
        paid_usd=None if price is None else total(charged(price, wanted, answer) for wanted, answer in answered),
        provenance="modelled",
        source=f"prompts by {counted} and {FRAME_TOKENS} a message, answers of the expected length",
    )


def headroom(price: Price, needs: Sequence[Need]) -> Decimal:
    """What a cap needs above the expected cost, for a last request to fit at its most."""
    return max((money(price, 0, one.most_out - one.expected_out) for one in needs), default=Decimal(0))


def check_cap(estimate: Estimate, cap_usd: Decimal | None, spare_usd: Decimal) -> None:
    """Raises InputError where the cap cannot be held: nothing has been asked yet.

    The cap is on these prompts' answers in all: what earlier calls paid for those in the cache counts, so that a call
    that is killed and started again does not spend the cap anew. ``spare_usd`` is the headroom of the cap it proposes.
    """
    if cap_usd is None or estimate.requests == 0:
        return
    if not cap_usd.is_finite() or cap_usd < 0:
        raise InputError(f"the cap must be at least $0 but is {cap_usd}")
    if estimate.usd is None or estimate.paid_usd is None:
        raise InputError(
            f"a cap of {usd(cap_usd)} needs the model's price, which is not known: "
            "give --price-in and --price-out, in US dollars for a million tokens"
        )
    in_all = estimate.usd + estimate.paid_usd
    if in_all > cap_usd:
        already = f", {usd(estimate.paid_usd)} of it paid by earlier calls" if estimate.paid_usd else ""
        raise InputError(
            f"{describe(estimate)}: {usd(in_all)} in all{already}, above the cap of {usd(cap_usd)}: "
            f"raise it to {usd(in_all + spare_usd)}, ask fewer prompts, or lower the expected length of an answer"
        )


def describe(estimate: Estimate) -> str:
    """The estimate for people, in one line."""
    cost = "at an unknown price" if estimate.usd is None else f"about {usd(estimate.usd)}"
    before = f" ({estimate.cached:,} more were answered before)" if estimate.cached else ""
    return (
        f"{estimate.requests:,} requests{before}, about {estimate.tokens_in:,} tokens in and {estimate.tokens_out:,} out, "
        f"{cost} ({estimate.provenance}: {estimate.source})"
    )


def usd(amount: Decimal) -> str:
    """An amount for people, rounded up: cents, or two significant digits below a dollar: ``$12.40``, ``$0.0031``."""
    if amount == 0 or amount >= 1:
        return f"${amount.quantize(Decimal('0.01'), ROUND_UP):,}"
    return f"${amount.quantize(Decimal(1).scaleb(amount.adjusted() - 1), ROUND_UP):f}"


class Budget:
    """Money under a cap: reserved at its most before a request goes, settled by what the endpoint counted.

    Requests under way never add up to more than the cap leaves, as far as their tokens are known beforehand, so what can
    exceed it is the error of the prompt's count in the requests under way.
    """

    def __init__(self, price: Price | None, cap_usd: Decimal | None, before_usd: Decimal | None) -> None:
        self._price, self._cap, self._before = price, cap_usd, before_usd or Decimal(0)
        self._spent = self._unsure = self._reserved = Decimal(0)
        self._under_way = 0
        self._closed = False
        self._changed = asyncio.Condition()

    @property
    def spent_usd(self) -> Decimal | None:
        """Measured, in this call; None without a price."""
        return None if self._price is None else self._spent

    @property
    def unsure_usd(self) -> Decimal | None:
        """Modelled, at most: what was sent and may have been charged without our knowing the usage."""
        return None if self._price is None else self._unsure

    @property
    def total_usd(self) -> Decimal:
        """All that counts against the cap but for requests under way."""
        return self._before + self._spent + self._unsure

    async def reserve(self, wanted: Need) -> None:
        """Waits until the request fits beside those under way. Raises Full where it does not fit by itself."""
        most = self._most(wanted)
        async with self._changed:
            while not self._closed and not self._fits(most) and self._under_way:
                await self._changed.wait()
            if self._closed or not self._fits(most):
                raise Full
            self._reserved += most
            self._under_way += 1

    async def settle(self, wanted: Need, answer: Answer) -> None:
        """The request was answered."""
        measured, modelled = paid(self._price, wanted, answer)
        await self._leave(wanted, measured, modelled)

    async def lose(self, wanted: Need) -> None:
        """The request was sent and its answer lost: it counts at its most, because it may have been charged."""
        await self._leave(wanted, Decimal(0), self._most(wanted))

    async def release(self, wanted: Need) -> None:
        """The request was not served, and costs nothing."""
        await self._leave(wanted, Decimal(0), Decimal(0))

    async def close(self) -> None:
        """Lets no further request through."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def _leave(self, wanted: Need, measured: Decimal, modelled: Decimal) -> None:
        async with self._changed:
            self._spent += measured
            self._unsure += modelled
            self._reserved -= self._most(wanted)
            self._under_way -= 1
            self._changed.notify_all()

    def _fits(self, most: Decimal) -> bool:
        return self._cap is None or self.total_usd + self._reserved + most <= self._cap

    def _most(self, wanted: Need) -> Decimal:
        return Decimal(0) if self._price is None else money(self._price, wanted.tokens_in, wanted.most_out)
