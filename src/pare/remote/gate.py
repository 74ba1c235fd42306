"""One gate for all requests of a call: it slows down before the endpoint has to refuse.

Endpoints say in headers how many requests and tokens are left and when that is made good. The gate counts what it lets
through since, so that requests under way together do not spend the same remainder twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from pare.remote.retry import duration_s

REQUESTS, TOKENS = "requests", "tokens"
# Resource, its unit, and the headers of limit, remainder and reset: OpenAI's, Anthropic's, and the drafts before them.
_HEADERS: tuple[tuple[str, str, str], ...] = (
    (REQUESTS, REQUESTS, "x-ratelimit-{}-requests"),
    (TOKENS, TOKENS, "x-ratelimit-{}-tokens"),
    (REQUESTS, REQUESTS, "anthropic-ratelimit-requests-{}"),
    (TOKENS, TOKENS, "anthropic-ratelimit-tokens-{}"),
    ("input tokens", TOKENS, "anthropic-ratelimit-input-tokens-{}"),
    ("output tokens", TOKENS, "anthropic-ratelimit-output-tokens-{}"),
    ("requests, unnamed", REQUESTS, "x-ratelimit-{}"),
    ("requests, draft", REQUESTS, "ratelimit-{}"),
)
RESET_S = 1.0
"""Assumed where an endpoint says what is left and not until when."""
SLOW_S = 60.0
"""Limits that take longer to be made good (those of a day) are taken to refill evenly, as OpenAI's do: waiting for the
whole reset would be hours. Shorter ones are waited out, which is right for fixed windows and costs buckets nothing."""


@dataclass(slots=True)
class Level:
    """What was left of one resource at the moment ``since``; it is whole again ``window_s`` later.

    ``rate`` is what is made good a second in between, 0 where it all comes at the end of the window. ``longest_s`` is the
    longest window that was ever told: a header that comes late in a window tells a short one, the next is whole.
    """

    unit: str
    left: float
    limit: float | None
    since: float
    window_s: float
    rate: float = 0.0
    longest_s: float = RESET_S

    def available(self, now: float) -> float:
        """What is left now."""
        return self.left + self.rate * (now - self.since)

    def wait_s(self, need: float, now: float) -> float:
        """Seconds until so much is there; 0 where it is there now. What is larger than the limit needs a whole limit."""
        short = (need if self.limit is None else min(need, self.limit)) - self.available(now)
        if short <= 1e-6:
            return 0.0
        whole = self.since + self.window_s - now
        return min(whole, short / self.rate) if self.rate else whole

    def over(self, now: float) -> bool:
        """Whether the limit is whole again."""
        return now >= self.since + self.window_s


class Gate:
    """Lets requests through while the endpoint's limits allow. ``now`` and ``rest`` are a clock and a sleep."""

    def __init__(
        self, now: Callable[[], float], wall: Callable[[], float], rest: Callable[[float], Awaitable[None]]
    ) -> None:
        self._now, self._wall, self._rest = now, wall, rest
        self._levels: dict[str, Level] = {}
        self._closed_until = 0.0
        self._under_way = {REQUESTS: 0, TOKENS: 0}

    async def enter(self, tokens: int) -> None:
        """Waits until a request of so many tokens may go, and counts it as under way. Always pair it with `leave`."""
        while (wait := self.wait_s(tokens)) > 0:
            await self._rest(wait)
        # Nothing is awaited from here on, so that no other request sees the same remainder.
        for level in self._levels.values():
            level.left -= _need(level.unit, tokens)
        self._under_way[REQUESTS] += 1
        self._under_way[TOKENS] += tokens

    def leave(self, tokens: int) -> None:
        """A request of so many tokens is no longer under way."""
        self._under_way[REQUESTS] -= 1
        self._under_way[TOKENS] -= tokens

    def close(self, seconds: float) -> None:
        """Lets nothing through for so long: the endpoint asked for it."""
        self._closed_until = max(self._closed_until, self._now() + seconds)

    def wait_s(self, tokens: int) -> float:
        """Seconds until a request of so many tokens may go; 0 where it may go now."""
        now = self._now()
        wait = self._closed_until - now
        for name, level in list(self._levels.items()):
            if level.over(now):
                self._renew(name, level)
            wait = max(wait, level.wait_s(_need(level.unit, tokens), now))
        return max(0.0, wait)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Takes note of an answer's headers (lower-case names). Call `leave` for that request first."""
        for name, unit, pattern in _HEADERS:
            left = _count(headers.get(pattern.format("remaining"), ""))
            if left is None:
                continue
            resets = duration_s(headers.get(pattern.format("reset"), ""), self._wall())
            limit = _count(headers.get(pattern.format("limit"), ""))
            self._note(name, unit, left, limit, RESET_S if resets is None else resets)

    def _note(self, name: str, unit: str, left: float, limit: float | None, resets_s: float) -> None:
        # Of what is under way now, the endpoint may have counted all or nothing when it wrote this header. Our own count
        # since the last one is right in both cases, but does not see what was made good in between.
        now = self._now()
        careful = left - self._under_way[unit]
        known = self._levels.get(name)
        ours = known.available(now) if known is not None and not known.over(now) else careful
        rate = (limit - left) / resets_s if limit is not None and resets_s > SLOW_S and limit > left else 0.0
        longest = max(resets_s, RESET_S if known is None else known.longest_s)
        self._levels[name] = Level(unit, min(left, max(ours, careful)), limit, now, resets_s, rate, longest)

    def _renew(self, name: str, level: Level) -> None:
        if level.limit is None:
            level.left = float("inf")
            del self._levels[name]
            return
        level.left, level.since, level.window_s = level.limit, self._now(), level.longest_s


def _need(unit: str, tokens: int) -> float:
    return 1.0 if unit == REQUESTS else float(tokens)


def _count(text: str) -> float | None:
    try:
        value = float(text.split(",", maxsplit=1)[0].split(";", maxsplit=1)[0])
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None
