"""Metrics: one value a sample, and how the values become one figure.

A bar is proven on paired differences of per-sample values, so only an additive metric (a mean of bounded values) can be
a bar. A metric belongs to one kind of task. Adding a metric is one ``Metric`` and one line in ``METRICS``, or an entry
point in the group ``pare.metrics``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pare.errors import InputError, nearest
from pare.evaluation import spans
from pare.kinds import kind_of
from pare.types import Kind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Pooled:
    """A figure of sums over all samples, where no mean of per-sample values gives it: F1 over a whole set, for one.

    ``counts``    (decisions, targets, classes) → (n, k), what each sample adds. Decisions have the form of the targets.
    ``figure``    the sums (k,) → the metric's figure.
    """

    counts: Callable[[Ints, Ints, Sequence[str]], Floats]
    figure: Callable[[Floats], float]


@dataclass(frozen=True)
class Metric:
    """A measure of quality, the higher the better.

    ``values``    (logits, targets, classes) → one value a sample, (n,). The arrays are those of the kind (``pare.kinds``),
                  ``classes`` the names of the labels or tags in the order of the logits' last axis.
    ``kind``      the kind of task it is for.
    ``bounds``    the lowest and highest value of a sample.
    ``binary``    whether every value is 0 or 1 and their mean is the figure: then a share is proven, by exact tests.
    ``reduce``    ``mean`` of the values; ``class_mean``, the mean over classes of each class's mean; or a ``Pooled``.
    ``instead``   where the metric cannot be a bar: the metric to use in its place.
    """

    name: str
    values: Callable[[Logits, Ints, Sequence[str]], Floats]
    kind: Kind = "classify"
    bounds: tuple[float, float] = (0.0, 1.0)
    binary: bool = False
    reduce: Literal["mean", "class_mean"] | Pooled = "mean"
    instead: str = ""
    says: str = ""

    @property
    def additive(self) -> bool:
        return not isinstance(self.reduce, Pooled)


# -- one label a text -------------------------------------------------------------------------------------------------


def correct(logits: Logits, targets: Ints, classes: Sequence[str]) -> Floats:
    """1 where the largest logit is the target's, else 0."""
    return np.asarray(logits.argmax(axis=1) == targets, dtype=np.float64)


