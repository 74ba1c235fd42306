"""What can go wrong, as types. The command line turns each into one line and an exit code.

PareError               by itself: something inside pare failed: exit code 70, never 1, which is the verdict ``fail``
├── InputError          the user's data, task or arguments: exit code 2
│   └── MissingExtra    a dependency of an optional part is not installed
└── Interrupted         the user stopped the work: exit code 130, and how to go on
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["InputError", "Interrupted", "MissingExtra", "PareError", "nearest"]


class PareError(Exception):
    """Base of everything pare raises on purpose. The text is one line: rule, value found, next step."""

    exit_code = 70


class InputError(PareError):
    """Bad input: a file, a field, an argument."""

    exit_code = 2


class MissingExtra(InputError):
    """An optional dependency is absent. The message is the command that adds it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install 'pare-lm[{extra}]'")


class Interrupted(PareError):
    """The user stopped the work; nothing finished is lost."""

    exit_code = 130


FEW = 10
"""The most known words that are all named beside the nearest ones."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Names the known words nearest to a mistyped one, as the tail of a message; all of them where they are few.

    >>> nearest("acuracy", ["accuracy", "brier"])
    'did you mean accuracy? known: accuracy, brier'
    """
    words = sorted(known)
    close = get_close_matches(word, words, n=3, cutoff=0.5)
    every = f"known: {', '.join(words)}"
    if not close:
        return every
    guess = f"did you mean {' or '.join(close)}?"
    return f"{guess} {every}" if len(close) < len(words) <= FEW else guess
