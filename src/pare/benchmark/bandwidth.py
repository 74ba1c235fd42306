"""Memory bandwidth of this machine: how fast all its cores together read, and STREAM's triad (McCalpin 1995).

Decoding reads every weight once a step, so that the rate of reading bounds it; the triad says what is left where the machine
also writes. Both run over arrays that no cache holds, a share of them in each thread, and the fastest of several passes
counts, as STREAM has it: what else the machine does can only slow a pass. NumPy gives up Python's lock inside its loops.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pare.types import Quantity

CACHES = Path("/sys/devices/system/cpu")
TIMES_CACHE = 4
"""STREAM's rule: each array is at least four times as large as all last-level caches together."""
LEAST_BYTES = 1 << 28
"""The smallest array, where the system does not tell its caches or they are small."""
BLOCK = 1 << 16
"""Elements that a thread takes at once in the triad: 512 kB, so that what is written in between stays in its own cache."""
UNIT = "bytes/s"

Clock = Callable[[], float]
Doubles = NDArray[np.float64]


def last_level_cache_bytes(root: Path = CACHES) -> int | None:
    """All last-level caches together, each counted once however many cores share it; None where the system does not tell."""
    found: dict[tuple[int, str], int] = {}
    for index in root.glob("cpu[0-9]*/cache/index[0-9]*"):
        try:
            level, size = int((index / "level").read_text()), (index / "size").read_text().strip()
            shared = (index / "shared_cpu_list").read_text().strip()
        except (OSError, ValueError):
            continue
        if told := re.fullmatch(r"(\d+)([KMG]?)", size):
            found[level, shared] = int(told[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[told[2]]
    last = max((level for level, _ in found), default=0)
    return sum(size for (level, _), size in found.items() if level == last) or None


def array_bytes(cache: int | None, memory: int) -> int:
    """How large an array must be for no cache to hold it; three of them take at most a quarter of the memory."""
    return min(max(LEAST_BYTES, TIMES_CACHE * (cache or 0)), memory // 12)


def read_rate(threads: int, size: int, passes: int = 12, clock: Clock = time.perf_counter) -> float:
    """Bytes a second that ``threads`` read together of ``size`` bytes, in the fastest pass. The bits are or-ed together,
    which costs less than memory gives.
    """
    parts = [np.arange(max(1, size // 8 // threads), dtype=np.int64) for _ in range(threads)]

    def work(number: int) -> None:
        np.bitwise_or.reduce(parts[number])

    return sum(part.nbytes for part in parts) / fastest(work, threads, passes, clock)


def triad_rate(threads: int, size: int, passes: int = 12, clock: Clock = time.perf_counter) -> float:
    """Bytes a second of a = b + 3 c over arrays of ``size`` bytes, counted as STREAM does: two reads and a write."""
    count = max(1, size // 8 // threads)
    parts = [(np.full(count, 0.0), np.full(count, 1.0), np.full(count, 2.0)) for _ in range(threads)]

    def work(number: int) -> None:
        triad(*parts[number])

    return 3 * 8 * count * threads / fastest(work, threads, passes, clock)


def triad(a: Doubles, b: Doubles, c: Doubles) -> None:
    """a = b + 3 c, in place, a block at a time."""
    for start in range(0, len(a), BLOCK):
        out = a[start : start + BLOCK]
        np.multiply(c[start : start + BLOCK], 3.0, out=out)
        np.add(out, b[start : start + BLOCK], out=out)


def fastest(work: Callable[[int], None], threads: int, passes: int, clock: Clock = time.perf_counter) -> float:
    """Seconds of the fastest pass of a work in so many threads at once, from the first one's start to the last one's end.

    A first pass, which finds the pages, is not counted. Whatever a thread raises is raised here.
    """
    gate = threading.Barrier(threads)
    spans: list[list[tuple[float, float]]] = [[] for _ in range(threads)]
    failed: list[BaseException] = []

    def run(number: int) -> None:
        try:
            for _ in range(passes + 1):
                gate.wait()
                start = clock()
                work(number)
                spans[number].append((start, clock()))
        except threading.BrokenBarrierError:
            return
        except BaseException as error:
            failed.append(error)
            gate.abort()

    workers = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(threads)]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join()
    finally:
        gate.abort()
    if failed:
        raise failed[0]
    rounds = list(zip(*spans, strict=True))[1:]
    return float(min(max(end for _, end in each) - min(start for start, _ in each) for each in rounds))


def bandwidths(threads: int, memory: int, date: str, size: int | None = None, passes: int = 12) -> Sequence[Quantity]:
    """What was read and the triad, in bytes/s, each with how it was taken. ``size``: bytes of an array."""
    cache = last_level_cache_bytes()
    size = size or array_bytes(cache, memory)
    told = f"of {cache / 1e6:.0f} MB" if cache else "unknown"
    how = (
        f"fastest of {passes} passes in {threads} threads, arrays of {size / 1e6:.0f} MB (last-level cache {told}), "
        f"NumPy {np.__version__}, {date}"
    )
    return (
        Quantity(read_rate(threads, size, passes), UNIT, "measured", f"reading: {how}"),
        Quantity(triad_rate(threads, size, passes), UNIT, "measured", f"STREAM triad: {how}"),
    )