def brier(logits: Logits, targets: Ints, classes: Sequence[str]) -> Floats:
    """1 - half of the multi-class Brier score (Brier, 1950): 1 is certain and right, 0 is certain and wrong."""
    wide = logits.astype(np.float64)
    probabilities = np.exp(wide - wide.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    probabilities[np.arange(len(targets)), targets] -= 1.0
    return np.asarray(1.0 - 0.5 * (probabilities**2).sum(axis=1))


def _class_counts(decided: Ints, targets: Ints, classes: Sequence[str]) -> Floats:
    """``_label_counts`` of one label a text."""
    each = np.arange(len(classes))
    return _label_counts(
        (decided[:, None] == each).astype(np.int64), (targets[:, None] == each).astype(np.int64), classes
    )


# -- several labels a text --------------------------------------------------------------------------------------------


def example_f1(logits: Logits, targets: Ints, classes: Sequence[str]) -> Floats:
    """The F1 score of each sample's set of labels (Godbole and Sarawagi, 2004); 1 where nothing is expected nor given."""
    decided = kind_of("multilabel").decide(logits)
    both, sizes = (decided & targets).sum(axis=1), decided.sum(axis=1) + targets.sum(axis=1)
    return np.where(sizes > 0, 2.0 * both / np.maximum(sizes, 1), 1.0)


def hamming(logits: Logits, targets: Ints, classes: Sequence[str]) -> Floats:
    """The share of a sample's labels that are decided rightly: 1 - Hamming loss."""
    return np.asarray((kind_of("multilabel").decide(logits) == targets).mean(axis=1), dtype=np.float64)


def exact_match(logits: Logits, targets: Ints, classes: Sequence[str]) -> Floats:
    """1 where all labels of a sample are decided rightly, else 0."""
    return np.asarray((kind_of("multilabel").decide(logits) == targets).all(axis=1), dtype=np.float64)


def _label_counts(decided: Ints, targets: Ints, classes: Sequence[str]) -> Floats:
    """For 0/1 arrays (n, C): what is rightly given, and what is given plus what is expected, of each label: (n, 2 C)."""
    return np.concatenate([decided & targets, decided + targets], axis=1).astype(np.float64)


def _mean_f1(sums: Floats) -> float:
    """The mean F1 of the labels that are given or expected at all, from ``_label_counts``."""
    hits, sizes = np.split(sums, 2)
    return float((2 * hits[sizes > 0] / sizes[sizes > 0]).mean()) if sizes.any() else 1.0


# -- the table --------------------------------------------------------------------------------------------------------

METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", correct, binary=True, says="the share of messages that get the right label"),
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
            reduce=Pooled(_class_counts, _mean_f1),
            instead="balanced_accuracy",
            says="the F1 score of each class, averaged over classes",
        ),
        Metric(
            "example_f1",
            example_f1,
            "multilabel",
            says="the F1 score of each message's labels, averaged over messages; 1 where none is expected and none given",
        ),
        Metric(
            "hamming",
            hamming,
            "multilabel",
            says="the share of yes-or-no decisions, one for each message and label, that are right (1 - Hamming loss)",
        ),
        Metric(
            "subset_accuracy",
            exact_match,
            "multilabel",
            binary=True,
            says="the share of messages that get all of their labels and no other",
        ),
        Metric(
            "label_f1",
            exact_match,
            "multilabel",
            reduce=Pooled(_label_counts, _mean_f1),
            instead="example_f1",
            says="the F1 score of each label, averaged over labels (macro F1)",
        ),
        Metric(
            "sentence_f1",
            spans.sentence_f1,
            "tag",
            says="the F1 score of each message's entities, averaged over messages; 1 where none is expected and none given",
        ),
        Metric(
            "word_accuracy",
            spans.word_accuracy,
            "tag",
            says="the share of a message's words that get the right tag, averaged over messages",
        ),
        Metric(
            "sentence_accuracy",
            spans.sentence_accuracy,
            "tag",
            binary=True,
            says="the share of messages in which every word gets the right tag",
        ),
        Metric(
            "entity_f1",
            spans.sentence_f1,
            "tag",
            reduce=Pooled(spans.entity_counts, spans.entity_f1),
            instead="sentence_f1",
            says="the F1 score over the entities of all messages, each right in its type, first and last word (micro F1)",
        ),
    )
}


@cache
def known_metrics() -> dict[str, Metric]:
    """The metrics of pare and of installed packages, by name."""
    outside = {point.name: point.load() for point in entry_points(group="pare.metrics")}
    return {**METRICS, **outside}


def metrics_of(kind: Kind) -> dict[str, Metric]:
    """The known metrics of one kind of task, by name."""
    return {name: measure for name, measure in known_metrics().items() if measure.kind == kind}


def metric(name: str) -> Metric:
    """The metric of that name. Raises InputError for an unknown one, naming near ones."""
    known = known_metrics()
    if name not in known:
        raise InputError(f"bar.metric must be a known metric but got '{name}'; {nearest(name, known)}")
    return known[name]


def bar_metric(name: str, kind: Kind) -> Metric:
    """The metric of that name, if a bar of a task of this kind can be proven on it.

    Raises InputError otherwise, naming the alternative.
    """
    found = metric(name)
    if found.kind != kind:
        fit = ", ".join(known for known, measure in metrics_of(kind).items() if measure.additive)
        raise InputError(f"bar.metric must be a metric of kind {kind} but {name} is of kind {found.kind}; use {fit}")
    if not found.additive:
        raise InputError(
            f"bar.metric must be a mean over samples to be proven, but {name} is not; "
            f"use {found.instead or kind_of(kind).metric} (every report shows {name} too)"
        )
    return found


def value(measure: Metric, values: Floats, decided: Ints, targets: Ints, classes: Sequence[str]) -> float:
    """The metric's figure over samples: values (n,), decisions and targets in the form of the metric's kind."""
    if isinstance(measure.reduce, Pooled):
        return measure.reduce.figure(measure.reduce.counts(decided, targets, classes).sum(axis=0))
    if measure.reduce == "mean":
        return float(values.mean())
    counts = np.bincount(targets, minlength=len(classes)).astype(np.float64)
    sums = np.bincount(targets, weights=values, minlength=len(classes))
    return float((sums[counts > 0] / counts[counts > 0]).mean())
