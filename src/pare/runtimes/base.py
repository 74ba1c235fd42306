"""The runtime seam: an artifact, as it is, becomes an engine. What is scored, timed and served is this engine.

A decoder's engine is a ``Generator``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pare.types import Artifact, Device, Prediction, Support


class Engine(Protocol):
    """A loaded model: text in, answer out."""

    labels: tuple[str, ...]

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unnormalised scores, (texts, labels). The order of rows is the order of texts."""
        ...

    def classify(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction a text, with the artifact's temperature and threshold applied."""
        ...

    def close(self) -> None:
        """Frees what the engine holds."""
        ...


class Token(NamedTuple):
    """A generated token, and the text that it adds: empty while a character is not whole."""

    id: int
    text: str


class Generator(Protocol):
    """A loaded decoder (kind ``generate``): a prompt in, tokens out. ``facts`` says how it runs."""

    facts: Mapping[str, str]

    def surprisal(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """How many bits each answer costs after its prompt, (pairs,): the sum of -log2 of its tokens' probabilities."""
        ...

    def generate(self, prompt: str, most: int) -> Iterator[Token]:
        """The likeliest continuation, token by token, until the model ends it or ``most`` tokens are made.

        An end token is given too, as the last one. It ends earlier where prompt and answer fill the artifact's length.
        """
        ...

    def close(self) -> None:
        """Frees what the engine holds."""
        ...


class Runtime(Protocol):
    """Loads artifacts. It never converts one: lowering is a method's work."""

    name: str

    def supports(self, artifact: Artifact, device: Device) -> Support:
        """Whether this runtime can load the artifact here, and if not, why."""
        ...

    def load(self, artifact: Artifact, device: Device, threads: int) -> Engine | Generator:
        """Loads the artifact: a Generator where its kind is ``generate``.

        Raises MissingExtra where the runtime's package is not installed.
        """
        ...
