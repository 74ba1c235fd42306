import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pare.logs import FORMATS, format_named, read_log
from pare.logs.types import Logged, ToolCall
from pare.testing.formats import check_log_format
from pare.testing.records import (
    ASKED,
    CALL,
    CHAT,
    MADE,
    PROMPT,
    SPOKEN,
    TOOL,
    USAGE,
    WRITERS,
    Record,
    anthropic,
    attributes,
    langfuse,
    litellm,
    openai,
    otel,
    span,
)
from pare.types import Message


def logged(record: Record, format: str | None = None) -> Logged | None:
    """The one request of a record, read by the format that is first to know it."""
    known = [name for name in ([format] if format else FORMATS) if format_named(name).knows(record)]
    one = format_named(known[0])
    found = [one.parse(part, 1) for part in one.split(record)]
    return found[0]


def written(folder: Path, *records: Any, name: str = "log.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


# -- every format -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_reads_all_that_it_carries(name: str, tmp_path: Path) -> None:
    log = read_log(written(tmp_path, WRITERS[name]()))
    assert log.format == name
    (one,) = log
    paid = None if name in ("openai", "anthropic") else Decimal("0.0000354")
    provider = {"openai": "", "langfuse": ""}.get(name, "anthropic" if name == "anthropic" else "openai")
    assert one == Logged(
        1,
        PROMPT,
        "lost_card",
        model="mini-2",
        provider=provider,
        time=MADE,
        tokens_in=200,
        tokens_out=9,
        tokens_cached=128,
        latency_ms=600,
        cost_usd=paid,
        schema="" if name == "otel" else "intent",
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KEYS = sorted(
    {
        "system",
        "params",
        "input",
        "output",
        "prompt",
        "body",
        "result",
        "error",
        "data",
        "observations",
        "parts",
        "role",
    }
    | {"text", "tool_calls", "function", "name", "arguments", "usage_details", "cost_details", "kvlistValue", "values"}
    | {key for write in WRITERS.values() for key in write()}
    | set(CHAT | USAGE | TOOL | span() | openai()["request"] | {"content": 1, "type": 1, "scopeSpans": 1, "spans": 1})
)
LIKE_LOGS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["text", "message", "{}", '["a"]', "user"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)


def spoiled(record: Any, draw: Any) -> Any:
    """A record in which some values were swapped for others."""
    if draw(st.integers(0, 9)) == 0:
        return draw(LIKE_LOGS | JSON)
    if isinstance(record, dict):
        return {key: spoiled(value, draw) for key, value in record.items()}
    return [spoiled(value, draw) for value in record] if isinstance(record, list) else record


def survives(record: Record) -> None:
    for name in FORMATS:
        one = format_named(name)
        one.knows(record)
        for part in [record, *one.split(record)]:
            assert isinstance(one.parse(part, 1), Logged | None)
            one.knows(part)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(), LIKE_LOGS | JSON))
def test_no_object_makes_a_format_raise(record: Record) -> None:
    survives(record)


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_format_conforms(name: str) -> None:
    check_log_format(format_named(name), WRITERS[name]())


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(sorted(WRITERS)))
def test_no_spoiled_record_makes_a_format_raise(data: st.DataObject, name: str) -> None:
    record = spoiled(WRITERS[name](), data.draw)
    if isinstance(record, dict):
        survives(record)


@settings(max_examples=100, deadline=None)
@given(lines=st.lists(JSON.map(json.dumps) | st.text(), max_size=5))
def test_no_line_stops_a_log(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    good = "\n".join([json.dumps(openai())] * 6) + "\n"
    path.write_text(good + "\n".join(line.replace("\n", " ").replace("\r", " ") for line in lines), "utf-8", "replace")
    log = read_log(path)
    assert len(list(log)) == log.read == 6
    assert log.skipped == sum(bool(line.encode("utf-8", "replace").strip()) for line in lines)


# -- spellings --------------------------------------------------------------------------------------------------------

RESPONSES = {
    "created_at": 1760004000,
    "model": "mini-2",
    "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "lost_card"}]},
        {"type": "function_call", "name": "block", "arguments": '{"card":7}'},
    ],
    "usage": {"input_tokens": 200, "output_tokens": 9, "input_tokens_details": {"cached_tokens": 128}},
}


@pytest.mark.parametrize(
    "record",
    [
        {"body": {"messages": ASKED}, "response": {"status_code": 200, "body": CHAT}, "custom_id": "1"},
        {"request": {"method": "POST", "body": {"messages": ASKED}}, "response": {"body": json.dumps(CHAT)}},
        {"request": json.dumps({"messages": ASKED}), "response": json.dumps(CHAT)},
        {"kwargs": {"messages": ASKED}, "response": "lost_card"},
        {"input": ASKED, "output": SPOKEN},
        {"messages": ASKED, "model": "mini", "completion": "lost_card"},
        {"messages": [*ASKED, SPOKEN]},
        {"messages": [*ASKED, SPOKEN, {"role": "user", "content": "thanks"}]},
        {"instructions": "Name the intent.", "input": "my card is lost", "output": RESPONSES["output"]},
        {"request": {"messages": [ASKED[0] | {"role": "developer"}, ASKED[1]]}, "response": CHAT},
        {"request": {"messages": [ASKED[0], {"role": "user", "content": [{"type": "text", "text": "my card is lost"}]}]},
         "response": {"choices": [{"message": {"content": [{"type": "text", "text": "lost_"}, {"text": "card"}]}}]}},
    ],
)  # fmt: skip
def test_openai_spellings(record: Record) -> None:
    found = logged(record)
    assert found is not None
    assert (found.messages, found.answer) == (PROMPT, "lost_card")


