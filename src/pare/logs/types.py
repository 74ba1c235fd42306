"""What a log of a large model holds: requests and answers, whatever wrote them down. Unknown is None, never zero."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from pare.types import Message


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model asked for. ``arguments`` is JSON text, as the model wrote it."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Logged:
    """One request and its answer.

    ``line`` is where it stands in the file, from 1. ``time`` is ISO 8601 or empty. ``tokens_in`` include cached ones.
    ``cost_usd`` is what the log itself says was paid; ``schema`` names the JSON schema the caller asked for, if any.
    """

    line: int
    messages: tuple[Message, ...]
    answer: str
    tool_calls: tuple[ToolCall, ...] = ()
    model: str = ""
    provider: str = ""
    time: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    latency_ms: float | None = None
    cost_usd: Decimal | None = None
    schema: str = ""
