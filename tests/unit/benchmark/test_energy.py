"""Power of what ran between two readings of the energy counter."""

from __future__ import annotations

from pathlib import Path

import pytest

from pare.benchmark import energy


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(energy, "RAPL", tmp_path)
    ticks = iter([10.0, 14.0])
    monkeypatch.setattr(energy.time, "perf_counter", lambda: next(ticks))
    (tmp_path / "max_energy_range_uj").write_text("1000000000\n")
    return tmp_path / "energy_uj"


def test_joules_over_seconds(counter: Path) -> None:
    counter.write_text("5000000\n")
    with energy.counted() as found:
        counter.write_text("405000000\n")
    assert found.watts == pytest.approx(100.0)


def test_a_counter_that_began_again(counter: Path) -> None:
    counter.write_text("900000000\n")
    with energy.counted() as found:
        counter.write_text("100000000\n")
    assert found.watts == pytest.approx(50.0)


def test_without_a_counter_it_is_not_known(counter: Path) -> None:
    with energy.counted() as found:
        pass
    assert found.watts is None
