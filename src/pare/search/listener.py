"""Who is told what a study is doing. The command line draws it; a library call may stay silent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pare.types import Trial

if TYPE_CHECKING:
    from pare.search.study import Study


class Listener(Protocol):
    """Every call returns at once. Raising from ``progress`` cancels the step that reports."""

    def say(self, text: str) -> None:
        """A sentence for the user."""
        ...

    def progress(self, rung: int, candidate: str, share: float, words: str) -> None:
        """How far the step in work is, as a share in [0, 1]."""
        ...

    def finished(self, study: Study, trial: Trial) -> None:
        """A trial was recorded."""
        ...


class Silent:
    """Tells nobody."""

    def say(self, text: str) -> None: ...

    def progress(self, rung: int, candidate: str, share: float, words: str) -> None: ...

    def finished(self, study: Study, trial: Trial) -> None: ...
