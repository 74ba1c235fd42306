"""OpenTelemetry: spans of the GenAI semantic conventions, as OTLP JSON writes them, also one span alone.

Fields relied on (opentelemetry.io, "Semantic conventions for generative client AI spans"): ``resourceSpans``,
``scopeSpans``, ``spans``, ``startTimeUnixNano``, ``endTimeUnixNano``, ``attributes``, ``events``; the attributes
``gen_ai.operation.name``, ``gen_ai.provider.name`` (before 1.37 ``gen_ai.system``), ``gen_ai.request.model``,
``gen_ai.response.model``, ``gen_ai.usage.input_tokens`` (cached ones included), ``gen_ai.usage.output_tokens``,
``gen_ai.usage.cache_read.input_tokens``, ``gen_ai.system_instructions``, ``gen_ai.input.messages``,
``gen_ai.output.messages``. Of OpenLLMetry ``gen_ai.prompt.0.role|content``, ``gen_ai.completion.0.content``,
``gen_ai.completion.0.tool_calls.0.name|arguments``, ``llm.request.type``, ``gen_ai.usage.prompt_tokens``. The span events
``gen_ai.user.message`` and its kin, ``gen_ai.choice``, ``gen_ai.content.prompt``, ``gen_ai.content.completion`` (with
``gen_ai.event.content``). Of Logfire ``operation.cost`` (USD).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pare.logs.fields import NOTHING, Answer, answer_of, first, messages_of, object_in, said, text_in, text_of, unpack
from pare.logs.types import Logged
from pare.logs.usage import count, iso, milliseconds, money
from pare.types import Message

__all__ = ["Format"]

_CHATS = frozenset({"", "chat", "text_completion", "generate_content", "completion"})
"""Names of an operation that is one call of a model. An agent's span repeats the calls below it, so it is none."""

_WANTED = ("gen_ai.", "llm.request.type", "operation.cost", "error.type")
_ROLES = {f"gen_ai.{role}.message": role for role in ("system", "user", "assistant", "tool")}
_STARTS = ("startTimeUnixNano", "start_time_unix_nano", "start_time")
_ENDS = ("endTimeUnixNano", "end_time_unix_nano", "end_time")

_CACHED = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.details.cache_read_tokens",
)

Fields = dict[str, Any]


