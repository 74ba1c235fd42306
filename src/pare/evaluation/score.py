"""From logits to scores with intervals, and the paired difference to a reference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pare.evaluation.metrics import Ints, Metric, known_metrics, value
from pare.proof.binomial import wilson
from pare.types import Score

RESAMPLES = 1000


def score(measure: Metric, logits: NDArray[np.float32], targets: Ints, confidence: float = 0.95) -> Score:
    """A metric with its two-sided interval: Wilson's for accuracy, else a percentile bootstrap, marked approximate.

    ``logits`` are (n, classes), ``targets`` (n,) class indices; n is at least 1.
    """
    values = measure.values(logits, targets)
    predicted = logits.argmax(axis=1)
    classes = logits.shape[1]
    found = value(measure, values, predicted, targets, classes)
    if measure.name == "accuracy":
        low, high = wilson(int(values.sum()), len(values), 1 - confidence)
        return Score("accuracy", found, low, high, len(values), confidence)
    rng = np.random.default_rng(0)
    resampled = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(values), len(values))
        resampled.append(value(measure, values[rows], predicted[rows], targets[rows], classes))
    tail = (1 - confidence) / 2
    low, high = (float(np.quantile(resampled, q)) for q in (tail, 1 - tail))
    return Score(measure.name, found, low, high, len(values), confidence, approximate=True)


def scores(logits: NDArray[np.float32], targets: Ints) -> Mapping[str, Score]:
    """Every known metric, by name."""
    return {name: score(measure, logits, targets) for name, measure in known_metrics().items()}


def paired(
    measure: Metric, reference: NDArray[np.float32], candidate: NDArray[np.float32], targets: Ints
) -> tuple[float, float]:
    """(drop, discordance) of an additive metric: reference minus candidate, and the mean square of the differences.

    For right-or-wrong values the mean square is the share of samples on which the two differ.
    """
    before, after = measure.values(reference, targets), measure.values(candidate, targets)
    classes = reference.shape[1]
    drop = value(measure, before, reference.argmax(axis=1), targets, classes) - value(
        measure, after, candidate.argmax(axis=1), targets, classes
    )
    return drop, float(((before - after) ** 2).mean())
