"""Measures artifacts in fresh serving processes, alone or side by side."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import msgspec
import numpy as np

from pare.benchmark import energy, lock
from pare.errors import PareError
from pare.types import Artifact, Device, Measurement, Quantity

BATCH = 32


class Process:
    """A serving process of one artifact, driven by commands. Use it as a context manager."""

    def __init__(self, artifact: Artifact, runtime: str, threads: int, texts: Sequence[str]) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "pare.benchmark.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": str(threads),
                "HF_HUB_OFFLINE": "1",
                "TOKENIZERS_PARALLELISM": "false",
            },
        )
        self._load = {"path": str(artifact.path), "runtime": runtime, "threads": threads, "texts": list(texts)}

    def __enter__(self) -> Process:
        reply = self.ask("load", **self._load)
        self.load_ms, self.threads = float(reply["load_ms"]), int(reply["threads"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.communicate()

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """Sends one command and returns the reply. Raises PareError with the process's last words if it died."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(msgspec.json.encode({"do": do, **fields}).decode() + "\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            _, words = self._child.communicate()
            last = words.strip().splitlines()[-1] if words.strip() else f"exit code {self._child.returncode}"
            raise PareError(f"the serving process died during '{do}': {last}")
        reply: dict[str, Any] = msgspec.json.decode(line)
        return reply


def measure(
    artifact: Artifact, runtime: str, device: Device, threads: int, texts: Sequence[str], seconds: float = 2.0
) -> Measurement:
    """Measures one artifact in a fresh process: half of ``seconds`` at batch 1, half at batch 32."""
    with lock.machine(), Process(artifact, runtime, threads, texts) as process:
        times = process.ask("latency", seconds=seconds / 2)["latencies_ms"]
        before = energy.counter_j()
        rates = process.ask("throughput", seconds=seconds / 2)["rates"]
        after = energy.counter_j()
        memory = int(process.ask("memory")["memory_bytes"])
        load_ms, used = process.load_ms, process.threads
    counted = None
    if before is not None and after is not None:
        counted = after - before if after >= before else after - before + energy.counter_range_j()
    figures = _figures(times, rates, memory, load_ms, used, counted)
    return Measurement(
        artifact=artifact.id,
        runtime=runtime,
        device=device.name,
        boundary="process",
        workload=f"{len(texts)} texts, batch 1 and {BATCH}, {used} threads",
        figures=figures,
    )


def _figures(
    times: Sequence[float], rates: Sequence[float], memory: int, load_ms: float, threads: int, counted_j: float | None
) -> dict[str, Quantity]:
    def clock(value: float, unit: str) -> Quantity:
        return Quantity(value, unit, "measured", "monotonic clock inside the serving process")

    p50, p95, p99 = (float(np.percentile(times, q)) for q in (50, 95, 99))
    throughput = float(np.median(rates))
    return {
        "latency_p50_ms": clock(p50, "ms"),
        "latency_p95_ms": clock(p95, "ms"),
        "latency_p99_ms": clock(p99, "ms"),
        "throughput_per_s": clock(throughput, "1/s"),
        "load_ms": clock(load_ms, "ms"),
        "memory_mb": Quantity(memory / 1e6, "MB", "measured", "peak resident memory of a fresh serving process"),
        "energy_j_per_1k": energy.per_1k_j(throughput, threads, counted_j, BATCH * len(rates)),
        "power_w": energy.power_w(threads, counted_j, BATCH * len(rates) / throughput),
        "cost_usd_per_1k": energy.cost_per_1k_usd(throughput, threads),
    }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two artifacts measured in turns: figures of each, and ratios with the range over rounds (25 % to 75 %)."""

    names: tuple[str, str]
    figures: tuple[dict[str, Quantity], dict[str, Quantity]]
    ratios: dict[str, tuple[float, float, float]]
    rounds: int


@dataclass
class _Taken:
    """What one of several artifacts did over the rounds. ``p50`` and ``rate`` are the medians of each round."""

    times: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    memory: int = 0
    load_ms: float = 0.0
    threads: int = 1

    def figures(self) -> dict[str, Quantity]:
        return _figures(self.times, self.rates, self.memory, self.load_ms, self.threads, None)


def _interleaved(
    served: Sequence[tuple[Artifact, str]], threads: int, texts: Sequence[str], rounds: int, seconds: float
) -> list[_Taken]:
    """Measures (artifact, runtime) pairs in turns, each in its own process, forwards and backwards by turns."""
    taken = [_Taken() for _ in served]
    with lock.machine(), ExitStack() as stack:
        processes = [stack.enter_context(Process(artifact, runtime, threads, texts)) for artifact, runtime in served]
        for number in range(rounds):
            order = range(len(served)) if number % 2 == 0 else reversed(range(len(served)))
            for i in order:
                times = processes[i].ask("latency", seconds=seconds)["latencies_ms"]
                rates = processes[i].ask("throughput", seconds=seconds)["rates"]
                taken[i].times.extend(times)
                taken[i].rates.extend(rates)
                taken[i].p50.append(float(np.median(times)))
                taken[i].rate.append(float(np.median(rates)))
        for one, process in zip(taken, processes, strict=True):
            one.memory = int(process.ask("memory")["memory_bytes"])
            one.load_ms, one.threads = process.load_ms, process.threads
    return taken


def measure_together(
    served: Sequence[tuple[Artifact, str]],
    device: Device,
    threads: int,
    texts: Sequence[str],
    rounds: int = 4,
    seconds: float = 0.25,
) -> list[Measurement]:
    """Measures (artifact, runtime) pairs in interleaved rounds, so that their ratios hold on a noisy machine."""
    return [
        Measurement(
            artifact=artifact.id,
            runtime=runtime,
            device=device.name,
            boundary="process",
            workload=f"{len(texts)} texts, batch 1 and {BATCH}, {one.threads} threads, interleaved in {rounds} rounds",
            figures=one.figures(),
        )
        for (artifact, runtime), one in zip(served, _interleaved(served, threads, texts, rounds, seconds), strict=True)
    ]


def compare(
    pairs: Sequence[tuple[str, Artifact, str]],
    threads: int,
    texts: Sequence[str],
    rounds: int = 8,
    seconds: float = 0.5,
) -> Comparison:
    """Measures two artifacts in interleaved rounds, so that a noisy machine is noisy to both.

    ``pairs`` are (name, artifact, runtime). A ratio is how many times better the first one is: (median, 25 %, 75 %).
    """
    (first_name, first, _), (second_name, second, _) = pairs
    a, b = _interleaved([(artifact, runtime) for _, artifact, runtime in pairs], threads, texts, rounds, seconds)
    sizes = [
        {"size_bytes": Quantity(float(artifact.size_bytes), "bytes", "measured", "bytes of the served files")}
        for artifact in (first, second)
    ]

    def spread(values: Sequence[float]) -> tuple[float, float, float]:
        middle, low, high = (float(np.percentile(values, q)) for q in (50, 25, 75))
        return middle, low, high

    return Comparison(
        names=(first_name, second_name),
        figures=(sizes[0] | a.figures(), sizes[1] | b.figures()),
        ratios={
            "size_bytes": spread([second.size_bytes / first.size_bytes]),
            "latency_p50_ms": spread([theirs / ours for ours, theirs in zip(a.p50, b.p50, strict=True)]),
            "throughput_per_s": spread([ours / theirs for ours, theirs in zip(a.rate, b.rate, strict=True)]),
            "load_ms": spread([b.load_ms / a.load_ms]),
            "memory_mb": spread([b.memory / a.memory]),
        },
        rounds=rounds,
    )
