"""The order of a study as a pure function: a fake world tells each proposal's outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pare.planner import estimate
from pare.search import halving
from pare.search.halving import FULL, Proposal, Rules
from pare.search.space import BASELINE, REFERENCE, Entry, Space
from pare.types import Candidate, DataFacts, Limits, Part, Score, Shape, Step, Trial

FACTS = DataFacts(classes=3, rows=1000, tokens_per_row=10)


def entry(name: str, megabytes: float, trunk: str = "", *, halved: bool = False) -> Entry:
    shape = Shape("bert", (Part("all", int(megabytes * 250_000), 32.0, flops_per_token=megabytes * 1e6),))
    candidate = Candidate(name, "base", (Step("finetune"),), "openvino")
    return Entry(candidate, trunk or name, shape, estimate.training_flops(shape, FACTS, 5), halved)


def space(depths: int = 5) -> Space:
    students = [
        entry(f"student-{depth}{suffix}", 10 * depth / share, f"student-{depth}", halved=True)
        for depth in range(1, depths + 1)
        for suffix, share in (("", 1), ("-int8", 4))
    ]
    return Space(
        (
            entry("linear", 1),
            entry(REFERENCE, 90),
            entry(BASELINE, 90, REFERENCE),
            entry("static", 5),
            *students,
            entry("encoder-int8", 23, REFERENCE),
        ),
        FACTS,
    )


def outcome(proposal: Proposal, quality: float = 0.9) -> Trial:
    trial = Trial(proposal.entry.candidate, proposal.rung, proposal.fidelity, "done", shape=proposal.entry.shape)
    if proposal.skip:
        return replace(trial, state="excluded" if proposal.excluded else "dropped", why=proposal.skip)
    size = int(estimate.weight_bytes(proposal.entry.shape))
    found = Score("accuracy", quality, quality - 0.02, quality + 0.02, 500)
    return replace(
        trial, artifact=f"{proposal.entry.name}@{proposal.rung}", size_bytes=size, scores={"accuracy": found}
    )


def play(
    quality: Callable[[Proposal], float], clears: Callable[[Trial], bool], limits: Limits | None = None, depths: int = 5
) -> list[Trial]:
    trials: list[Trial] = []
    rules = Rules(limits or Limits(), "accuracy", 0.12, lambda trial: 0.6 * clears(trial))
    world, asked = space(depths), 0
    while (proposal := halving.next_proposal(world, trials, rules)) is not None:
        key = (proposal.entry.name, proposal.rung)
        trials = [t for t in trials if (t.candidate.name, t.rung) != key]
        trials.append(outcome(proposal, quality(proposal)))
        asked += 1
        assert asked < 100, "the study does not end"
    return trials


def built(trials: list[Trial]) -> list[tuple[str, int]]:
    return [(trial.candidate.name, trial.rung) for trial in trials if trial.state == "done"]


def test_cheap_ones_lead_then_small_rungs_then_full_work() -> None:
    order = built(play(lambda _: 0.9, lambda _: True))
    assert order[:5] == [
        ("linear", FULL),
        (REFERENCE, FULL),
        (BASELINE, FULL),
        ("static", FULL),
        ("encoder-int8", FULL),
    ]
    assert order[5:10] == [(f"student-{depth}", 0) for depth in range(1, 6)]
    assert order[10:] == [("student-1", FULL), ("student-1-int8", FULL), ("student-2", FULL), ("student-2-int8", FULL)]


def test_a_rung_keeps_the_cheapest_third_and_says_why_others_stop() -> None:
    trials = play(lambda _: 0.9, lambda _: True)
    dropped = {t.candidate.name: t.why for t in trials if t.state == "dropped"}
    assert set(dropped) == {f"student-{d}{s}" for d in (3, 4, 5) for s in ("", "-int8")}
    assert "2 cheapest" in dropped["student-3"]


def test_the_hopeless_are_dropped_on_the_small_rung() -> None:
    trials = play(lambda p: 0.3 if p.entry.trunk == "student-1" else 0.9, lambda _: True)
    assert ("student-1", FULL) not in built(trials)
    assert ("student-2", FULL) in built(trials)
    assert next(t for t in trials if t.candidate.name == "student-1" and t.rung == FULL).why.startswith("hopeless")


@pytest.mark.parametrize("least", [3, 4, 5, 6])
def test_when_no_kept_one_clears_the_depths_are_bisected(least: int) -> None:
    trials = play(lambda _: 0.9, lambda trial: trial.candidate.name[:9] in [f"student-{d}" for d in range(least, 6)])
    names = [name for name, rung in built(trials) if rung == FULL and name.startswith("student") and "int8" not in name]
    assert names[:3] == ["student-1", "student-2", "student-4"]
    assert names[3:] == (["student-3"] if least <= 4 else ["student-5"])


def test_no_dropped_trunk_is_trained_when_something_as_cheap_clears() -> None:
    trials = play(lambda _: 0.9, lambda trial: trial.candidate.name == "static")
    assert ("student-3", FULL) not in built(trials)


def test_limits_exclude_before_building_and_never_the_reference() -> None:
    trials = play(lambda _: 0.9, lambda _: False, Limits(size_mb=6.0))
    names = {name for name, _ in built(trials)}
    assert REFERENCE in names
    assert "encoder-int8" not in names
    assert {"student-1-int8", "student-2-int8"} <= names
    assert not any(name.startswith("student-3") for name in names)
    excluded = [t for t in trials if t.state == "excluded"]
    assert all("limit of 6 MB" in trial.why for trial in excluded)


def test_a_stopped_study_goes_on_where_it_was() -> None:
    rules = Rules(Limits(), "accuracy", 0.12, lambda _: 0.6)
    whole = play(lambda _: 0.9, lambda _: True)
    for stop in range(len(whole)):
        proposal = halving.next_proposal(space(), whole[:stop], rules)
        assert proposal is not None
        assert (proposal.entry.name, proposal.rung) == (whole[stop].candidate.name, whole[stop].rung)


def test_few_trunks_need_no_small_rung() -> None:
    assert halving.rungs(space(3)) == []
    assert {rung for _, rung in built(play(lambda _: 0.9, lambda _: True, depths=3))} == {FULL}


def test_rungs_are_fixed_in_flops() -> None:
    reference = space().entry(REFERENCE).work
    assert halving.rungs(space()) == [halving.FIRST_RUNG * reference]


def test_a_dearer_trunk_is_not_trained_when_a_cheaper_one_is_nearly_sure() -> None:
    rules = Rules(Limits(), "accuracy", 0.12, lambda trial: 0.9 if trial.candidate.name == "student-1-int8" else 0.0)
    trials: list[Trial] = []
    while (proposal := halving.next_proposal(space(), trials, rules)) is not None:
        trials.append(outcome(proposal))
    skipped = next(trial for trial in trials if trial.candidate.name == "student-2" and trial.rung == FULL)
    assert skipped.state == "dropped"
    assert "chance of 90%" in skipped.why


def test_a_small_rival_that_clears_stops_the_bisection_only_where_size_is_minimised() -> None:
    for by_size in (True, False):
        rules = Rules(Limits(), "accuracy", 0.12, lambda t: 0.6 * (t.candidate.name == "static"), by_size=by_size)
        trials: list[Trial] = []
        while (proposal := halving.next_proposal(space(), trials, rules)) is not None:
            key = (proposal.entry.name, proposal.rung)
            trials = [t for t in trials if (t.candidate.name, t.rung) != key]
            trials.append(outcome(proposal))
        assert (("student-4", FULL) in built(trials)) == (not by_size)


def test_what_the_limits_excluded_is_asked_for_again_when_they_are_lifted() -> None:
    tight = play(lambda _: 0.9, lambda _: True, Limits(size_mb=6.0))
    assert any(trial.state == "excluded" for trial in tight)
    rules = Rules(Limits(), "accuracy", 0.12, lambda _: 0.6)
    proposal = halving.next_proposal(space(), tight, rules)
    assert proposal is not None
    assert not proposal.excluded


def test_where_the_limits_rule_out_everything_not_even_the_reference_is_trained() -> None:
    rules = Rules(Limits(size_mb=0.5), "accuracy", 0.12, lambda _: 0.0, broken=lambda _: "size 1 MB (limit 0.5 MB)")
    trials: list[Trial] = []
    while (proposal := halving.next_proposal(space(), trials, rules)) is not None:
        trials.append(outcome(proposal))
    assert built(trials) == []
    assert {trial.state for trial in trials} == {"excluded"}


def test_other_candidates_do_not_renumber_the_rung_of_full_work() -> None:
    rules = Rules(Limits(), "accuracy", 0.12, lambda _: 0.6)
    few = play(lambda _: 0.9, lambda _: True, depths=3)
    proposal = halving.next_proposal(space(5), few, rules)
    assert proposal is not None
    assert (proposal.entry.name, proposal.rung) == ("student-1", 0)


def test_the_work_that_is_left_shrinks_to_nothing() -> None:
    rules = Rules(Limits(), "accuracy", 0.12, lambda _: 0.6)
    trials: list[Trial] = []
    left = [halving.remaining(space(), trials, Limits())]
    while (proposal := halving.next_proposal(space(), trials, rules)) is not None:
        trials.append(outcome(proposal))
        left.append(halving.remaining(space(), trials, Limits()))
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
