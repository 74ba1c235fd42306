"""Matrix products: the graphs are what they say, the fastest run counts, and a width that is not there is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pare.benchmark import products
from pare.runtimes.openvino import options

SIZE = 128


def product(width: str, inputs: Any) -> Any:
    import openvino

    exact = options(1, group=0)
    compiled = openvino.Core().compile_model(products._graph(width, SIZE), "CPU", exact)
    return compiled.create_infer_request().infer({0: inputs})[0]


def test_a_product_of_integers_is_that_of_its_codes_and_scales() -> None:
    codes = np.random.default_rng(1).integers(-127, 128, (SIZE, SIZE), dtype=np.int8)
    found = product("int8", np.eye(SIZE, dtype=np.float32))
    assert np.allclose(found, np.float32(np.float16(0.01)) * codes.T, rtol=2e-3)


def test_four_bits_hold_sixteen_values() -> None:
    steps = product("int4", np.eye(SIZE, dtype=np.float32)) / np.float32(np.float16(0.01))
    assert set(np.round(steps).astype(int).ravel()) == set(range(-8, 8))


def test_every_width_has_words_and_gives_a_product() -> None:
    assert set(products.WORDS) == set(products.WEIGHTS)
    for width in products.WEIGHTS:
        assert product(width, np.ones((3, SIZE), np.float32)).shape == (3, SIZE)


def test_runs_go_on_for_the_time_and_at_least_a_few() -> None:
    clock = iter(np.arange(0.0, 100.0, 0.5))
    assert products.run_times(lambda: None, 0.0, lambda: next(clock)) == [0.5] * products.RUNS
    clock = iter(np.arange(0.0, 100.0, 0.5))
    assert len(products.run_times(lambda: None, 12.0, lambda: next(clock))) > products.RUNS


def test_a_width_that_ran_in_another_is_told_and_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_kernel", lambda compiled: ("gemm", "f32"))
    found = products.peaks(1, "2026-01-31", rows=4, columns=SIZE, seconds=0.0, widths=("fp32", "bf16"))
    assert set(found.found) == {"fp32"}
    assert found.notes[0].startswith("bf16: this processor has no products of bf16")


def test_a_peak_counts_multiply_and_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "run_times", lambda run, seconds: [0.5, 0.25])
    found = products.peaks(1, "2026-01-31", rows=4, columns=SIZE, seconds=0.0, widths=("fp32",)).found["fp32"]
    assert found.value == 2 * 4 * SIZE * SIZE / 0.25
    assert (found.unit, found.provenance) == ("FLOP/s", "measured")
