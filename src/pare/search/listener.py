"""Who is told what a study is doing. The command line draws it; a library call may stay silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pare.types import Trial

if TYPE_CHECKING:
    from pare.search.study import Study


NO_RUNG = -1
"""The rung of what is no candidate of a study."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the step in work is: ``share`` in [0, 1]. ``left_s`` is about what the whole study still takes, or None."""

    rung: int
    candidate: str
    share: float
    words: str
    left_s: float | None = None


class Listener(Protocol):
    """Every call returns at once. Raising from ``progress`` cancels the step that reports."""

    def say(self, text: str) -> None:
        """A sentence for the user."""
        ...

    def progress(self, step: Progress) -> None:
        """How far the step in work is."""
        ...

    def finished(self, study: Study, trial: Trial) -> None:
        """A trial was recorded."""
        ...


class Silent:
    """Tells nobody."""

    def say(self, text: str) -> None: ...

    def progress(self, step: Progress) -> None: ...

    def finished(self, study: Study, trial: Trial) -> None: ...
