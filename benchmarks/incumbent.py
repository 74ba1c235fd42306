"""Banking77 as the log of a simulated incumbent: is the small model proven better, and how many labels does that take?

    python benchmarks/incumbent.py [--run runs/incumbent] [--candidates encoder,students:1]

The incumbent is simulated (``benchmarks/scan.py``): the true intent in 91 % of the requests, else another one at random.
Twice the same job: with every row labelled, and with none, where ``pare review`` asks for the rows that decide and is
answered with the truth until the verdict is a pass. Uses Banking77's train.csv only; a part of it is sealed.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from scan import DATA, ROOT, simulated

import pare
from pare import api
from pare.cli.display import Display

REQUESTS = 14_300
STEP = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "incumbent")
    parser.add_argument("--candidates", default="encoder,students:1")
    options = parser.parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    log, labels = options.run / "log.jsonl", options.run / "labels.csv"
    with log.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(one) + "\n" for one in simulated(REQUESTS))
    truth = _truth()
    with labels.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["text", "label"])
        out.writerows(truth.items())
    number = next(job.number for job in api.scan(log).jobs if job.labels)
    for name, given in (("labelled", labels), ("unlabelled", None)):
        found = api.extract(log, number, options.run / name, given)
        task = pare.Task.of(
            found.path,
            input="text",
            target="label" if given else "answer",
            reference="column:answer",
            name=name,
            within=0.02,
            candidates=options.candidates.split(",", 1),
        )
        with Display(live=False) as display:
            study = pare.find(task, options.run / name, display)
        print(f"{name}: {study.verdict.sentence if study.verdict else 'no verdict'}")
        study.close()
    _review(options.run / "unlabelled", truth)


def _review(run: Path, truth: dict[str, str]) -> None:
    """Labels the rows that decide, ten at a time, until the verdict is a pass or all have a label."""
    asked = api.review(run)
    print(f"review: {len(asked.questions):,} of {asked.rows:,} sealed rows are asked about")
    for count in range(STEP, len(asked.questions) + STEP, STEP):
        said = {question.id: truth[question.text] for question in asked.questions[:count]}
        found = api.take_labels(run, said)
        if found.verdict.answer == "pass":
            break
    print(f"after {found.labelled} labels: {found.verdict.sentence}")


def _truth() -> dict[str, str]:
    with (DATA / "intent/banking77/banking_data/train.csv").open(encoding="utf-8", newline="") as file:
        return {row["text"].strip(): row["category"] for row in csv.DictReader(file)}


if __name__ == "__main__":
    main()