class Format:
    """Traces; only spans of a chat that carry their messages are requests."""

    def knows(self, record: Fields) -> bool:
        if "resourceSpans" in record or "scopeSpans" in record or "resource_spans" in record:
            return True
        return "attributes" in record and first(record, _STARTS) is not None

    def split(self, record: Fields) -> Iterable[Fields]:
        """The spans of an export, of one resource, or the span itself."""
        if "attributes" in record and "scopeSpans" not in record:
            return (record,)
        return _spans(record)

    def parse(self, record: Fields, line: int) -> Logged | None:
        """A span of a chat; None for another operation, and where the messages or the answer were not recorded."""
        fields = _fields(record.get("attributes"))
        if not fields or text_in(fields, ("gen_ai.operation.name", "llm.request.type")) not in _CHATS:
            return None
        events = _events(record.get("events"))
        answer, calls = _answer(fields, events)
        messages = _messages(fields, events)
        if not messages or not (calls or answer.strip()):
            return None
        start = first(record, _STARTS)
        return Logged(
            line,
            messages,
            answer,
            calls,
            model=text_in(fields, ("gen_ai.response.model", "gen_ai.request.model")),
            provider=text_in(fields, ("gen_ai.provider.name", "gen_ai.system")),
            time=iso(start),
            tokens_in=count(first(fields, ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"))),
            tokens_out=count(first(fields, ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"))),
            tokens_cached=count(first(fields, _CACHED)),
            latency_ms=milliseconds(start, first(record, _ENDS)),
            cost_usd=money(first(fields, ("operation.cost", "gen_ai.usage.cost"))),
        )


def _spans(record: Fields) -> Iterator[Fields]:
    for resource in _objects(first(record, ("resourceSpans", "resource_spans"))) or [record]:
        for scope in _objects(first(resource, ("scopeSpans", "scope_spans"))):
            yield from _objects(scope.get("spans"))


def _objects(value: Any) -> list[Fields]:
    return [inner for inner in value if type(inner) is dict] if type(value) is list else []


# -- attributes -------------------------------------------------------------------------------------------------------


def _fields(attributes: Any) -> Fields:
    """The attributes that matter here, by name. OTLP writes a list of key and value, other exporters an object."""
    if type(attributes) is dict:
        return {key: value for key, value in attributes.items() if key.startswith(_WANTED)}
    found: Fields = {}
    for item in _objects(attributes):
        key = item.get("key")
        if type(key) is str and key.startswith(_WANTED):
            found[key] = _value(item.get("value"))
    return found


def _value(value: Any) -> Any:
    """An OTLP AnyValue: the plain value inside, with arrays and lists of keys as lists and objects."""
    if type(value) is not dict or not value:
        return value
    kind, inner = next(iter(value.items()))
    if kind == "arrayValue":
        return [_value(item) for item in _objects(object_in(inner).get("values"))]
    if kind == "kvlistValue":
        pairs = _objects(object_in(inner).get("values"))
        return {key: _value(item.get("value")) for item in pairs if type(key := item.get("key")) is str}
    return inner


def _events(events: Any) -> list[tuple[str, Fields]]:
    """The span's events of GenAI: name, and the message that it carries as JSON text or as attributes."""
    found = []
    for event in _objects(events):
        name = event.get("name")
        if type(name) is str and name.startswith("gen_ai."):
            attributes = event.get("attributes")
            fields = attributes if type(attributes) is dict else _every(attributes)
            found.append((name, object_in(unpack(fields.get("gen_ai.event.content"))) or fields))
    return found


def _every(attributes: Any) -> Fields:
    return object_in(_value({"kvlistValue": {"values": attributes}}))


# -- messages ---------------------------------------------------------------------------------------------------------


def _messages(fields: Fields, events: list[tuple[str, Fields]]) -> tuple[Message, ...]:
    found = messages_of(fields.get("gen_ai.input.messages"))
    if not found:
        found = messages_of(list(_indexed(fields, "gen_ai.prompt"))) or messages_of(fields.get("gen_ai.prompt"))
    if not found:
        found = tuple(message for name, body in events for message in _asked(name, body))
    apart = text_of(unpack(fields.get("gen_ai.system_instructions")))
    return (Message("system", apart), *found) if apart and found else found


def _asked(name: str, body: Fields) -> tuple[Message, ...]:
    if name == "gen_ai.content.prompt":
        return messages_of(first(body, ("gen_ai.prompt", "content")))
    return messages_of([{"role": _ROLES[name], **body}]) if name in _ROLES else ()


def _answer(fields: Fields, events: list[tuple[str, Fields]]) -> Answer:
    """What the model said. Output messages are its choices: the first that says something counts."""
    outputs = unpack(fields.get("gen_ai.output.messages"))
    choices = _objects(outputs) or list(_indexed(fields, "gen_ai.completion"))
    choices = choices or [choice for name, body in events for choice in _given(name, body)]
    answers = [said(choice) for choice in choices]
    answers.append(answer_of(first(fields, ("gen_ai.completion", "gen_ai.output.messages"))))
    return next((answer for answer in answers if answer != NOTHING), NOTHING)


def _given(name: str, body: Fields) -> list[Fields]:
    if name == "gen_ai.content.completion":
        content = unpack(first(body, ("gen_ai.completion", "content")))
        return _objects(content) or [content if type(content) is dict else {"content": content}]
    if name != "gen_ai.choice":
        return []
    message = unpack(body.get("message"))
    return [message if type(message) is dict else {**body, "content": first(body, ("content", "message"))}]


def _indexed(fields: Fields, prefix: str) -> Iterator[Fields]:
    """The messages of OpenLLMetry, whose attributes are numbered."""
    place = 0
    while f"{prefix}.{place}.role" in fields or f"{prefix}.{place}.content" in fields:
        root = f"{prefix}.{place}."
        content = fields.get(f"{root}content")
        parts = unpack(content)
        is_parts = type(parts) is list and bool(parts) and type(parts[0]) is dict and "type" in parts[0]
        calls = list(_indexed_calls(fields, f"{root}tool_calls"))
        yield {"role": fields.get(f"{root}role"), "content": parts if is_parts else content, "tool_calls": calls}
        place += 1


def _indexed_calls(fields: Fields, prefix: str) -> Iterator[Fields]:
    place = 0
    while name := first(fields, (f"{prefix}.{place}.name", f"{prefix}.{place}.function.name")):
        given = first(fields, (f"{prefix}.{place}.arguments", f"{prefix}.{place}.function.arguments"))
        yield {"name": name, "arguments": given}
        place += 1
