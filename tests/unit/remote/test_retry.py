from __future__ import annotations

import pytest

from pare.errors import InputError
from pare.remote import Retry
from pare.remote.retry import asked_to_wait_s, duration_s

WALL = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC


def test_back_off_is_a_uniform_draw_up_to_an_exponential_ceiling() -> None:
    retry = Retry(base_s=0.5, most_s=60)
    ceilings = [retry.rest_s(failures, None, lambda low, high: high) for failures in range(1, 10)]
    assert ceilings == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert all(retry.rest_s(failures, None, lambda low, high: low) == 0 for failures in range(1, 10))
    assert retry.rest_s(10_000, None, lambda low, high: high) == 60


def test_what_the_server_asks_for_is_a_floor_with_a_little_jitter() -> None:
    retry = Retry(base_s=0.5)
    assert retry.rest_s(1, 7.0, lambda low, high: low) == 7
    assert retry.rest_s(6, 7.0, lambda low, high: high) == 7.5


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("120ms", 0.12),
        ("1h2m3.5s", 3723.5),
        ("20", 20),
        ("0.5", 0.5),
        ("2027-01-15T08:00:30Z", 30),
        ("2027-01-15T09:00:30+01:00", 30),
        ("1800000030", 30),
        ("1800000030000", 30),
        ("2020-01-01T00:00:00Z", 0),
        ("", None),
        ("soon", None),
        ("1 week", None),
    ],
)
def test_durations_are_read_in_every_form_that_endpoints_use(text: str, seconds: float | None) -> None:
    assert duration_s(text, WALL) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:10 GMT"}, 10),
        ({"retry-after": "whenever"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_to_wait_s(headers, WALL) == seconds


def test_senseless_patience_is_refused() -> None:
    with pytest.raises(InputError, match="attempts must be at least 1"):
        Retry(attempts=0)
    with pytest.raises(InputError, match="timeout_s must be above 0"):
        Retry(timeout_s=0)
