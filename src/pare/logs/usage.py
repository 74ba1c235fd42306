"""What a request used, whatever a log calls it: tokens, money, time. Nothing here raises; unknown is None, never zero."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from pare.logs.fields import first, object_in

# -- amounts ----------------------------------------------------------------------------------------------------------

MOST = 2**53
"""No count, time or price in a log is larger; JSON's numbers are exact up to here."""


def number(value: Any) -> float | None:
    """A number that is zero or more, also one written as text; None for anything else."""
    if type(value) is str:
        try:
            value = float(value)
        except ValueError:
            return None
    if (type(value) is int or type(value) is float) and 0 <= value < MOST:
        return value
    return None


def count(value: Any) -> int | None:
    """A whole number of tokens; None if it is none."""
    if type(value) is int and 0 <= value < MOST:
        return value
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def money(value: Any) -> Decimal | None:
    """An amount, exactly as the log writes it; None if it is none."""
    if (type(value) is not str and type(value) is not float and type(value) is not int) or number(value) is None:
        return None
    try:
        return Decimal(str(value).strip())
    except InvalidOperation:
        return None


Usage = tuple[int | None, int | None, int | None]
"""Tokens in (cached ones included), tokens out, and of those that came in, how many from the cache."""


def usage_of(usage: Any) -> Usage:
    """Tokens, from OpenAI's or Anthropic's ``usage``. Anthropic counts cached tokens apart; here they are added."""
    if type(usage) is not dict:
        return None, None, None
    if "prompt_tokens" in usage:
        details = object_in(usage.get("prompt_tokens_details"))
        return count(usage["prompt_tokens"]), count(usage.get("completion_tokens")), count(details.get("cached_tokens"))
    fresh, out = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    if "cache_read_input_tokens" not in usage and "cache_creation_input_tokens" not in usage:
        return fresh, out, count(object_in(usage.get("input_tokens_details")).get("cached_tokens"))
    cached = count(usage.get("cache_read_input_tokens"))
    written = count(usage.get("cache_creation_input_tokens"))
    return None if fresh is None else fresh + (cached or 0) + (written or 0), out, cached


# -- time -------------------------------------------------------------------------------------------------------------

_TIMES = ("timestamp", "created_at", "createdAt", "start_time", "startTime", "started_at", "time", "ts", "created")
_MILLISECONDS = ("latency_ms", "duration_ms", "response_ms", "response_time_ms", "elapsed_ms")
_SPANS = (
    ("start_time", "end_time"),
    ("startTime", "endTime"),
    ("started_at", "ended_at"),
    ("started_at", "completed_at"),
    ("start", "end"),
)


EARLIEST_S, LATEST_S = 1e9, 1e11
"""No log of a language model is older than 2001; what is above the year 5138 is a finer unit."""


def moment(value: Any) -> datetime | None:
    """A time: ISO 8601, or seconds, milli-, micro- or nanoseconds since 1970, told apart by size. UTC where unsaid."""
    try:
        if type(value) is str and not value.isdigit():
            found = datetime.fromisoformat(value)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        seconds = float(value) if type(value) in (str, int, float) else 0.0
        for _ in range(3):
            seconds = seconds / 1000 if seconds > LATEST_S else seconds
        return datetime.fromtimestamp(seconds, UTC) if EARLIEST_S < seconds < LATEST_S else None
    except (ValueError, OverflowError, OSError):
        return None


def iso(value: Any) -> str:
    """A time as ISO 8601 in UTC; empty where it is none."""
    found = moment(value) if value is not None else None
    return found.isoformat() if found is not None else ""


def time_of(record: dict[str, Any]) -> str:
    """When a record says it was made, under any of the usual names."""
    return iso(first(record, _TIMES))


def milliseconds(start: Any, end: Any) -> float | None:
    """From one time to another; None where one is unknown, or where they are the wrong way round."""
    if start is None or end is None:
        return None
    began, ended = moment(start), moment(end)
    if began is None or ended is None or ended < began:
        return None
    return (ended - began).total_seconds() * 1000


def latency_of(record: dict[str, Any]) -> float | None:
    """How long a record says the answer took, in milliseconds, under any of the usual names."""
    found = number(first(record, _MILLISECONDS))
    if found is not None:
        return float(found)
    for start, end in _SPANS:
        if start in record and end in record:
            return milliseconds(record[start], record[end])
    return None
