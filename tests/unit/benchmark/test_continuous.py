"""Timing of sessions side by side: what the clock says, and the order of rounds."""

from __future__ import annotations

import pytest

from pare.benchmark.continuous import _figures, interleaved
from pare.benchmark.slots import _figures as slot_figures
from pare.errors import InputError, PareError


def test_the_first_step_reads_and_the_others_write() -> None:
    first, between = _figures([10.0, 10.5, 10.6, 10.8, 10.9], [4, 4], 4)
    assert first == pytest.approx(0.5)
    assert between == pytest.approx(0.4 / 3)


@pytest.mark.parametrize(
    ("times", "made"), [([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [4]), ([0.0, 1.0, 2.0, 3.0, 4.0], [4, 3])]
)
def test_sessions_that_do_not_step_together_are_refused(times: list[float], made: list[int]) -> None:
    with pytest.raises(InputError, match="should make 4 tokens each in 4 steps"):
        _figures(times, made, 4)


class Meter:
    """Notes what it is asked for; its times are the batch's."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def run(self, batch: int, prompt: int, new: int) -> tuple[float, float]:
        self.asked.append(batch)
        return prompt * batch, float(batch)


def test_rounds_go_up_and_down_after_a_first_run_of_each() -> None:
    meter = Meter()
    found = list(interleaved(meter, (1, 2, 8), 4, 4, 3))
    assert meter.asked == [1, 2, 8, 1, 2, 8, 8, 2, 1, 1, 2, 8]
    assert found == [{1: (4.0, 1.0), 2: (8.0, 2.0), 8: (32.0, 8.0)}] * 3


def test_rounds_are_given_as_they_end() -> None:
    meter = Meter()
    rounds = interleaved(meter, (1, 2), 4, 4, 100)
    next(rounds)
    assert len(meter.asked) == 4


def told(read: float, written: float, tokens: int = 4) -> dict[str, object]:
    return {"timings": {"prompt_ms": read, "predicted_ms": written, "predicted_n": tokens}}


def test_slots_are_timed_by_llama_cpps_clocks() -> None:
    first, between = slot_figures([told(10.0, 30.0), told(12.0, 36.0)], 4)
    assert first == pytest.approx(0.012)
    assert between == pytest.approx(0.011)


@pytest.mark.parametrize(
    ("answer", "words"),
    [({"error": "busy"}, "busy"), (told(1.0, 2.0, 3), "3 tokens of 4 came"), ({}, "no tokens of 4")],
)
def test_a_slot_that_did_not_answer_is_told(answer: dict[str, object], words: str) -> None:
    with pytest.raises(PareError, match=words):
        slot_figures([told(1.0, 2.0), answer], 4)
