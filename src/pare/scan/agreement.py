"""How often the cheapest model there is gives the logged answer: the linear rung, on rows it was not trained on."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pare import runtimes
from pare.methods.base import BuildContext
from pare.methods.linear import Linear
from pare.proof.binomial import wilson
from pare.scan.jobs import Row
from pare.types import Sample

LEAST_ROWS = 60
HELD_OUT = 0.3


@dataclass(frozen=True, slots=True)
class Agreement:
    """The share of ``n`` held-out rows on which a linear model gives the logged label; Wilson's 95 % interval.

    ``commonest`` is the share of the label that is most frequent: what always giving that one would reach.
    """

    value: float
    low: float
    high: float
    n: int
    trained_on: int
    commonest: float


def linear_agreement(rows: Sequence[Row], labels: Sequence[str], threads: int) -> Agreement | None:
    """Trains on distinct texts and measures on others; None where there are too few rows of two labels.

    Equal texts are one row, with the label that came first. A row is held out by the hash of its text.
    """
    distinct = {row.text: row.label for row in reversed(rows) if row.label in labels and row.text.strip()}
    train: list[Sample] = []
    held: list[Sample] = []
    for text, label in sorted(distinct.items()):
        name = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        sample = Sample(name, text, label or "", name)
        (held if int(name, 16) < HELD_OUT * 2**64 else train).append(sample)
    known = tuple(sorted({sample.label for sample in train}))
    if len(distinct) < LEAST_ROWS or len(known) < 2 or not held:
        return None
    with tempfile.TemporaryDirectory(prefix="pare-scan-") as folder:
        out = Path(folder) / "linear"
        out.mkdir()
        artifact = Linear().apply(None, _context(train, known, threads, Path(folder)), out)
        engine = runtimes.load(artifact, threads=threads)
        answers = engine.logits([sample.text for sample in held]).argmax(axis=1)
        engine.close()
    right = sum(known[answer] == sample.label for answer, sample in zip(answers, held, strict=True))
    low, high = wilson(right, len(held), 0.05)
    commonest = Counter(sample.label for sample in held).most_common(1)[0][1] / len(held)
    return Agreement(right / len(held), low, high, len(held), len(train), commonest)


def _context(train: Sequence[Sample], labels: tuple[str, ...], threads: int, folder: Path) -> BuildContext:
    return BuildContext(
        train=train,
        dev=[],
        labels=labels,
        base=folder,
        teacher=None,
        seed=0,
        fidelity=1.0,
        threads=threads,
        cache=folder,
        progress=lambda share, words: None,
    )
