"""What a large model costs: prices from ``genai-prices``, which dates them. An unknown price is None, and a price of zero
is unknown too.

``rates`` prices a request of a log, of which provider and model are known. ``offers`` lists who sells a model: there is no
such thing as the price of a model, since providers differ, by ten times and more. What an offer bills by (tokens,
characters, requests, seconds) is kept as it is; ``charge`` turns a usage into money.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Literal

from pare.errors import InputError, MissingExtra

__all__ = ["Offer", "Rate", "Rates", "Usage", "charge", "offers", "prices_source", "rates"]

MILLION = 1_000_000
SMALL, LARGE = 1_000, 250_000
"""Prompts, in tokens, on which a price is asked: where a token costs the same on both, it always does."""


# -- a request of a log -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars for a million tokens. Cached tokens are counted among a prompt's, and priced apart. ``request`` is what
    each request costs besides.
    """

    fresh: Decimal
    cached: Decimal
    out: Decimal
    request: Decimal = Decimal(0)

    def cost(self, tokens_in: int, tokens_out: int, tokens_cached: int = 0, requests: int = 1) -> Decimal:
        """US dollars for so many tokens."""
        cached = min(tokens_cached, tokens_in)
        tokens = self.fresh * (tokens_in - cached) + self.cached * cached + self.out * tokens_out
        return tokens / MILLION + self.request * requests


