"""Langfuse: observations, as the API, the blob storage export and the JSON export of the user interface write them.

Fields relied on (langfuse.com, "Blob storage export field reference" and the API's ``ObservationsView``), in camel or in
snake case: ``type`` (``GENERATION``), ``traceId``, ``startTime``, ``endTime``, ``latency`` (seconds), ``input``,
``output``, ``model|providedModelName``, ``modelParameters``, ``usageDetails``, ``costDetails.total``, ``totalCost``,
``calculatedTotalCost``, and before those ``usage`` and ``promptTokens``. A trace's ``observations`` and a page's ``data``
are lists of observations. Times without a zone are UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pare.logs.fields import (
    NOTHING,
    Answer,
    answer_of,
    calls_of,
    first,
    json_text,
    messages_of,
    object_in,
    text_in,
    unpack,
)
from pare.logs.openai import schema_of
from pare.logs.types import Logged
from pare.logs.usage import Usage, count, iso, milliseconds, money, number
from pare.types import Message

__all__ = ["Format"]

_LISTS = ("observations", "data")
_STARTS = ("startTime", "start_time")
_ENDS = ("endTime", "end_time")
_MODELS = ("model", "providedModelName", "provided_model_name")
_CACHED = ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read")


class Format:
    """Exports of Langfuse; only generations are requests to a model."""

    def knows(self, record: dict[str, Any]) -> bool:
        if any(_is_observation(inner) for key in _LISTS for inner in _objects(record.get(key))[:1]):
            return True
        return _is_observation(record)

    def split(self, record: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """The observations of a trace or of a page of the API, each of which may be an observation alone."""
        for key in _LISTS:
            if found := _objects(record.get(key)):
                return found
        return (record,)

    def parse(self, record: dict[str, Any], line: int) -> Logged | None:
        """A generation; None for a span, an event, another kind of observation, and for one without an answer."""
        kind = record.get("type", "GENERATION")
        model = text_in(record, _MODELS)
        if type(kind) is not str or kind.upper() != "GENERATION" or not ("type" in record or model):
            return None
        answer, calls = _answer(record.get("output"))
        calls = calls or calls_of(_unpacked(record.get("tool_calls")))
        messages = _messages(record.get("input"))
        if not messages or not (calls or answer.strip()):
            return None
        tokens_in, tokens_out, tokens_cached = _usage(record)
        start = first(record, _STARTS)
        parameters = object_in(unpack(first(record, ("modelParameters", "model_parameters"))))
        return Logged(
            line,
            messages,
            answer,
            calls,
            model=model,
            provider=text_in(object_in(unpack(record.get("metadata"))), ("ls_provider",)),
            time=iso(start),
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            tokens_cached=tokens_cached,
            latency_ms=_latency(record, start),
            cost_usd=_cost(record),
            schema=schema_of({"response_format": unpack(parameters.get("response_format"))}),
        )


def _objects(value: Any) -> list[dict[str, Any]]:
    return [inner for inner in value if type(inner) is dict] if type(value) is list else []


def _is_observation(record: dict[str, Any]) -> bool:
    timed = "startTime" in record or "start_time" in record
    return timed and ("traceId" in record or "trace_id" in record) and ("input" in record or "type" in record)


def _unpacked(value: Any) -> list[Any]:
    return [unpack(inner) for inner in value] if type(value) is list else []


def _messages(given: Any) -> tuple[Message, ...]:
    """The prompt; an object that holds no messages, as a chain's variables, is a user's message of JSON."""
    found = messages_of(given)
    if found or not given or type(given) not in (dict, list):
        return found
    return (Message("user", json_text(given)),)


def _answer(given: Any) -> Answer:
    """The answer; an object in no known envelope, and no error, is structured output: the answer as JSON."""
    found = answer_of(given)
    if found != NOTHING or not given or type(given) not in (dict, list):
        return found
    return NOTHING if type(given) is dict and ("role" in given or given.get("error")) else (json_text(given), ())


def _usage(record: dict[str, Any]) -> Usage:
    """Tokens. Each key of ``usageDetails`` is a part of its own, so those named input are summed.

    Some writers count the cached tokens in ``input`` as well (langfuse/langfuse#10592); then ``total`` is input and
    output alone, and so are these.
    """
    details = object_in(first(record, ("usageDetails", "usage_details")))
    if not details:
        return _old_usage(record)
    plain_in, plain_out, total = (count(details.get(key)) for key in ("input", "output", "total"))
    cached = count(first(details, _CACHED))
    if total is not None and total == (plain_in or 0) + (plain_out or 0):
        return plain_in, plain_out, cached
    parts_in = [count(value) or 0 for key, value in details.items() if "input" in key]
    parts_out = [count(value) or 0 for key, value in details.items() if "output" in key]
    return sum(parts_in) if parts_in else None, sum(parts_out) if parts_out else None, cached


def _old_usage(record: dict[str, Any]) -> Usage:
    """Tokens as they were written before ``usageDetails``, where zero in all means unknown."""
    usage = object_in(record.get("usage"))
    tokens_in = count(first(usage, ("input", "promptTokens"))) or count(first(record, ("promptTokens", "inputUsage")))
    tokens_out = count(first(usage, ("output", "completionTokens")))
    tokens_out = tokens_out or count(first(record, ("completionTokens", "outputUsage")))
    return (tokens_in, tokens_out, None) if tokens_in or tokens_out else (None, None, None)


def _latency(record: dict[str, Any], start: Any) -> float | None:
    found = milliseconds(start, first(record, _ENDS))
    seconds = number(record.get("latency")) if found is None else None
    return found if seconds is None else seconds * 1000


def _cost(record: dict[str, Any]) -> Decimal | None:
    """What was paid. Langfuse writes zero as the total of a model without a price; that is unknown."""
    details = object_in(first(record, ("costDetails", "cost_details")))
    if details.get("total") is not None:
        return money(details["total"])
    total = money(first(record, ("totalCost", "total_cost", "calculatedTotalCost")))
    if total:
        return total
    parts = [amount for value in details.values() if (amount := money(value)) is not None]
    return sum(parts, Decimal(0)) if parts else None
