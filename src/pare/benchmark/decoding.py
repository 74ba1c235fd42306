"""Measures decoders as they generate: prompts of one length, answered side by side, in fresh serving processes.

Time to first token (TTFT) is from token ids in to the first token out: the whole prompt is read. Inter-token latency (ITL)
of a request is its decode time after the first token, divided by its tokens but the first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from pare.benchmark import lock
from pare.benchmark.measure import Process
from pare.errors import InputError
from pare.runtimes.writing import Writer
from pare.types import Artifact, Device, Measurement, Quantity

SINGLE = 4
"""Requests of one prompt alone in a round, of which TTFT and ITL are percentiles."""


def timed(engine: Writer, texts: Sequence[str], batch: int, prompt: int, new: int) -> tuple[float, float]:
    """Reads ``batch`` prompts of ``prompt`` tokens and makes ``new`` tokens of each: (TTFT, ITL) in milliseconds.

    A text is repeated or cut to the length; an end token ends nothing, so that every run does the same work.
    """
    rows = [engine.prompts.prompt(texts[i % len(texts)]) for i in range(batch)]
    rows = [(row * (prompt // len(row) + 1))[:prompt] for row in rows]
    start = time.perf_counter()
    times = [time.perf_counter() for _ in engine.tokens(rows, new)]
    return 1000 * (times[0] - start), 1000 * (times[-1] - times[0]) / (new - 1)


def measure_decoders(
    served: Sequence[tuple[Artifact, str]],
    device: Device,
    threads: int,
    texts: Sequence[str],
    *,
    batches: Sequence[int] = (1, 8, 32),
    prompt: int = 64,
    new: int = 64,
    rounds: int = 4,
) -> list[Measurement]:
    """Measures (artifact, runtime) pairs in interleaved rounds, so that their ratios hold on a noisy machine.

    ``texts`` are prompts; each is repeated or cut to ``prompt`` tokens, and goes on for ``new`` tokens. Raises InputError
    where that is fewer than two tokens, or more than an artifact's length.
    """
    for artifact, _ in served:
        if new < 2 or prompt < 1 or prompt + new > artifact.manifest.max_length:
            raise InputError(
                f"a prompt and at least 2 new tokens must fit the model's {artifact.manifest.max_length} tokens but are "
                f"{prompt} and {new}; measure shorter ones"
            )
    taken: list[dict[int, list[tuple[float, float]]]] = [{batch: [] for batch in batches} for _ in served]
    with lock.machine(), ExitStack() as stack:
        processes = [stack.enter_context(Process(artifact, runtime, threads, texts)) for artifact, runtime in served]
        for number in range(rounds):
            order = range(len(served)) if number % 2 == 0 else reversed(range(len(served)))
            for i in order:
                for batch in batches:
                    times = SINGLE if batch == 1 else 1
                    reply = processes[i].ask("decode", batch=batch, prompt=prompt, new=new, times=times)
                    taken[i][batch] += [(first, each) for first, each in reply["runs"]]
        memory = [int(process.ask("memory")["memory_bytes"]) for process in processes]
        loads = [(process.load_ms, process.threads) for process in processes]
    return [
        Measurement(
            artifact=artifact.id,
            runtime=runtime,
            device=device.name,
            boundary="process",
            workload=f"{prompt} tokens read and {new} made, batch {', '.join(map(str, batches))}, {used} threads, "
            f"interleaved in {rounds} rounds",
            figures=_figures(runs, prompt, load_ms, size),
        )
        for (artifact, runtime), runs, (load_ms, used), size in zip(served, taken, loads, memory, strict=True)
    ]


def _figures(
    taken: dict[int, list[tuple[float, float]]], prompt: int, load_ms: float, memory: int
) -> dict[str, Quantity]:
    def clock(value: float, unit: str) -> Quantity:
        return Quantity(float(value), unit, "measured", "monotonic clock inside the serving process")

    figures = {
        "load_ms": clock(load_ms, "ms"),
        "memory_mb": Quantity(memory / 1e6, "MB", "measured", "peak resident memory of a fresh serving process"),
    }
    for batch, runs in taken.items():
        first, each = np.array(runs).T
        at = f"_batch_{batch}"
        for name, values in (("ttft", first), ("itl", each)):
            figures[f"{name}_p50_ms{at}"] = clock(np.percentile(values, 50), "ms")
            figures[f"{name}_p95_ms{at}"] = clock(np.percentile(values, 95), "ms")
        figures[f"prompt_tokens_per_s{at}"] = clock(1000 * batch * prompt / np.median(first), "1/s")
        figures[f"decode_tokens_per_s{at}"] = clock(1000 * batch / np.median(each), "1/s")
    return figures
