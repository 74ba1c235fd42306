"""Which candidate comes next: synchronous successive halving (Jamieson and Talwalkar, 2016), adapted to a bar.

Pure functions of the space and the finished trials, so that the same seed and data give the same study, and a study that
was killed goes on where it stopped. Rungs are fixed in FLOPs, not in seconds.

Successive halving keeps the best by quality. Here every candidate has a cost to minimise and quality only has to clear
a bar, so a rung first drops the hopeless (an error proven to be over twice what the bar allows), and then keeps a
third of what remains, the cheapest by training work: of students of one base that is also the order of their size, speed,
energy and cost. If none of the kept ones clears the bar at full work, dropped ones are taken up again:
dropping saves time, it never decides a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pare.planner import estimate
from pare.search.space import BASELINE, REFERENCE, Entry, Space
from pare.types import Limits, Trial

ETA = 3
CLEARS = 0.5
SURE = 0.8
HOPELESS = 2.0
FIRST_RUNG = 0.04
"""The work of the first rung, as a share of the reference's training FLOPs."""
FULL = 9
"""The number of the rung of full work: above any small one, and the same whatever candidates a task names."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to do next. With ``skip`` nothing is built: the trial is recorded as dropped or excluded, with the reason."""

    entry: Entry
    rung: int
    fidelity: float
    skip: str = ""
    excluded: bool = False


@dataclass(frozen=True)
class Rules:
    """What a study goes by: its limits, the metric of its bar, the error that the bar allows on dev, a trial's chance to be
    proven within the limits, whether bytes are what it minimises (only they are known of a trunk before it is built), and
    which limits a built trial breaks.
    """

    limits: Limits
    metric: str
    allowed: float
    chance: Callable[[Trial], float]
    by_size: bool = True
    broken: Callable[[Trial], str] = lambda trial: ""

    def clears(self, trial: Trial) -> bool:
        """Whether a trial counts as clearing the bar."""
        return self.chance(trial) >= CLEARS


