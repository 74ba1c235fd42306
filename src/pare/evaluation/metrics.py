"""Metrics: one value a sample, and how the values become one figure.

A bar is proven on paired differences of per-sample values, so only an additive metric (a mean of bounded values) can be
a bar. Adding a metric is one ``Metric`` and one line in ``METRICS``, or an entry point in the group ``pare.metrics``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pare.errors import InputError, nearest

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Metric:
    """A measure of quality, the higher the better.

    ``values``    (logits (n, classes), targets (n,)) → one value a sample, (n,).
    ``bounds``    the lowest and highest value of a sample.
    ``reduce``    ``mean`` of the values; ``class_mean``, the mean over classes of each class's mean; or ``macro_f1``.
    ``instead``   where the metric cannot be a bar: the metric to use in its place.
    """

    name: str
    values: Callable[[NDArray[np.float32], Ints], Floats]
    bounds: tuple[float, float] = (0.0, 1.0)
    reduce: Literal["mean", "class_mean", "macro_f1"] = "mean"
    instead: str = ""
    says: str = ""

    @property
    def additive(self) -> bool:
        return self.reduce != "macro_f1"


def correct(logits: NDArray[np.float32], targets: Ints) -> Floats:
    """1 where the largest logit is the target's, else 0."""
    return np.asarray(logits.argmax(axis=1) == targets, dtype=np.float64)


def brier(logits: NDArray[np.float32], targets: Ints) -> Floats:
    """1 - half of the multi-class Brier score (Brier, 1950): 1 is certain and right, 0 is certain and wrong."""
    wide = logits.astype(np.float64)
    probabilities = np.exp(wide - wide.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    probabilities[np.arange(len(targets)), targets] -= 1.0
    return np.asarray(1.0 - 0.5 * (probabilities**2).sum(axis=1))


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", correct, says="the share of messages that get the right label"),
        Metric(
            "balanced_accuracy",
            correct,
            reduce="class_mean",
            says="the share of right labels within each class, averaged over classes, so that rare ones count as much",
        ),
        Metric("brier", brier, says="how close the stated probabilities are to the truth (1 - Brier score / 2)"),
        Metric(
            "macro_f1",
            correct,
            reduce="macro_f1",
            instead="balanced_accuracy",
            says="the F1 score of each class, averaged over classes",
        ),
    )
}


@cache
def known_metrics() -> dict[str, Metric]:
    """The metrics of pare and of installed packages, by name."""
    outside = {point.name: point.load() for point in entry_points(group="pare.metrics")}
    return {**METRICS, **outside}


def metric(name: str) -> Metric:
    """The metric of that name. Raises InputError for an unknown one, naming near ones."""
    known = known_metrics()
    if name not in known:
        raise InputError(f"bar.metric must be a known metric but got '{name}'; {nearest(name, known)}")
    return known[name]


def bar_metric(name: str) -> Metric:
    """The metric of that name, if a bar can be proven on it. Raises InputError otherwise, naming the alternative."""
    found = metric(name)
    if not found.additive:
        raise InputError(
            f"bar.metric must be a mean over samples to be proven, but {name} is not; "
            f"use {found.instead or 'accuracy'} (every report shows {name} too)"
        )
    return found


def value(measure: Metric, values: Floats, predicted: Ints, targets: Ints, classes: int) -> float:
    """The metric's figure over samples: values (n,), predicted and true class indices (n,)."""
    if measure.reduce == "mean":
        return float(values.mean())
    counts = np.bincount(targets, minlength=classes).astype(np.float64)
    if measure.reduce == "class_mean":
        sums = np.bincount(targets, weights=values, minlength=classes)
        return float((sums[counts > 0] / counts[counts > 0]).mean())
    hits = np.bincount(targets[predicted == targets], minlength=classes)
    called = np.bincount(predicted, minlength=classes)
    present = (counts + called) > 0
    return float((2 * hits[present] / (counts + called)[present]).mean())
