"""Banking77 as the log of a simulated incumbent: is the small model proven better, and how many labels does that take?

    python benchmarks/incumbent.py [--run runs/incumbent] [--candidates encoder,students:1]

The incumbent is simulated (``benchmarks/scan.py``): the true intent in 91 % of the requests, else another one at random.
Twice the same job: with every row labelled, and with none, where ``pare review`` asks for the rows that decide and is
answered with the truth until a candidate is proven. Uses Banking77's train.csv only; a part of it is sealed.
"""

from __future__ import annotations

import argparse
import bisect
import csv
import json
from pathlib import Path

from scan import DATA, ROOT, simulated

import pare
from pare import api
from pare.cli.display import Display
from pare.data import prepare
from pare.search import imitation
from pare.search.study import Study
from pare.store import UserLedger

REQUESTS = 14_300


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
    """How many of the rows that review asks for are labelled, in its order, when the first verdict is a pass.

    The models answer once: ``pare review --labels`` would run them anew for each count.
    """
    asked = api.review(run)
    print(f"review: {len(asked.questions):,} of {asked.rows:,} sealed rows are asked about")
    study = Study.open(run)
    assert study.proof is not None
    identity, plan, verdict = study.proof
    assert verdict is not None
    sides = UserLedger()
    rows = prepare(study.task.data, sides.sides()).test.open(identity)
    sides.close()
    answers = {}
    for name, artifact in zip(plan.names, plan.artifacts, strict=True):
        engine = pare.load(study.store.get(artifact).path)
        answers[name] = [found.label for found in engine.classify([row.text for row in rows])]
        engine.close()
    study.close()

    def proven(count: int, name: str) -> bool:
        truths = {question.id: truth[question.text] for question in asked.questions[:count]}
        reviewed = imitation.reviewed(
            plan, [row.id for row in rows], answers[name], [row.answer for row in rows], truths
        )
        return imitation.evidence(name, plan, reviewed, verdict.alpha).p_pass <= verdict.alpha

    counts = range(len(asked.questions) + 1)
    for name in plan.names:
        # a label never takes a proof away, so the first count can be bisected
        needed = bisect.bisect_left(counts, True, key=lambda count, name=name: proven(count, name))
        print(f"{name}: proven after {needed} labels" if needed in counts else f"{name}: not proven by all labels")


def _truth() -> dict[str, str]:
    with (DATA / "intent/banking77/banking_data/train.csv").open(encoding="utf-8", newline="") as file:
        return {row["text"].strip(): row["category"] for row in csv.DictReader(file)}


if __name__ == "__main__":
    main()
