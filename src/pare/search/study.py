"""A study: a run folder with its ledger, store and results; ``ask`` for what to do next, ``tell`` what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from pare.artifacts import MANIFEST, Store, read
from pare.data import Dataset, Task
from pare.errors import InputError
from pare.kinds import kind_of
from pare.logs.contract import CONTRACT
from pare.logs.incumbent import Incumbent
from pare.planner import estimate
from pare.proof.reviewers import majority
from pare.search import halving
from pare.search.halving import Proposal, Rules
from pare.search.space import BASELINE, INCUMBENT, REFERENCE, Space
from pare.search.survivors import Goal, chance
from pare.store import Ledger
from pare.types import Artifact, Bar, Device, Measurement, ProofPlan, Side, Trial, Verdict

LEDGER = "study.db"
TASK = "task.yaml"
REPORT = "report.html"
QUARANTINE = "quarantine.csv"
UNREAD = "unread_verdict"
"""The fact that holds a verdict for which no sealed row was read: a list of one, or empty."""
CUT_OFF = "cut_off"
"""The fact that holds the names of the candidates that the budget cut off; empty after a study that was not."""
TOGETHER = "measured_together"
"""The fact that holds measurements from interleaved rounds, by artifact: the reference, its PyTorch form, the winner."""
ALLOWED = 0.15
"""The share of an incumbent's answers that an imitation takes to be wrong at most, before anybody has looked: a large model
is right on more than 85 % of what a small one can learn; an encoder that misses more has too few rows to judge it by."""
KNOWN_INCUMBENT = "incumbent"
"""The fact that holds what is known of the large model that the candidates are held against."""
REVIEWS = "reviews"
"""The fact that holds what reviewers said of sealed rows: reviewer → row id → label."""
PLANS = "plans"
"""The fact that holds which plan answers which bar: a list of ``Asked``, the newest last."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a study knew before it trained anything. ``notes`` are sentences for the user, in order.

    ``synthetic`` rows and ``unlabelled`` texts are trained on beside the train side's own rows.
    """

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
    synthetic: int = 0
    unlabelled: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A bar as the task states it, and the id of the newest plan that was frozen for it."""

    bar: Bar
    plan: str