def rungs(space: Space) -> list[float]:
    """The FLOPs of each small rung; full work comes after the last of them. Few trunks need few rungs."""
    trunks = {entry.trunk for entry in space.entries if entry.halved}
    reference = [entry.work for entry in space.entries if entry.name == REFERENCE]
    small: list[float] = []
    alive = len(trunks)
    while alive > ETA and reference:
        small.append(FIRST_RUNG * reference[0] * ETA ** len(small))
        alive = -(-alive // ETA)
    return small


def next_proposal(space: Space, trials: Sequence[Trial], rules: Rules) -> Proposal | None:
    """The next thing to do, or None when the study is complete."""
    done = {(trial.candidate.name, trial.rung): trial for trial in trials}
    for proposal in (
        *(Proposal(entry, FULL, 1.0) for entry in space.entries if not entry.halved),
        *_small_rungs(space, done, rules),
        *_taken_up_again(space, done, rules),
    ):
        shown_against = proposal.entry.name in (REFERENCE, BASELINE)
        if shown_against and _hopeless(space, done, rules):
            continue
        judged = proposal.rung == FULL and not shown_against
        why = estimate.excludes(proposal.entry.shape, rules.limits) if judged else ""
        known = done.get((proposal.entry.name, proposal.rung))
        if known is not None and not _open_again(known, proposal, why):
            continue
        return Proposal(proposal.entry, FULL, 1.0, why, excluded=True) if why else proposal
    return None


def _open_again(known: Trial, proposal: Proposal, why: str) -> bool:
    """Whether what was not built may be built after all: taken up again, or no longer excluded by the limits."""
    return (known.state == "dropped" and not proposal.skip) or (known.state == "excluded" and not why)


def _hopeless(space: Space, done: Mapping[tuple[str, int], Trial], rules: Rules) -> bool:
    """Whether the limits rule out everything but the reference, as built or for certain: then it need not be trained."""
    for entry in space.entries:
        trial = done.get((entry.name, FULL))
        if entry.name in (REFERENCE, BASELINE) or estimate.excludes(entry.shape, rules.limits):
            continue
        if trial is None or trial.state != "done" or not rules.broken(trial):
            return False
    return True


def remaining(space: Space, trials: Sequence[Trial], limits: Limits) -> float:
    """About how many training FLOPs the study still has to do: what is not finished, of students those that a rung keeps."""
    done = {(trial.candidate.name, trial.rung) for trial in trials}
    work: dict[str, float] = {}
    for entry in space.entries:
        if not entry.halved and (entry.name, FULL) not in done and not estimate.excludes(entry.shape, limits):
            work.setdefault(entry.trunk, entry.work)
    work = {trunk: flops for trunk, flops in work.items() if (trunk, FULL) not in done}
    trunks = _trunks(space, limits)
    small, alive = rungs(space), len(trunks)
    left = sum(work.values())
    for rung, flops in enumerate(small):
        left += flops * sum((entries[0].name, rung) not in done for entries in list(trunks.values())[:alive])
        alive = -(-alive // ETA)
    kept = list(trunks.values())[:alive]
    return left + sum(entries[0].work for entries in kept if (entries[0].name, FULL) not in done)


def _trunks(space: Space, limits: Limits) -> dict[str, list[Entry]]:
    """The halved trunks with their entries, cheapest first, without those of which the limits exclude every entry."""
    found: dict[str, list[Entry]] = {}
    for entry in sorted(
        (e for e in space.entries if e.halved), key=lambda e: estimate.weight_bytes(e.shape), reverse=True
    ):
        found.setdefault(entry.trunk, []).append(entry)
    admitted = {
        trunk: entries
        for trunk, entries in found.items()
        if any(not estimate.excludes(entry.shape, limits) for entry in entries)
    }
    return dict(sorted(admitted.items(), key=lambda item: item[1][0].work))


def _small_rungs(space: Space, done: Mapping[tuple[str, int], Trial], rules: Rules) -> list[Proposal]:
    """The students' rungs as far as they are known: a rung is decided when all of it is finished."""
    found: list[Proposal] = []
    trunks = _trunks(space, rules.limits)
    alive = list(trunks)
    small = rungs(space)
    for rung, flops in enumerate(small):
        for trunk in alive:
            entry = trunks[trunk][0]
            found.append(Proposal(entry, rung, min(1.0, flops / entry.work)))
        finished = {trunk: done.get((trunks[trunk][0].name, rung)) for trunk in alive}
        if any(trial is None for trial in finished.values()):
            return found
        scored = {trunk: trial for trunk, trial in finished.items() if trial is not None and trial.state == "done"}
        kept, reasons = _promote(scored, rules)
        for trunk in alive:
            if trunk not in kept:
                why = reasons.get(trunk, "it failed on a smaller rung")
                found.extend(Proposal(entry, FULL, 1.0, skip=why) for entry in trunks[trunk])
        alive = kept
    for trunk in alive:
        sure = _sure([entry for cheaper in alive[: alive.index(trunk)] for entry in trunks[cheaper]], done, rules)
        found.extend(Proposal(entry, FULL, 1.0, skip=sure) for entry in trunks[trunk])
    return found


def _sure(entries: Sequence[Entry], done: Mapping[tuple[str, int], Trial], rules: Rules) -> str:
    """Why a dearer trunk need not be trained: a cheaper one is nearly sure to be proven. Else an empty string."""
    for entry in entries:
        for (name, _), trial in done.items():
            if name == entry.name and trial.state == "done" and trial.fidelity == 1.0 and rules.chance(trial) >= SURE:
                return f"{name} is cheaper and has a chance of {rules.chance(trial):.0%} to be proven"
    return ""


def _promote(scored: Mapping[str, Trial], rules: Rules) -> tuple[list[str], dict[str, str]]:
    """The trunks that go on, cheapest first, and why the others do not. ``scored`` is in order of cost."""
    if not scored:
        return [], {}
    reasons: dict[str, str] = {}
    hopeful: list[str] = []
    for trunk, trial in scored.items():
        found = trial.scores[rules.metric]
        if 1.0 - found.high > HOPELESS * rules.allowed:
            reasons[trunk] = (
                f"hopeless on a small slice: its error of {1 - found.value:.1%} is over {HOPELESS:g} times "
                f"the {rules.allowed:.1%} that the bar allows"
            )
        else:
            hopeful.append(trunk)
    places = -(-len(scored) // ETA)
    reasons.update((trunk, f"the rung keeps its {places} cheapest hopeful candidates") for trunk in hopeful[places:])
    return hopeful[:places], reasons


def _taken_up_again(space: Space, done: Mapping[tuple[str, int], Trial], rules: Rules) -> list[Proposal]:
    """The dropped trunk to train next where the kept ones do not decide, found by bisection over the depths.

    Deeper students are taken to be better: only trunks between the dearest that missed and the cheapest that clears can
    change the answer, and only while nothing else that clears is as cheap as they could be.
    """
    trunks = _trunks(space, rules.limits)
    clears: dict[str, bool] = {}
    for trunk, entries in trunks.items():
        trials = [done.get((entry.name, FULL)) for entry in entries]
        if not any(trial is None or trial.state == "dropped" for trial in trials):
            clears[trunk] = any(trial is not None and trial.state == "done" and rules.clears(trial) for trial in trials)
    order = list(trunks)
    first = max((order.index(trunk) + 1 for trunk, good in clears.items() if not good), default=0)
    last = min((order.index(trunk) for trunk, good in clears.items() if good), default=len(order))
    others = [done.get((entry.name, FULL)) for entry in space.entries if not entry.halved]
    rivals = [
        trial.size_bytes
        for trial in others
        if rules.by_size and trial is not None and trial.state == "done" and _competes(trial) and rules.clears(trial)
    ]
    open_trunks = [
        trunk
        for trunk in order[first:last]
        if trunk not in clears and min(_least(entry) for entry in trunks[trunk]) < min(rivals, default=float("inf"))
    ]
    if not open_trunks:
        return []
    return [Proposal(entry, FULL, 1.0) for entry in trunks[open_trunks[len(open_trunks) // 2]]]


def _competes(trial: Trial) -> bool:
    return trial.candidate.name not in (REFERENCE, BASELINE)


def _least(entry: Entry) -> float:
    return estimate.weight_bytes(entry.shape)
