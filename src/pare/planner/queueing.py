"""Offered load and waiting: Little's law, Erlang's formulas, and a discrete-event simulation for what they cannot do.

A server decodes its sessions together: with B of them a token takes ``ITL(B)`` seconds for each, so all progress at one
pace, which changes when a session comes or goes. That is processor sharing with a limit, and simulating it needs no step a
token: the tokens that every session has been given since the start are one clock, and a session leaves when that clock has
moved by its length.

Prompts are read in chunks, one prompt after another in the order of admission, and a chunk shares the step with the
sessions that decode (Sarathi-Serve, Agrawal et al. 2024, section 4): while a prompt waits to be read a step takes
``ITL(B) + chunk`` seconds, of which ``chunk`` are reading. So reading slows decoding, decoding slows reading, and prompts
wait for each other. Reading has a clock of its own, in seconds of work. An arrival, a first token and a departure cost one
operation on a heap or a queue each.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pare.errors import InputError
from pare.level import DEFAULT_MIN_TPS, held_each

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

VARIATION = 1.0
"""Squared coefficient of variation of prompt and answer lengths where no log says; assumed: that of an exponential."""


def littles(arrivals_per_s: float, seconds_inside: float) -> float:
    """The mean number inside a stable system: arrivals x time inside (Little 1961), whatever the distributions."""
    return arrivals_per_s * seconds_inside


def erlang_c(servers: int, offered: float) -> float:
    """The probability that an arrival waits in M/M/k: ``offered`` load in Erlangs on ``servers`` (Erlang 1917). 1.0 at or
    above saturation. Computed through Erlang B's recursion, which neither overflows nor cancels.
    """
    if servers < 1:
        raise InputError(f"a queue needs at least 1 server but has {servers}; give a larger number")
    if offered >= servers:
        return 1.0
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = offered * blocked / (k + offered * blocked)
    share = offered / servers
    return blocked / (1 - share + share * blocked)


def mean_wait(servers: int, arrivals_per_s: float, service_s: float, variation: float = 1.0) -> float:
    """The mean wait in M/G/k, seconds: Lee and Longton's (1959) approximation, exact for M/M/k and for M/G/1.

    ``variation`` is the squared coefficient of variation of the service time. Infinite at or above saturation.
    """
    offered = arrivals_per_s * service_s
    if offered >= servers:
        return math.inf
    return (1 + variation) / 2 * erlang_c(servers, offered) * service_s / (servers - offered)


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests in the order of their arrival, each array (requests,): arrival times in seconds, prompt and answer tokens."""

    arrivals_s: Floats
    prompt_tokens: Counts
    answer_tokens: Counts


def arrivals(rate_per_s: float, seconds: float, rng: np.random.Generator, burstiness: float = 1.0) -> Floats:
    """Arrival times in [0, seconds): gamma-distributed gaps of mean 1 / rate and squared coefficient of variation
    ``burstiness``; 1 is a Poisson process. Raises InputError where one of the three is not above 0.
    """
    if not (rate_per_s > 0 and seconds > 0 and burstiness > 0):
        raise InputError(
            "arrivals need a rate, a time and a burstiness above 0 but have "
            f"{rate_per_s:g} a second, {seconds:g} s and {burstiness:g}; give all three"
        )
    expected = rate_per_s * seconds
    count = int(expected + 4 * math.sqrt(expected * burstiness) + 20)
    times = np.cumsum(rng.gamma(1 / burstiness, burstiness / rate_per_s, count))
    while times[-1] < seconds:
        times = np.concatenate(
            [times, times[-1] + np.cumsum(rng.gamma(1 / burstiness, burstiness / rate_per_s, count))]
        )
    kept: Floats = times[times < seconds]
    return kept


def lengths(mean: float, count: int, rng: np.random.Generator, variation: float = VARIATION) -> Counts:
    """Lognormal lengths in tokens, at least 1, of that mean and squared coefficient of variation before rounding."""
    sigma = math.sqrt(math.log1p(variation))
    drawn: Counts = np.maximum(1, np.rint(rng.lognormal(math.log(mean) - sigma**2 / 2, sigma, count))).astype(np.int64)
    return drawn


def from_log(log: Sequence[tuple[int, int]], count: int, rng: np.random.Generator) -> tuple[Counts, Counts]:
    """Prompt and answer tokens drawn together from a log's (prompt, answer) pairs, which keeps long with long.

    Raises InputError where the log is empty.
    """
    if not log:
        raise InputError("lengths are drawn from a log but it has no request; give a log or mean lengths")
    pairs = np.asarray(log, np.int64)[rng.integers(0, len(log), count)]
    return np.maximum(pairs[:, 0], 0), np.maximum(pairs[:, 1], 1)


@dataclass(frozen=True, slots=True)
class Served:
    """What a simulation saw, each array (requests,) and in seconds: wait before admission, time to the first token, decode
    time after it; NaN for those that were ``refused``. ``held`` are those served at the level, ``seconds`` the time until
    the last one left, ``mean_inside`` the time average of requests in the system, waiting ones included.
    """

    wait_s: Floats
    first_token_s: Floats
    decode_s: Floats
    held: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    seconds: float
    mean_inside: float

    @property
    def goodput_per_s(self) -> float:
        """Requests a second that were served at the level."""
        return float(self.held.sum()) / self.seconds

    @property
    def held_share(self) -> float:
        """The share of all requests, refused ones included, that were served at the level."""
        return float(self.held.mean())


