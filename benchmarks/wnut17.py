"""WNUT17 (Derczynski et al. 2017: emerging entities) from tagged words to a verdict: minutes, sizes, speeds and ratios.

    python benchmarks/wnut17.py [--run runs/wnut17] [--within 0.05] [--candidates encoder,students:2,3]

Reads the data under PARE_DATA (default ../shared/data). The published test file is the sealed split; running this takes a
look at it, which is recorded, unless the same plan has been tested before. Ratios come from interleaved rounds. Entity F1
is that of published results: over all entities of the file, each with its type, read from what the served model answers.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import pare
from pare.artifacts import Artifact
from pare.cli.display import Display
from pare.data.read import Columns, rows
from pare.kinds import spans
from pare.report import table

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "wnut17")
    parser.add_argument("--within", type=float, default=None, help="default: what the sealed rows can prove")
    parser.add_argument("--candidates", default="encoder,students")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = Path(os.environ.get("PARE_DATA", ROOT.parent / "shared" / "data")) / "extract" / "wnut17"
    test = data / "emerging.test.annotated"
    task = pare.Task.of(
        data / "wnut17train.conll",
        kind="tag",
        test=str(test),
        name="wnut17",
        within=options.within,
        candidates=options.candidates.split(","),
        seed=options.seed,
    )
    start = time.monotonic()
    with Display(live=False) as display:
        study = pare.find(task, options.run, display)
    print(f"find took {(time.monotonic() - start) / 60:.1f} minutes")
    table.show(study)
    for trial in filter(None, (study.winner, study.reference)):
        name = trial.candidate.name
        f1 = published_f1(study.deployed(name), test)
        print(f"{name}: entity F1 {100 * f1:.1f} % on {test.name}, {trial.size_bytes / 1e6:.1f} MB")
    if study.winner is not None:
        for other in ("encoder-pytorch", "encoder"):
            print(f"\nwinner against {other}, interleaved:")
            table.show_comparison(pare.bench(options.run, other))


def published_f1(artifact: Artifact, test: Path) -> float:
    """F1 over all entities of a file, from what the served model answers to its sentences."""
    sentences = list(rows(str(test), Columns("word", "tag")))
    engine = pare.load(artifact.path)
    answers = engine.classify([sentence.text for sentence in sentences])
    engine.close()
    right = both = 0
    for sentence, answer in zip(sentences, answers, strict=True):
        expected, given = set(spans(sentence.label.split())), set(spans(answer.label.split()))
        right, both = right + len(expected & given), both + len(expected) + len(given)
    return 2 * right / both if both else 1.0


if __name__ == "__main__":
    main()
