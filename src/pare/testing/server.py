"""A server on this machine that speaks the OpenAI chat-completions protocol, and fails as its script says.

    with serving(lambda asked: "refund", script=[Step(status=429, headers={"retry-after": "1"})]) as server:
        ...ask server.url...
        assert len(server.asked) == 2

It needs aiohttp (extra ``remote``) and runs in a thread of its own, so that the code under test may block.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived. ``key`` is what it carried as a bearer."""

    text: str
    body: Mapping[str, Any]
    key: str


@dataclass(frozen=True, slots=True)
class Canned:
    """An answer with all its facts; tokens None are counted at four bytes each."""

    text: str
    finish: str = "stop"
    tokens_in: int | None = None
    tokens_out: int | None = None
    usage: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """What is done with one request instead of answering it in order; a plain ``Step()`` answers.

    ``body`` is sent as it is (malformed, or another form of error); without it an error has one of OpenAI's form with
    ``message`` and ``code``. ``drop`` closes the connection without a word, ``delay_s`` waits first.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    message: str = "made up for a test"
    code: str = ""
    delay_s: float = 0.0
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """Requests in a fixed window; it is told in OpenAI's headers, and what is above it gets a 429."""

    requests: int
    window_s: float


Words = str | Mapping[str, str] | Callable[[Asked], "str | Canned"]
"""What is answered: always the same, by the last user message, or whatever a function of the request says."""


class TeacherServer:
    """The server's state, for tests to read: ``asked`` in order, ``statuses`` sent, ``peak`` requests at once."""

    def __init__(
        self, words: Words, script: Sequence[Step], limit: Limit | None, key: str | None, delay_s: float
    ) -> None:
        self.asked: list[Asked] = []
        self.statuses: list[int] = []
        self.peak = 0
        self.url = ""
        self._words, self._script, self._limit = words, iter(script), limit
        self._key, self._delay_s = key, delay_s
        self._heard: Callable[[Asked], object] = lambda asked: None
        self._under_way = 0
        self._window = (0.0, 0)

    def listen(self, heard: Callable[[Asked], object]) -> None:
        """Calls a function with each request as it arrives, in the server's thread."""
        self._heard = heard

    def count(self, text: str) -> int:
        """How often a prompt with this last message was asked."""
        return sum(asked.text == text for asked in self.asked)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Handles one request."""
        self._under_way += 1
        self.peak = max(self.peak, self._under_way)
        try:
            response = await self._respond(request)
            self.statuses.append(response.status)
            return response
        finally:
            self._under_way -= 1

    async def _respond(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        said = [message["content"] for message in body["messages"] if message["role"] == "user"]
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        asked = Asked(said[-1] if said else "", body, key)
        self.asked.append(asked)
        self._heard(asked)
        step = next(self._script, Step(delay_s=self._delay_s))
        await asyncio.sleep(step.delay_s)
        if step.drop and request.transport is not None:
            request.transport.abort()
        if self._key is not None and key != self._key:
            return _error(401, f"Incorrect API key provided: {key}", "invalid_api_key", step.headers)
        if step.body is not None:
            return web.Response(status=step.status, text=step.body, headers=step.headers)
        if step.status != 200:
            return _error(step.status, step.message, step.code, step.headers)
        headers, over = self._counted()
        if over:
            return _error(429, "Rate limit reached", "rate_limit_exceeded", headers)
        return web.json_response(self._completion(asked), headers={**headers, **step.headers})

    def _counted(self) -> tuple[dict[str, str], bool]:
        """Counts a request in its window: the headers that say so, and whether it is one too many."""
        if self._limit is None:
            return {}, False
        now = time.monotonic()
        began, used = self._window
        if now - began >= self._limit.window_s:
            began, used = now, 0
        self._window = (began, used + 1)
        left = self._limit.window_s - (now - began)
        headers = {
            "x-ratelimit-limit-requests": str(self._limit.requests),
            "x-ratelimit-remaining-requests": str(max(0, self._limit.requests - used - 1)),
            "x-ratelimit-reset-requests": f"{max(1, round(1000 * left))}ms",
        }
        return headers, used >= self._limit.requests

    def _completion(self, asked: Asked) -> dict[str, Any]:
        canned = self._canned(asked)
        tokens_in = sum(_tokens(str(message["content"])) for message in asked.body["messages"])
        text, finish, tokens_out = canned.text, canned.finish, _tokens(canned.text)
        most = asked.body.get("max_tokens") or asked.body.get("max_completion_tokens")
        if most is not None and tokens_out > most:
            text, finish, tokens_out = text[: 4 * most], "length", most
        completion: dict[str, Any] = {
            "object": "chat.completion",
            "model": asked.body["model"],
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}],
        }
        if canned.usage:
            completion["usage"] = {
                "prompt_tokens": tokens_in if canned.tokens_in is None else canned.tokens_in,
                "completion_tokens": tokens_out if canned.tokens_out is None else canned.tokens_out,
            }
        return completion

    def _canned(self, asked: Asked) -> Canned:
        words = self._words
        if isinstance(words, Mapping):
            return Canned(words[asked.text])
        said = words if isinstance(words, str) else words(asked)
        return said if isinstance(said, Canned) else Canned(said)


@contextmanager
def serving(
    words: Words = "ok",
    *,
    script: Sequence[Step] = (),
    limit: Limit | None = None,
    key: str | None = None,
    delay_s: float = 0.0,
) -> Iterator[TeacherServer]:
    """A server while the block runs, at ``server.url``.

    ``script`` is used up one step a request, then all are answered after ``delay_s``. With ``key`` every other one gets a
    401 that echoes what was sent, as careless servers do.
    """
    server = TeacherServer(words, script, limit, key, delay_s)
    listening = socket.create_server(("127.0.0.1", 0))
    server.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    loop = asyncio.new_event_loop()
    end, ready = asyncio.Event(), threading.Event()
    thread = threading.Thread(target=_run, args=(loop, _serve(server, listening, ready, end)), daemon=True)
    thread.start()
    try:
        if not ready.wait(10):
            raise RuntimeError("the teacher's server did not start within 10 s")
        yield server
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)


def _run(loop: asyncio.AbstractEventLoop, main: Coroutine[None, None, None]) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:  # at its end it cancels the requests that still sleep
        runner.run(main)


async def _serve(server: TeacherServer, listening: socket.socket, ready: threading.Event, end: asyncio.Event) -> None:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    ready.set()
    await end.wait()
    await runner.cleanup()


def _error(status: int, message: str, code: str, headers: Mapping[str, str]) -> web.Response:
    said = {"error": {"message": message, "type": "made_up", "code": code or None}}
    return web.json_response(said, status=status, headers=headers)


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // 4)


def kill_at(server: TeacherServer, code: str, arguments: Sequence[str], asked: int) -> None:
    """Runs Python ``code`` in a process of its own and kills it once the server has been asked so often.

    Raises AssertionError where the process ends before that.
    """
    child = subprocess.Popen([sys.executable, "-c", code, *arguments])
    deadline = time.monotonic() + 60
    while len(server.asked) < asked and time.monotonic() < deadline:
        assert child.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    child.kill()
    child.wait()
