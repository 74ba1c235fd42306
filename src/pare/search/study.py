"""A study: a run folder with its ledger, store and results; ``ask`` for what to do next, ``tell`` what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from pare.artifacts import Store
from pare.data.task import Task
from pare.errors import InputError
from pare.planner import estimate
from pare.search import halving
from pare.search.halving import Proposal, Rules
from pare.search.space import BASELINE, REFERENCE, Space
from pare.search.survivors import Goal, chance
from pare.store import Ledger
from pare.types import Artifact, Device, Side, Trial, Verdict

LEDGER = "study.db"
TASK = "task.yaml"
REPORT = "report.html"
QUARANTINE = "quarantine.csv"
UNREAD = "unread_verdict"
"""The fact that holds a verdict for which no sealed row was read: a list of one, or empty."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a study knew before it trained anything. ``notes`` are sentences for the user, in order."""

    data: str
    labels: tuple[str, ...]
    sides: dict[Side, int]
    rows_read: int
    quarantined: int
    tokens_per_row: float
    started: str
    goal: Goal
    look: int
    device: Device
    threads: int
    versions: dict[str, str]
    notes: tuple[str, ...]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a run's folder. Raises InputError where another process works on the same run."""
    path.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path / ".lock", timeout=0):
            yield
    except Timeout:
        raise InputError(f"another pare is working on {path}; wait for it, or give --run another name") from None


class Study:
    """One run of ``pare find``. Open it with a run folder; it needs no data to be read again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = Ledger(path / LEDGER)
        self.store = Store(path / "artifacts")
        self._space: Space | None = None

    @classmethod
    def open(cls, path: str | Path) -> Study:
        """Opens a finished or interrupted study. Raises InputError where the folder holds none."""
        path = Path(path)
        if not (path / LEDGER).is_file():
            raise InputError(f"{path} holds no study: it has no {LEDGER}; run pare find first, or name another folder")
        return cls(path)

    def close(self) -> None:
        self.ledger.close()

    # -- what was asked ------------------------------------------------------------------------------------------------

    @cached_property
    def task(self) -> Task:
        return Task.read(self.path / TASK)

    @cached_property
    def facts(self) -> Facts:
        """Raises InputError where the study was stopped before it had read its data."""
        found = self.ledger.fact("facts", Facts)
        if found is None:
            raise InputError(f"{self.path} was stopped before its data were read; run the same pare find again")
        return found

    # -- ask and tell --------------------------------------------------------------------------------------------------

    def begin(self, space: Space) -> None:
        """Gives the study what it may try."""
        self._space = space

    def ask(self) -> Proposal | None:
        """The next thing to do, or None when nothing is left. The same ledger always gives the same answer."""
        assert self._space is not None, "begin comes before ask"
        goal = self.facts.goal
        rules = Rules(
            self.task.limits,
            goal.metric,
            self._allowed(),
            lambda trial: 0.0 if self.broken(trial) else self.chance(trial),
            by_size=self.task.minimise == "size",
        )
        return halving.next_proposal(self._space, self.trials, rules)

    def _allowed(self) -> float:
        """The error on dev that the bar allows; 1 while there is nothing to tell it from."""
        goal, reference = self.facts.goal, self.reference
        if goal.at_least is not None:
            return 1.0 - goal.at_least
        return 1.0 if reference is None else 1.0 - self.quality(reference) + (goal.margin or 0.0)

    def tell(self, trial: Trial) -> None:
        """Records a finished trial."""
        self.ledger.add_trial(trial)

    # -- what was found ------------------------------------------------------------------------------------------------

    @property
    def trials(self) -> list[Trial]:
        """Every finished trial, small rungs included, oldest first."""
        return self.ledger.trials()

    @property
    def complete(self) -> list[Trial]:
        """The trials at full work that were built and scored, oldest first."""
        return [trial for trial in self.trials if trial.state == "done" and trial.fidelity == 1.0]

    @property
    def reference(self) -> Trial | None:
        """What the candidates must match, as it is served."""
        return next((trial for trial in self.complete if trial.candidate.name == REFERENCE), None)

    @property
    def baseline(self) -> Trial | None:
        """The reference in PyTorch fp32."""
        return next((trial for trial in self.complete if trial.candidate.name == BASELINE), None)

    @property
    def frontier(self) -> list[Trial]:
        """The trials that no other one beats in both cost and quality, within the limits, cheapest first."""
        able = [t for t in self.complete if t.candidate.name != BASELINE and not self.broken(t)]
        kept: list[Trial] = []
        for trial in sorted(able, key=lambda t: (self.cost(t), -self.quality(t))):
            if not kept or self.quality(trial) > self.quality(kept[-1]):
                kept.append(trial)
        return kept

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of the newest proof, or the one that needed no sealed row; None before there is one."""
        unread = self.ledger.fact(UNREAD, list[Verdict])
        if unread:
            return unread[0]
        proofs = self.ledger.proofs()
        return proofs[-1][2] if proofs else None

    @property
    def winner(self) -> Trial | None:
        """The cheapest proven trial, or None."""
        verdict = self.verdict
        if verdict is None or not verdict.winner:
            return None
        return next((trial for trial in self.complete if trial.candidate.name == verdict.winner), None)

    def deployed(self, name: str) -> Artifact:
        """The artifact of a candidate as it is served: calibrated where it was proven, else as built.

        Raises InputError where the study has no such candidate.
        """
        proofs = self.ledger.proofs()
        if proofs:
            plan = proofs[-1][1]
            proven = dict(zip((*plan.names, REFERENCE), (*plan.artifacts, plan.reference), strict=True))
            if proven.get(name):
                return self.store.get(proven[name])
        for trial in self.complete:
            if trial.candidate.name == name:
                return self.store.get(trial.artifact)
        names = ", ".join(trial.candidate.name for trial in self.complete)
        raise InputError(f"{self.path} has no finished candidate '{name}'; it has: {names or 'none yet'}")

    def logits(self, artifact: str, side: Side) -> NDArray[np.float32] | None:
        """The recorded logits of an artifact on dev or calibration, (samples, classes), or None."""
        raw = self.ledger.output(artifact, side)
        return None if raw is None else np.frombuffer(raw, np.float32).reshape(-1, len(self.facts.labels))

    # -- how trials compare --------------------------------------------------------------------------------------------

    def cost(self, trial: Trial) -> float:
        """What the task minimises, of a trial: bytes, milliseconds, joules or dollars."""
        figure = {"latency": "latency_p50_ms", "energy": "energy_j_per_1k", "cost": "cost_usd_per_1k"}
        minimise = self.task.minimise
        if minimise == "size":
            return float(trial.size_bytes)
        return trial.measurement.figures[figure[minimise]].value if trial.measurement else float("inf")

    def quality(self, trial: Trial) -> float:
        """The value on dev of the metric that the bar is on."""
        return trial.scores[self.facts.goal.metric].value

    def chance(self, trial: Trial) -> float:
        """The predicted chance that a trial would be proven."""
        return chance(trial, self.facts.goal)

    def broken(self, trial: Trial) -> str:
        """The limits that a trial breaks, in words, or an empty string."""
        return estimate.breaks(trial, self.task.limits)
