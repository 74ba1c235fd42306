"""A fresh serving process that is measured from within: ``python -m pare.benchmark.worker``.

It reads one JSON command a line and answers with one JSON object a line. The first command loads the artifact, so that
load time and peak memory are those of a process that serves this artifact and nothing else.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from pare import artifacts, runtimes
from pare.benchmark.decoding import timed
from pare.runtimes.base import Engine
from pare.runtimes.writing import Writer


def peak_memory_bytes() -> int:
    """The peak resident memory of this process. ``VmHWM`` belongs to this program alone; ``ru_maxrss`` survives exec."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import psutil

    return int(psutil.Process().memory_info().rss)


def latencies_ms(engine: Engine, texts: Sequence[str], seconds: float) -> list[float]:
    """Times single requests, text in, label out, for about so many seconds (at least 30 requests)."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    position = 0
    while time.perf_counter() < end or len(taken) < 30:
        text = texts[position % len(texts)]
        start = time.perf_counter()
        engine.classify([text])
        taken.append(1000 * (time.perf_counter() - start))
        position += 1
    return taken


def rates(engine: Engine, texts: Sequence[str], seconds: float, batch: int = 32) -> list[float]:
    """Texts per second of batches, for about so many seconds (at least 3 batches)."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    position = 0
    while time.perf_counter() < end or len(taken) < 3:
        chosen = [texts[(position + i) % len(texts)] for i in range(batch)]
        start = time.perf_counter()
        engine.classify(chosen)
        taken.append(batch / (time.perf_counter() - start))
        position += batch
    return taken


def warm_up(engine: Engine | Writer, texts: Sequence[str]) -> None:
    """A few requests, so that what is measured is not the first."""
    if isinstance(engine, Writer):
        engine.generate_many(texts[:8], 4)
        return
    for text in texts[:8]:
        engine.classify([text])
    engine.classify(texts[:32])


def main() -> None:
    """Serves commands until standard input closes."""
    engine: Engine | Writer | None = None
    texts: list[str] = []
    replies = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        command: dict[str, Any] = msgspec.json.decode(line)
        reply: dict[str, Any]
        if command["do"] == "load":
            texts = command["texts"]
            start = time.perf_counter()
            engine = runtimes.load(artifacts.read(command["path"]), command["runtime"], command["threads"])
            load_ms = 1000 * (time.perf_counter() - start)
            facts: dict[str, str] = getattr(engine, "facts", {})
            reply = {"load_ms": load_ms, "threads": int(facts.get("threads", command["threads"]))}
            warm_up(engine, texts)
        elif engine is None:
            reply = {"error": "load comes first"}
        elif command["do"] == "decode":
            assert isinstance(engine, Writer)
            sizes = command["batch"], command["prompt"], command["new"]
            reply = {"runs": [timed(engine, texts, *sizes) for _ in range(command["times"])]}
        elif isinstance(engine, Writer):
            reply = {"memory_bytes": peak_memory_bytes()}
        elif command["do"] == "latency":
            reply = {"latencies_ms": latencies_ms(engine, texts, command["seconds"])}
        elif command["do"] == "throughput":
            reply = {"rates": rates(engine, texts, command["seconds"])}
        else:
            reply = {"memory_bytes": peak_memory_bytes()}
        replies.write(msgspec.json.encode(reply).decode() + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
