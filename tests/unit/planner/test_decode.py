from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.catalog.types import Calibration, Chip, Roofline, Server
from pare.errors import InputError
from pare.planner import anatomy
from pare.planner.decode import calibration_of, of_device, pace
from pare.planner.types import Subject, Widths
from pare.types import Part, Quantity, Shape

SHAPE = Shape(
    "llama",
    (
        Part("embeddings.word", 100_000_000),
        Part("layers.0.attention", 400_000_000, flops_per_token=8e8),
        Part("layers.0.ffn", 500_000_000, flops_per_token=1e9),
        Part("head", 100_000_000, flops_per_token=2e8),
    ),
    layers=1,
    attention_flops=1e5,
    kv_heads=8,
    head_dim=128,
)
ROOFLINE = Roofline(0.9, 0.3, 0.2, 1e-3, (0.1, -0.2, 0.05, 0.3), "made up")
LINE = Calibration(
    "box", "tiny", "engine", "int8", 600, 0.01, 1e-4, 0.005, 2e-5, None, None, 32, "2026-11-22", "here", 0.04
)


def q(value: float) -> Quantity:
    return Quantity(value, "", "assumed", "a test")


def chip(bandwidth: float = 1e12, peak: float = 1e14, vector: float = 1e13, memory: float = 40e9) -> Chip:
    return Chip("chip", "gpu", q(bandwidth), q(memory), {"bf16": q(peak), "fp32": q(vector)}, None)


def server(count: int = 1, **chips: float) -> Server:
    return Server("box", chip(**chips), count)


def subject(widths: Widths = Widths(8.0)) -> Subject:  # noqa: B008
    return Subject("maker/Tiny-Instruct", SHAPE, 1_100_000_000, 1_100_000_000, 0, widths=widths)


def test_a_decode_step_and_a_prompt_by_hand() -> None:
    found = pace(SHAPE, Widths(8.0), server(), 1, 600, ROOFLINE)
    flops = 2 * (2e9 + 1e5 * 600)
    by_hand = (1e9 + 2 * 2 * 8 * 128 * 600 * 2) / (0.9 * 1e12) + flops / (0.3 * 1e14) + 2e9 / (0.2 * 1e13) + 1e-3
    assert found.itl_s(2) == pytest.approx(by_hand)
    work = anatomy.prefill_flops(SHAPE, 500)
    assert found.prefill_s(500) == pytest.approx(1e9 / 0.9e12 + work / 0.3e14 + 2e9 / 0.2e13 + 1e-3)
    assert (found.provenance, found.miss) == ("modelled", 0.3)
    assert "made up" in found.source


def test_chips_that_share_a_model_lose_a_share_at_every_doubling() -> None:
    one, four = (pace(SHAPE, Widths(8.0), server(4), n, 600, ROOFLINE) for n in (1, 4))
    assert four.itl_s(4) - 1e-3 == pytest.approx((one.itl_s(4) - 1e-3) / (4 * 0.9**2))


def test_an_unknown_bandwidth_is_asked_for() -> None:
    blind = Server("box", replace(chip(), bandwidth=None), 1)
    with pytest.raises(InputError, match="bandwidth of chip, which is unknown"):
        pace(SHAPE, Widths(8.0), blind, 1, 600, ROOFLINE).itl_s(1)


def test_a_measured_line_speaks_for_itself() -> None:
    found = pace(SHAPE, Widths(8.0), server(), 1, 600, ROOFLINE, LINE)
    assert [found.itl_s(b) for b in (1, 16)] == pytest.approx([0.0101, 0.0116])
    assert found.prefill_s(100) == pytest.approx(0.007)
    assert found.miss == 0.04
    longer = pace(SHAPE, Widths(8.0), server(), 1, 1600, ROOFLINE, LINE)
    keys = 16 * anatomy.kv_bytes(SHAPE, 1000) / 0.9e12 + 16 * 1e5 * 1000 / 0.3e14
    assert longer.itl_s(16) == pytest.approx(0.0116 + keys)
    unread = replace(LINE, prefill_constant_s=None)
    general = pace(SHAPE, Widths(8.0), server(), 1, 600, ROOFLINE).prefill_s(100)
    by_both = pace(SHAPE, Widths(8.0), server(), 1, 600, ROOFLINE, unread)
    assert by_both.prefill_s(100) == general
    assert "prompts by the roofline: made up" in by_both.source


