"""What two models said on the dev rows, and how sure one was on the calibration rows: counts for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pare.types import Sample

Ints = NDArray[np.int64]
Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClassChange:
    """A class on the dev rows: how many, how many right before and after, and what was said instead most often."""

    label: str
    n: int
    before: int
    after: int
    instead: str

    @property
    def change(self) -> float:
        """Change of recall, a difference of shares."""
        return (self.after - self.before) / self.n


@dataclass(frozen=True, slots=True)
class Example:
    """A dev row on which exactly one of the two is right. ``sure`` is the candidate's probability of what it said."""

    text: str
    truth: str
    before: str
    after: str
    sure: float


@dataclass(frozen=True, slots=True)
class Differences:
    """Where two models differ on dev: classes, worst first, and the rows lost and won, the surest first."""

    classes: tuple[ClassChange, ...]
    lost: tuple[Example, ...]
    won: tuple[Example, ...]
    n: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shares at rising thresholds: (threshold, share answered, accuracy among the answered or None where none is)."""

    steps: tuple[tuple[float, float, float | None], ...]
    n: int


def differences(samples: Sequence[Sample], labels: Sequence[str], before: Logits, after: Logits) -> Differences:
    """Compares two models' logits, (samples, labels), in the order of the samples."""
    targets = _targets(samples, labels)
    first, second = before.argmax(axis=1), after.argmax(axis=1)
    sure = probabilities(after, 1.0).max(axis=1)
    right, still = first == targets, second == targets

    def examples(rows: NDArray[np.bool_]) -> tuple[Example, ...]:
        found = np.flatnonzero(rows)
        return tuple(
            Example(samples[i].text, samples[i].label, labels[first[i]], labels[second[i]], float(sure[i]))
            for i in found[np.argsort(-sure[found], kind="stable")]
        )

    changes = [
        ClassChange(
            label=label,
            n=int((targets == index).sum()),
            before=int((right & (targets == index)).sum()),
            after=int((still & (targets == index)).sum()),
            instead=_instead(second[(targets == index) & ~still], labels),
        )
        for index, label in enumerate(labels)
        if (targets == index).any()
    ]
    changes.sort(key=lambda c: (c.change, c.after / c.n, -c.n, c.label))
    return Differences(tuple(changes), examples(right & ~still), examples(~right & still), len(samples))


def coverage(samples: Sequence[Sample], labels: Sequence[str], logits: Logits, temperature: float) -> Coverage:
    """Share answered and accuracy among the answered, at thresholds from 0 to 1 in steps of 0.01."""
    chances = probabilities(logits, temperature)
    sure = chances.max(axis=1)
    right = chances.argmax(axis=1) == _targets(samples, labels)
    steps = []
    for threshold in np.linspace(0.0, 1.0, 101):
        kept = sure >= threshold
        accuracy = float(right[kept].mean()) if kept.any() else None
        steps.append((float(threshold), float(kept.mean()), accuracy))
    return Coverage(tuple(steps), len(samples))


def probabilities(logits: Logits, temperature: float) -> NDArray[np.float64]:
    """Softmax of logits / temperature over the last axis."""
    scaled = logits.astype(np.float64) / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _targets(samples: Sequence[Sample], labels: Sequence[str]) -> Ints:
    """Class indices; -1 for a label that no model knows, which nobody can get right."""
    known = {label: index for index, label in enumerate(labels)}
    return np.array([known.get(sample.label, -1) for sample in samples], dtype=np.int64)


def _instead(said: Ints, labels: Sequence[str]) -> str:
    if not len(said):
        return ""
    counts = np.bincount(said, minlength=len(labels))
    return f"{labels[int(counts.argmax())]} ({int(counts.max())})"
