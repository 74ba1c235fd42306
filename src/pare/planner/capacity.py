"""How many sessions a server holds: placement over its chips, the largest batch at the service level whose keys and values
fit, and the share of an offered load that is then served at the level.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from pare.catalog.types import Calibration, Roofline, Server
from pare.errors import InputError
from pare.level import largest_batch
from pare.planner import anatomy, queueing
from pare.planner.decode import Pace, calibration_of, pace
from pare.planner.estimate import weight_bytes
from pare.planner.types import Capacity, Demand, Figure, Subject
from pare.types import Shape

USABLE = 0.9
"""Share of a chip's memory for weights, keys and values; the rest is the engine's own. vLLM's default
(``gpu_memory_utilization``)."""

SIMULATED = 2_000
"""Requests that ``goodput`` plays."""


def capacity(
    subject: Subject,
    server: Server,
    demand: Demand,
    roofline: Roofline,
    calibrations: Iterable[Calibration] = (),
) -> Capacity:
    """What a server holds of a model that generates.

    A copy's batch is the largest at which every session still gets ``min_tps`` when all are busy, each session's
    next prompt being read between its answers, and at which all keys and values fit. Of the powers of two of chips that a
    copy may take the one counts at which the server holds the most sessions, the smallest where several do.
    Raises InputError where the model's anatomy or the chip's memory or bandwidth is unknown.
    """
    if subject.shape is None:
        raise InputError(
            f"a placement needs a model's anatomy, and that of {subject.name} is undisclosed; plan it as bought"
        )
    if server.chip.memory is None:
        raise InputError(f"a placement needs the memory of {server.chip.name}, which is unknown; add it to its entry")
    known = tuple(calibrations)
    why, best = "", None
    for parallel in _powers_of_two(server.count):
        room = server.chip.memory.value * parallel * USABLE
        fits = _sessions_that_fit(subject, subject.shape, demand, room)
        if fits < 1:
            why = _too_large(subject, subject.shape, demand, room, server, parallel)
            continue
        found = pace_of(subject, server, demand, parallel, roofline, known)
        batch = largest_batch(partial(loaded_itl_s, found, demand=demand), demand.min_tps, fits)
        if batch < 1:
            alone = 1 / loaded_itl_s(found, 1, demand)
            why = f"too slow: {alone:.3g} tokens/s for one session on {_chips(parallel)}, below {demand.min_tps:g}"
            continue
        placed = _placed(server.count // parallel, parallel, batch, fits, found, demand)
        best = placed if best is None or placed.sessions > best.sessions else best
    return best or Capacity(0, 0, 0, 0, "none", why, None, None, None)


def pace_of(
    subject: Subject,
    server: Server,
    demand: Demand,
    parallel: int,
    roofline: Roofline,
    calibrations: Iterable[Calibration] = (),
) -> Pace:
    """The pace of a model at the demand's mean context: its prompt and half of its answer."""
    if subject.shape is None:
        raise InputError(
            f"a pace needs a model's anatomy, and that of {subject.name} is undisclosed; plan it as bought"
        )
    context = demand.prompt_tokens + demand.answer_tokens / 2
    line = calibration_of(subject, server, parallel, calibrations)
    return pace(subject.shape, subject.widths, server, parallel, context, roofline, line)


def loaded_itl_s(found: Pace, batch: int, demand: Demand) -> float:
    """Seconds between tokens when ``batch`` sessions answer all the time: while a session decodes its answer, every one of
    them has one prompt read, which the steps between share (chunked prefill).
    """
    return found.itl_s(batch) + batch * found.prefill_s(demand.prompt_tokens) / demand.answer_tokens