def test_openai_responses() -> None:
    request = {"instructions": "Name the intent.", "input": [{"type": "message", **ASKED[1]}], "model": "mini"}
    request["text"] = {"format": {"type": "json_schema", "name": "intent"}}
    found = logged({"request": request, "response": RESPONSES})
    assert found == Logged(1, PROMPT, "lost_card", CALL, "mini-2", "", MADE, 200, 9, 128, schema="intent")


@pytest.mark.parametrize(
    "message",
    [{"tool_calls": [TOOL]}, {"content": None, "function_call": TOOL["function"]}, {"tool_calls": [TOOL, {}]}],
)
def test_openai_calls(message: Record) -> None:
    found = logged(openai(response={"choices": [{"message": message}]}))
    assert found is not None
    assert found.tool_calls == (ToolCall("block", '{"card": 7}'),)


def test_a_conversation_keeps_its_roles_and_leaves_out_what_is_no_text() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "one"}, picture, {"type": "text", "text": "two"}]},
        {"role": "assistant", "content": None, "tool_calls": [TOOL]},
        {"role": "tool", "content": "blocked", "tool_call_id": "1"},
    ]
    blocks = [
        {
            "role": "user",
            "content": [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "two"}],
        },
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "tool_use", "name": "block"}],
        },
        {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "blocked"}]}]},
    ]
    wanted = (Message("user", "one\ntwo"), Message("assistant", ""), Message("tool", "blocked"))
    for record in (openai(request={"messages": messages}), anthropic(request={"messages": blocks})):
        found = logged(record)
        assert found is not None
        assert found.messages == wanted


def test_anthropic_calls_and_batches() -> None:
    content = [{"type": "text", "text": "I block it."}, {"type": "tool_use", "name": "block", "input": {"card": 7}}]
    message = {"type": "message", "role": "assistant", "content": content}
    found = logged({"params": {"messages": ASKED}, "result": {"type": "succeeded", "message": message}})
    assert found is not None
    assert (found.answer, found.tool_calls, found.provider) == ("I block it.", CALL, "anthropic")


@pytest.mark.parametrize(
    "more",
    [
        {"model_map_information": {"model_map_key": "x", "model_map_value": None}},
        {"response_cost_failure_debug_info": {"error_str": "no price"}},
    ],
)
def test_litellm_zero_of_a_model_without_a_price_is_unknown(more: Record) -> None:
    free = logged(litellm(response_cost=0.0))
    unknown = logged(litellm(response_cost=0.0, **more))
    assert free is not None
    assert unknown is not None
    assert (free.cost_usd, unknown.cost_usd) == (Decimal("0.0"), None)


def test_litellm_spend_log() -> None:
    told = {"messages": json.dumps(ASKED), "response": json.dumps(CHAT), "spend": 0.5, "response_cost": None}
    found = logged({"standard_logging_object": litellm(**told, startTime="2025-10-09T10:00:00", endTime=None)})
    assert found is not None
    assert (found.messages, found.answer, found.cost_usd, found.tokens_in) == (PROMPT, "lost_card", Decimal("0.5"), 200)
    assert (found.time, found.latency_ms) == (MADE, None)


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        ({"input": json.dumps(ASKED), "output": json.dumps(SPOKEN)}, "lost_card"),
        ({"input": ASKED, "output": "lost_card"}, "lost_card"),
        ({"input": ASKED, "output": '{"intent": "lost"}'}, '{"intent": "lost"}'),
        ({"input": ASKED, "output": {"intent": "lost"}}, '{"intent":"lost"}'),
        ({"input": ASKED, "output": [ASKED[1], SPOKEN]}, "lost_card"),
        ({"input": ASKED, "output": CHAT}, "lost_card"),
    ],
)
def test_langfuse_spellings(told: Record, answer: str) -> None:
    found = logged(langfuse(**told))
    assert found is not None
    assert (found.messages, found.answer) == (PROMPT, answer)


def test_langfuse_blob_export_and_lists() -> None:
    row = {"id": "1", "trace_id": "2", "type": "GENERATION", "start_time": "2025-10-09 10:00:00.000000", "latency": 0.6}
    row |= {"input": json.dumps(ASKED), "output": "", "tool_calls": [json.dumps(TOOL)], "provided_model_name": "mini"}
    row |= {"usage_details": {"input": 200, "input_cached_tokens": 128, "output": 9, "total": 209}, "total_cost": 0}
    for record in (row, {"trace": {}, "observations": [row]}, {"data": [row], "meta": {"page": 1}}):
        found = logged(record)
        assert found is not None
        assert (found.tool_calls, found.time, found.latency_ms) == ((ToolCall("block", '{"card": 7}'),), MADE, 600)
        assert (found.tokens_in, found.tokens_cached, found.cost_usd) == (
            200,
            128,
            None,
        )  # cached counted twice at source


