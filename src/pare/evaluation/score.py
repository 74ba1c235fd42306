"""From logits to scores with intervals, and the paired difference to a reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pare.evaluation.metrics import Floats, Ints, Logits, Metric, Pooled, metrics_of, value
from pare.kinds import kind_of
from pare.proof.binomial import wilson
from pare.types import Kind, Score

RESAMPLES = 1000


def score(measure: Metric, logits: Logits, targets: Ints, classes: Sequence[str], confidence: float = 0.95) -> Score:
    """A metric with its two-sided interval: Wilson's for a share, else a percentile bootstrap, marked approximate.

    ``logits`` and ``targets`` are arrays of the metric's kind over ``classes``, of at least one sample.
    """
    values = measure.values(logits, targets, classes)
    decided = kind_of(measure.kind).decide(logits)
    found = value(measure, values, decided, targets, classes)
    if measure.binary:
        low, high = wilson(int(values.sum()), len(values), 1 - confidence)
        return Score(measure.name, found, low, high, len(values), confidence)
    figure = _resampled(measure, values, decided, targets, classes)
    low, high = bootstrap(figure, len(values), confidence)
    return Score(measure.name, found, low, high, len(values), confidence, approximate=True)


def bootstrap(figure: Callable[[Ints], float], n: int, confidence: float) -> tuple[float, float]:
    """The percentile interval of a figure of drawn rows, over ``RESAMPLES`` draws of ``n`` rows with replacement."""
    rng = np.random.default_rng(0)
    resampled = [figure(rng.integers(0, n, n)) for _ in range(RESAMPLES)]
    tail = (1 - confidence) / 2
    low, high = (float(np.quantile(resampled, q)) for q in (tail, 1 - tail))
    return low, high


def _resampled(
    measure: Metric, values: Floats, decided: Ints, targets: Ints, classes: Sequence[str]
) -> Callable[[Ints], float]:
    """The metric's figure of a draw of rows. What each sample adds to a pooled figure is counted once, not in each draw."""
    pooled = measure.reduce
    if not isinstance(pooled, Pooled):
        return lambda rows: value(measure, values[rows], decided[rows], targets[rows], classes)
    counts, figure = pooled.counts(decided, targets, classes), pooled.figure
    return lambda rows: figure(np.bincount(rows, minlength=len(counts)) @ counts)


def scores(kind: Kind, logits: Logits, targets: Ints, classes: Sequence[str]) -> Mapping[str, Score]:
    """Every known metric of a kind, by name."""
    return {name: score(measure, logits, targets, classes) for name, measure in metrics_of(kind).items()}


def paired(
    measure: Metric, reference: Logits, candidate: Logits, targets: Ints, classes: Sequence[str]
) -> tuple[float, float]:
    """(drop, discordance) of an additive metric: reference minus candidate, and the mean square of the differences.

    For right-or-wrong values the mean square is the share of samples on which the two differ.
    """
    kind = kind_of(measure.kind)
    before, after = (measure.values(logits, targets, classes) for logits in (reference, candidate))
    drop = value(measure, before, kind.decide(reference), targets, classes) - value(
        measure, after, kind.decide(candidate), targets, classes
    )
    return drop, float(((before - after) ** 2).mean())


def drop(
    measure: Metric, before: Logits, after: Logits, targets: Ints, classes: Sequence[str], confidence: float = 0.95
) -> Score:
    """How much worse ``after`` is than ``before`` on the same rows, with a bootstrap interval that keeps the pairs."""
    kind = kind_of(measure.kind)
    figures = [
        _resampled(measure, measure.values(logits, targets, classes), kind.decide(logits), targets, classes)
        for logits in (before, after)
    ]

    def lost(rows: Ints) -> float:
        return figures[0](rows) - figures[1](rows)

    low, high = bootstrap(lost, len(targets), confidence)
    return Score("drop", lost(np.arange(len(targets))), low, high, len(targets), confidence, approximate=True)
