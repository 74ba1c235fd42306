"""What the formats share: values as any log writes them, read without trusting them.

Nothing here raises on a JSON value, whatever its shape: what is not understood is empty or None. The spellings of a
message that are known, by the field names relied on:

- OpenAI chat: ``role``, ``content`` (text, or parts with ``type`` and ``text``), ``tool_calls[].function.name|arguments``
- OpenAI Responses: ``input`` and ``output`` items with ``type`` ``message``, ``function_call``, ``function_call_output``
- Anthropic: blocks ``text``, ``tool_use`` (``name``, ``input``), ``tool_result`` (``content``), ``system`` apart
- OpenTelemetry GenAI: ``parts`` with ``type`` ``text`` (``content``), ``tool_call``, ``tool_call_response``
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from pare.logs.types import ToolCall
from pare.types import Message, Role

Answer = tuple[str, tuple[ToolCall, ...]]
"""What a model said: its text, and the functions that it asked for."""

NOTHING: Answer = ("", ())

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "function_call_output": "tool",
}
"""Role, or kind of item where it has no role → our role. Any other is the user's."""

_CALLS = frozenset({"function_call", "custom_tool_call", "tool_use", "tool_call"})
_RESULTS = frozenset({"tool_result", "tool_call_response"})
_UNSPOKEN = frozenset({"reasoning", "thinking", "redacted_thinking", "item_reference", "blob", "file", "uri"})

_decode = msgspec.json.Decoder().decode


# -- JSON -------------------------------------------------------------------------------------------------------------


def unpack(value: Any) -> Any:
    """The object or list inside a text of JSON; anything else as it is."""
    if type(value) is not str or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        return _decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return value


