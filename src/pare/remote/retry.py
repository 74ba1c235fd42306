"""When to try again: exponential back-off with full jitter, and what a server asks for.

Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: a uniform draw from zero up to the
back-off spreads clients that failed together better than any fixed share of it.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pare.errors import InputError

AGAIN = frozenset({408, 409, 429})
"""Statuses below 500 that may pass by themselves; all from 500 on may too."""

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_EPOCH = 1e9
"""Plain numbers from here on are moments since 1970, in seconds or milliseconds; no server asks to wait for 30 years."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance, which tests replace. ``now`` and ``wall`` are in seconds; ``wall`` since 1970."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    uniform: Callable[[float, float], float] = random.uniform


@dataclass(frozen=True, slots=True)
class Retry:
    """How patient a call is.

    ``attempts`` of one request in all; before attempt k + 1 it rests a uniform draw from 0 to min(``most_s``, ``base_s`` ·
    2^(k - 1)), and never shorter than the server asks for. ``timeout_s`` is for one attempt. A server that asks to wait
    longer than ``patience_s`` ends the call instead. Raises InputError for values that make no sense.
    """

    attempts: int = 8
    base_s: float = 0.5
    most_s: float = 60.0
    timeout_s: float = 120.0
    patience_s: float = 600.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise InputError(f"attempts must be at least 1 but is {self.attempts}")
        if self.timeout_s <= 0:
            raise InputError(f"timeout_s must be above 0 but is {self.timeout_s:g}")

    def rest_s(self, failures: int, asked_s: float | None, uniform: Callable[[float, float], float]) -> float:
        """Seconds to rest after so many failures (from 1). What the server asks for is a floor, with jitter on top."""
        ceiling = min(self.most_s, self.base_s * 2.0 ** min(failures - 1, 60))
        drawn = uniform(0.0, ceiling)
        return drawn if asked_s is None else asked_s + min(drawn, self.base_s)


def asked_to_wait_s(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds that ``Retry-After-ms`` or ``Retry-After`` (seconds, or a date) asks for; None where neither can be read."""
    exact = _number(headers.get("retry-after-ms", ""))
    if exact is not None:
        return exact / 1000
    text = headers.get("retry-after", "").strip()
    seconds = duration_s(text, wall)
    if seconds is not None or not text:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, _aware(moment).timestamp() - wall)


def duration_s(text: str, wall: float) -> float | None:
    """Seconds from now that a header means; None where it cannot be read.

    ``120ms``, ``1s``, ``6m0s``; plain seconds; moments, as RFC 3339 or as seconds or milliseconds since 1970.
    """
    text = text.strip()
    number = _number(text)
    if number is not None:
        if number < _EPOCH:
            return number
        return max(0.0, (number / 1000 if number > 1000 * _EPOCH else number) - wall)
    if text and not _PART.sub("", text):
        return sum(float(value) * _UNITS[unit] for value, unit in _PART.findall(text))
    try:
        return max(0.0, _aware(datetime.fromisoformat(text)).timestamp() - wall)
    except ValueError:
        return None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*\d+(\.\d+)?\s*", text) else None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
