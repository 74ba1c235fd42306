from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.errors import InputError
from pare.planner.growth import Growth, day_after, milestones, months_until, read_growth


@pytest.mark.parametrize(
    ("text", "a_month"),
    [
        ("5%/month", 0.05),
        (" 5 % / Month ", 0.05),
        ("100%/year", 2 ** (1 / 12) - 1),
        ("33.1%/quarter", 0.1),
        ("-10%/month", -0.1),
        ("0%/month", 0.0),
        ("1 % a week", 1.01 ** (365.25 / 12 / 7) - 1),
    ],
)
def test_growth_is_read(text: str, a_month: float) -> None:
    assert read_growth(text).a_month == pytest.approx(a_month, abs=1e-12)


@pytest.mark.parametrize(
    "text", ["5", "5%", "5/month", "five%/month", "5%/decade", "-100%/month", "", f"{'9' * 350}%/week"]
)
def test_other_growth_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match=r"5%/month"):
        read_growth(text)


@given(st.floats(1, 1e6), st.floats(1.001, 1e4), st.floats(0.001, 0.5))
def test_a_threshold_is_reached_when_it_says(demand: float, times: float, share: float) -> None:
    growth = Growth(share)
    months = months_until(demand, demand * times, growth)
    assert months is not None
    assert months > 0
    assert growth.after(demand, months) == pytest.approx(demand * times, rel=1e-9)


def test_what_shrinks_or_stands_still_never_gets_there() -> None:
    assert months_until(100, 200, Growth(0.0)) is None
    assert months_until(100, 200, Growth(-0.1)) is None
    assert months_until(0, 200, Growth(0.1)) is None
    assert months_until(200, 200, Growth(-0.1)) == 0


def test_milestones_by_hand() -> None:
    # 1,000 sessions on servers of 64: 16 servers hold 1,024; a rack takes 19 of them, 1,216.
    server, rack, even = milestones(1_000, 64, 19, Growth(0.05), tokens_per_month=1e9, break_even=2e9)
    assert (server.what, rack.what, even.what) == ("server 17", "rack 2", "break-even")
    assert server.months == pytest.approx(0.486, abs=0.001)
    assert rack.months == pytest.approx(4.008, abs=0.001)
    assert even.months == pytest.approx(14.207, abs=0.001)


def test_milestones_without_a_rack_or_a_break_even() -> None:
    found = milestones(8, 8, None, Growth(0.05), tokens_per_month=1e9, break_even=None)
    assert [(one.what, one.months) for one in found] == [("server 2", 0.0), ("break-even", None)]
    assert [one.what for one in milestones(9, 8, 4, Growth(0.05))] == ["server 3", "rack 2"]
    assert [one.months for one in milestones(8, 8, 1, Growth(0.0))] == [None, None]
    with pytest.raises(InputError, match="holds a session"):
        milestones(8, 0, None, Growth(0.05))


def test_days() -> None:
    assert day_after(date(2026, 1, 1), 12) == date(2027, 1, 1)
    assert day_after(date(2026, 11, 22), 0.486) == date(2026, 12, 7)
