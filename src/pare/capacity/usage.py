"""What a log says of demand: tokens of prompts and answers, when requests come, what they were charged, in which scripts."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pare.errors import InputError
from pare.families.tokens import script_of
from pare.logs import Logged, read_log
from pare.remote.cost import modelled_tokens
from pare.scan.spend import Spend
from pare.types import Provenance, Quantity
from pare.units import dollars

HOUR_S, DAY_S = 3600.0, 86_400.0
FEWEST_GAPS = 20
"""Requests in the busiest hour from which their gaps tell how bursty they are; with fewer they are taken as Poisson."""
KEPT = 2_000
"""About how many requests' lengths are kept, for the simulation, and how many texts, for other tokenizers."""
MOST_CHARACTERS = 20_000_000
"""Of the texts that are kept."""
LETTERS = 400
"""Characters of a prompt that are looked at for its script."""
SCRIPTS_SHOWN = 0.01
"""The least share of requests with which a script is told."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution of tokens: its mean, and what 50, 95 and 99 of 100 requests stay within."""

    mean: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Script:
    """Requests whose last messages are mostly in one script."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Sampled:
    """A request of the log that is kept whole: its texts, its language, its messages, and its tokens as the log has them."""

    prompt: str
    answer: str
    language: str
    messages: int
    tokens_in: int | None
    tokens_out: int | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a log holds. ``seconds`` is the time from its first to its last request, None where times are unknown, and then
    so are the rates: ``mean_per_s``, ``peak_per_s`` (the busiest hour), and the ``burstiness`` of gaps in that hour.

    ``counted`` says where the tokens are from. ``cached`` is the mean of a prompt's tokens that came from a cache, and
    ``characters`` that of its characters. ``lengths`` are the tokens of prompts and answers of some requests; ``sample``
    are some requests whole.
    """

    path: str
    requests: int
    models: tuple[str, ...]
    prompt: Spread
    answer: Spread
    cached: float
    counted: Provenance
    characters: float
    lengths: tuple[tuple[int, int], ...]
    seconds: float | None
    mean_per_s: float | None
    peak_per_s: float | None
    burstiness: float
    scripts: tuple[Script, ...]
    spend: Quantity | None
    sample: tuple[Sampled, ...] = ()

    def words(self) -> str:
        """The log in one sentence."""
        span = f" over {self.seconds / DAY_S:,.1f} days" if self.seconds else ", without times"
        rate = ""
        if self.mean_per_s and self.peak_per_s:
            rate = f"; {self.mean_per_s * HOUR_S:,.0f} an hour, {self.peak_per_s * HOUR_S:,.0f} in the busiest"
        tongues = ", ".join(f"{script.name} {script.share:.0%}" for script in self.scripts)
        return (
            f"{self.path}: {self.requests:,} requests{span}{rate}; prompts {self.prompt.mean:,.0f} tokens "
            f"(95 of 100 within {self.prompt.p95:,.0f}), answers {self.answer.mean:,.0f} ({self.answer.p95:,.0f}), "
            f"{self.counted}{f'; scripts: {tongues}' if tongues else ''}"
            + (
                f"; charged {dollars(self.spend.value)} ({self.spend.provenance}: {self.spend.source})"
                if self.spend
                else ""
            )
        )


@dataclass
class _Sample:
    """Every so manyth request, so that there are ``KEPT`` to twice as many, or ``MOST_CHARACTERS`` of them."""

    kept: list[Sampled] = field(default_factory=list)
    step: int = 1
    seen: int = 0
    characters: int = 0

    def add(self, request: Logged, prompt: str, script: str) -> None:
        if self.seen % self.step == 0:
            tokens = request.tokens_in, request.tokens_out
            one = Sampled(prompt, request.answer, script or "none", len(request.messages), *tokens)
            self.kept.append(one)
            self.characters += len(one.prompt) + len(one.answer)
            while len(self.kept) > 1 and (len(self.kept) > 2 * KEPT or self.characters > MOST_CHARACTERS):
                self.kept, self.step = self.kept[::2], 2 * self.step
                self.characters = sum(len(one.prompt) + len(one.answer) for one in self.kept)
        self.seen += 1


