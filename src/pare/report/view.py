"""What the sections of a report read, taken from the study once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pare import catalog
from pare.data.task import Task
from pare.errors import InputError
from pare.logs.incumbent import Incumbent
from pare.report.figures import figures, monthly
from pare.search.incumbent import incumbent_figures
from pare.search.space import BASELINE, INCUMBENT
from pare.search.study import Facts, Study
from pare.types import ProofPlan, Quantity, Sample, Side, Trial, Verdict

TEXTS_COUNTED = 500
"""How many dev texts are tokenised to learn the mean length of a request."""
PLANNED_TOKENS = "the mean of the train rows, by the base model's tokenizer (a quarter of their characters without it)"


@dataclass(frozen=True)
class View:
    """A study as its reports see it. ``contender`` is the winner, or else the candidate that came nearest to a proof.

    ``plan`` is the one that ``verdict`` answers; a verdict that needed no sealed row has none.

    ``tokens`` holds the mean tokens of a request by artifact, where they could be counted on dev.
    """

    study: Study
    task: Task
    facts: Facts
    trials: tuple[Trial, ...]
    complete: tuple[Trial, ...]
    frontier: tuple[Trial, ...]
    reference: Trial | None
    baseline: Trial | None
    winner: Trial | None
    contender: Trial | None
    plan: ProofPlan | None
    verdict: Verdict | None
    events: tuple[tuple[str, str], ...]
    dev: tuple[Sample, ...]
    calibration: tuple[Sample, ...]
    tokens: Mapping[str, float]
    incumbent: Incumbent | None
    volume: Quantity

    @property
    def reference_value(self) -> float | None:
        """The metric of the reference on the sealed rows; None where none was read, or there is no reference."""
        if self.verdict is None or self.plan is None or not self.plan.reference:
            return None
        return self.verdict.reference_value

    @property
    def built(self) -> tuple[Trial, ...]:
        """The trials at full work that pare built: all but the incumbent."""
        return tuple(trial for trial in self.complete if trial.candidate.name != INCUMBENT)

    @property
    def bar(self) -> float | None:
        """The quality on dev that the bar stands for: the reference less the margin, or the fixed bar."""
        goal = self.facts.goal
        if goal.margin is None:
            return goal.at_least
        return None if self.reference is None else self.quality(self.reference) - goal.margin

    def quality(self, trial: Trial) -> float:
        return trial.scores[self.facts.goal.metric].value

    @property
    def against(self) -> str:
        """What the candidates are held against, in words."""
        return "reference" if self.incumbent is None else "incumbent"

    def figures(self, trial: Trial) -> dict[str, Quantity]:
        """What is known of a trial; of the incumbent, what its log or its price says."""
        if trial.candidate.name == INCUMBENT and self.incumbent is not None:
            return incumbent_figures(self.incumbent)
        return figures(trial, self.length(trial))

    def monthly(self, trial: Trial) -> dict[str, Quantity]:
        """A trial's figures per month, at the study's volume."""
        return monthly(self.figures(trial), self.volume, own=trial.candidate.name != INCUMBENT)

    def length(self, trial: Trial) -> Quantity:
        """The mean tokens of a request: counted on dev with the trial's own tokenizer, else as the planner took it."""
        counted = self.tokens.get(trial.artifact)
        if counted is not None:
            return Quantity(counted, "tokens", "measured", "the mean of the dev rows, by the model's own tokenizer")
        return Quantity(self.facts.tokens_per_row, "tokens", "modelled", PLANNED_TOKENS)

    def logits(self, trial: Trial, side: Side) -> NDArray[np.float32] | None:
        """The recorded logits of a trial, or None where there are none for exactly the samples at hand."""
        found = self.study.logits(trial.artifact, side)
        samples = self.dev if side == "dev" else self.calibration
        return found if found is not None and len(found) == len(samples) > 0 else None

    def decoding(self, trial: Trial) -> Mapping[str, float]:
        """Temperature and threshold of a candidate as deployed; empty where its artifact is gone."""
        try:
            return self.study.deployed(trial.candidate.name).manifest.decoding
        except InputError:
            return {}

    def roles(self, trial: Trial) -> list[str]:
        """What a trial is to the study, in words: winner, reference, PyTorch fp32, frontier."""
        if trial not in self.complete:
            return []
        found = []
        if trial == self.winner:
            found.append("winner")
        if trial == self.reference:
            found.append("reference")
        if trial == self.baseline:
            found.append("PyTorch fp32")
        if trial in self.frontier and not found:
            found.append("frontier")
        return found


