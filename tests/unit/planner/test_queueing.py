from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pare.errors import InputError
from pare.planner import queueing
from pare.planner.queueing import Workload

SERVICE = 1000
"""Tokens of a mean answer: so many that its geometric length is as good as exponential."""


def answers_of(kind: str, count: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Answer lengths of mean SERVICE tokens after the first, and their squared coefficient of variation."""
    if kind == "constant":
        return np.full(count, SERVICE + 1), 0.0
    if kind == "exponential":
        return rng.geometric(1 / SERVICE, count) + 1, 1.0
    return queueing.lengths(SERVICE, count, rng, 2.0) + 1, 2.0


def played(
    load: float,
    slots: int,
    *,
    kind: str = "exponential",
    requests: int = 20_000,
    burstiness: float = 1.0,
    itl: Callable[[int], float] = lambda _: 1 / SERVICE,
    seed: int = 0,
) -> tuple[queueing.Served, float]:
    """A simulated queue without prompts whose service takes 1 s on average, and its variation."""
    rng = np.random.default_rng(seed)
    came = queueing.arrivals(load, requests / load, rng, burstiness)
    answers, variation = answers_of(kind, len(came), rng)
    work = Workload(came, np.zeros(len(came), np.int64), answers)
    return queueing.simulate(work, itl, lambda _: 0.0, slots, 1.0), variation


def near(found: list[float], exact: float) -> bool:
    """Whether the mean of independent runs is within five standard errors of what it should be."""
    return abs(float(np.mean(found)) - exact) <= 5 * float(np.std(found, ddof=1)) / math.sqrt(len(found))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12), st.floats(0.2, 3.0), st.floats(0.3, 4.0))
def test_littles_law_holds_on_every_path(seed: int, slots: int, load: float, burstiness: float) -> None:
    """From empty to empty the law is exact: what is inside on average is arrivals a second times seconds inside."""
    rng = np.random.default_rng(seed)
    came = queueing.arrivals(load * slots / 2, 200, rng, burstiness)
    if not len(came):
        return
    work = Workload(came, queueing.lengths(50, len(came), rng), queueing.lengths(100, len(came), rng))
    seen = queueing.simulate(work, lambda b: 0.002 + 0.001 * b, lambda n: 0.001 * n, slots, 0.02)
    inside = seen.first_token_s + seen.decode_s
    assert seen.mean_inside == pytest.approx(queueing.littles(len(came) / seen.seconds, float(inside.mean())), rel=1e-6)


@pytest.mark.parametrize(("load", "slots"), [(0.5, 1), (0.7, 1), (1.4, 2), (6.5, 8)])
def test_the_wait_of_m_m_k(load: float, slots: int) -> None:
    waits = [float(played(load, slots, seed=seed)[0].wait_s.mean()) for seed in range(8)]
    assert near(waits, queueing.mean_wait(slots, load, 1.0))


@pytest.mark.parametrize("kind", ["constant", "lognormal"])
def test_the_wait_of_m_g_k_is_near_lee_and_longtons(kind: str) -> None:
    """An approximation: within a tenth."""
    found = [played(3.2, 4, kind=kind, seed=seed) for seed in range(6)]
    mean = float(np.mean([seen.wait_s.mean() for seen, _ in found]))
    assert mean == pytest.approx(queueing.mean_wait(4, 3.2, 1.0, found[0][1]), rel=0.1)


@pytest.mark.parametrize("kind", ["constant", "lognormal"])
def test_the_wait_of_m_g_1(kind: str) -> None:
    """Pollaczek and Khinchine's: load x (1 + variation) / 2 / (1 - load) x service."""
    found = [played(0.6, 1, kind=kind, seed=seed) for seed in range(8)]
    waits = [float(seen.wait_s.mean()) for seen, _ in found]
    exact = 0.6 * (1 + found[0][1]) / 2 / 0.4
    assert queueing.mean_wait(1, 0.6, 1.0, found[0][1]) == pytest.approx(exact)
    assert near(waits, exact)


@pytest.mark.parametrize("burstiness", [0.25, 4.0])
def test_the_wait_of_gamma_arrivals_at_one_exponential_server(burstiness: float) -> None:
    """GI/M/1: the wait is s / (1 - s) services, s the root of the gaps' Laplace transform at 1 - s (Kleinrock 1975, 6.4)."""
    load = 0.6
    root = 0.5
    for _ in range(500):
        root = (1 + burstiness / load * (1 - root)) ** (-1 / burstiness)
    waits = [float(played(load, 1, burstiness=burstiness, seed=seed)[0].wait_s.mean()) for seed in range(8)]
    assert near(waits, root / (1 - root))


@pytest.mark.parametrize("kind", ["constant", "exponential", "lognormal"])
def test_shared_decoding_is_insensitive_to_lengths(kind: str) -> None:
    """M/G/1 processor sharing: load / (1 - load) inside, whatever the lengths (Kleinrock 1976, 4.4)."""
    found = [played(0.6, 500, kind=kind, itl=lambda b: b / SERVICE, seed=seed)[0].mean_inside for seed in range(8)]
    assert near(found, 1.5)


def test_erlang_c_by_hand_and_at_saturation() -> None:
    assert queueing.erlang_c(1, 0.3) == pytest.approx(0.3)
    assert queueing.erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert queueing.erlang_c(3, 3.0) == 1.0
    assert queueing.mean_wait(2, 2.0, 1.0) == math.inf
    with pytest.raises(InputError, match="at least 1 server"):
        queueing.erlang_c(0, 1.0)


def one(prompts: list[int], answers: list[int], came: list[float]) -> Workload:
    return Workload(np.array(came), np.array(prompts), np.array(answers))


def test_a_prompt_slows_those_who_decode() -> None:
    """The second prompt is 0.4 s of work in chunks of 0.1 s; steps of 0.1 s take 0.2 s meanwhile: four tokens in 0.8 s."""
    alone = queueing.simulate(one([0], [21], [0.0]), lambda _: 0.1, lambda n: n * 1e-3, 4, 0.1)
    assert alone.decode_s[0] == pytest.approx(2.0)
    work = one([0, 400], [21, 1], [0.0, 0.5])
    seen = queueing.simulate(work, lambda _: 0.1, lambda n: n * 1e-3, 4, 0.1)
    assert seen.first_token_s[1] == pytest.approx(0.8)
    assert seen.decode_s[0] == pytest.approx(2.4)
    assert seen.held.tolist() == [False, True]


def test_prompts_are_read_one_after_the_other() -> None:
    seen = queueing.simulate(one([300, 200], [1, 1], [0.0, 0.1]), lambda _: 0.1, lambda n: n * 1e-3, 4, 0.1)
    assert seen.first_token_s.tolist() == pytest.approx([0.3, 0.4])
    assert seen.seconds == pytest.approx(0.5)


def test_who_finds_too_many_waiting_is_refused() -> None:
    work = one([0] * 4, [11] * 4, [0.0, 0.1, 0.2, 5.0])
    seen = queueing.simulate(work, lambda _: 0.1, lambda _: 0.0, 1, 0.1, most_waiting=1)
    assert seen.refused.tolist() == [False, False, True, False]
    assert seen.wait_s[1] == pytest.approx(0.9)
    assert seen.held_share == 0.75
    assert seen.goodput_per_s == pytest.approx(3 / 6.0)


def test_a_simulation_needs_something_to_do() -> None:
    with pytest.raises(InputError, match="needs a slot, a request and a chunk"):
        queueing.simulate(one([0], [1], [0.0]), lambda _: 0.1, lambda _: 0.0, 0, 0.1)


@pytest.mark.parametrize("burstiness", [0.3, 1.0, 5.0])
def test_arrivals_have_their_rate_and_variation(burstiness: float) -> None:
    came = queueing.arrivals(20.0, 5_000.0, np.random.default_rng(0), burstiness)
    gaps = np.diff(came)
    assert len(came) / 5_000 == pytest.approx(20.0, rel=0.03)
    assert gaps.var() / gaps.mean() ** 2 == pytest.approx(burstiness, rel=0.08)
    assert came[-1] < 5_000
    with pytest.raises(InputError, match="above 0"):
        queueing.arrivals(0.0, 10.0, np.random.default_rng(0))


def test_lengths_have_their_mean_and_a_log_keeps_its_pairs() -> None:
    rng = np.random.default_rng(0)
    drawn = queueing.lengths(200, 50_000, rng, 1.5)
    assert drawn.mean() == pytest.approx(200, rel=0.03)
    assert drawn.var() / drawn.mean() ** 2 == pytest.approx(1.5, rel=0.15)
    assert drawn.min() >= 1
    prompts, answers = queueing.from_log([(10, 1000), (20, 0)], 500, rng)
    assert set(zip(prompts.tolist(), answers.tolist(), strict=True)) == {(10, 1000), (20, 1)}
    with pytest.raises(InputError, match="log but it has no request"):
        queueing.from_log([], 5, rng)


@pytest.mark.parametrize("chunk_s", [0.02, 0.07])
def test_a_full_server_is_as_fast_as_capacity_reckons(chunk_s: float) -> None:
    """A full server's time between tokens is ITL(B) + B x prompt / answer (``capacity.loaded_itl_s``): here 0.03 + 0.01 s,
    hence 20 sessions x 1 / (100 x 0.04) requests a second, however large the chunks.
    """
    rng = np.random.default_rng(0)
    count = 4000
    work = Workload(np.sort(rng.uniform(0, 100, count)), np.full(count, 50), np.full(count, 101))
    seen = queueing.simulate(work, lambda b: 0.01 + 0.001 * b, lambda n: 0.001 * n, 20, chunk_s)
    assert count / seen.seconds == pytest.approx(5.0, rel=0.02)
