"""Works through a study: builds, scores and measures what it asks for, and tells it."""

from __future__ import annotations

import errno
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pare import runtimes
from pare.benchmark.measure import measure, measure_together
from pare.errors import InputError, MissingExtra, PareError
from pare.evaluation.metrics import bar_metric
from pare.evaluation.score import paired, scores
from pare.search.build import Builder
from pare.search.halving import FULL, Proposal
from pare.search.incumbent import incumbent_trial
from pare.search.listener import Listener, Progress
from pare.search.opening import Session
from pare.search.space import REFERENCE
from pare.search.study import CUT_OFF, TOGETHER, Study, artifact_at
from pare.types import Artifact, Measurement, Trial
from pare.units import duration

MEASURED_TEXTS = 256
MEASURED_SECONDS = 1.5


def explore(session: Session, listener: Listener) -> None:
    """Runs the study until nothing is left to try, or its minutes are spent; a truncation is recorded.

    Raises MissingExtra after the light rungs where encoders cannot be built here.
    """
    study = session.study
    study.store.sweep()
    builder = Builder(
        session.ctx, study.ledger, study.store, f"{session.dataset.hash}:{session.base_key}:{session.ctx.seed}"
    )
    minutes = study.task.budget.minutes
    if study.task.has_incumbent and study.reference is None:
        _tell_incumbent(session, listener)
    _pair_earlier(session)
    _refuse_weak_reference(study)
    _forget_failures(study)
    cut_off: list[str] = []
    while (proposal := study.ask()) is not None:
        spent = sum(trial.seconds for trial in study.trials)
        if minutes is not None and spent > 60 * minutes and study.reference is not None:
            text = f"the study was cut short at {duration(spent)} (budget.minutes {minutes:g}) before {proposal.entry.name}"
            if ("truncated", text) not in study.ledger.events():
                study.ledger.add_event("truncated", text)
            listener.say(text)
            done = {trial.candidate.name for trial in study.trials if trial.rung == FULL}
            cut_off = [entry.name for entry in session.space.entries if entry.name not in done]
            break
        trial = attempt(session, builder, proposal, listener)
        study.tell(trial)
        if trial.candidate.name == study.reference_name:
            _pair_earlier(session)
            trial = study.reference or trial
        listener.finished(study, trial)
        _refuse_weak_reference(study)
    study.ledger.set_fact(CUT_OFF, cut_off)
    if session.missing is not None:
        raise session.missing


def measure_side_by_side(session: Session, listener: Listener) -> None:
    """Measures reference, its PyTorch form and winner (else the frontier's cheapest) in interleaved rounds, once.

    Trials are measured minutes apart, and these machines are noisy: ratios come from here.
    """
    study = session.study
    shown = [study.reference, study.baseline, study.winner or next(iter(study.frontier), None)]
    trials = {trial.artifact: trial for trial in shown if trial is not None and study.store.has(trial.artifact)}
    known = study.ledger.fact(TOGETHER, dict[str, Measurement]) or {}
    if len(trials) < 2 or set(trials) <= set(known):
        return
    listener.say(f"measuring {', '.join(trial.candidate.name for trial in trials.values())} side by side")
    device = runtimes.this_device()
    texts = [sample.text for sample in session.dataset.dev[:MEASURED_TEXTS]]
    served = [(study.store.get(artifact), trial.candidate.runtime) for artifact, trial in trials.items()]
    found = measure_together(served, device, device.cores, texts)
    study.ledger.set_fact(TOGETHER, dict(zip(trials, found, strict=True)))


def _tell_incumbent(session: Session, listener: Listener) -> None:
    study, dataset = session.study, session.dataset
    trial, logits = incumbent_trial(dataset)
    study.ledger.add_output(trial.artifact, "dev", _bytes(logits))
    study.tell(trial)
    listener.finished(study, trial)


def _forget_failures(study: Study) -> None:
    """Lets a candidate that failed be tried once more by a new command: its cause may be mended."""
    for trial in study.trials:
        if trial.state == "failed":
            study.ledger.remove_trial(trial.candidate.name, trial.rung)


