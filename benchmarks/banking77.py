"""Banking77 from labels to a verdict: minutes, sizes, speeds and ratios, tokenisation included.

    python benchmarks/banking77.py [--run runs/banking77] [--within 0.02]

Reads the data under PARE_DATA (default ../shared/data). The published test file is the sealed split; running this takes a
look at it, which is recorded, unless the same plan has been tested before. Ratios come from interleaved rounds.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import pare
from pare.cli.display import Display
from pare.report import table

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "banking77")
    parser.add_argument("--within", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = Path(os.environ.get("PARE_DATA", ROOT.parent / "shared" / "data")) / "intent" / "banking77" / "banking_data"
    task = pare.Task.of(
        data / "train.csv",
        input="text",
        target="category",
        test=str(data / "test.csv"),
        name="banking77",
        within=options.within,
        seed=options.seed,
    )
    start = time.monotonic()
    with Display(live=False) as display:
        study = pare.find(task, options.run, display)
    print(f"find took {(time.monotonic() - start) / 60:.1f} minutes")
    table.show(study)
    if study.winner is not None:
        for other in ("encoder-pytorch", "encoder"):
            print(f"\nwinner against {other}, interleaved:")
            table.show_comparison(pare.bench(options.run, other))


if __name__ == "__main__":
    main()
