"""OpenAI: chat completions and responses, logged as requests beside their answers, and fine-tuning files.

Fields relied on: ``request|body|input|kwargs`` beside ``response|output`` (with ``body`` inside, as in Batch files);
``messages``, ``model``, ``response_format.json_schema.name``; ``choices[0].message``, ``created``,
``usage.prompt_tokens|completion_tokens|prompt_tokens_details.cached_tokens``. Of the Responses API ``input``,
``instructions``, ``text.format.name``, ``output``, ``created_at``, ``usage.input_tokens|output_tokens|
input_tokens_details.cached_tokens``. Of OpenRouter ``provider`` and ``usage.cost`` (USD). A fine-tuning row is
``{"messages": [...]}``, and its last message of the assistant is the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pare.logs.fields import NOTHING, Answer, answer_of, first, messages_of, object_in, pair, said, text_in, unpack
from pare.logs.types import Logged
from pare.logs.usage import iso, latency_of, money, time_of, usage_of

__all__ = ["Format", "schema_of"]

_STREAM = ("data:", "event:")


class Format:
    """OpenAI's forms, and those of the many servers that speak its protocol. The loosest format: asked last."""

    def knows(self, record: dict[str, Any]) -> bool:
        request, response = pair(record)
        if type(request) is dict:
            asked = any(key in request for key in ("messages", "input", "prompt"))
            return asked and (response is not None or type(record.get("messages")) is list)
        return type(request) in (list, str) and response is not None

    def split(self, record: dict[str, Any]) -> Iterable[dict[str, Any]]:
        return (record,)

    def parse(self, record: dict[str, Any], line: int) -> Logged | None:
        """A request and its answer; None for another endpoint, an error, an unread stream and an empty answer."""
        request, response = pair(record)
        if response is None:
            return _tuned(request, record, line)
        answer, calls = _answer(response)
        if not calls and not answer.strip():
            return None
        messages = messages_of(request)
        if not messages:
            return None
        asked, given = object_in(request), object_in(unpack(response))
        usage = given.get("usage") or record.get("usage")
        tokens_in, tokens_out, tokens_cached = usage_of(usage)
        return Logged(
            line,
            messages,
            answer,
            calls,
            model=text_in(given, ("model",)) or text_in(asked, ("model",)) or text_in(record, ("model",)),
            provider=text_in(record, ("provider",)) or text_in(given, ("provider",)),
            time=iso(first(given, ("created", "created_at"))) or time_of(record),
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            tokens_cached=tokens_cached,
            latency_ms=latency_of(record),
            cost_usd=money(first(record, ("cost_usd", "response_cost"))) or money(object_in(usage).get("cost")),
            schema=schema_of(asked),
        )


def _answer(response: Any) -> Answer:
    """The answer of a response's body; nothing where it is an error, or the text of a stream."""
    if type(response) is str and response.startswith(_STREAM):
        return NOTHING
    return NOTHING if object_in(unpack(response)).get("error") else answer_of(response)


def _tuned(request: Any, record: dict[str, Any], line: int) -> Logged | None:
    """A fine-tuning row: what stands before the last message of the assistant is the prompt."""
    spoken = object_in(request).get("messages")
    if type(spoken) is not list:
        return None
    for place in range(len(spoken) - 1, 0, -1):
        message = spoken[place]
        if type(message) is dict and message.get("role") == "assistant":
            answer, calls = said(message)
            messages = messages_of(spoken[:place])
            if messages and (calls or answer.strip()):
                model = text_in(record, ("model",))
                return Logged(line, messages, answer, calls, model=model, time=time_of(record))
            return None
    return None


def schema_of(request: dict[str, Any]) -> str:
    """The name of the JSON schema that a request asks for; empty where it asks for none."""
    wanted = object_in(request.get("response_format"))
    if wanted:
        return text_in(object_in(wanted.get("json_schema")), ("name",))
    return text_in(object_in(object_in(request.get("text")).get("format")), ("name",))