def view(study: Study, dev: Sequence[Sample] = (), calibration: Sequence[Sample] = ()) -> View:
    """Reads a study. Raises InputError where it was stopped before it had read its data."""
    shown = study.side_by_side()
    complete = tuple(map(shown, study.complete))
    plan, verdict = _plan(study), study.verdict
    winner = shown(study.winner) if study.winner else None
    return View(
        study=study,
        task=study.task,
        facts=study.facts,
        trials=tuple(map(shown, study.trials)),
        complete=complete,
        frontier=tuple(map(shown, study.frontier)),
        reference=shown(study.reference) if study.reference else None,
        baseline=shown(study.baseline) if study.baseline else None,
        winner=winner,
        contender=winner or _nearest(study, complete, plan),
        plan=plan,
        verdict=verdict,
        events=tuple(study.ledger.events()),
        dev=tuple(dev),
        calibration=tuple(calibration),
        tokens=_tokens(study, complete, [sample.text for sample in dev[:TEXTS_COUNTED]]),
        incumbent=study.incumbent,
        volume=_volume(study),
    )


def _volume(study: Study) -> Quantity:
    """The requests of a month: the task's, else the log's, else the catalogue's."""
    if study.task.volume is not None:
        return Quantity(study.task.volume, "requests", "assumed", "volume, as the task states it")
    logged = study.incumbent.requests_per_month if study.incumbent else None
    return logged or catalog.fact("serving", "requests_per_month")


def _plan(study: Study) -> ProofPlan | None:
    """The plan behind the study's verdict, or the frozen one that has none yet; None where no sealed row was read."""
    if study.proof is None or (study.verdict is not None and unread(study.verdict)):
        return None
    return study.proof[1]


def unread(verdict: Verdict) -> bool:
    """Whether a verdict was reached without reading a sealed row."""
    return verdict.test.startswith("none")


def _nearest(study: Study, complete: Sequence[Trial], plan: ProofPlan | None) -> Trial | None:
    """The safest survivor of the plan, or without one the trial that is likeliest to be proven."""
    able = [trial for trial in complete if trial.candidate.name not in (study.reference_name, BASELINE)]
    if plan is not None and plan.names:
        named = [trial for trial in able if trial.candidate.name == plan.names[0]]
        if named:
            return named[0]
    return max(able, key=study.chance, default=None)


def _tokens(study: Study, trials: Sequence[Trial], texts: Sequence[str]) -> dict[str, float]:
    """Mean tokens of a request by artifact, counted with each artifact's own tokenizer."""
    if not texts:
        return {}
    from tokenizers import Tokenizer

    known: dict[tuple[str, int], float] = {}
    found: dict[str, float] = {}
    for trial in trials:
        try:
            artifact = study.store.get(trial.artifact)
        except InputError:
            continue
        file = artifact.manifest.files.get("tokenizer.json")
        if file is None:
            continue
        key = (file, artifact.manifest.max_length)
        if key not in known:
            tokenizer = Tokenizer.from_file(str(artifact.path / "tokenizer.json"))
            tokenizer.no_padding()
            if artifact.manifest.max_length:
                tokenizer.enable_truncation(artifact.manifest.max_length)
            known[key] = float(np.mean([len(row.ids) for row in tokenizer.encode_batch(list(texts))]))
        found[trial.artifact] = known[key]
    return found
