"""One request at a time, until it is answered or hopeless. The only file here that needs aiohttp."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from pare.remote.cost import Budget, Need
from pare.remote.endpoint import Endpoint
from pare.remote.gate import Gate
from pare.remote.retry import Clock, Retry, asked_to_wait_s
from pare.remote.types import Answer
from pare.remote.wire import Complaint, Malformed, complaint, one_line, read, without_key
from pare.units import duration

FIRST_ATTEMPTS = 3
"""Attempts to connect while nothing has ever been heard: more likely a wrong address than a pause."""
LOOK_AGAIN_S = 0.25
"""The longest that a request waits at the gate without looking whether it may go."""
CONNECT_S = 20.0
"""The most for making a connection, whatever an answer may take."""


class Halted(Exception):
    """The call is ending; this request is not tried any further."""


class Unanswered(Exception):
    """A request that got no answer. The text says why, without any key; the complaint is the endpoint's, if it made one."""

    def __init__(self, why: str, said: Complaint | None = None) -> None:
        super().__init__(why)
        self.complaint = said


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed and may be repeated."""

    why: str
    asked_s: float | None = None
    unreachable: bool = False


class Client:
    """Asks one endpoint on behalf of all workers of a call."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoint: Endpoint,
        key: str | None,
        budget: Budget,
        retry: Retry,
        clock: Clock,
    ) -> None:
        self._session, self._endpoint, self._key = session, endpoint, key
        self._budget, self._retry, self._clock = budget, retry, clock
        self._gate = Gate(clock.now, clock.wall, self._wait)
        self._halted = asyncio.Event()
        self._heard = False
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._proxy = _proxy(endpoint)

    async def halt(self) -> None:
        """Ends the call: nothing new is sent, rests end at once, and what is under way is waited for."""
        self._halted.set()
        await self._budget.close()

    async def complete(self, body: Mapping[str, Any], wanted: Need) -> Answer:
        """Asks until there is an answer.

        Raises Unanswered where there will be none, Full where the cap is reached, Halted where the call is ending.
        """
        data = json.dumps(body).encode("ascii")
        failures = 0
        while True:
            outcome = await self._attempt(data, wanted)
            if isinstance(outcome, Answer):
                return outcome
            failures += 1
            most = self._retry.attempts
            if outcome.unreachable and not self._heard:
                most = min(most, FIRST_ATTEMPTS)
            if failures >= most:
                raise Unanswered(f"{outcome.why}, after {failures} attempts")
            if outcome.asked_s is not None:
                self._gate.close(outcome.asked_s)
            await self._rest(self._retry.rest_s(failures, outcome.asked_s, self._clock.uniform))

    async def _attempt(self, data: bytes, wanted: Need) -> Answer | Failure:
        await self._gate.enter(wanted.tokens)
        try:
            await self._budget.reserve(wanted)
            status, headers, raw = await self._send(data, wanted)
        except (aiohttp.ClientError, OSError) as error:  # a timeout is an OSError
            return self._unheard(error)
        finally:
            self._gate.leave(wanted.tokens)
        self._heard = True
        self._gate.learn(headers)
        return await self._understand(status, headers, raw, wanted)

    async def _send(self, data: bytes, wanted: Need) -> tuple[int, Mapping[str, str], bytes]:
        """Posts and reads, and leaves the reservation where it is for an answer; any other way it is given back."""
        timeout = aiohttp.ClientTimeout(total=self._retry.timeout_s, sock_connect=CONNECT_S)
        try:
            # Redirects are not followed: they would take the key and the prompt where the user did not send them.
            async with self._session.post(
                self._endpoint.address,
                data=data,
                headers=self._headers,
                timeout=timeout,
                proxy=self._proxy,
                allow_redirects=False,
            ) as response:
                return response.status, response.headers, await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            await self._budget.release(wanted)
            raise
        except BaseException:
            await self._budget.lose(wanted)
            raise

    def _unheard(self, error: Exception) -> Failure:
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return Failure("it cannot be reached (no connection in time)", unreachable=True)
        if isinstance(error, TimeoutError):
            return Failure(f"no answer within {self._retry.timeout_s:g} s")
        if isinstance(error, aiohttp.ClientSSLError):
            raise Unanswered(f"no trusted connection can be made ({self._shown(str(error))})") from None
        if isinstance(error, aiohttp.ClientConnectorError):
            return Failure(
                f"it cannot be reached ({self._shown(error.os_error.strerror or str(error))})", unreachable=True
            )
        return Failure(f"the connection broke ({type(error).__name__})")

    async def _understand(self, status: int, headers: Mapping[str, str], raw: bytes, wanted: Need) -> Answer | Failure:
        try:
            said = read(raw) if 200 <= status < 300 else complaint(status, raw)
        except Malformed as error:
            await self._budget.lose(wanted)  # it may have been charged all the same
            return Failure(f"its answer is malformed: {error}")
        if isinstance(said, Answer):
            await self._budget.settle(wanted, said)
            return said
        await self._budget.release(wanted)
        said = Complaint(said.status, self._shown(said.words), said.code)
        if not said.passing:
            raise Unanswered(str(said), said)
        asked = asked_to_wait_s(headers, self._clock.wall())
        return Failure(str(said), asked)

    async def _wait(self, seconds: float) -> None:
        """A rest at the gate, in short pieces: what the next answer's headers say may shorten it."""
        self._check_patience(seconds)
        await self._rest(min(seconds, LOOK_AGAIN_S))

    def _check_patience(self, seconds: float) -> None:
        if seconds > self._retry.patience_s:
            raise Unanswered(f"it asks to wait {duration(seconds)}, longer than {duration(self._retry.patience_s)}")

    async def _rest(self, seconds: float) -> None:
        """Sleeps, but not beyond the end of the call. Raises Halted then, Unanswered where it would be too long."""
        self._check_patience(seconds)
        nap = asyncio.ensure_future(self._clock.sleep(seconds))
        end = asyncio.ensure_future(self._halted.wait())
        try:
            await asyncio.wait({nap, end}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            nap.cancel()
            end.cancel()
        if self._halted.is_set():
            raise Halted

    def _shown(self, text: str) -> str:
        return one_line(without_key(text, self._key))


@asynccontextmanager
async def connected(
    endpoint: Endpoint, key: str | None, budget: Budget, retry: Retry, clock: Clock, concurrency: int
) -> AsyncIterator[Client]:
    """A client with its own connections, closed at the end."""
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Client(session, endpoint, key, budget, retry, clock)


def _proxy(endpoint: Endpoint) -> str | None:
    """The proxy of the environment, for other machines. aiohttp's own look-up also takes passwords from ~/.netrc."""
    parts = urlsplit(endpoint.address)
    if endpoint.local or proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get(parts.scheme)
