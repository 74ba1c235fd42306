from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pare.remote.gate import Gate


def headers(remaining: int, reset: str, limit: int | None = None, kind: str = "requests") -> dict[str, str]:
    told = {f"x-ratelimit-remaining-{kind}": str(remaining), f"x-ratelimit-reset-{kind}": reset}
    return told | ({} if limit is None else {f"x-ratelimit-limit-{kind}": str(limit)})


@pytest.fixture
def gate(waits: Any) -> Gate:
    return Gate(lambda: waits.elapsed, lambda: 1_800_000_000.0, waits.sleep)


def enter(gate: Gate, times: int = 1, tokens: int = 10) -> None:
    for _ in range(times):
        asyncio.run(gate.enter(tokens))


def test_nothing_waits_until_a_limit_is_known(gate: Gate, waits: Any) -> None:
    enter(gate, 100)
    gate.learn({})
    enter(gate)
    assert waits.rests == []


def test_requests_wait_for_the_reset_before_one_is_refused(gate: Gate, waits: Any) -> None:
    gate.learn(headers(2, "6s", limit=3))
    enter(gate, 2)
    assert waits.rests == []
    enter(gate)
    assert waits.rests == [6]
    enter(gate, 2)
    assert waits.rests == [6], "a whole new window is there"


def test_tokens_are_counted_as_requests_are(gate: Gate, waits: Any) -> None:
    gate.learn(headers(25, "120ms", kind="tokens"))
    enter(gate, 2, tokens=10)
    enter(gate, 1, tokens=10)
    assert waits.rests == [pytest.approx(0.12)]


def test_requests_under_way_do_not_spend_a_remainder_twice(gate: Gate) -> None:
    enter(gate, 3)  # the endpoint may not have counted these yet
    gate.learn(headers(4, "10s"))
    enter(gate)
    assert gate.wait_s(10) == 10


def test_a_late_header_does_not_count_again_what_we_counted(gate: Gate) -> None:
    gate.learn(headers(9, "10s"))
    enter(gate, 8)
    for _ in range(8):
        gate.leave(10)
        gate.learn(headers(1, "10s"))
    assert gate.wait_s(10) == 0
    enter(gate)
    assert gate.wait_s(10) > 0


def test_a_request_larger_than_the_limit_waits_for_a_whole_one_and_goes(gate: Gate, waits: Any) -> None:
    gate.learn(headers(50, "2s", limit=100, kind="tokens"))
    enter(gate, 1, tokens=1000)
    assert waits.rests == [2]


def test_a_window_that_was_told_late_is_not_taken_for_a_short_one(gate: Gate, waits: Any) -> None:
    gate.learn(headers(4, "20s", limit=5))
    gate.learn(headers(0, "10ms", limit=5))
    enter(gate, 5)
    enter(gate)
    assert waits.rests == [pytest.approx(0.01), pytest.approx(20)]


def test_limits_of_a_day_are_taken_to_refill_evenly(gate: Gate) -> None:
    gate.learn(headers(0, "24h0m0s", limit=10_000))
    assert gate.wait_s(10) == pytest.approx(8.64)


def test_a_remainder_without_a_reset_waits_a_moment(gate: Gate) -> None:
    gate.learn({"x-ratelimit-remaining-requests": "0"})
    assert gate.wait_s(10) == 1


def test_anthropic_s_headers_are_understood(gate: Gate) -> None:
    gate.learn(
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2027-01-15T08:00:12Z",
        }
    )
    assert gate.wait_s(10) == pytest.approx(12)


def test_headers_that_say_nothing_are_ignored(gate: Gate) -> None:
    gate.learn({"x-ratelimit-remaining-requests": "lots", "x-ratelimit-remaining-tokens": "-1"})
    assert gate.wait_s(10) == 0


def test_a_closed_gate_lets_nothing_through(gate: Gate, waits: Any) -> None:
    gate.close(5)
    gate.close(2)
    enter(gate)
    assert waits.rests == [5]