def json_text(value: Any) -> str:
    """A value as JSON text; a text stays as it is, for it is JSON already."""
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def object_in(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if type(value) is dict else {}


def text_in(record: dict[str, Any], keys: Iterable[str]) -> str:
    """The first of the keys that holds a text that is not empty."""
    for key in keys:
        value = record.get(key)
        if type(value) is str and value:
            return value
    return ""


def first(record: dict[str, Any], keys: Iterable[str]) -> Any:
    """The first of the keys that holds something."""
    for key in keys:
        value = record.get(key)
        if value is not None:
            return value
    return None


# -- messages ---------------------------------------------------------------------------------------------------------


def messages_of(request: Any) -> tuple[Message, ...]:
    """The messages of a request: its body, a list of messages, one message, or the prompt's text. Empty if none.

    Parts are joined by a new line, as they are apart in the prompt; what is no text is left out. An Anthropic user
    message that carries a tool's result is the tool's.
    """
    value = unpack(request)
    found: tuple[Message, ...] = ()
    if type(value) is dict:
        found = _in_body(value)
    elif type(value) is list:
        found = _listed(value)
    if not found and type(request) is str and request.strip():
        return (Message("user", request),)
    return found


def _in_body(body: dict[str, Any]) -> tuple[Message, ...]:
    """The messages of a request's body, the instructions that some APIs keep apart first."""
    said = first(body, ("messages", "input", "prompt"))
    if said is None:
        return _listed([body]) if type(body.get("role")) is str else ()
    apart = text_of(first(body, ("system", "instructions")))
    messages = _listed(said if type(said) is list else [said])
    return (Message("system", apart), *messages) if apart else messages


def _listed(items: Sequence[Any]) -> tuple[Message, ...]:
    if len(items) == 1 and type(items[0]) is list:
        items = items[0]
    found = []
    for item in items:
        if type(item) is dict:
            role, content = item.get("role"), item.get("content")
            if type(content) is str and type(role) is str:  # nearly all of them: no call for these
                found.append(Message(ROLES.get(role, "user"), content))
            elif (message := _message(item)) is not None:
                found.append(message)
        elif type(item) is str and item:
            found.append(Message("user", item))
    return tuple(found)


def _message(item: dict[str, Any]) -> Message | None:
    """A message that is not just a role and a text; None for what is no message, as reasoning."""
    role = text_in(item, ("role", "type"))
    if role in _UNSPOKEN:
        return None
    body = first(item, ("content", "parts", "output", "text"))
    if body is None and role not in ROLES:
        return None
    if type(body) is list and any(type(part) is dict and _is(part, _RESULTS) for part in body):
        role = "tool"
    return Message(ROLES.get(role, "user"), text_of(body))


def text_of(content: Any, glue: str = "\n") -> str:
    """The text of a message's content: a text, or the text of its parts."""
    if type(content) is str:
        return content
    if type(content) is dict:
        return _part(content)
    if type(content) is not list:
        return ""
    return glue.join(filter(None, map(_part, content)))


def _part(part: Any) -> str:
    """The text of one part: of a text, of a refusal, or of what a tool gave."""
    if type(part) is not dict:
        return part if type(part) is str else ""
    if _is(part, _UNSPOKEN):
        return ""
    if _is(part, _RESULTS):
        given = first(part, ("content", "response", "result"))
        return "\n".join(_plain(inner) for inner in given) if type(given) is list else json_text(given)
    return _plain(part)


def _plain(part: Any) -> str:
    return text_in(part, ("text", "content", "refusal")) if type(part) is dict else ""


def _is(part: dict[str, Any], kinds: frozenset[str]) -> bool:
    kind = part.get("type")
    return type(kind) is str and kind in kinds


# -- answers ----------------------------------------------------------------------------------------------------------


def answer_of(response: Any) -> Answer:
    """What the model said, of a response's body, a message, a list of them, or a text; ``NOTHING`` if it said nothing.

    Of several choices it is the first. An object or a list that is no known envelope says nothing, but as a text of
    JSON it is the answer itself.
    """
    value = unpack(response)
    found = NOTHING
    if type(value) is dict:
        found = _in_envelope(value)
    elif type(value) is list:
        found = items_said(value)
    if found == NOTHING and value and type(response) is str:
        return response, ()
    return found


def _in_envelope(body: dict[str, Any]) -> Answer:
    choices = body.get("choices")
    if type(choices) is list and choices and type(choices[0]) is dict:
        message = choices[0].get("message")
        return said(message) if type(message) is dict else (text_in(choices[0], ("text",)), ())
    if type(body.get("output")) is list:
        return items_said(body["output"])
    message = body.get("message")
    if type(message) is dict and "role" in message:
        return said(message)
    is_message = "role" in body or any(type(body.get(key)) is list for key in ("content", "parts", "tool_calls"))
    return said(body) if is_message else NOTHING


def said(message: dict[str, Any]) -> Answer:
    """The text and the calls of one message of the model. A refusal is its text where there is no other."""
    content = message.get("content")
    if content is None:
        content = message.get("parts")
    text = text_of(content, "") or text_in(message, ("refusal",))
    calls = calls_of(message.get("tool_calls"))
    if not calls and type(content) is list:
        calls = calls_of([part for part in content if type(part) is dict and _is(part, _CALLS)])
    return text, calls or calls_of([message.get("function_call")])


def items_said(items: list[Any]) -> Answer:
    """What a list says: output items and blocks are parts of one answer, of plain messages the last one counts."""
    text, calls = NOTHING
    for item in items:
        if type(item) is not dict:
            continue
        if _is(item, _CALLS):
            calls += calls_of([item])
        elif item.get("type") == "message":
            more, called = said(item)
            text, calls = text + more, calls + called
        elif "role" in item:
            text, calls = said(item)
        else:
            text += _part(item)
    return text, calls


def calls_of(items: Any) -> tuple[ToolCall, ...]:
    """The functions that were called, of OpenAI's ``tool_calls`` or of blocks and parts that are calls."""
    if type(items) is not list:
        return ()
    found = []
    for item in items:
        if type(item) is not dict:
            continue
        inner = first(item, ("function", "custom"))
        call = inner if type(inner) is dict else item
        name = call.get("name")
        if type(name) is str and name:
            found.append(ToolCall(name, json_text(first(call, ("arguments", "input", "args")))))
    return tuple(found)


# -- requests beside responses ----------------------------------------------------------------------------------------

_REQUESTS = ("request", "params", "body", "input", "kwargs", "request_body", "requestBody")
_RESPONSES = ("response", "result", "output", "completion", "response_body", "responseBody")
_INNER = ("body", "json")


def pair(record: dict[str, Any]) -> tuple[Any, Any]:
    """The request and the response that a record holds side by side, out of their HTTP wrappers; None where missing.

    The request is the record itself where its fields lie beside the response. A response may stay a text of JSON.
    """
    request, response = first(record, _REQUESTS), first(record, _RESPONSES)
    request = _inner(unpack(request))
    if type(request) is not dict and ("messages" in record or "prompt" in record or "input" in record):
        request = record
    return request, _inner(response)


def _inner(value: Any) -> Any:
    """The body of an HTTP request or response, an error for a status that is one, or the message of a batch's result."""
    if type(value) is not dict:
        return value
    status = value.get("status_code")
    if type(status) is int and status >= 400:
        return {"type": "error", "error": status}
    if value.get("type") == "succeeded" and type(value.get("message")) is dict:
        return value["message"]
    for key in _INNER:
        if type(value.get(key)) in (dict, str):
            return unpack(value[key])
    return value
