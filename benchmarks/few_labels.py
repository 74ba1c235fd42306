"""Banking77 with few labels: what unlabelled texts add to the students.

    python benchmarks/few_labels.py [--per-class 10 50] [--depths 1 2] [--out few_labels.json]

Reads the published training file under PARE_DATA (default ../shared/data). The published test file is not read: looks at it
are counted, and these figures prove nothing, they compare. Instead a fifth of the training file, drawn by the seed, is
held out and scored on; so many rows of each class are drawn from the rest as labelled, and what remains are texts without
labels. All of the labelled rows are trained on, for nothing is selected here. Texts that repeat or nearly repeat a held-out
one are left out as `pare find` leaves them out. Every model is scored as it is served, by OpenVINO, in fp32.

`--rows` cuts the file to so many rows of each class (a trial run); `--fidelity` is the share of the students' training work.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pare import methods, runtimes
from pare.data import prepare
from pare.methods.base import BuildContext
from pare.proof.binomial import wilson
from pare.search import bases
from pare.search.space import ENOUGH_ROWS, FEW_ROWS_TOKENS
from pare.types import Artifact, DataSpec, Sample, Step

ROOT = Path(__file__).resolve().parent.parent
HELD_OUT = 0.2
Rows = list[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-class", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--depths", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--fidelity", type=float, default=1.0)
    parser.add_argument("--base", default="all-MiniLM-L6-v2")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("few_labels.json"))
    options = parser.parse_args()
    found = []
    for per_class in options.per_class:
        with tempfile.TemporaryDirectory() as folder:
            found += study(Path(folder), per_class, options)
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    show(found)


def study(folder: Path, per_class: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The reference and the students of one number of labels, with and without unlabelled texts."""
    ctx, held = context(folder, per_class, options)
    rows = []

    def built(name: str, steps: list[Step], ctx: BuildContext, parent: Artifact | None = None) -> Artifact:
        for number, step in enumerate(steps):
            out = folder / f"{name}-{number}"
            out.mkdir()
            share = options.fidelity if step.method == "distil" else 1.0
            parent = methods.method(step).apply(parent, replace(ctx, fidelity=share), out)
        assert parent is not None, "a recipe has a step"
        return parent

    def scored(name: str, artifact: Artifact, seconds: float) -> None:
        right = correct(artifact, held, ctx.labels)
        low, high = wilson(int(right.sum()), len(right), 0.05)
        counts = artifact.manifest.lineage["rows"]
        row = {"per_class": per_class, "model": name, **counts, "held_out": len(held), "accuracy": float(right.mean())}
        rows.append({**row, "low": low, "high": high, "seconds": round(seconds, 1)})
        print(json.dumps(rows[-1]), flush=True)

    lowered = Step("lower", {"to": "openvino"})
    start = time.perf_counter()
    teacher = built("reference", [Step("finetune")], replace(ctx, unlabelled=()))
    scored("reference", built("served", [lowered], ctx, teacher), time.perf_counter() - start)
    for unlabelled in ((), ctx.unlabelled):
        given = replace(ctx, unlabelled=unlabelled, teacher=teacher)
        few = len(ctx.train) + len(unlabelled) < ENOUGH_ROWS
        trim = Step("trim_vocab", {"tokens": FEW_ROWS_TOKENS} if few else {})
        for depth in options.depths:
            name = f"student-{depth}{'+unlabelled' if unlabelled else ''}"
            start = time.perf_counter()
            steps = [Step("drop_layers", {"keep": depth}), trim, Step("distil"), lowered]
            scored(name, built(name, steps, given, teacher), time.perf_counter() - start)
    return rows


def context(folder: Path, per_class: int, options: argparse.Namespace) -> tuple[BuildContext, list[Sample]]:
    """Labelled rows to train on, texts without labels, and the rows that are scored on.

    pare screens them: the held-out rows are the sealed file of a task, whose other sides together are the labelled rows.
    """
    labelled, rest, held = drawn(per_class, options)
    files = {name: folder / f"{name}.csv" for name in ("labelled", "rest", "held")}
    for name, rows in zip(files, (labelled, rest, held), strict=True):
        with files[name].open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("text", "category"), *rows])
    spec = DataSpec(str(files["labelled"]), "text", "category", test=str(files["held"]), unlabelled=str(files["rest"]))
    data = prepare(spec)
    ctx = BuildContext(
        train=(*data.train, *data.dev, *data.calibration),
        dev=(),
        labels=data.labels,
        base=bases.locate(options.base),
        teacher=None,
        seed=options.seed,
        fidelity=1.0,
        threads=runtimes.this_device().cores,
        cache=folder / "cache",
        progress=lambda share, words: None,
        data=data.hash,
        unlabelled=data.unlabelled,
    )
    return ctx, list(data.test.open("benchmark: the training file's own rows"))


def drawn(per_class: int, options: argparse.Namespace) -> tuple[Rows, Rows, Rows]:
    """(labelled, without label, held out) rows of the training file, drawn by the seed; the held-out ones are the same for
    every ``per_class``.
    """
    data = Path(os.environ.get("PARE_DATA", ROOT.parent / "shared" / "data")) / "intent" / "banking77" / "banking_data"
    with (data / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = sorted((row["text"], row["category"]) for row in csv.DictReader(file))
    random.Random(options.seed).shuffle(rows)
    of_class: dict[str, Rows] = defaultdict(list)
    for row in rows:
        of_class[row[1]].append(row)
    labelled: Rows = []
    rest: Rows = []
    held: Rows = []
    for whole in of_class.values():
        group = whole[: options.rows or None]
        cut = max(1, round(HELD_OUT * len(group)))
        held += group[:cut]
        labelled += group[cut:][:per_class]
        rest += group[cut:][per_class:]
    return labelled, rest, held


def correct(artifact: Artifact, held: list[Sample], labels: tuple[str, ...]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which held-out rows are answered right."""
    engine = runtimes.load(artifact)
    try:
        answers = engine.logits([sample.text for sample in held]).argmax(axis=1)
    finally:
        engine.close()
    return np.array([labels[answer] == sample.label for answer, sample in zip(answers, held, strict=True)])


def show(found: list[dict[str, Any]]) -> None:
    """The table."""
    print(f"\n{'labels a class':>14}  {'model':24} {'labelled':>8} {'unlabelled':>10}  accuracy  95 % interval")
    for row in found:
        interval = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
        counts = f"{row['real']:>8,} {row['unlabelled']:>10,}"
        print(f"{row['per_class']:>14}  {row['model']:24} {counts}  {100 * row['accuracy']:6.1f} %  {interval}")


if __name__ == "__main__":
    main()
