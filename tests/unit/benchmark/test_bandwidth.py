"""Bandwidth: caches as the system tells them, sizes, and the fastest of passes that all threads run together."""

from __future__ import annotations

import threading
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from pare.benchmark import bandwidth


def cache(root: Path, cpu: int, index: int, level: int, size: str, shared: str) -> None:
    folder = root / f"cpu{cpu}" / "cache" / f"index{index}"
    folder.mkdir(parents=True)
    for name, text in (("level", str(level)), ("size", size), ("shared_cpu_list", shared)):
        (folder / name).write_text(text + "\n")


def test_last_level_caches_are_counted_once_each(tmp_path: Path) -> None:
    for cpu, shared in enumerate(["0-1", "0-1", "2-3", "2-3"]):
        cache(tmp_path, cpu, 0, 1, "32K", str(cpu))
        cache(tmp_path, cpu, 3, 3, "16M", shared)
    assert bandwidth.last_level_cache_bytes(tmp_path) == 2 * (16 << 20)


def test_a_system_that_does_not_tell(tmp_path: Path) -> None:
    assert bandwidth.last_level_cache_bytes(tmp_path) is None
    cache(tmp_path, 0, 0, 1, "none", "0")
    (tmp_path / "cpu1" / "cache" / "index0").mkdir(parents=True)
    assert bandwidth.last_level_cache_bytes(tmp_path) is None


@pytest.mark.parametrize(
    ("found", "memory", "size"),
    [
        (None, 1 << 40, bandwidth.LEAST_BYTES),
        (1 << 20, 1 << 40, bandwidth.LEAST_BYTES),
        (1 << 30, 1 << 40, 4 << 30),
        (1 << 30, 12 << 30, 1 << 30),
    ],
)
def test_arrays_are_larger_than_caches_and_smaller_than_memory(found: int | None, memory: int, size: int) -> None:
    assert bandwidth.array_bytes(found, memory) == size


def test_the_fastest_pass_counts_and_the_first_does_not() -> None:
    ticks = iter([0.0, 1.0, 10.0, 15.0, 20.0, 23.0, 30.0, 34.0])
    done: list[int] = []
    assert bandwidth.fastest(done.append, 1, 3, clock=lambda: next(ticks)) == 3.0
    assert done == [0] * 4


def test_a_pass_lasts_from_the_first_start_to_the_last_end() -> None:
    """Two threads that take one tick each after the other: together they take three, never one."""
    turn, ticks = threading.Lock(), count()

    def clock() -> float:
        with turn:
            return float(next(ticks))

    together = threading.Barrier(2)
    assert bandwidth.fastest(lambda number: (together.wait(), None)[1], 2, 4, clock) >= 2.0


def test_what_a_thread_raises_is_raised() -> None:
    def work(number: int) -> None:
        if number == 1:
            raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        bandwidth.fastest(work, 3, 5)


def test_rates_count_the_bytes_that_move(monkeypatch: pytest.MonkeyPatch) -> None:
    def half_a_second(work: object, threads: int, passes: int, clock: object) -> float:
        return 0.5

    monkeypatch.setattr(bandwidth, "fastest", half_a_second)
    assert bandwidth.read_rate(2, 1 << 20) == 2 * (1 << 20)
    assert bandwidth.triad_rate(2, 1 << 20) == 3 * 2 * (1 << 20)


def test_the_triad_is_computed_to_the_last_element() -> None:
    size = 2 * bandwidth.BLOCK + 5
    a, b, c = (np.full(size, value) for value in (0.0, 1.0, 2.0))
    bandwidth.triad(a, b, c)
    assert (a == 7.0).all()
