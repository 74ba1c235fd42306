from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pare import level


def test_the_level_counts_tokens_after_the_first() -> None:
    assert level.tokens_per_second(11, 1.0) == 10.0
    assert level.held(11, 1.0)
    assert not level.held(11, 1.001)
    assert level.held(1, 5.0)
    assert level.held(2, 0.0)


@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0, 100)), min_size=1), st.floats(0.1, 100))
def test_many_requests_are_held_as_each_of_them_is(requests: list[tuple[int, float]], min_tps: float) -> None:
    tokens, seconds = np.array([t for t, _ in requests]), np.array([s for _, s in requests])
    assert level.held_each(tokens, seconds, min_tps).tolist() == [level.held(t, s, min_tps) for t, s in requests]


@given(st.floats(0, 0.2), st.floats(1e-5, 0.01), st.floats(1, 50), st.integers(1, 5000))
def test_the_largest_batch_holds_and_the_next_does_not(c: float, s: float, min_tps: float, most: int) -> None:
    def itl(batch: int) -> float:
        return c + s * batch

    found = level.largest_batch(itl, min_tps, most)
    if found:
        assert itl(found) * min_tps <= 1 + 1e-8
    if found < most:
        assert itl(found + 1) * min_tps > 1 - 1e-8
    assert found <= most


def test_no_room_is_no_batch() -> None:
    assert level.largest_batch(lambda _: 0.001, 10.0, 0) == 0
    assert level.largest_batch(lambda _: 0.2, 10.0) == 0
