"""What a job was charged: prices from ``genai-prices``, on the tokens that the log counted. What is unknown stays so."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from pare.catalog.prices import prices_source, rates
from pare.logs.types import Logged
from pare.types import Quantity

DAYS_A_MONTH = Decimal("30.44")


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
    found = rates(request.provider, request.model, request.tokens_in)
    return found.cost(request.tokens_in, request.tokens_out, request.tokens_cached or 0) if found else None


def months(first: str, last: str) -> Decimal | None:
    """The months from the first to the last request; None where times are unknown or less than an hour apart."""
    try:
        start, end = (datetime.fromisoformat(time) for time in (first, last))
        seconds = Decimal((end - start).total_seconds())
    except (ValueError, TypeError):
        return None
    return seconds / 86_400 / DAYS_A_MONTH if seconds >= 3600 else None
