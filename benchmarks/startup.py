"""What starting costs: ``import pare`` over a bare interpreter, and ``pare --help``. Medians of interleaved runs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 15
COMMANDS = {
    "bare interpreter": [sys.executable, "-c", "pass"],
    "import pare": [sys.executable, "-c", "import pare"],
    "pare --help": [sys.executable, "-m", "pare.cli", "--help"],
}


def main() -> None:
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            taken[name].append(1000 * (time.perf_counter() - start))
    bare = statistics.median(taken["bare interpreter"])
    for name, times in taken.items():
        middle = statistics.median(times)
        print(f"{name:<18} {middle:6.0f} ms  (+{middle - bare:.0f} ms over the bare interpreter)")


if __name__ == "__main__":
    main()
