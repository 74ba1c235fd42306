"""The method seam: a parent artifact becomes a child artifact on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pare.kinds import kind_of
from pare.types import Artifact, DataFacts, Kind, Sample, Shape

MAX_LENGTH = 128
"""The tokens of a text that an encoder reads, unless a recipe says otherwise."""
NO_FACTS = DataFacts(classes=0, rows=0, tokens_per_row=0.0)
"""For methods whose shape depends on no data."""

TURN_LENGTH = 1024
"""The tokens of a prompt with its answer that a decoder reads, unless a recipe says otherwise."""


@dataclass(frozen=True)
class BuildContext:
    """What a method may use. It cannot reach the calibration or the test split.

    ``train``, ``dev``  the samples of those sides; a method trains on the first and may only watch the second.
    ``labels``          the classes, in the order of the logits.
    ``base``            the folder of the base model, in Hugging Face form, for methods that start a lineage.
    ``teacher``         the fine-tuned base (format ``encoder``), for distillation; None before it exists.
    ``fidelity``        the share of the full training work to spend, in (0, 1].
    ``cache``           a folder for what can be computed again (teacher outputs), keyed by content.
    ``progress``        called with the share done in [0, 1] and a word; it raises to cancel.
    ``data``            the hash of the rows and their sides, for the lineage.
    ``unlabelled``      texts without labels beside train, for a teacher to answer; none repeats a row that is held out.
    ``kind``            what the model answers: it decides the form of targets and logits.
    """

    train: Sequence[Sample]
    dev: Sequence[Sample]
    labels: tuple[str, ...]
    base: Path
    teacher: Artifact | None
    seed: int
    fidelity: float
    threads: int
    cache: Path
    progress: Callable[[float, str], None]
    data: str = ""
    unlabelled: Sequence[str] = ()
    kind: Kind = "classify"

    def targets(self, samples: Sequence[Sample]) -> NDArray[np.int64]:
        """What is right for some samples, in the form of the kind (``pare.kinds``)."""
        return kind_of(self.kind).targets([sample.label for sample in samples], self.labels)

    def answers(self, samples: Sequence[Sample]) -> NDArray[np.int64]:
        """The targets as a training compares them: where words are tagged, one a word, sample after sample."""
        found = self.targets(samples)
        return found[found >= 0] if self.kind == "tag" else found

    def some_unlabelled(self, most: int) -> list[str]:
        """At most so many of the unlabelled texts, drawn by the seed, in their order."""
        return _some(self.unlabelled, most, self.seed)

    def some_train(self, most: int) -> list[Sample]:
        """At most so many of the train samples, drawn by the seed, in their order."""
        return _some(self.train, most, self.seed)


Item = TypeVar("Item")


def _some(items: Sequence[Item], most: int, seed: int) -> list[Item]:
    if len(items) <= most:
        return list(items)
    drawn = np.random.default_rng(seed).permutation(len(items))[: max(0, most)]
    return [items[i] for i in sorted(drawn.tolist())]


BASE = "base"
"""In ``takes``: the method starts a lineage from the base model, and needs no artifact."""


class Method(Protocol):
    """A configuration dataclass with two methods; one file.

    ``takes`` are the formats of parents that it works on (``BASE`` for none), ``gives`` is the format that it writes: empty
    where that is the parent's, or ``encoder`` where there was none. A recipe that breaks them is refused before anything
    runs (``methods/recipe.py``).

    Four class attributes are optional: ``once``, a word that at most one step of a recipe may have ("quantisation"),
    ``taught``, True where the method needs a teacher, ``undone``, the methods that would undo it if they came later, and
    ``mark``, what stands behind the parent's format in the one that it writes where ``gives`` is empty.
    """

    @property
    def takes(self) -> tuple[str, ...]: ...

    @property
    def gives(self) -> str: ...

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """Predicts the child's anatomy from the parent's, without building. Pure."""
        ...

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Builds the child in the empty folder ``out`` and seals it."""
        ...