@pytest.mark.parametrize(
    "events",
    [
        [("gen_ai.system.message", {"content": "Name the intent."}),
         ("gen_ai.user.message", {"content": "my card is lost"}),
         ("gen_ai.choice", {"message": json.dumps(SPOKEN)})],
        [("gen_ai.system.message", {"gen_ai.event.content": json.dumps(ASKED[0])}),
         ("gen_ai.user.message", {"gen_ai.event.content": json.dumps(ASKED[1])}),
         ("gen_ai.choice", {"gen_ai.event.content": json.dumps({"message": SPOKEN, "index": 0})})],
        [("gen_ai.content.prompt", {"gen_ai.prompt": json.dumps(ASKED)}),
         ("gen_ai.content.completion", {"gen_ai.completion": json.dumps([SPOKEN])})],
    ],
)  # fmt: skip
def test_otel_events(events: list[tuple[str, dict[str, str]]]) -> None:
    none: Record = {"gen_ai.input.messages": None, "gen_ai.output.messages": None}
    told = [{"name": name, "attributes": attributes(**fields)} for name, fields in events]
    found = logged(otel(span(told, **none)))
    assert found is not None
    assert (found.messages, found.answer) == (PROMPT, "lost_card")


def test_otel_numbered_attributes() -> None:
    none: Record = {"gen_ai.input.messages": None, "gen_ai.output.messages": None, "gen_ai.operation.name": None}
    named = {f"gen_ai.prompt.{i}.{key}": value for i, one in enumerate(ASKED) for key, value in one.items()}
    called = {"gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.tool_calls.0.name": "block"}
    called["gen_ai.completion.0.tool_calls.0.arguments"] = '{"card":7}'
    found = logged(otel(span(**none | named | called | {"llm.request.type": "chat"})))
    assert found is not None
    assert (found.messages, found.tool_calls) == (PROMPT, CALL)


def test_otel_structured_messages_and_instructions() -> None:
    text = {"kvlistValue": {"values": [*attributes(type="text", content="my card is lost")]}}
    role, parts = {"stringValue": "user"}, {"arrayValue": {"values": [text]}}
    message = {"kvlistValue": {"values": [{"key": "role", "value": role}, {"key": "parts", "value": parts}]}}
    apart = json.dumps([{"type": "text", "content": "Name the intent."}])
    one = span(**{"gen_ai.input.messages": None, "gen_ai.system_instructions": apart})
    one["attributes"].append({"key": "gen_ai.input.messages", "value": {"arrayValue": {"values": [message]}}})
    found = logged(otel(one))
    assert found is not None
    assert found.messages == PROMPT


@pytest.mark.parametrize(
    "record",
    [
        openai(response={"object": "list", "data": [{"embedding": [0.1]}], "usage": {"prompt_tokens": 3}}),
        openai(response={"error": {"message": "rate limit"}}),
        openai(response='{"error": {"message": "rate limit"}}'),
        openai(response={"status_code": 500, "body": "oops"}),
        openai(response={"choices": [{"message": {"content": " "}}]}),
        openai(response='data: {"choices": []}\n\ndata: [DONE]\n'),
        anthropic(response={"type": "error", "error": {"type": "overloaded_error"}}),
        litellm(status="failure", response={}),
        litellm(call_type="aembedding", messages="text", response={"data": []}),
        litellm(messages="{}", response="{}"),
        litellm(messages=[{"role": "user", "content": "redacted-by-litellm"}], response={"text": "redacted-by-litellm"}),
        langfuse(type="SPAN"),
        langfuse(output=None),
        langfuse(output={"error": "timeout"}),
        otel(span(**{"gen_ai.operation.name": "embeddings"})),
        otel(span(**{"gen_ai.operation.name": "invoke_agent"})),
        otel(span(**{"gen_ai.output.messages": None})),
        otel({"startTimeUnixNano": "1", "attributes": attributes(**{"http.method": "GET"})}),
    ],
)  # fmt: skip
def test_what_is_no_answered_chat_is_counted(record: Record, tmp_path: Path) -> None:
    log = read_log(written(tmp_path, record))
    assert list(log) == []
    assert {why: (one.count, one.examples) for why, one in log.reasons.items()} == {
        "no answered chat": (1, [f"{tmp_path}/log.jsonl, line 1"])
    }


@pytest.mark.parametrize("value", [None, "", "yesterday", -1, 1e300, True, [], {}, "1" * 400])
def test_an_unknown_figure_is_none(value: Any) -> None:
    answered = CHAT | {"created": value, "usage": {"prompt_tokens": value, "cost": value}}
    found = logged(openai(latency_ms=value, timestamp=value, cost_usd=value, response=answered))
    assert found is not None
    assert (found.time, found.tokens_in, found.cost_usd, found.latency_ms) == ("", None, None, None)