def attempt(session: Session, builder: Builder, proposal: Proposal, listener: Listener) -> Trial:
    """One candidate at one rung: built, scored on dev and, at full work, measured as served.

    What fails is a failed trial with its reason, except for the reference, without which there is no study, and for what
    is no fault of the candidate: a missing package, a full disk.
    """
    entry = proposal.entry
    blank = Trial(entry.candidate, proposal.rung, proposal.fidelity, "done", shape=entry.shape)
    if proposal.skip:
        return replace(blank, state="excluded" if proposal.excluded else "dropped", why=proposal.skip)
    start = time.perf_counter()
    left_s = session.study.left_s()

    def progress(share: float, words: str) -> None:
        listener.progress(Progress(proposal.rung, entry.name, share, words, left_s))

    try:
        progress(0.0, "")
        artifact = _artifact(session, builder, proposal, progress)
        return _score(session, replace(blank, artifact=artifact.id), artifact, progress, start)
    except (PareError, ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        if entry.name == REFERENCE or _no_fault_of_its(error):
            raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return replace(blank, state="failed", why=reason[:300], seconds=time.perf_counter() - start)


def _no_fault_of_its(error: Exception) -> bool:
    """Whether any candidate would have failed: a package is missing, or the disk takes nothing more."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    return full or isinstance(error, MissingExtra)


def _artifact(session: Session, builder: Builder, proposal: Proposal, progress: object) -> Artifact:
    reference = session.study.task.reference
    if proposal.entry.name != REFERENCE or reference == "finetune" or session.study.task.has_incumbent:
        built, _ = builder.build(proposal.entry.candidate, proposal.fidelity, progress)  # type: ignore[arg-type]
        return built
    _, given = artifact_at(reference)
    if given.manifest.kind != session.dataset.kind:
        raise InputError(
            f"reference {reference} is of kind {given.manifest.kind}, the task is of kind {session.dataset.kind}; "
            "give a reference of the same kind"
        )
    if given.manifest.labels != session.dataset.labels:
        raise InputError(
            f"reference {reference} knows the labels {', '.join(given.manifest.labels[:5])} …, the data have "
            f"{', '.join(session.dataset.labels[:5])} …; give a reference for the same labels"
        )
    return session.study.store.copy(given)


def _score(session: Session, trial: Trial, artifact: Artifact, progress: object, start: float) -> Trial:
    study, dataset = session.study, session.dataset
    whole = trial.rung == FULL
    device = runtimes.this_device()
    trial = replace(
        trial, candidate=replace(trial.candidate, runtime=runtimes.runtime_for(artifact, trial.candidate.runtime))
    )
    engine = runtimes.load(artifact, trial.candidate.runtime, device.cores)
    try:
        logits = engine.logits([sample.text for sample in dataset.dev])
        study.ledger.add_output(artifact.id, "dev", _bytes(logits))
        if whole:
            calibration = engine.logits([sample.text for sample in dataset.calibration])
            study.ledger.add_output(artifact.id, "calibration", _bytes(calibration))
    finally:
        engine.close()
    trial = replace(
        trial,
        shape=artifact.manifest.shape,
        size_bytes=artifact.size_bytes,
        scores=scores(dataset.kind, logits, dataset.targets(dataset.dev), dataset.labels),
    )
    trial = _pair(session, trial)
    if whole:
        texts = [sample.text for sample in dataset.dev[:MEASURED_TEXTS]]
        found = measure(artifact, trial.candidate.runtime, device, device.cores, texts, MEASURED_SECONDS)
        trial = replace(trial, measurement=found)
    return replace(trial, seconds=time.perf_counter() - start)


def _pair(session: Session, trial: Trial) -> Trial:
    """The trial with its paired difference to the reference on dev, where there is one yet."""
    study = session.study
    if trial.candidate.name == study.reference_name:
        return replace(trial, drop=0.0, discordance=0.0)
    reference = study.reference
    if reference is None:
        return trial
    before, after = study.logits(reference.artifact, "dev"), study.logits(trial.artifact, "dev")
    if before is None or after is None:
        return trial
    dataset = session.dataset
    measure = bar_metric(study.facts.goal.metric, dataset.kind)
    drop, discordance = paired(measure, before, after, dataset.targets(dataset.dev), dataset.labels)
    return replace(trial, drop=drop, discordance=discordance)


def _pair_earlier(session: Session) -> None:
    """Pairs the trials that were finished before the reference was."""
    for trial in session.study.complete:
        if trial.drop is None:
            session.study.tell(_pair(session, trial))


def _bytes(logits: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(logits, dtype=np.float32).tobytes()


def _refuse_weak_reference(study: Study) -> None:
    """Stops where a candidate beats the reference on dev by more than the margin, beyond chance."""
    goal, reference = study.facts.goal, study.reference
    if reference is None or goal.margin is None or study.task.has_incumbent:
        return
    for trial in study.complete:
        if trial.drop is None or trial.discordance is None:
            continue
        error = 1.645 * (max(trial.discordance - trial.drop**2, 0.0) / reference.scores[goal.metric].n) ** 0.5
        if -trial.drop - error > goal.margin:
            raise InputError(
                f"your reference is weak: {trial.candidate.name} beats it on dev by {-100 * trial.drop:.1f} points, over "
                f"the margin of {100 * goal.margin:.1f}; give a better --reference or --base, or more training rows"
            )
