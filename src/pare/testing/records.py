"""One request in the form of each log: the same prompt and answer, with all that a format can carry."""

from __future__ import annotations

import json
from typing import Any

from pare.logs.types import ToolCall
from pare.types import Message

Record = dict[str, Any]

ASKED: list[Record] = [
    {"role": "system", "content": "Name the intent."},
    {"role": "user", "content": "my card is lost"},
]
PROMPT = (Message("system", "Name the intent."), Message("user", "my card is lost"))
SPOKEN = {"role": "assistant", "content": "lost_card"}
TOOL = {"type": "function", "function": {"name": "block", "arguments": '{"card": 7}'}}
CALL = (ToolCall("block", '{"card":7}'),)
START, END = "2025-10-09T10:00:00Z", "2025-10-09T10:00:00.600Z"
MADE = "2025-10-09T10:00:00+00:00"
USAGE = {"prompt_tokens": 200, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 128}}
CHAT = {"object": "chat.completion", "created": 1760004000, "model": "mini-2", "choices": [{"message": SPOKEN}]}


def openai(**more: Any) -> Record:
    request = {"model": "mini", "messages": ASKED, "response_format": {"json_schema": {"name": "intent"}}}
    return {"request": request, "response": CHAT | {"usage": USAGE}, "latency_ms": 600, **more}


def anthropic(**more: Any) -> Record:
    usage = {"input_tokens": 20, "cache_read_input_tokens": 128, "cache_creation_input_tokens": 52, "output_tokens": 9}
    said = {
        "type": "message",
        "role": "assistant",
        "model": "mini-2",
        "content": [{"type": "text", "text": "lost_card"}],
    }
    request = {"model": "mini", "system": [{"type": "text", "text": "Name the intent."}], "messages": ASKED[1:]}
    wanted = {"type": "json_schema", "schema": {"title": "intent"}}
    times = {"start_time": START, "end_time": END}
    return {"request": request | {"output_format": wanted}, "response": said | {"usage": usage}, **times, **more}


def litellm(**more: Any) -> Record:
    spent = {"response_cost": 0.0000354, "prompt_tokens": 200, "completion_tokens": 9, "total_tokens": 209}
    asked = {"messages": ASKED, "model_parameters": {"response_format": {"json_schema": {"name": "intent"}}}}
    told = {"response": CHAT | {"usage": USAGE}, "model": "openai/mini-2", "custom_llm_provider": "openai"}
    times = {"startTime": 1760004000.0, "endTime": 1760004000.6}
    return {"id": "1", "call_type": "acompletion", "status": "success", **times, **asked, **told, **spent, **more}


def langfuse(**more: Any) -> Record:
    usage = {"input": 72, "input_cached_tokens": 128, "output": 9, "total": 209}
    told = {"model": "mini-2", "usageDetails": usage, "costDetails": {"input": 0.00003, "total": 0.0000354}}
    head = {"id": "1", "traceId": "2", "type": "GENERATION", "startTime": START, "endTime": END}
    schema = {"response_format": {"json_schema": {"name": "intent"}}}
    return {**head, "input": {"messages": ASKED}, "output": SPOKEN, "modelParameters": schema, **told, **more}


def attributes(**named: Any) -> list[Record]:
    kinds = {str: "stringValue", int: "intValue", float: "doubleValue"}
    return [{"key": key.replace("__", "."), "value": {kinds[type(v)]: v}} for key, v in named.items() if v is not None]


def span(events: list[Record] | None = None, **named: Any) -> Record:
    parts = [{"role": one["role"], "parts": [{"type": "text", "content": one["content"]}]} for one in [*ASKED, SPOKEN]]
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.response.model": "mini-2",
        "gen_ai.usage.input_tokens": "200",
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.usage.cache_read.input_tokens": 128,
        "operation.cost": 0.0000354,
        "gen_ai.input.messages": json.dumps(parts[:2]),
        "gen_ai.output.messages": json.dumps(parts[2:]),
    }
    times = {"startTimeUnixNano": "1760004000000000000", "endTimeUnixNano": "1760004000600000000"}
    return {"traceId": "a", **times, "attributes": attributes(**told | named), "events": events or []}


def otel(*spans: Record) -> Record:
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": list(spans) or [span()]}]}]}


WRITERS = {"openai": openai, "anthropic": anthropic, "litellm": litellm, "langfuse": langfuse, "otel": otel}
