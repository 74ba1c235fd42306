"""The quality of a built artifact on the dev side, and the paired difference to what it was built from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pare import runtimes
from pare.data import Dataset, Task
from pare.evaluation.metrics import bar_metric
from pare.evaluation.score import drop, score
from pare.evaluation.surprisal import added_bits, bits_per_byte
from pare.kinds import kind_of
from pare.store import Ledger
from pare.types import Artifact, Sample, Score


@dataclass(frozen=True, slots=True)
class Quality:
    """Scores on dev. ``before`` is that of the start, None where it has none of its own (a base without a head).

    ``drop`` is how much worse it became on the same rows: for bits per byte, how many more.
    """

    before: Score | None
    after: Score
    drop: Score | None


def assess(
    task: Task, dataset: Dataset, before: Artifact | None, after: Artifact, ledger: Ledger, threads: int
) -> Quality | None:
    """The quality of ``after`` as it is served, and of ``before``. None where no row was kept to select by."""
    if not dataset.dev:
        return None
    shown = [artifact for artifact in (before, after) if artifact is not None]
    if len(shown) == 2 and shown[0].id == shown[1].id:
        shown = shown[1:]
    if dataset.kind == "generate":
        return _of_texts(dataset, [_bits(artifact, dataset, ledger, threads) for artifact in shown])
    measure = bar_metric(task.bar.metric, task.kind)
    found = [_logits(artifact, dataset, ledger, threads) for artifact in shown]
    targets = dataset.targets(dataset.dev)
    scores = [score(measure, logits, targets, dataset.labels) for logits in found]
    if len(found) == 1:
        return Quality(None, scores[0], None)
    return Quality(scores[0], scores[1], drop(measure, found[0], found[1], targets, dataset.labels))


def _of_texts(dataset: Dataset, bits: Sequence[NDArray[np.float64]]) -> Quality:
    answers = [sample.label for sample in dataset.dev]
    scores = [bits_per_byte(found, answers) for found in bits]
    if len(bits) == 1:
        return Quality(None, scores[0], None)
    return Quality(scores[0], scores[1], added_bits(bits[0], bits[1], answers))


def _logits(artifact: Artifact, dataset: Dataset, ledger: Ledger, threads: int) -> NDArray[np.float32]:
    """What an artifact's engine answers to the dev texts, remembered in the ledger."""
    known = ledger.output(artifact.id, "dev")
    if known is None:
        engine = runtimes.load(artifact, None, threads)
        try:
            known = np.ascontiguousarray(engine.logits(_texts(dataset.dev)), np.float32).tobytes()
        finally:
            engine.close()
        ledger.add_output(artifact.id, "dev", known)
    shape = kind_of(dataset.kind).shape(len(dataset.dev), len(dataset.labels))
    return np.frombuffer(known, np.float32).reshape(shape)


def _bits(artifact: Artifact, dataset: Dataset, ledger: Ledger, threads: int) -> NDArray[np.float64]:
    """What the dev answers cost an artifact in bits, remembered in the ledger."""
    known = ledger.output(artifact.id, "dev")
    if known is None:
        engine = runtimes.load_generator(artifact, None, threads)
        try:
            found = engine.surprisal([(sample.text, sample.label) for sample in dataset.dev])
        finally:
            engine.close()
        known = np.ascontiguousarray(found, np.float64).tobytes()
        ledger.add_output(artifact.id, "dev", known)
    return np.frombuffer(known, np.float64)


def _texts(samples: Sequence[Sample]) -> list[str]:
    return [sample.text for sample in samples]