def goodput(
    held: Capacity, found: Pace, demand: Demand, servers: int, seed: int, log: Sequence[tuple[int, int]] = ()
) -> Figure:
    """The share of requests that ``servers`` serve at the level when every session asks again ``every_s`` seconds after it
    last asked, by the simulation of one copy with its part of the load.

    As many requests may wait as are being answered; more are refused. A chunk of a prompt is what a step at full batch may
    take in and still give every session its tokens in time. Lengths are those of ``log``'s (prompt, answer) pairs where it
    has any, else lognormal. Raises InputError where there is no server.
    """
    if servers < 1:
        raise InputError(f"a load needs at least 1 server but has {servers}; give a larger number")
    if held.batch < 1:
        return Figure(0.0, "share", "modelled", held.why)
    rng = np.random.default_rng(seed)
    rate = demand.sessions / demand.every_s / (servers * held.copies)
    came = queueing.arrivals(rate, SIMULATED / rate, rng, demand.burstiness)
    count = len(came)
    prompts, answers = (
        queueing.from_log(log, count, rng)
        if log
        else (queueing.lengths(demand.prompt_tokens, count, rng), queueing.lengths(demand.answer_tokens, count, rng))
    )
    seen = queueing.simulate(
        queueing.Workload(came, prompts, answers),
        found.itl_s,
        found.prefill_s,
        held.batch,
        chunk_s(held, found, demand),
        demand.min_tps,
        held.batch,
    )
    source = (
        f"simulation of {count:,} requests at {rate:.3g} a second on one of {servers * held.copies:,} copies, seed {seed}; "
        f"{seen.refused.mean():.1%} refused"
    )
    return Figure(seen.held_share, "share", "modelled", source)


def chunk_s(held: Capacity, found: Pace, demand: Demand) -> float:
    """Seconds of reading that a step at the full batch can take in with every session still at the level."""
    return 1 / demand.min_tps - found.itl_s(held.batch)


@dataclass(frozen=True, slots=True)
class Rule:
    """A vendor's assumption of sessions without a measurement: ``slices`` to a chip where the weights fit a slice, else one
    where they fit the chip.
    """

    slices: int = 1

    def sessions(self, weights: float, server: Server) -> int | None:
        """Sessions of a server; None (n/a) where the weights do not fit one chip, or its memory is unknown."""
        memory = server.chip.memory
        if memory is None or weights > memory.value:
            return None
        return server.count * (self.slices if weights <= memory.value / self.slices else 1)


def _powers_of_two(count: int) -> list[int]:
    return [2**i for i in range(count.bit_length())]


def _session_bytes(subject: Subject, shape: Shape, demand: Demand) -> float:
    return anatomy.kv_bytes(shape, demand.prompt_tokens + demand.answer_tokens, subject.widths.kv)


def _weights(subject: Subject, shape: Shape) -> float:
    return subject.weight_bytes or weight_bytes(anatomy.at_widths(shape, subject.widths))


def _sessions_that_fit(subject: Subject, shape: Shape, demand: Demand, room: float) -> int:
    free = room - _weights(subject, shape)
    each = _session_bytes(subject, shape, demand)
    if free < each:
        return 0
    return math.floor(free / each) if each > 0 else 1 << 20


def _too_large(subject: Subject, shape: Shape, demand: Demand, room: float, server: Server, parallel: int) -> str:
    needs = (_weights(subject, shape) + _session_bytes(subject, shape, demand)) / 1e9
    return f"does not fit: {needs:,.1f} GB with one session, {room / 1e9:,.1f} GB usable on {_chips(parallel)}"


def _placed(copies: int, parallel: int, batch: int, fits: int, found: Pace, demand: Demand) -> Capacity:
    binds: Literal["service level", "memory"] = "memory" if batch == fits else "service level"
    each = loaded_itl_s(found, batch, demand)
    faster, slower = (math.exp(-found.miss), math.exp(found.miss)) if found.miss is not None else (None, None)

    def figure(value: float, unit: str, low: float | None, high: float | None) -> Figure:
        times = None if low is None else value * low, None if high is None else value * high
        return Figure(value, unit, found.provenance, found.source, *times)

    prompt = found.prefill_s(demand.prompt_tokens)
    return Capacity(
        sessions=copies * batch,
        copies=copies,
        parallel=parallel,
        batch=batch,
        binds=binds,
        why=f"{batch:,} sessions a copy, bound by {binds}; {copies} on {_chips(parallel)} each",
        itl_s=figure(each, "s", faster, slower),
        prefill_s=figure(prompt, "s", None, None),
        tokens_per_s=figure(copies * batch / each, "tokens/s", faster, slower),
    )


def _chips(count: int) -> str:
    return f"{count} chip" if count == 1 else f"{count} chips"
