from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pare.catalog.types import Chip, Roofline, Server
from pare.errors import InputError
from pare.planner import anatomy
from pare.planner.capacity import Rule, capacity, chunk_s, goodput, loaded_itl_s, pace_of
from pare.planner.types import Demand, Subject, Widths
from pare.types import Part, Quantity, Shape

SHAPE = Shape(
    "llama",
    (Part("layers.0.attention", 1_000_000_000, flops_per_token=2e9), Part("head", 100_000_000, flops_per_token=2e8)),
    layers=1,
    attention_flops=1e5,
    kv_heads=8,
    head_dim=512,
)
"""1.1 GB at 8 bits, and 16,384 bytes a token of keys and values: 16.4 MB a session at 1,000 tokens."""

ROOFLINE = Roofline(0.9, 0.3, 0.2, 1e-3, (0.1, -0.2, 0.05, 0.3), "made up")
DEMAND = Demand(sessions=100, prompt_tokens=800, answer_tokens=200)
SUBJECT = Subject("tiny", SHAPE, 1_100_000_000, 1_100_000_000, 0, widths=Widths(8.0))


def server(
    count: int = 1, memory: float = 40e9, bandwidth: float = 1e12, peak: float = 1e14, vector: float = 1e13
) -> Server:
    def q(value: float) -> Quantity:
        return Quantity(value, "", "assumed", "a test")

    return Server(
        "box", Chip("chip", "gpu", q(bandwidth), q(memory), {"bf16": q(peak), "fp32": q(vector)}, None), count
    )


def test_where_memory_is_plenty_the_service_level_binds() -> None:
    found = capacity(SUBJECT, server(memory=1e12), DEMAND, ROOFLINE)
    assert (found.binds, found.parallel, found.copies) == ("service level", 1, 1)
    pace = pace_of(SUBJECT, server(), DEMAND, 1, ROOFLINE)
    assert loaded_itl_s(pace, found.batch, DEMAND) <= 0.1 < loaded_itl_s(pace, found.batch + 1, DEMAND)
    assert found.itl_s is not None
    assert found.tokens_per_s is not None
    assert found.itl_s.value == loaded_itl_s(pace, found.batch, DEMAND)
    assert found.tokens_per_s.value == pytest.approx(found.batch / found.itl_s.value)
    assert (found.itl_s.low, found.itl_s.high) == pytest.approx(
        (found.itl_s.value * math.exp(-0.3), found.itl_s.value * math.exp(0.3))
    )


def test_where_memory_is_short_it_binds() -> None:
    room = 1.1e9 + 10.5 * anatomy.kv_bytes(SHAPE, 1000)
    found = capacity(SUBJECT, server(memory=room / 0.9), DEMAND, ROOFLINE)
    assert (found.batch, found.sessions, found.binds) == (10, 10, "memory")
    eight = capacity(replace(SUBJECT, widths=Widths(8.0, kv=8.0)), server(memory=room / 0.9), DEMAND, ROOFLINE)
    assert eight.batch == 21


def test_a_model_that_one_chip_cannot_hold_takes_more() -> None:
    found = capacity(SUBJECT, server(count=8, memory=1e9), DEMAND, ROOFLINE)
    assert found.parallel > 1
    assert found.copies * found.parallel == 8
    assert found.sessions == found.copies * found.batch


def test_chips_are_not_joined_where_each_of_them_holds_more_by_itself() -> None:
    found = capacity(SUBJECT, server(count=8, memory=1e12, bandwidth=4e12, vector=1e14), DEMAND, ROOFLINE)
    assert (found.parallel, found.copies) == (1, 8)


def test_chips_are_joined_where_memory_binds_and_the_server_gains() -> None:
    room = (1.1e9 + 1.5 * anatomy.kv_bytes(SHAPE, 1000)) / 0.9
    found = capacity(SUBJECT, server(count=2, memory=room), DEMAND, ROOFLINE)
    assert (found.parallel, found.copies) == (2, 1)
    assert found.sessions > 2


def test_what_does_not_fit_or_is_too_slow_says_so() -> None:
    large = capacity(SUBJECT, server(count=2, memory=0.5e9), DEMAND, ROOFLINE)
    assert (large.sessions, large.binds, large.itl_s) == (0, "none", None)
    assert large.why == "does not fit: 1.1 GB with one session, 0.9 GB usable on 2 chips"
    slow = capacity(SUBJECT, server(bandwidth=1e9), DEMAND, ROOFLINE)
    assert slow.sessions == 0
    assert slow.why.startswith("too slow: ")
    assert "below 10" in slow.why


