"""The fitted values of the catalogue are those that the published tables give, and they predict as well as is claimed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pare.catalog.devices import find_server
from pare.catalog.speeds import calibrations, general_roofline
from pare.planner import speed

BENCHMARK = Path(__file__).resolve().parents[3] / "benchmarks" / "speeds.py"


@pytest.fixture(scope="module")
def benchmark(data: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("speeds_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    assert data in module.DATA.parents
    return module


def test_the_catalogue_holds_what_a_fit_of_the_tables_gives(benchmark: ModuleType) -> None:
    fitted, stored = benchmark.general(), general_roofline()
    for name in ("memory", "compute", "vector", "constant_s"):
        assert getattr(stored, name) == pytest.approx(getattr(fitted, name), rel=1e-5)
    assert stored.misses == pytest.approx(fitted.misses, rel=1e-4)
    line, measured = calibrations()[0], benchmark.h100()
    assert (line.itl_constant_s, line.itl_slope_s) == pytest.approx(
        (measured.itl_constant_s, measured.itl_slope_s), rel=1e-5
    )
    assert (line.joules_constant, line.joules_slope) == pytest.approx(
        (measured.joules_constant, measured.joules_slope), rel=1e-5
    )


def test_fitted_values_are_shares_and_lines_name_devices() -> None:
    found = general_roofline()
    assert all(0 < share <= 1 for share in (found.memory, found.compute, found.vector))
    assert 0 <= found.constant_s < 0.01
    assert speed.half_width(found.misses) is not None
    for line in calibrations():
        assert find_server(line.server).chip.name == line.server
        assert line.itl_constant_s > 0


@pytest.mark.parametrize("run", ["left_out", "halves"])
def test_the_roofline_beats_what_it_must_on_rows_it_did_not_see(benchmark: ModuleType, run: str) -> None:
    points = benchmark.llama_cpp()
    own, *others = (
        float(np.mean(list(getattr(benchmark, run)(method, points).values())))
        for method in (benchmark.sums, benchmark.efficiency_and_constant, benchmark.bare, benchmark.mean)
    )
    assert own < 0.15
    assert own < min(others)


def test_intervals_hold_on_devices_that_were_left_out_at_their_rate(benchmark: ModuleType) -> None:
    found = benchmark.coverage(benchmark.llama_cpp(), list(benchmark.ml_energy().values()))
    assert sum(own == rows for own, rows in found.values()) >= 0.8 * len(found)
    assert sum(own for own, _ in found.values()) >= 0.8 * sum(rows for _, rows in found.values())


def test_a_line_through_two_batch_sizes_predicts_the_others(benchmark: ModuleType) -> None:
    rows = {int(row["batch"]): float(row["median_itl_ms"]) for row in benchmark.table("mlenergy_llama31_8b_h100.csv")}
    line = speed.fit_line([8, 128], [rows[8], rows[128]])
    assert [line.at(b) / rows[b] for b in (32, 512)] == pytest.approx([1, 1], abs=0.05)
