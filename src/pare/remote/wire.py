"""The protocol: a request's body, an answer's, and what an endpoint says when it will not answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pare.errors import InputError
from pare.remote.endpoint import Endpoint
from pare.remote.retry import AGAIN
from pare.remote.types import Answer, Parameters, Prompt

MOST_CHARACTERS = 200
"""Of an endpoint's own words in a message to the user."""
SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""Codes of OpenAI's 429 that no waiting helps: the account is out of money."""


class Malformed(Exception):
    """An answer that cannot be read. The text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """An answer that is an error: its status, the endpoint's words, and its code."""

    status: int
    words: str
    code: str = ""

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return (self.status in AGAIN or self.status >= 500) and self.code not in SPENT

    def __str__(self) -> str:
        try:
            name = f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            name = str(self.status)
        return f"{name}: {self.words}" if self.words else name


def body(endpoint: Endpoint, prompt: Prompt, parameters: Parameters) -> dict[str, Any]:
    """The request as JSON values. Raises InputError for a prompt without messages."""
    if not prompt.messages:
        raise InputError("a prompt has no messages; it needs at least one")
    asked: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [{"role": message.role, "content": message.text} for message in prompt.messages],
        **parameters.more,
    }
    if parameters.temperature is not None:
        asked["temperature"] = float(parameters.temperature)
    if parameters.max_tokens is not None:
        asked[parameters.limit_field] = parameters.max_tokens
    if parameters.response_format is not None:
        asked["response_format"] = dict(parameters.response_format)
    return asked


def read(raw: bytes) -> Answer | Complaint:
    """What a 200 holds. Some routers put an error into it, with the status of the server behind them.

    Raises Malformed where it is no answer of the protocol.
    """
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        raise Malformed("no JSON") from None
    if not isinstance(said, dict):
        raise Malformed("no JSON object")
    choices = said.get("choices")
    if not choices and said.get("error"):
        code = said["error"].get("code") if isinstance(said["error"], dict) else None
        status = code if isinstance(code, int) and 400 <= code < 600 else 502
        return complaint(status, raw)
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Malformed("no choices")
    return _answer(said, choices[0])


def complaint(status: int, raw: bytes) -> Complaint:
    """What an error's body says; it may be JSON in one of several forms, a page, or empty.

    The words are whole: they are cut when keys are out of them, or the cut could go through a key and hide it from us.
    """
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        return Complaint(status, re.sub(r"<[^>]*>", " ", raw.decode("utf-8", "replace")))
    error = said.get("error", said) if isinstance(said, dict) else said
    if not isinstance(error, dict):
        return Complaint(status, str(error))
    words = error.get("message") or error.get("detail") or error.get("type") or ""
    return Complaint(status, str(words), str(error.get("code") or error.get("type") or ""))


def one_line(text: str) -> str:
    """Text in one line, printable, cut at `MOST_CHARACTERS`."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= MOST_CHARACTERS else line[: MOST_CHARACTERS - 1] + "…"


def without_key(text: str, key: str | None) -> str:
    """Text in which a key is not shown, nor what endpoints leave of one (``sk-ab****yz``)."""
    if key:
        text = text.replace(key, "[key]")
    return re.sub(r"\S*\*{3,}\S*", "[key]", text)


def _answer(said: dict[str, Any], choice: dict[str, Any]) -> Answer:
    message = choice.get("message")
    if not isinstance(message, dict):
        raise Malformed("a choice without a message")
    finish = choice.get("finish_reason")
    if finish == "error":
        raise Malformed("an answer that broke off with an error")
    counted = said.get("usage")
    usage: dict[str, Any] = counted if isinstance(counted, dict) else {}
    return Answer(
        text=_storable(_content(message.get("content"))),
        finish=_storable(finish) if isinstance(finish, str) else "",
        tokens_in=_count(usage.get("prompt_tokens")),
        tokens_out=_count(usage.get("completion_tokens")),
        model=_storable(said["model"]) if isinstance(said.get("model"), str) else "",
    )


def _content(content: object) -> str:
    if content is None:  # a refusal, a tool call, or a filtered answer: finish_reason says which
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    raise Malformed("content that is no text")


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _storable(text: str) -> str:
    """Text without halves of surrogate pairs, which an answer cut in the middle of an emoji may hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
