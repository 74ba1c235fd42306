from __future__ import annotations

import pytest

from pare.search.space import BASELINE, REFERENCE
from pare.search.survivors import AT_MOST, Goal, chance, choose
from pare.types import Candidate, Score, Trial

GOAL = Goal("accuracy", 0.02, None, 0.05, 1000)


def trial(name: str, size: int, drop: float = 0.0, discordance: float = 0.04) -> Trial:
    value = 0.93 - drop
    score = Score("accuracy", value, value - 0.02, value + 0.02, 1000)
    return Trial(Candidate(name, "", (), "openvino"), 1, 1.0, "done", artifact=name, size_bytes=size,
                 scores={"accuracy": score}, drop=drop, discordance=discordance)  # fmt: skip


def names(trials: list[Trial], broken: str = "") -> list[str]:
    chosen = choose(trials, GOAL, lambda t: float(t.size_bytes), lambda t: "slow" if t.candidate.name == broken else "")
    return [t.candidate.name for t in chosen]


def test_a_smaller_drop_is_likelier_to_be_proven() -> None:
    chances = [chance(trial("a", 1, drop), GOAL) for drop in (-0.01, 0.0, 0.01, 0.02, 0.05)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.9
    assert chances[-1] < 0.01


def test_a_fixed_bar_needs_no_reference() -> None:
    goal = Goal("accuracy", None, 0.9, 0.05, 1000)
    assert chance(trial("good", 1, 0.0), goal) > chance(trial("bad", 1, 0.05), goal)


def test_an_unpaired_trial_has_no_chance() -> None:
    lone = Trial(Candidate("a", "", (), "x"), 1, 1.0, "done", scores={"accuracy": Score("accuracy", 0.9, 0.8, 1.0, 50)})
    assert chance(lone, GOAL) == 0.0


def test_order_is_from_the_safest_to_the_cheapest() -> None:
    trials = [trial(REFERENCE, 90), trial("small", 4, 0.005), trial("middle", 9, 0.002), trial("safe", 23, 0.0)]
    assert names(trials) == ["safe", "middle", "small"]


def test_the_hopeless_the_dear_and_the_broken_are_not_tested() -> None:
    trials = [
        trial(REFERENCE, 90),
        trial(BASELINE, 80),
        trial("dear", 95),
        trial("hopeless", 1, 0.2),
        trial("slow", 5),
        trial("safe", 23),
    ]
    assert names(trials, broken="slow") == ["safe"]


def test_without_a_good_one_the_safest_is_still_tested() -> None:
    assert names([trial(REFERENCE, 90), trial("weak", 4, 0.03), trial("weaker", 3, 0.05)]) == ["weak"]


def test_what_is_dearer_and_no_safer_is_left_out() -> None:
    assert names([trial(REFERENCE, 90), trial("small", 4, 0.0), trial("large", 9, 0.004)]) == ["small"]


def test_at_most_a_handful_with_safest_and_cheapest() -> None:
    trials = [trial(REFERENCE, 90), *(trial(f"s{size}", size, 0.0001 * (10 - size)) for size in range(1, 9))]
    chosen = names(trials)
    assert len(chosen) == AT_MOST
    assert (chosen[0], chosen[-1]) == ("s8", "s1")


def test_nothing_cheaper_than_the_reference_is_nothing() -> None:
    assert names([trial(REFERENCE, 90), trial("dear", 95)]) == []


@pytest.mark.parametrize("sealed", [100, 1000, 10_000])
def test_more_sealed_rows_raise_the_chance_of_a_good_one(sealed: int) -> None:
    few, many = Goal("accuracy", 0.02, None, 0.05, sealed), Goal("accuracy", 0.02, None, 0.05, 2 * sealed)
    assert chance(trial("a", 1), many) > chance(trial("a", 1), few)
