from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.planner import estimate
from pare.types import Candidate, DataFacts, Limits, Measurement, Part, Quantity, Shape, Trial

FACTS = DataFacts(classes=3, rows=100, tokens_per_row=10)
SHAPE = Shape("bert", (Part("a", 1_000_000, 8, flops_per_token=2e6), Part("head", 300, flops_per_request=600)),
              attention_flops=100)  # fmt: skip


def test_bytes_and_flops_by_hand() -> None:
    found = estimate.estimate(SHAPE, FACTS)
    assert found.size_bytes == 1_000_000 + 1200
    assert found.parameters == 1_000_300
    assert found.flops_per_request == 10 * (2e6 + 100 * 10) + 600
    assert estimate.training_flops(SHAPE, FACTS, 2) == 3 * 100 * 2 * found.flops_per_request


def test_limits_exclude_only_what_is_certain() -> None:
    assert "over the limit of 0.5 MB" in estimate.excludes(SHAPE, Limits(size_mb=0.5))
    assert "parameters" in estimate.excludes(SHAPE, Limits(parameters=10))
    assert estimate.excludes(SHAPE, Limits(size_mb=2)) == ""
    bound = Shape("bert", SHAPE.parts, exact=False)
    assert estimate.excludes(bound, Limits(size_mb=0.5)) == ""


def trial(**figures: float) -> Trial:
    quantities = {name: Quantity(value, "", "measured", "") for name, value in figures.items()}
    measured = Measurement("a", "openvino", "cpu", "process", "w", quantities)
    return Trial(
        Candidate("a", "", (), "openvino"), 1, 1.0, "done", size_bytes=5_000_000, shape=SHAPE, measurement=measured
    )


def test_measured_limits_name_what_they_break() -> None:
    slow = trial(latency_p95_ms=9.0, throughput_per_s=50.0, cost_usd_per_1k=0.2)
    assert estimate.breaks(slow, Limits(latency_p95_ms=10, throughput=40)) == ""
    assert "latency_p95_ms 9" in estimate.breaks(slow, Limits(latency_p95_ms=8))
    assert "throughput 50" in estimate.breaks(slow, Limits(throughput=60))
    assert "cost_per_1k" in estimate.breaks(slow, Limits(cost_per_1k=Decimal("0.1")))
    assert "size 5.00 MB" in estimate.breaks(slow, Limits(size_mb=4))


def test_a_limit_on_what_was_not_measured_is_broken_not_met() -> None:
    unmeasured = Trial(Candidate("a", "", (), "openvino"), 1, 1.0, "done")
    assert "not measured" in estimate.breaks(unmeasured, Limits(memory_mb=100))


@given(st.integers(0, 10**9), st.sampled_from([4.0, 8.0, 16.0, 32.0]), st.integers(1, 512))
def test_more_weights_never_weigh_or_work_less(elements: int, bits: float, tokens: int) -> None:
    larger = Shape("bert", (*SHAPE.parts, Part("more", elements, bits, flops_per_token=2.0 * elements)))
    smaller = Shape("bert", SHAPE.parts)
    assert estimate.weight_bytes(larger) >= estimate.weight_bytes(smaller)
    assert estimate.flops_per_request(larger, tokens) >= estimate.flops_per_request(smaller, tokens)
    assert estimate.weight_bytes(larger) - estimate.weight_bytes(smaller) == pytest.approx(elements * bits / 8)