def test_an_unknown_is_asked_for() -> None:
    with pytest.raises(InputError, match="undisclosed"):
        capacity(replace(SUBJECT, shape=None), server(), DEMAND, ROOFLINE)
    blind = server()
    with pytest.raises(InputError, match="memory of chip, which is unknown"):
        capacity(SUBJECT, replace(blind, chip=replace(blind.chip, memory=None)), DEMAND, ROOFLINE)


@settings(max_examples=25)
@given(st.floats(1, 4), st.integers(1, 3), st.floats(10, 3000), st.floats(1, 1000))
def test_more_of_anything_never_holds_fewer(more: float, double: int, prompt: float, answer: float) -> None:
    demand = replace(DEMAND, prompt_tokens=prompt, answer_tokens=answer)

    def sessions(count: int = 2, bits: float = 8.0, min_tps: float = 10.0, memory: float = 2e9, **chips: float) -> int:
        subject = replace(SUBJECT, widths=Widths(bits))
        asked = replace(demand, min_tps=min_tps)
        return capacity(subject, server(count, memory, **chips), asked, ROOFLINE).sessions

    base = sessions()
    assert sessions(bandwidth=1e12 * more) >= base
    assert sessions(peak=1e14 * more) >= base
    assert sessions(memory=2e9 * more) >= base
    assert sessions(count=2 * double) >= base
    assert sessions(bits=8.0 / more) >= base
    assert sessions(min_tps=10.0 * more) <= base


def test_goodput_falls_when_the_load_is_more_than_the_servers_hold() -> None:
    held = capacity(SUBJECT, server(), DEMAND, ROOFLINE)
    pace = pace_of(SUBJECT, server(), DEMAND, 1, ROOFLINE)

    def served(sessions: int, servers: int = 1, **demand: float) -> float:
        return goodput(held, pace, replace(DEMAND, sessions=sessions, **demand), servers, 0).value

    answer_s = 200 * loaded_itl_s(pace, held.batch, DEMAND)
    full = int(held.batch * 30.0 / answer_s)
    assert served(full // 4) == 1.0
    assert served(full * 4) < 0.5
    assert served(full * 4, servers=16) == 1.0
    assert served(int(full * 0.9), burstiness=30.0) < served(int(full * 0.9), burstiness=0.5)
    source = goodput(held, pace, replace(DEMAND, sessions=4 * full), 1, 0).source
    assert "refused" in source


def test_goodput_is_the_same_for_the_same_seed_and_reads_a_log() -> None:
    held = capacity(SUBJECT, server(), DEMAND, ROOFLINE)
    pace = pace_of(SUBJECT, server(), DEMAND, 1, ROOFLINE)
    assert goodput(held, pace, DEMAND, 1, 3) == goodput(held, pace, DEMAND, 1, 3)
    heavy = goodput(held, pace, replace(DEMAND, sessions=3000), 1, 0, [(50_000, 2_000)])
    assert heavy.value < goodput(held, pace, replace(DEMAND, sessions=3000), 1, 0, [(10, 10)]).value
    with pytest.raises(InputError, match="at least 1 server but has 0"):
        goodput(held, pace, DEMAND, 0, 0)
    nothing = capacity(SUBJECT, server(memory=0.1e9), DEMAND, ROOFLINE)
    assert goodput(nothing, pace, DEMAND, 1, 0).value == 0.0


def test_a_chunk_leaves_every_session_its_tokens_and_prompts_their_turn() -> None:
    held = capacity(SUBJECT, server(), DEMAND, ROOFLINE)
    pace = pace_of(SUBJECT, server(), DEMAND, 1, ROOFLINE)
    chunk = chunk_s(held, pace, DEMAND)
    assert pace.itl_s(held.batch) + chunk == pytest.approx(1 / DEMAND.min_tps)
    assert chunk >= held.batch * pace.prefill_s(DEMAND.prompt_tokens) / DEMAND.answer_tokens


def test_a_vendors_rule_counts_chips_and_slices() -> None:
    eight = server(count=8, memory=80e9)
    rule = Rule(slices=7)
    assert [rule.sessions(size, eight) for size in (1.2e9, 11.4e9, 11.5e9, 80e9, 80.1e9)] == [56, 56, 8, 8, None]
    assert Rule().sessions(1e9, eight) == 8