def rates(provider: str, model: str, prompt_tokens: int) -> Rates | None:
    """A model's rates for a prompt of that size; None where they are unknown.

    Providers that genai-prices does not know are left to the model's name. Raises MissingExtra without genai-prices.
    """
    return _rates(provider, model, prompt_tokens > LARGE // 2)


@lru_cache(4096)
def _rates(provider: str, model: str, large: bool) -> Rates | None:
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        raise _missing() from None
    size = LARGE if large else SMALL

    def cost(**tokens: int) -> Decimal:
        usage = Usage(**tokens)
        try:
            return calc_price(usage, model_ref=model, provider_id=provider or None).total_price
        except LookupError:
            return calc_price(usage, model_ref=model).total_price

    try:
        request = cost(input_tokens=0, output_tokens=0)
        bare = cost(input_tokens=size, output_tokens=0)
        cached = cost(input_tokens=size, cache_read_tokens=size, output_tokens=0)
        both = cost(input_tokens=size, output_tokens=SMALL)
    except (LookupError, ValueError):
        return None
    if bare == request:  # genai-prices lists models without a price: what they cost is not known, not nothing
        return None
    fresh, again, out = bare - request, cached - request, both - bare
    return Rates(fresh * MILLION / size, again * MILLION / size, out * MILLION / SMALL, request)


def prices_source() -> str:
    """Where prices come from, with the version that dates them."""
    return f"genai-prices {version('genai-prices')}"


# -- offers -------------------------------------------------------------------------------------------------------------

Unit = Literal["tokens_in", "tokens_cached", "tokens_out", "tokens_reasoning", "characters_in", "requests", "seconds"]
"""What an offer bills by. Tokens are the model's own; a request is also called a generation or a message."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used, of one request or of ``requests`` like it together. None is not known, which is not 0.

    ``tokens_in`` include cached ones and ``tokens_out`` reasoning ones, as the providers report them. ``seconds`` are of
    audio or of a session; a text has none.
    """

    tokens_in: float | None
    tokens_out: float | None
    requests: int = 1
    tokens_cached: float = 0.0
    tokens_reasoning: float = 0.0
    characters_in: float | None = None
    seconds: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Rate:
    """``usd`` for ``per`` units. ``tiers``: (prompt tokens, USD), ascending: a request whose prompt is longer than that pays
    this rate on all of it.
    """

    usd: Decimal
    per: int
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def one(self, prompt_tokens: float) -> Decimal:
        """USD for one unit in a request with a prompt of so many tokens."""
        paid = [usd for above, usd in self.tiers if prompt_tokens > above]
        return (paid[-1] if paid else self.usd) / self.per


@dataclass(frozen=True, slots=True)
class Offer:
    """A model as one provider sells it. ``batch``: answered within hours, for less. ``source`` names where the price is from
    and since when it holds, as far as that is known.
    """

    provider: str
    model: str
    rates: Mapping[Unit, Rate]
    batch: bool
    source: str

    @property
    def seller(self) -> str:
        """The provider, and whether at its batch rates."""
        return f"{self.provider} (batch)" if self.batch else self.provider


def charge(offer: Offer, usage: Usage) -> Decimal:
    """US dollars for a usage. Tokens in the cache cost what fresh ones do where the offer has no rate for them, and
    reasoning costs what an answer does.

    Raises InputError where the offer bills by what is not known of the usage, or has no rate for what was used.
    """
    known = offer.rates
    long = (usage.tokens_in or 0.0) / max(usage.requests, 1)
    # A flat fee covers input and output both, where there is no other rate.
    flat = not known.keys() - {"requests", "seconds"}
    if usage.tokens_in != 0 and not flat and not known.keys() & {"tokens_in", "characters_in"}:
        raise _unpriced(offer, "a rate for what goes in")
    if usage.tokens_out != 0 and not flat and "tokens_out" not in known:
        raise _unpriced(offer, "a rate for what comes out")
    total = Decimal(0)
    for unit, amount in _billed(known, usage):
        if amount is None:
            raise _unpriced(offer, f"the usage's {unit.replace('_', ' ')}, by which it is billed")
        total += known[unit].one(long) * Decimal(amount)
    if not total and (usage.tokens_in != 0 or usage.tokens_out != 0):
        raise _unpriced(offer, "a rate for a text")
    return total


def _billed(known: Mapping[Unit, Rate], usage: Usage) -> Iterator[tuple[Unit, float | None]]:
    """What each rate is paid for: cached and reasoning tokens apart where they have rates of their own."""
    cached = min(usage.tokens_cached, usage.tokens_in or 0.0) if "tokens_cached" in known else 0.0
    reasoning = min(usage.tokens_reasoning, usage.tokens_out or 0.0) if "tokens_reasoning" in known else 0.0
    amounts: dict[Unit, float | None] = {
        "tokens_in": None if usage.tokens_in is None else usage.tokens_in - cached,
        "tokens_cached": cached,
        "tokens_out": None if usage.tokens_out is None else usage.tokens_out - reasoning,
        "tokens_reasoning": reasoning,
        "characters_in": usage.characters_in,
        "requests": usage.requests,
        "seconds": usage.seconds,
    }
    return ((unit, amounts[unit]) for unit in known)


def offers(model: str, provider: str = "", on: date | None = None, batch: bool = False) -> tuple[Offer, ...]:
    """Who sells a model, by its name or its hub's name, as of a day (today); only what has a price, by provider's name.

    ``batch`` gives the offers of batched requests, which few have. A provider's longer name for the same weights counts:
    ``llama-3.1-8b`` also finds ``meta-llama/Llama-3.1-8B-Instruct``. Where prices change by the hour, noon in UTC counts.
    Raises MissingExtra without genai-prices.
    """
    try:
        from genai_prices.data_snapshot import get_snapshot
    except ImportError:
        raise _missing() from None
    at = datetime.combine(on or datetime.now(UTC).date(), time(12), UTC)
    context = {"processing": "batch"} if batch else None
    found: list[Offer] = []
    for seller in get_snapshot().providers:
        if provider and seller.id != provider.lower():
            continue
        for info in _sold(seller, model):
            if batch and not any(variant.when == context for variant in info.price_variants or ()):
                continue
            known = _read(info.get_prices(at, context).__dict__)
            if known:
                page = (seller.pricing_urls or [""])[0]
                words = f"{prices_source()}: {page}, {_since(info, at)}, read for {at.date()}"
                found.append(Offer(seller.id, info.id, known, batch, words))
    return tuple(sorted(found, key=lambda offer: (offer.provider, offer.model)))


def _sold(seller: Any, model: str) -> list[Any]:
    """The provider's entries for a model: the one it knows by this name, and those of the same name but for its owner."""
    wanted = _plain(model)
    same = [info for info in seller.models if _plain(info.id) == wanted]
    known = seller.find_model(model)
    return same if known is None or known in same else [known, *same]


_TALKS = re.compile(r"-(?:instruct|it|chat)$")


def _plain(name: str) -> str:
    """A model's name without its owner, and without what says that it was tuned to talk: that is what is sold."""
    tail = name.lower().rsplit("/", 1)[-1]
    return _TALKS.sub("", re.sub(r"[._:]", "-", tail).removeprefix("meta-"))


_UNITS: dict[str, tuple[Unit, int]] = {
    "input_mtok": ("tokens_in", MILLION),
    "cache_read_mtok": ("tokens_cached", MILLION),
    "output_mtok": ("tokens_out", MILLION),
    "output_reasoning_mtok": ("tokens_reasoning", MILLION),
    "input_mchars": ("characters_in", MILLION),
    "requests_kcount": ("requests", 1_000),
    "input_text_messages_kcount": ("requests", 1_000),
    "audio_hours": ("seconds", 3_600),
    "input_audio_hours": ("seconds", 3_600),
}
"""genai-prices' keys for what a text uses. Searches, pages, images and writing to a cache are not among it."""


def _read(prices: Mapping[str, Any]) -> dict[Unit, Rate]:
    known: dict[Unit, Rate] = {}
    for key, (unit, per) in _UNITS.items():
        price = prices.get(key)
        if price is None:
            continue
        base = getattr(price, "base", price)
        tiers = tuple((tier.start, tier.price) for tier in getattr(price, "tiers", ()))
        if base > 0:
            known[unit] = Rate(base, per, tiers)
    return known


def _since(info: Any, at: datetime) -> str:
    """Since when the price holds, in words."""
    conditions = [entry.constraint for entry in info.prices] if isinstance(info.prices, list) else []
    starts = [c.start_date for c in conditions if hasattr(c, "start_date") and c.start_date <= at.date()]
    hours = "; it changes by the hour, noon UTC is given" if any(hasattr(c, "start_time") for c in conditions) else ""
    return (f"since {max(starts)}" if starts else "start not stated") + hours


def _unpriced(offer: Offer, missing: str) -> InputError:
    return InputError(
        f"a price needs {missing}, and {offer.provider}'s {offer.model} has none; choose another offer or state a price"
    )


def _missing() -> MissingExtra:
    return MissingExtra("genai-prices", "logs", "pricing a large model")
