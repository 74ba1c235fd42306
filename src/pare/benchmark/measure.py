"""Measures artifacts in fresh serving processes, alone or side by side."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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
        self.load_ms = float(self.ask("load", **self._load)["load_ms"])
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
        load_ms = process.load_ms
    counted = None
    if before is not None and after is not None:
        counted = after - before if after >= before else after - before + energy.counter_range_j()
    figures = _figures(times, rates, memory, load_ms, threads, counted)
    return Measurement(
        artifact=artifact.id,
        runtime=runtime,
        device=device.name,
        boundary="process",
        workload=f"{len(texts)} texts, batch 1 and {BATCH}, {threads} threads",
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
    (first_name, first, first_runtime), (second_name, second, second_runtime) = pairs
    times: tuple[list[float], list[float]] = ([], [])
    rates: tuple[list[float], list[float]] = ([], [])
    p50: list[float] = []
    speed: list[float] = []
    with (
        lock.machine(),
        Process(first, first_runtime, threads, texts) as a,
        Process(second, second_runtime, threads, texts) as b,
    ):
        for number in range(rounds):
            order = (0, 1) if number % 2 == 0 else (1, 0)
            medians, throughputs = [0.0, 0.0], [0.0, 0.0]
            for i in order:
                taken = (a, b)[i].ask("latency", seconds=seconds)["latencies_ms"]
                reached = (a, b)[i].ask("throughput", seconds=seconds)["rates"]
                times[i].extend(taken)
                rates[i].extend(reached)
                medians[i], throughputs[i] = float(np.median(taken)), float(np.median(reached))
            p50.append(medians[1] / medians[0])
            speed.append(throughputs[0] / throughputs[1])
        memory = [int(process.ask("memory")["memory_bytes"]) for process in (a, b)]
        loads = [a.load_ms, b.load_ms]
    sizes = [
        {"size_bytes": Quantity(float(artifact.size_bytes), "bytes", "measured", "bytes of the served files")}
        for artifact in (first, second)
    ]
    figures = tuple(sizes[i] | _figures(times[i], rates[i], memory[i], loads[i], threads, None) for i in (0, 1))

    def spread(values: Sequence[float]) -> tuple[float, float, float]:
        middle, low, high = (float(np.percentile(values, q)) for q in (50, 25, 75))
        return middle, low, high

    size = second.size_bytes / first.size_bytes
    load, held = loads[1] / loads[0], memory[1] / memory[0]
    return Comparison(
        names=(first_name, second_name),
        figures=(figures[0], figures[1]),
        ratios={
            "size_bytes": (size, size, size),
            "latency_p50_ms": spread(p50),
            "throughput_per_s": spread(speed),
            "load_ms": (load, load, load),
            "memory_mb": (held, held, held),
        },
        rounds=rounds,
    )
