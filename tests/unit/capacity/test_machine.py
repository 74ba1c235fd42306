"""Lines through two measured batches, and what is told where an engine cannot be timed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pare.capacity import machine
from pare.capacity.probe import LLAMA_29M, Llama
from pare.types import Device

HERE = Device("Chip 9", 2, 1 << 30)
EFFORT = replace(machine.FULL, batches=(2, 16), prompt=10, new=20)


def test_a_line_goes_through_both_batches() -> None:
    engine = machine.ENGINES[0]
    line = machine.line(engine, EFFORT, {16: (0.33, 0.012), 2: (0.05, 0.005)}, HERE, "2026-01-31")
    assert line.itl_constant_s + 2 * line.itl_slope_s == pytest.approx(0.005)
    assert line.itl_constant_s + 16 * line.itl_slope_s == pytest.approx(0.012)
    assert line.prefill_constant_s is not None
    assert line.prefill_slope_s is not None
    assert line.prefill_constant_s + 160 * line.prefill_slope_s == pytest.approx(0.33)
    assert (line.server, line.largest_batch, line.context) == ("Chip 9, 2 cores", 16, 20.0)
    assert (line.joules_constant, line.joules_slope) == (None, None), "energy was not measured, so it is unknown"
    assert "batches of 2 and 16" in line.source


def test_a_llamas_parameters_are_counted() -> None:
    assert Llama(width=4, inner=8, layers=2, heads=2, vocabulary=10).parameters == 10 * 4 + 2 * (64 + 96 + 8) + 4
    assert LLAMA_29M.name == "llama-29m-random"
    assert Llama(width=4, inner=8, layers=2, heads=2, vocabulary=1000).name == "llama-4k-random"
