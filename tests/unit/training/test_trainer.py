from itertools import pairwise

import pytest

pytest.importorskip("torch")


def test_the_learning_rate_rises_then_falls_to_nothing() -> None:
    from pare.training.trainer import one_cycle

    values = [one_cycle(i / 100, 0.1) for i in range(101)]
    assert values[0] < 0.05
    assert max(values) == pytest.approx(values[10])
    assert values[10] == pytest.approx(1.0)
    assert values[-1] == pytest.approx(0.0)
    assert all(a >= b for a, b in pairwise(values[10:]))
