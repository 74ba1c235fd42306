from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.catalog.types import Roofline
from pare.errors import InputError
from pare.planner import speed
from pare.planner.speed import Point, Step

TRUE = Roofline(memory=0.8, compute=0.4, vector=0.2, constant_s=1e-3)
positive = st.floats(1e-3, 1e3)


def points(devices: int = 4, noise: float = 0.0) -> list[Point]:
    """Rows of made-up devices of different proportions that follow TRUE up to noise."""
    rng = np.random.default_rng(1)
    found = []
    for device in range(devices):
        bandwidth, peak, vector = rng.uniform(3e11, 3e12), rng.uniform(5e13, 1e15), rng.uniform(1e13, 7e13)
        for size, batch in ((5e9, 1), (16e9, 1), (16e9, 64)):
            step = Step(size, bandwidth, 16e9 * batch, peak, 16e9, vector)
            seconds = speed.seconds(TRUE, step) * math.exp(noise * rng.normal())
            found.append(Point(f"device {device}", seconds, step))
    return found


def test_a_step_by_hand() -> None:
    # 8 GB at 0.8 of 1 TB/s: 10 ms; 4 GFLOP at 0.4 of 10 TFLOP/s: 1 ms; 2 G at 0.2 of 10 T/s: 1 ms; constant 1 ms.
    step = Step(8e9, 1e12, 4e9, 1e13, 2e9, 1e13)
    assert speed.seconds(TRUE, step) == pytest.approx(13e-3)
    assert speed.seconds(TRUE, Step(8e9, 1e12, 4e9, None, 2e9, None)) == pytest.approx(11e-3)


def test_the_fit_finds_what_made_the_rows() -> None:
    found = speed.fit(points())
    assert [found.memory, found.compute, found.vector] == pytest.approx([0.8, 0.4, 0.2], rel=1e-6)
    assert found.constant_s == pytest.approx(1e-3, rel=1e-5)
    assert all(abs(speed.miss(found, point)) < 1e-8 for point in points())


def test_no_share_of_memory_or_compute_is_above_one_and_no_constant_below_nothing() -> None:
    fast = [Point("a", 0.5 * size / 1e12, Step(size, 1e12)) for size in (1e9, 4e9, 9e9)]
    found = speed.fit(fast)
    assert (found.memory, found.compute, found.constant_s) == (1.0, 1.0, 0.0)


def test_a_fit_needs_two_points() -> None:
    with pytest.raises(InputError, match="at least 2 measured points but has 1"):
        speed.fit(points()[:1])


def test_misses_are_those_of_devices_that_the_fit_did_not_see() -> None:
    rows = points(noise=0.1)
    odd = [Point("odd", 3 * point.seconds, point.step) for point in rows[:3]]
    found = speed.fit_leaving_out([*rows, *odd])
    assert len(found.misses) == 5
    assert found.misses[-1] == pytest.approx(-math.log(3), abs=0.3)
    few = speed.fit_leaving_out([*rows, *odd], ["odd"])
    assert few.misses == (found.misses[-1],)


def test_the_half_width_is_the_conformal_rank() -> None:
    assert speed.half_width([0.1, -0.5, 0.2, 0.3]) == 0.5
    assert speed.half_width([-0.1 * k for k in range(1, 10)]) == pytest.approx(0.8)
    assert speed.half_width([0.1, 0.2, 0.3]) is None


@given(st.integers(0, 2**32 - 1), st.integers(4, 30))
def test_intervals_hold_the_next_miss_at_their_rate_or_above(seed: int, count: int) -> None:
    draws = np.random.default_rng(seed).normal(size=(400, count + 1))
    held = [abs(row[-1]) <= (speed.half_width(row[:-1].tolist()) or 0.0) for row in draws]
    assert np.mean(held) > 0.8 - 4 * math.sqrt(0.16 / 400)


@given(positive, positive, positive, st.floats(1.0, 10.0))
def test_more_bandwidth_or_peak_never_slows(size: float, flops: float, work: float, more: float) -> None:
    step = Step(1e9 * size, 1e12, 1e9 * flops, 1e14, 1e9 * work, 1e13)
    for faster in (
        Step(step.bytes, 1e12 * more, step.flops, 1e14, step.operations, 1e13),
        Step(step.bytes, 1e12, step.flops, 1e14 * more, step.operations, 1e13),
        Step(step.bytes, 1e12, step.flops, 1e14, step.operations, 1e13 * more),
    ):
        assert speed.seconds(TRUE, faster) <= speed.seconds(TRUE, step)


def test_a_line_through_points_and_the_misses_of_its_neighbours() -> None:
    line = speed.fit_line([8, 128], [7.0 + 0.1 * 8, 7.0 + 0.1 * 128])
    assert (line.constant, line.slope) == pytest.approx((7.0, 0.1))
    assert speed.fit_line([1, 2, 4], [3.0, 3.0, 2.0]).slope == 0.0
    assert speed.line_misses([8, 32], [1.0, 2.0]) == ()
    straight = speed.line_misses([1, 2, 4], [2.0, 3.0, 5.0])
    assert straight == pytest.approx((0, 0, 0), abs=1e-9)
    bent = speed.line_misses([1, 2, 4], [2.0, 3.0, 10.0])
    assert bent[2] == pytest.approx(math.log(5 / 10))
    with pytest.raises(InputError, match="2 different batch sizes but has 1"):
        speed.fit_line([8, 8], [1.0, 2.0])