def test_a_line_counts_for_its_own_model_width_and_device_only() -> None:
    assert calibration_of(subject(), server(), 1, [LINE]) is LINE
    assert calibration_of(subject(Widths(8.5)), server(), 1, [LINE]) is LINE
    assert calibration_of(subject(Widths(4.5)), server(), 1, [LINE]) is None
    assert calibration_of(replace(subject(), name="other"), server(), 1, [LINE]) is None
    assert calibration_of(subject(), replace(server(), name="other"), 1, [LINE]) is None
    by_chip = replace(LINE, server="CHIP")
    assert calibration_of(subject(), server(4), 1, [by_chip]) is by_chip
    assert calibration_of(subject(), server(4), 2, [by_chip]) is None
    assert calibration_of(subject(), server(4), 1, [LINE]) is None


@given(st.floats(1, 8), st.integers(1, 500), st.floats(1, 4000), st.sampled_from([1, 2, 4]))
def test_a_faster_device_or_narrower_weights_never_slow_and_more_sessions_never_hasten(
    more: float, batch: int, context: float, parallel: int
) -> None:
    def itl(bits: float = 8.0, sessions: int = batch, **chips: float) -> float:
        return pace(SHAPE, Widths(bits), server(4, **chips), parallel, context, ROOFLINE).itl_s(sessions)

    base = itl()
    assert itl(bandwidth=1e12 * more) <= base
    assert itl(peak=1e14 * more) <= base
    assert itl(vector=1e13 * more) <= base
    assert itl(bits=8.0 / more) <= base
    assert itl(sessions=batch + 1) >= base


@given(st.floats(1, 16), st.floats(0, 1), st.integers(1, 64), st.floats(0, 4000))
def test_more_quantisation_never_grows_bytes(bits: float, share: float, batch: int, context: float) -> None:
    wide, narrow = (anatomy.at_widths(SHAPE, Widths(width)) for width in (bits, bits * share))
    assert anatomy.step_bytes(narrow, batch, context) <= anatomy.step_bytes(wide, batch, context)
    kept = anatomy.step_bytes(wide, batch, context, 16 * share)
    assert kept <= anatomy.step_bytes(wide, batch, context, 16) * (1 + 1e-12)
    assert not math.isnan(kept)


def test_many_layers_are_as_slow_as_one_of_their_size() -> None:
    layers = tuple(Part(f"layers.{i}.ffn", 9_000_000, flops_per_token=1.8e7) for i in range(100))
    many = replace(SHAPE, parts=(SHAPE.parts[0], *layers, SHAPE.parts[-1]))
    one, split = (pace(shape, Widths(8.0, head=16.0), server(), 1, 600, ROOFLINE) for shape in (SHAPE, many))
    assert split.itl_s(7) == pytest.approx(one.itl_s(7))
    assert split.prefill_s(70) == pytest.approx(one.prefill_s(70))


def test_a_machine_that_is_twice_as_slow_with_another_model_is_so_with_all() -> None:
    plain = pace(SHAPE, Widths(8.0), server(), 1, 600, ROOFLINE)
    ends = [2 * plain.itl_s(batch) for batch in (1, 32)]
    slope = (ends[1] - ends[0]) / 31
    line = replace(LINE, itl_constant_s=ends[0] - slope, itl_slope_s=slope)
    slower = replace(line, engine="another", itl_constant_s=10 * line.itl_constant_s, itl_slope_s=10 * slope)
    own = of_device(ROOFLINE, [(slower, SHAPE), (line, SHAPE)], server())
    assert own.misses == ROOFLINE.misses
    assert "times 2.00, as engine was measured here" in own.source
    larger = replace(SHAPE, parts=tuple(replace(part, elements=3 * part.elements) for part in SHAPE.parts))
    for batch in (1, 7):
        found = [pace(larger, Widths(4.0), server(), 1, 100, one).itl_s(batch) for one in (ROOFLINE, own)]
        assert found[1] == pytest.approx(2 * found[0])
    assert of_device(ROOFLINE, [], server()) is ROOFLINE
