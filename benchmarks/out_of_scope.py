"""Abstention on Banking77: out-of-scope recall at 95 % in-scope coverage, with ten intents withheld.

    python benchmarks/out_of_scope.py [--run runs/out_of_scope]

Uses train.csv only: ten intents (every seventh in alphabetical order) are taken out, a study runs on the rest, and the
withheld messages are what a deployment should answer "none of these" to. The threshold is the one fitted on the
calibration side; in-scope coverage is measured on dev rows, which took no part in fitting it.
"""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path

import pare
from pare import api, runtimes
from pare.cli.display import Display
from pare.data import prepare

ROOT = Path(__file__).resolve().parent.parent
WITHHELD = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "out_of_scope")
    options = parser.parse_args()
    data = Path(os.environ.get("PARE_DATA", ROOT.parent / "shared" / "data")) / "intent" / "banking77" / "banking_data"
    with (data / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    withheld = set(sorted({row["category"] for row in rows})[3::7][:WITHHELD])
    options.run.mkdir(parents=True, exist_ok=True)
    known = options.run / "known.csv"
    with known.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, ["text", "category"])
        out.writeheader()
        out.writerows(row for row in rows if row["category"] not in withheld)
    task = pare.Task.of(
        known, input="text", target="category", name="out-of-scope", within=0.03, candidates="students:1"
    )
    with Display(live=False) as display:
        study = pare.find(task, options.run, display)
    strangers = [row["text"] for row in rows if row["category"] in withheld]
    dev = [sample.text for sample in prepare(task.data, api._recorded()).dev]
    for name in dict.fromkeys(("encoder", study.winner.candidate.name if study.winner else "student-1-int8")):
        engine = runtimes.load(study.deployed(name))
        covered = sum(not found.abstain for found in engine.classify(dev)) / len(dev)
        caught = sum(found.abstain for found in engine.classify(strangers)) / len(strangers)
        print(
            f"{name}: in-scope coverage {covered:.1%} of {len(dev)} dev messages, "
            f"out-of-scope recall {caught:.1%} of {len(strangers)}"
        )
        engine.close()


if __name__ == "__main__":
    main()
