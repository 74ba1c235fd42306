"""What two models said on the dev rows, and how sure one was on the calibration rows: counts for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pare.kinds import TaskKind, classes_of
from pare.types import Sample

Ints = NDArray[np.int64]
Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClassChange:
    """A class on the dev rows: how often it is true, how often that was recognised before and after, and what was said
    instead most often (empty where labels do not take each other's place).
    """

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
    """Shares at rising thresholds: (threshold, share answered, share right among the answered or None where none is)."""

    steps: tuple[tuple[float, float, float | None], ...]
    n: int


def differences(
    samples: Sequence[Sample], labels: Sequence[str], before: Logits, after: Logits, kind: TaskKind
) -> Differences:
    """Compares two models' logits, in the order of the samples. A row is right where its whole answer is."""
    targets = _targets(samples, labels, kind)
    first, second = kind.decide(before), kind.decide(after)
    said, now = ([kind.say(row, labels) for row in decided] for decided in (first, second))
    sure = kind.confidence(after, 1.0)
    right, still = _right(samples, said), _right(samples, now)

    def examples(rows: NDArray[np.bool_]) -> tuple[Example, ...]:
        found = np.flatnonzero(rows)
        return tuple(
            Example(samples[i].text, samples[i].label, said[i], now[i], float(sure[i]))
            for i in found[np.argsort(-sure[found], kind="stable")]
        )

    truth, earlier, later = (_named(values, len(labels), kind) for values in (targets, first, second))
    changes = [
        ClassChange(
            label=label,
            n=int(truth[index].sum()),
            before=int((truth[index] & earlier[index]).sum()),
            after=int((truth[index] & later[index]).sum()),
            instead="" if kind.name == "multilabel" else _instead(second[truth[index] & ~later[index]], labels),
        )
        for index, label in enumerate(labels)
        if truth[index].any()
    ]
    changes.sort(key=lambda c: (c.change, c.after / c.n, -c.n, c.label))
    return Differences(tuple(changes), examples(right & ~still), examples(~right & still), len(samples))


def coverage(
    samples: Sequence[Sample], labels: Sequence[str], logits: Logits, temperature: float, kind: TaskKind
) -> Coverage:
    """Share answered and share right among the answered, at thresholds from 0 to 1 in steps of 0.01."""
    sure = kind.confidence(logits, temperature)
    right = _right(samples, [kind.say(row, labels) for row in kind.decide(logits)])
    steps = []
    for threshold in np.linspace(0.0, 1.0, 101):
        kept = sure >= threshold
        accuracy = float(right[kept].mean()) if kept.any() else None
        steps.append((float(threshold), float(kept.mean()), accuracy))
    return Coverage(tuple(steps), len(samples))


def _right(samples: Sequence[Sample], said: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([sample.label == cell for sample, cell in zip(samples, said, strict=True)], dtype=np.bool_)


def _targets(samples: Sequence[Sample], labels: Sequence[str], kind: TaskKind) -> Ints:
    """Targets in the form of the kind. Classes that no model knows come after ``labels``: nobody can get them right."""
    cells = [sample.label for sample in samples]
    return kind.targets(cells, [*labels, *(name for name in classes_of(kind, cells) if name not in labels)])


def _named(values: Ints, classes: int, kind: TaskKind) -> list[NDArray[np.bool_]]:
    """For each class, where targets or decisions name it: rows or, of tags, words."""
    if kind.name == "multilabel":
        return [values[:, index] == 1 for index in range(classes)]
    return [values == index for index in range(classes)]


def _instead(said: Ints, labels: Sequence[str]) -> str:
    if not len(said):
        return ""
    counts = np.bincount(said, minlength=len(labels))
    return f"{labels[int(counts.argmax())]} ({int(counts.max())})"