def simulate(
    work: Workload,
    itl_s: Callable[[int], float],
    prefill_s: Callable[[float], float],
    slots: int,
    chunk_s: float,
    min_tps: float = DEFAULT_MIN_TPS,
    most_waiting: float = math.inf,
) -> Served:
    """Plays a workload on one server of ``slots`` sessions; who finds none free waits in order, and is refused where
    ``most_waiting`` already do.

    ``itl_s`` gives the seconds between tokens with so many sessions, ``prefill_s`` the seconds of work that a prompt of so
    many tokens is, ``chunk_s`` those of them that one step takes in. Requests served at ``min_tps`` (``level.held``) make
    the goodput. Raises InputError where there is no slot or no request, or a chunk is not above 0.
    """
    if slots < 1 or not len(work.arrivals_s) or not chunk_s > 0:
        raise InputError(
            "a simulation needs a slot, a request and a chunk above 0 s but has "
            f"{slots}, {len(work.arrivals_s)} and {chunk_s:g} s; give all three"
        )
    reading = {int(n): prefill_s(float(n)) for n in np.unique(work.prompt_tokens)}
    jobs = [reading[n] for n in work.prompt_tokens.tolist()]
    day = _Day.begin(work, jobs, [itl_s(batch) for batch in range(1, slots + 1)], chunk_s, most_waiting)
    day.play()
    decode = day.ended - day.first
    return Served(
        wait_s=day.started - work.arrivals_s,
        first_token_s=day.first - work.arrivals_s,
        decode_s=decode,
        held=held_each(work.answer_tokens, decode, min_tps) & ~np.isnan(decode),
        refused=np.isnan(decode),
        seconds=day.now,
        mean_inside=day.area / day.now if day.now > 0 else 0.0,
    )


@dataclass(slots=True)
class _Day:
    """The state of a simulation. ``plain`` and ``mixed`` are tokens a second for each session, ``share`` the part of time
    that goes into reading while a prompt waits; all three by the number of sessions that decode.
    """

    came: list[float]
    jobs: list[float]
    answers: list[int]
    plain: list[float]
    mixed: list[float]
    share: list[float]
    slots: int
    most_waiting: float
    started: Floats
    first: Floats
    ended: Floats
    waiting: deque[int] = field(default_factory=deque)
    prompts: deque[tuple[float, int]] = field(default_factory=deque)
    """(work on the reading clock at which the first token is out, request), in the order of admission."""
    leaving: list[tuple[float, int]] = field(default_factory=list)
    """A heap of (tokens on the decoding clock at which it leaves, request)."""
    now: float = 0.0
    read: float = 0.0
    inside: int = 0
    area: float = 0.0

    @classmethod
    def begin(cls, work: Workload, jobs: list[float], itl: list[float], chunk_s: float, most_waiting: float) -> _Day:
        started, first, ended = (np.full(len(jobs), np.nan) for _ in range(3))
        return cls(
            work.arrivals_s.tolist(),
            jobs,
            work.answer_tokens.tolist(),
            [0.0, *(1 / t for t in itl)],
            [0.0, *(1 / (t + chunk_s) for t in itl)],
            [1.0, *(chunk_s / (t + chunk_s) for t in itl)],
            len(itl),
            most_waiting,
            started,
            first,
            ended,
        )

    def play(self) -> None:
        """Moves from event to event until the last request has left. Local names, because this loop is all the time."""
        came, leaving, prompts, inf = self.came, self.leaving, self.prompts, math.inf
        following, count, clock, now = 0, len(came), 0.0, 0.0
        coming = came[0]
        while following < count or self.inside:
            batch = len(leaving)
            if prompts:
                speed, rate = self.mixed[batch], self.share[batch]
                ready = now + (prompts[0][0] - self.read) / rate
            else:
                speed, rate, ready = self.plain[batch], 0.0, inf
            leave = now + (leaving[0][0] - clock) / speed if batch else inf
            then = min(coming, ready, leave)
            passed = then - now
            clock += passed * speed
            self.read += passed * rate
            self.area += passed * self.inside
            self.now = now = then
            if leave <= then:
                clock, request = heapq.heappop(leaving)
                self._end(request)
            elif ready <= then:
                self.read, request = prompts.popleft()
                self.first[request] = now
                if self.answers[request] > 1:
                    heapq.heappush(leaving, (clock + self.answers[request] - 1, request))
                else:
                    self._end(request)
            else:
                self._arrive(following)
                following += 1
                coming = came[following] if following < count else inf

    def _arrive(self, request: int) -> None:
        if self.inside < self.slots:
            self._admit(request)
        elif len(self.waiting) < self.most_waiting:
            self.waiting.append(request)
        else:
            return
        self.inside += 1

    def _admit(self, request: int) -> None:
        self.started[request] = self.now
        behind = self.prompts[-1][0] if self.prompts else self.read
        self.prompts.append((behind + self.jobs[request], request))

    def _end(self, request: int) -> None:
        self.ended[request] = self.now
        self.inside -= 1
        if self.waiting:
            self._admit(self.waiting.popleft())
