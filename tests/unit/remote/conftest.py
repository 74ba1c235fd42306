"""What the tests of a remote teacher share: a clock without waiting, and a key that must never be seen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from pare.remote import Clock

KEY = "sk-test-0123456789-never-show-me"


@dataclass
class Waits:
    """A clock that notes every rest instead of taking it. ``drawn`` is the share of each draw's range."""

    drawn: float = 1.0
    rests: list[float] = field(default_factory=list)
    draws: list[tuple[float, float]] = field(default_factory=list)
    elapsed: float = 0.0

    async def sleep(self, seconds: float) -> None:
        """Time passes at once."""
        self.rests.append(seconds)
        self.elapsed += seconds
        await asyncio.sleep(0)

    def uniform(self, low: float, high: float) -> float:
        """A draw that the test chose."""
        self.draws.append((low, high))
        return low + self.drawn * (high - low)

    @property
    def clock(self) -> Clock:
        """As a call takes it."""
        return Clock(now=lambda: self.elapsed, sleep=self.sleep, uniform=self.uniform)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """A key in the environment, under TEACHER_KEY."""
    monkeypatch.setenv("TEACHER_KEY", KEY)
    return KEY
