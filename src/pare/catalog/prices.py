"""What a token of a large model costs: prices from ``genai-prices``, which dates them. An unknown price is None."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version

from pare.errors import MissingExtra

__all__ = ["Rates", "prices_source", "rates"]

MILLION = 1_000_000
SMALL, LARGE = 1_000, 250_000
"""Prompts, in tokens, on which a price is asked: where a token costs the same on both, it always does."""


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars for a million tokens. Cached tokens are counted among a prompt's, and priced apart."""

    fresh: Decimal
    cached: Decimal
    out: Decimal

    def cost(self, tokens_in: int, tokens_out: int, tokens_cached: int = 0) -> Decimal:
        """US dollars for so many tokens."""
        cached = min(tokens_cached, tokens_in)
        return (self.fresh * (tokens_in - cached) + self.cached * cached + self.out * tokens_out) / MILLION


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
        raise MissingExtra("genai-prices", "logs", "pricing a large model") from None
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
    return f"genai-prices {version('genai-prices')}"
