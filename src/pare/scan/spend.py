"""What a job was charged: prices from ``genai-prices``, on the tokens that the log counted. What is unknown stays so."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from pare.errors import MissingExtra
from pare.logs.types import Logged
from pare.types import Quantity

MILLION = 1_000_000
SMALL, LARGE = 1_000, 250_000
"""Prompts, in tokens, on which a price is asked: where a token costs the same on both, it always does."""

DAYS_A_MONTH = Decimal("30.44")

Key = tuple[str, str]
"""(provider or an empty string, model)."""


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars for a million tokens. Cached tokens are counted among a prompt's, and priced apart."""

    fresh: Decimal
    cached: Decimal
    out: Decimal


@dataclass
class Spend:
    """Sums up what requests cost. ``unpriced`` counts those of a model without a known price, or without token counts."""

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    uncounted: int = 0
    unpriced: int = 0
    stated: int = 0
    usd: Decimal = Decimal(0)
    models: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, request: Logged) -> None:
        self.models[request.model] += 1
        if request.tokens_in is None or request.tokens_out is None:
            self.uncounted += 1
        else:
            self.tokens_in += request.tokens_in
            self.tokens_out += request.tokens_out
            self.tokens_cached += request.tokens_cached or 0
        if request.cost_usd is not None:
            self.stated += 1
            self.usd += request.cost_usd
            return
        cost = price(request)
        if cost is None:
            self.unpriced += 1
        else:
            self.usd += cost

    def total(self, requests: int) -> Quantity | None:
        """All of it in US dollars; None where a price is unknown for a request in twenty or more.

        A few unpriced requests are taken to cost as much as the others, and the source says so.
        """
        known = requests - self.unpriced
        if not known or self.unpriced > requests / 20:
            return None
        value = self.usd * requests / known
        if self.stated == requests:
            return Quantity(float(value), "USD", "measured", "the costs that the log states")
        extra = f"; {self.unpriced:,} unpriced ones as the others" if self.unpriced else ""
        return Quantity(float(value), "USD", "modelled", f"logged tokens x {prices_source()}{extra}")


def price(request: Logged) -> Decimal | None:
    """What a request cost in US dollars by its token counts, or None where tokens or price are unknown."""
    if request.tokens_in is None or request.tokens_out is None:
        return None
    rates = _rates(request.provider, request.model, request.tokens_in > LARGE // 2)
    if rates is None:
        return None
    cached = min(request.tokens_cached or 0, request.tokens_in)
    return (
        rates.fresh * (request.tokens_in - cached) + rates.cached * cached + rates.out * request.tokens_out
    ) / MILLION


@lru_cache(4096)
def _rates(provider: str, model: str, large: bool) -> Rates | None:
    """A model's rates for prompts of that size. Providers that genai-prices does not know are left to the model's name."""
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        raise MissingExtra("genai-prices", "logs", "pricing a log") from None
    size = LARGE if large else SMALL

    def cost(**tokens: int) -> Decimal:
        usage = Usage(**tokens)
        try:
            return calc_price(usage, model_ref=model, provider_id=provider or None).total_price
        except LookupError:
            return calc_price(usage, model_ref=model).total_price

    try:
        bare = cost(input_tokens=size, output_tokens=0)
        cached = cost(input_tokens=size, cache_read_tokens=size, output_tokens=0)
        both = cost(input_tokens=size, output_tokens=SMALL)
    except (LookupError, ValueError):
        return None
    return Rates(bare * MILLION / size, cached * MILLION / size, (both - bare) * MILLION / SMALL)


def prices_source() -> str:
    """Where prices come from, with the version that dates them."""
    from importlib.metadata import version

    return f"genai-prices {version('genai-prices')}"


def months(first: str, last: str) -> Decimal | None:
    """The months from the first to the last request; None where times are unknown or less than an hour apart."""
    try:
        start, end = (datetime.fromisoformat(time) for time in (first, last))
        seconds = Decimal((end - start).total_seconds())
    except (ValueError, TypeError):
        return None
    return seconds / 86_400 / DAYS_A_MONTH if seconds >= 3600 else None
