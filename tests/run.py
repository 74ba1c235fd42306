"""Runs every check: lint, types, imports, then the tests by tier. ``--fast`` leaves out the slow tier."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def check(name: str, *command: str) -> bool:
    """Runs one check and prints whether it held and how long it took."""
    print(f"== {name}", flush=True)
    start = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    print(f"== {name}: {'ok' if code == 0 else f'FAILED ({code})'} in {time.monotonic() - start:.0f} s", flush=True)
    return code == 0


def main() -> int:
    fast = "--fast" in sys.argv
    pytest = [sys.executable, "-m", "pytest"]
    quick = ["tests/unit", "tests/contract", "tests/arch", "tests/docs"]
    held = [
        check("lint", str(BIN / "ruff"), "check", "."),
        check("format", str(BIN / "ruff"), "format", "--check", "."),
        check("types", sys.executable, "-m", "mypy"),
        check("imports", str(BIN / "lint-imports")),
        check(
            "tests",
            *pytest,
            *quick,
            "-m",
            "not slow",
            "--durations=15",
            "--cov=pare",
            "--cov-report=term:skip-covered",
        ),
    ]
    if not fast:
        held.append(check("slow tests", *pytest, "tests", "-m", "slow", "-v", "--durations=10"))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