def job_file(task: Task, run: Path, name: str) -> Path | None:
    """What a log's job has left of that name: in the run's folder, or beside the rows of another run that it came from."""
    return next((file for file in (run / name, Path(task.data.path).parent / name) if file.is_file()), None)


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

    def same_data(self, dataset: Dataset) -> None:
        """Raises InputError where a data set is not the one that this study has split."""
        if dataset.hash != self.facts.data:
            data = self.task.data
            beside = ", or what is trained on beside them," if data.synthetic or data.unlabelled else ""
            raise InputError(
                f"the rows of {data.path}{beside} have changed since the study ({self.facts.data}, now {dataset.hash}); "
                "put them back as they were, or run pare find into another folder"
            )

    @cached_property
    def contract(self) -> dict[str, Any]:
        """The prompt contract of a study on a log's job, as a manifest holds it; empty for others."""
        path = job_file(self.task, self.path, CONTRACT)
        return dict(msgspec.json.decode(path.read_bytes())) if path is not None else {}

    def reviews(self) -> dict[str, dict[str, str]]:
        """Reviewer → row id → label: what people said of sealed rows."""
        return self.ledger.fact(REVIEWS, dict[str, dict[str, str]]) or {}

    def said(self) -> dict[str, str | None]:
        """Row id → the label that most reviewers gave; None where they are undecided, or not all have seen it."""
        reviews = list(self.reviews().values())
        return {id: majority([one.get(id) for one in reviews]) for one in reviews for id in one}

    # -- ask and tell --------------------------------------------------------------------------------------------------

    def begin(self, space: Space) -> None:
        """Gives the study what it may try."""
        self._space = space

    def ask(self) -> Proposal | None:
        """The next thing to do, or None when nothing is left. The same ledger always gives the same answer."""
        assert self._space is not None, "begin comes before ask"
        goal = self.aim
        rules = Rules(
            self.task.limits,
            goal.metric,
            self._allowed(),
            lambda trial: 0.0 if self.broken(trial) else chance(trial, goal),
            by_size=self.task.minimise == "size",
            broken=self.broken,
        )
        return halving.next_proposal(self._space, self.trials, rules)

    def left_s(self) -> float | None:
        """About how many seconds of training are left, at the rate of what was trained; None before anything was."""
        assert self._space is not None, "begin comes before left_s"
        works = {e.name: e.work for e in self._space.entries if e.name == e.trunk and e.candidate.base}
        trained = [trial for trial in self.complete if trial.candidate.name in works]
        if not trained:
            return None
        left = halving.remaining(self._space, self.trials, self.task.limits)
        return left * sum(trial.seconds for trial in trained) / sum(works[trial.candidate.name] for trial in trained)

    def _allowed(self) -> float:
        """The error on dev that the bar allows; 1 while there is nothing to tell it from."""
        goal, reference = self.aim, self.reference
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
        return [trial for trial in self.trials if trial.state == "done" and trial.rung == halving.FULL]

    @property
    def untried(self) -> list[str]:
        """The candidates of which nobody knows how they would do: failed, or cut off by the budget."""
        built = {trial.candidate.name for trial in self.complete}
        failed = [t.candidate.name for t in self.trials if t.state == "failed" and t.candidate.name not in built]
        cut = self.ledger.fact(CUT_OFF, list[str]) or []
        return list(dict.fromkeys((*failed, *(name for name in cut if name not in built))))

    @property
    def reference_name(self) -> str:
        return INCUMBENT if self.task.has_incumbent else REFERENCE

    @property
    def reference(self) -> Trial | None:
        """What the candidates must match, as it is served."""
        return next((trial for trial in self.complete if trial.candidate.name == self.reference_name), None)

    @property
    def incumbent(self) -> Incumbent | None:
        """What is known of the large model that the candidates are held against; None where there is none."""
        return self.ledger.fact(KNOWN_INCUMBENT, Incumbent) if self.task.has_incumbent else None

    @property
    def baseline(self) -> Trial | None:
        """The reference in PyTorch fp32."""
        return next((trial for trial in self.complete if trial.candidate.name == BASELINE), None)

    @property
    def frontier(self) -> list[Trial]:
        """The trials that no other one beats in both cost and quality, within the limits, cheapest first."""
        able = [t for t in self.complete if t.candidate.name not in (BASELINE, INCUMBENT) and not self.broken(t)]
        kept: list[Trial] = []
        for trial in sorted(able, key=lambda t: (self.cost(t), -self.quality(t))):
            if not kept or self.quality(trial) > self.quality(kept[-1]):
                kept.append(trial)
        return kept

    @property
    def proof(self) -> tuple[str, ProofPlan, Verdict | None] | None:
        """The plan that was frozen last for the task's bar, with its id and its verdict once there is one."""
        plans = {asked.bar: asked.plan for asked in self.asked()}
        return next((proof for proof in self.ledger.proofs() if proof[0] == plans.get(self.task.bar)), None)

    def asked(self) -> list[Asked]:
        """Every bar that this study was asked to prove, each with its newest plan, the latest last."""
        return self.ledger.fact(PLANS, list[Asked]) or []

    def ask_for(self, plan: str) -> None:
        """Notes which plan answers the task's bar."""
        rest = [asked for asked in self.asked() if asked.bar != self.task.bar]
        self.ledger.set_fact(PLANS, [*rest, Asked(self.task.bar, plan)])

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the task's bar, or the one that needed no sealed row; None before there is one."""
        unread = self.ledger.fact(UNREAD, list[Verdict])
        if unread:
            return unread[0]
        proof = self.proof
        return proof[2] if proof else None

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
        proof = self.proof
        if proof:
            plan = proof[1]
            proven = dict(zip((self.reference_name, *plan.names), (plan.reference, *plan.artifacts), strict=True))
            if proven.get(name) and name != INCUMBENT:
                return self.store.get(proven[name])
        finished = {
            trial.candidate.name: trial.artifact for trial in self.complete if trial.candidate.name != INCUMBENT
        }
        if name not in finished:
            names = ", ".join(finished) or "none yet"
            raise InputError(f"{self.path} has no finished candidate '{name}'; it has: {names}")
        if self.store.has(finished[name]):
            return self.store.get(finished[name])
        left = ", ".join(other for other, artifact in finished.items() if self.store.has(artifact)) or "nothing"
        raise InputError(
            f"the artifact of {name} is gone (pare gc or somebody removed it); {self.path} still has {left}; "
            "the same pare find builds again what it needs"
        )

    def logits(self, artifact: str, side: Side) -> NDArray[np.float32] | None:
        """The recorded logits of an artifact on dev or calibration, in the form of the task's kind, or None."""
        raw = self.ledger.output(artifact, side)
        if raw is None:
            return None
        shape = kind_of(self.task.kind).shape(self.facts.sides[side], len(self.facts.labels))
        return np.frombuffer(raw, np.float32).reshape(shape)

    def side_by_side(self) -> Callable[[Trial], Trial]:
        """Gives a trial its figures from interleaved rounds, where it was measured so: their ratios hold on a noisy
        machine. What the study chose by stays as it was told.
        """
        together = self.ledger.fact(TOGETHER, dict[str, Measurement]) or {}

        def shown(trial: Trial) -> Trial:
            found = together.get(trial.artifact)
            return replace(trial, measurement=found) if found and trial.measurement else trial

        return shown

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

    @property
    def aim(self) -> Goal:
        """The goal that decides what is tried and tested. In an imitation every difference is a loss until people have
        labelled it, also where the incumbent is wrong: what the fine-tuned encoder, which learnt from its answers, loses
        so is allowed for, up to ``ALLOWED``. Nothing is proven by it.
        """
        goal = self.facts.goal
        if not self.task.imitates or goal.margin is None:
            return goal
        encoder = next((trial for trial in self.complete if trial.candidate.name == REFERENCE), None)
        lost = encoder.drop if encoder is not None and encoder.drop is not None else 0.0
        return replace(goal, margin=goal.margin + min(max(0.0, lost), ALLOWED))

    def chance(self, trial: Trial) -> float:
        """The predicted chance that a trial would be proven as the rows are labelled now."""
        return chance(trial, self.facts.goal)

    def broken(self, trial: Trial) -> str:
        """The limits that a trial breaks, in words, or an empty string."""
        return estimate.breaks(trial, self.task.limits)


def artifact_at(path: str | Path, name: str = "") -> tuple[str, Artifact]:
    """(name, artifact) of an artifact's folder, or of a run's candidate: the named one, its winner, its reference, or what
    is cheapest on its frontier. Raises InputError where there is neither.
    """
    path = Path(path)
    if (path / MANIFEST).is_file() or not (path / LEDGER).is_file():
        return path.name, read(path)
    study = Study.open(path)
    try:
        chosen = name or next(
            (
                trial.candidate.name
                for trial in (study.winner, study.reference, *study.frontier)
                if trial and trial.candidate.name != INCUMBENT
            ),
            REFERENCE,
        )
        return chosen, study.deployed(chosen)
    finally:
        study.close()
