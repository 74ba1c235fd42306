"""The incumbent: a large model that is known by its logged answers only. It takes part as a trial that nobody built."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pare.data import Dataset
from pare.data.task import COLUMN
from pare.evaluation.score import scores
from pare.search.halving import FULL
from pare.search.space import INCUMBENT
from pare.types import Candidate, Sample, Trial

SURE = 20.0
"""The logit of a logged answer; the others are 0. A large model's own doubts are not logged."""


def answer_logits(samples: Sequence[Sample], labels: Sequence[str]) -> NDArray[np.float32]:
    """Logged answers as logits, (samples, labels). One that is no label of the task is wrong, whatever the truth is."""
    index = {label: i for i, label in enumerate(labels)}
    found = np.zeros((len(samples), len(labels)), dtype=np.float32)
    for row, sample in enumerate(samples):
        given = index.get(sample.answer)
        found[row, (index[sample.label] + 1) % len(labels) if given is None else given] = SURE
    return found


def incumbent_trial(dataset: Dataset) -> tuple[Trial, NDArray[np.float32]]:
    """The incumbent's trial on dev, and its logits there. Its size and speed are unknown."""
    logits = answer_logits(dataset.dev, dataset.labels)
    trial = Trial(
        Candidate(INCUMBENT, "", (), "remote"),
        FULL,
        1.0,
        "done",
        artifact=f"{COLUMN}{dataset.test.answers}",
        scores=scores(dataset.kind, logits, dataset.targets(dataset.dev), dataset.labels),
        drop=0.0,
        discordance=0.0,
    )
    return trial, logits
