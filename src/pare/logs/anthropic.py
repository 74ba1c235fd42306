"""Anthropic: the messages API, logged as requests beside their answers, also as the rows of a message batch.

Fields relied on: ``request|params`` with ``system`` (text or blocks), ``messages``, ``output_format.schema.title``;
``response|result.message`` with ``type: message``, ``content`` (blocks ``text`` and ``tool_use``), ``model``, ``usage``.
``input_tokens`` leaves out what is read from and written to the cache, so ``cache_read_input_tokens`` and
``cache_creation_input_tokens`` are added; the cached tokens are those that were read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pare.logs.fields import answer_of, first, messages_of, object_in, pair, text_in, unpack
from pare.logs.types import Logged
from pare.logs.usage import latency_of, money, time_of, usage_of

__all__ = ["Format"]


class Format:
    """Requests to ``/v1/messages`` and their answers."""

    def knows(self, record: dict[str, Any]) -> bool:
        request, response = pair(record)
        asked, given = object_in(request), object_in(unpack(response))
        if type(asked.get("messages")) is not list or "choices" in given:
            return False
        return given.get("type") in ("message", "error", "errored", "expired", "canceled")

    def split(self, record: dict[str, Any]) -> Iterable[dict[str, Any]]:
        return (record,)

    def parse(self, record: dict[str, Any], line: int) -> Logged | None:
        """A request and its answer; None for an error, and for an answer without text and call."""
        request, response = pair(record)
        asked, given = object_in(request), object_in(unpack(response))
        if given.get("type") != "message":
            return None
        answer, calls = answer_of(given)
        messages = messages_of(asked)
        if not messages or not (calls or answer.strip()):
            return None
        tokens_in, tokens_out, tokens_cached = usage_of(given.get("usage"))
        return Logged(
            line,
            messages,
            answer,
            calls,
            model=text_in(given, ("model",)) or text_in(asked, ("model",)),
            provider=text_in(record, ("provider",)) or "anthropic",
            time=time_of(record),
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            tokens_cached=tokens_cached,
            latency_ms=latency_of(record),
            cost_usd=money(first(record, ("cost_usd", "response_cost"))),
            schema=_schema(asked),
        )


def _schema(request: dict[str, Any]) -> str:
    """The title of the JSON schema asked for, or ``json_schema`` where it has none: the API gives it no name."""
    wanted = object_in(request.get("output_format") or object_in(request.get("output_config")).get("format"))
    if wanted.get("type") != "json_schema":
        return ""
    return text_in(object_in(wanted.get("schema")), ("title",)) or "json_schema"