@dataclass
class _Counted:
    """What one pass counts, in constant memory but for eight bytes a figure of a request."""

    prompt: array[float] = field(default_factory=lambda: array("d"))
    answer: array[float] = field(default_factory=lambda: array("d"))
    times: array[float] = field(default_factory=lambda: array("d"))
    cached: float = 0.0
    written: int = 0
    modelled: int = 0
    spend: Spend = field(default_factory=Spend)
    sample: _Sample = field(default_factory=_Sample)
    requests: Counter[str] = field(default_factory=Counter)

    def add(self, request: Logged) -> None:
        self.spend.add(request)
        text = "\n".join(message.text for message in request.messages)
        tokens_in, tokens_out = request.tokens_in, request.tokens_out
        if tokens_in is None or tokens_out is None:
            self.modelled += 1
        self.prompt.append(modelled_tokens(text) if tokens_in is None else tokens_in)
        self.answer.append(modelled_tokens(request.answer) if tokens_out is None else tokens_out)
        self.cached += request.tokens_cached or 0
        self.written += len(text)
        if (moment := _epoch(request.time)) is not None:
            self.times.append(moment)
        script = script_of(request.messages[-1].text[:LETTERS] if request.messages else text[:LETTERS])
        self.sample.add(request, text, script)
        if script:
            self.requests[script] += 1


def read_usage(path: Path) -> Usage:
    """Reads a log once. Raises InputError where it cannot be read or holds no answered request, MissingExtra without
    genai-prices.
    """
    found, log = _Counted(), read_log(path)
    for request in log:
        found.add(request)
    count = len(found.prompt)
    if not count:
        raise InputError(
            f"{path} holds no answered request of {log.format}; give a log with a request and its answer a line"
        )
    times = np.sort(np.asarray(found.times))
    seconds = float(times[-1] - times[0]) if len(times) == count > 1 else 0.0
    known = seconds >= HOUR_S
    total = found.requests.total() or 1
    return Usage(
        path=str(path),
        requests=count,
        models=tuple(sorted((name for name in found.spend.models if name), key=lambda name: -found.spend.models[name])),
        prompt=_spread(found.prompt),
        answer=_spread(found.answer),
        cached=found.cached / count,
        characters=found.written / count,
        lengths=tuple((max(1, int(p)), max(1, int(a))) for p, a in zip(*_some(found), strict=True)),
        counted="modelled" if found.modelled else "measured",
        seconds=seconds if known else None,
        mean_per_s=(count - 1) / seconds if known else None,
        peak_per_s=_busiest(times) / HOUR_S if known else None,
        burstiness=_burstiness(times) if known else 1.0,
        scripts=tuple(
            Script(name, n / total) for name, n in found.requests.most_common() if n >= SCRIPTS_SHOWN * total
        ),
        spend=found.spend.total(count),
        sample=tuple(found.sample.kept),
    )


def _some(found: _Counted) -> tuple[array[float], array[float]]:
    """Every so manyth request's tokens, so that there are about ``KEPT`` of them."""
    step = max(1, len(found.prompt) // KEPT)
    return found.prompt[::step], found.answer[::step]


def _spread(values: array[float]) -> Spread:
    found = np.asarray(values)
    p50, p95, p99 = (float(np.quantile(found, share)) for share in (0.5, 0.95, 0.99))
    return Spread(max(1.0, float(found.mean())), p50, p95, p99)


def _epoch(time: str) -> float | None:
    """Seconds since 1970; a time without a zone is taken as UTC. None where it is none."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _hours(times: NDArray[np.float64]) -> NDArray[np.int64]:
    """The hour of each request, from the first one on."""
    hours: NDArray[np.int64] = ((times - times[0]) // HOUR_S).astype(np.int64)
    return hours


def _busiest(times: NDArray[np.float64]) -> int:
    return int(np.unique(_hours(times), return_counts=True)[1].max())


def _burstiness(times: NDArray[np.float64]) -> float:
    """The squared coefficient of variation of the gaps in the busiest hour; 1, as of a Poisson process, with too few."""
    hours = _hours(times)
    names, counts = np.unique(hours, return_counts=True)
    gaps = np.diff(times[hours == names[counts.argmax()]])
    if len(gaps) < FEWEST_GAPS or not gaps.mean():
        return 1.0
    return float(gaps.var() / gaps.mean() ** 2) or 1.0
