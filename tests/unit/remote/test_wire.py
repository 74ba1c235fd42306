from __future__ import annotations

import json
from typing import Any

import pytest

from pare.errors import InputError
from pare.remote import Answer, Endpoint, Parameters, Prompt
from pare.remote.wire import Complaint, Malformed, body, complaint, one_line, read, without_key
from pare.types import Message

ENDPOINT = Endpoint("https://host/v1", "m")


def said(**fields: Any) -> bytes:
    choice = {"message": {"content": "refund"}, "finish_reason": "stop"} | fields
    return json.dumps(
        {"choices": [choice], "model": "m-1", "usage": {"prompt_tokens": 5, "completion_tokens": 2}}
    ).encode()


def test_a_request_holds_what_was_asked_for_and_no_more() -> None:
    prompt = Prompt((Message("system", "be brief"), Message("user", "hi")))
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    asked = {"model": "m", "messages": messages}
    assert body(ENDPOINT, prompt, Parameters()) == asked | {"temperature": 0.0, "max_tokens": 256}
    form = {"type": "json_object"}
    parameters = Parameters(None, 9, form, "max_completion_tokens", {"seed": 1})
    assert body(ENDPOINT, prompt, parameters) == asked | {
        "max_completion_tokens": 9,
        "response_format": form,
        "seed": 1,
    }


def test_senseless_requests_are_refused() -> None:
    with pytest.raises(InputError, match="no messages"):
        body(ENDPOINT, Prompt(()), Parameters())
    with pytest.raises(InputError, match="max_tokens must be at least 1"):
        Parameters(max_tokens=0)
    with pytest.raises(InputError, match="temperature must be from 0 to 2"):
        Parameters(temperature=3)
    with pytest.raises(InputError, match="'stream' is not a further field"):
        Parameters(more={"stream": True})


def test_an_answer_is_read() -> None:
    assert read(said()) == Answer("refund", "stop", 5, 2, "m-1")
    assert read(said(finish_reason="length")) == Answer("refund", "length", 5, 2, "m-1")
    parts = [{"type": "text", "text": "re"}, {"type": "text", "text": "fund"}]
    assert read(said(message={"content": parts})) == Answer("refund", "stop", 5, 2, "m-1")
    assert read(said(message={"content": None}, finish_reason="content_filter")) == Answer(
        "", "content_filter", 5, 2, "m-1"
    )
    assert read(b'{"choices": [{"message": {"content": "x"}}]}') == Answer("x", "")
    assert read(b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": "many"}}') == Answer("x", "")


def test_an_emoji_that_was_cut_in_two_can_be_kept() -> None:
    answer = read(said(message={"content": "fine \ud83d"}))
    assert isinstance(answer, Answer)
    assert answer.text.encode() == "fine \ufffd".encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [3]}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": {"content": 3}}]}',
        b'{"choices": [{"message": {"content": "x"}, "finish_reason": "error"}]}',
    ],
)
def test_what_is_no_answer_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read(raw)


def test_an_error_inside_a_200_is_an_error() -> None:
    found = read(b'{"error": {"code": 429, "message": "slow down"}}')
    assert found == Complaint(429, "slow down", "429")
    assert isinstance(found, Complaint)
    assert found.passing
    assert read(b'{"error": "it broke"}') == Complaint(502, "it broke")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"error": {"message": "no such model", "code": "model_not_found"}}', "no such model"),
        (b'{"error": "no such model"}', "no such model"),
        (b'{"detail": "no such model"}', "no such model"),
        (b'{"object": "error", "message": "no such model", "code": 404}', "no such model"),
        (b"<html><body>no such model</body></html>", "no such model"),
        (b"", ""),
    ],
)
def test_an_endpoint_s_own_words_are_found(raw: bytes, words: str) -> None:
    assert one_line(complaint(404, raw).words) == words


@pytest.mark.parametrize(
    ("status", "passing"), [(408, True), (409, True), (429, True), (500, True), (529, True), (400, False)]
)
def test_what_may_pass_is_known_by_its_status(status: int, passing: bool) -> None:
    assert complaint(status, b"").passing is passing


def test_an_empty_account_does_not_pass_by_waiting() -> None:
    found = complaint(429, b'{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}')
    assert not found.passing
    assert str(found) == "429 Too Many Requests: You exceeded your quota"
    assert str(Complaint(529, "")) == "529"


def test_a_message_is_one_line_without_a_key() -> None:
    key = "sk-0123456789"
    text = without_key(f"wrong key\n{key}, or sk-01****89\x1b[31m " + "x" * 500, key)
    line = one_line(text)
    assert "0123" not in line
    assert "sk-01" not in line
    assert "\n" not in line
    assert "\x1b" not in line
    assert len(line) == 200
