"""LiteLLM: the standard logging payload, as its callbacks, S3 and GCS buckets write it, and rows of its spend log.

Fields relied on (docs.litellm.ai, "StandardLoggingPayload Specification"): ``call_type``, ``status``, ``model``,
``custom_llm_provider``, ``messages``, ``response``, ``model_parameters.response_format``, ``response_cost`` with
``response_cost_failure_debug_info``, ``prompt_tokens``, ``completion_tokens``, ``total_tokens``, ``startTime`` and
``endTime`` (seconds, or ISO 8601). Of the spend log ``spend`` in place of ``response_cost``. The payload may lie under
``standard_logging_object``.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pare.logs.fields import answer_of, first, messages_of, object_in, text_in, unpack
from pare.logs.openai import schema_of
from pare.logs.types import Logged
from pare.logs.usage import Usage, count, iso, milliseconds, money, usage_of

__all__ = ["Format"]

REDACTED = "redacted-by-litellm"
"""What LiteLLM writes for a text where message logging is turned off."""


class Format:
    """Payloads of LiteLLM's proxy and SDK."""

    def knows(self, record: dict[str, Any]) -> bool:
        payload = _payload(record)
        if "call_type" not in payload:
            return False
        return "response_cost" in payload or "spend" in payload or ("messages" in payload and "response" in payload)

    def split(self, record: dict[str, Any]) -> Iterable[dict[str, Any]]:
        return (record,)

    def parse(self, record: dict[str, Any], line: int) -> Logged | None:
        """A request and its answer; None for a failure, another endpoint, and where the texts were not kept."""
        payload = _payload(record)
        if payload.get("status") == "failure":
            return None
        answer, calls = answer_of(payload.get("response"))
        messages = messages_of(payload.get("messages"))
        if not messages or not (calls or answer.strip()) or REDACTED in (answer, messages[-1].text):
            return None
        provider = text_in(payload, ("custom_llm_provider",))
        start, end = payload.get("startTime"), payload.get("endTime")
        tokens_in, tokens_out, tokens_cached = _usage(payload)
        return Logged(
            line,
            messages,
            answer,
            calls,
            model=text_in(payload, ("model",)).removeprefix(f"{provider}/"),
            provider=provider,
            time=iso(start),
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            tokens_cached=tokens_cached,
            latency_ms=milliseconds(start, end),
            cost_usd=_cost(payload),
            schema=schema_of(object_in(unpack(payload.get("model_parameters")))),
        )


def _payload(record: dict[str, Any]) -> dict[str, Any]:
    inner = record.get("standard_logging_object")
    return inner if type(inner) is dict else record


def _usage(payload: dict[str, Any]) -> Usage:
    """The answer's own usage, which knows the cache, else the payload's counts, where zero in all means unknown."""
    tokens_in, tokens_out, cached = usage_of(object_in(unpack(payload.get("response"))).get("usage"))
    if tokens_in is not None or not payload.get("total_tokens"):
        return tokens_in, tokens_out, cached
    return count(payload.get("prompt_tokens")), count(payload.get("completion_tokens")), None


def _cost(payload: dict[str, Any]) -> Decimal | None:
    """What was paid. LiteLLM writes zero where it does not know the model's price; that is unknown."""
    cost = money(first(payload, ("response_cost", "spend")))
    if cost:
        return cost
    priced = payload.get("model_map_information")
    unpriced = type(priced) is dict and priced.get("model_map_value") is None
    return None if unpriced or payload.get("response_cost_failure_debug_info") else cost
