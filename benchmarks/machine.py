"""How well two measured batch sizes predict others, on this machine: OpenVINO GenAI's continuous batching on Llamas.

    python benchmarks/machine.py [--sizes 29m 110m] [--rounds 20] [--work runs/machine] [--docs docs/planner.md]

Llamas with random weights are lowered and quantised by pare's own methods (`lower > quantize:w8`) and served with its
options. The time between tokens (ITL) is measured at batches of 1 to 32 sessions, in rounds that take all batches by turns.
The line ITL(B) = c + s B is fitted on two of them, FIT, and predicts the others. FIT was chosen before this was first run,
from an older measurement of a 360 M Llama at 1, 8 and 32 sessions: its curve bends upwards, and of a pair with room on both
sides the line is nearest to it. What other fits would have given is printed too, and changes nothing.

Each finished round is kept in the work folder, so a killed run goes on. The table is printed and written into the docs
between the markers `<!-- machine -->` and `<!-- end machine -->`. Needs the build extra, openvino-genai and a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from blocks import write_block
from numpy.typing import NDArray

from pare import artifacts
from pare.artifacts import write_whole
from pare.benchmark import lock
from pare.benchmark.continuous import Continuous, interleaved
from pare.capacity.probe import LLAMA_29M, LLAMA_110M, Llama, random_llama, served
from pare.planner.speed import fit_line
from pare.runtimes import this_device
from pare.types import Artifact

ROOT = Path(__file__).resolve().parent.parent
SIZES: Mapping[str, Llama] = {
    "tiny": Llama(width=64, inner=128, layers=2, heads=4, vocabulary=512, length=256),
    "29m": LLAMA_29M,
    "110m": LLAMA_110M,
}
BATCHES = (1, 2, 4, 8, 16, 32)
FIT = (2, 16)
PROMPT, NEW = 64, 64
RULE = 0.05
RESAMPLES = 1000

Rounds = NDArray[np.float64]
"""ITL in seconds, (rounds, batches)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=sorted(SIZES), default=["29m", "110m"])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "machine")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "planner.md")
    options = parser.parse_args()
    taken = {SIZES[name].name: measured(SIZES[name], options.rounds, options.work) for name in options.sizes}
    found = {name: judged(rounds) for name, rounds in taken.items()}
    print(json.dumps({"fit": FIT, "models": found, "other fits": other_fits(taken)}, indent=1))
    text = block(found, overall(taken), options.rounds)
    print(text)
    write_block(options.docs, "machine", text)


# -- measuring ----------------------------------------------------------------------------------------------------------


def measured(size: Llama, rounds: int, work: Path) -> Rounds:
    """ITL of a model by round and batch; rounds that an earlier run finished are taken from the work folder."""
    artifact = built(size, work)
    device = this_device()
    setting = {"artifact": artifact.id, "device": f"{device.name}, {device.cores} cores", "tokens": [PROMPT, NEW]}
    file = work / f"{size.name}.json"
    kept: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    if {name: kept.get(name) for name in setting} != setting:
        kept = {**setting, "rounds": []}
    missing = rounds - len(kept["rounds"])
    if missing > 0:
        with lock.machine(), Continuous(artifact, device.cores, max(BATCHES), PROMPT + NEW) as held:
            for each in interleaved(held, BATCHES, PROMPT, NEW, missing):
                kept["rounds"].append([each[batch][1] for batch in BATCHES])
                write_whole(file, json.dumps(kept))
                print(f"  {size.name}: round {len(kept['rounds'])} of {rounds}", file=sys.stderr, flush=True)
    return np.array(kept["rounds"][:rounds])


def built(size: Llama, work: Path) -> Artifact:
    """The model as it is served: built once, then taken from the work folder."""
    place = work / size.name
    if not (place / artifacts.MANIFEST).is_file():
        scratch = work / f".{size.name}"
        shutil.rmtree(scratch, ignore_errors=True)
        artifacts.publish(served(random_llama(size, scratch / "model"), "w8", scratch), place)
        shutil.rmtree(scratch)
    return artifacts.read(place)


# -- judging ------------------------------------------------------------------------------------------------------------


def errors(rounds: Rounds, fit: Sequence[int] = FIT) -> NDArray[np.float64]:
    """Predicted over measured, minus 1, by batch: medians over rounds, and the line through those of ``fit``."""
    middle = np.median(rounds, axis=0)
    line = fit_line(fit, [middle[BATCHES.index(batch)] for batch in fit])
    return np.array([line.at(batch) for batch in BATCHES]) / middle - 1


def others(fit: Sequence[int] = FIT) -> list[int]:
    """The places of the batches that a fit does not see."""
    return [place for place, batch in enumerate(BATCHES) if batch not in fit]


def judged(rounds: Rounds) -> dict[str, Any]:
    """Medians, errors, and the mean size of the errors at batches outside of the fit, with 95 % intervals that resample
    rounds, in which the line is fitted anew.
    """
    again, found, held = resampled(rounds), errors(rounds), others()
    middle = np.median(rounds, axis=0)
    line = fit_line(FIT, [middle[BATCHES.index(batch)] for batch in FIT])
    return {
        "rounds": len(rounds),
        "itl_ms": (1000 * middle).tolist(),
        "constant_ms": 1000 * line.constant,
        "slope_ms": 1000 * line.slope,
        "errors": found.tolist(),
        "errors_low": np.percentile(again, 2.5, axis=0).tolist(),
        "errors_high": np.percentile(again, 97.5, axis=0).tolist(),
        "mape": float(np.abs(found[held]).mean()),
        "worst": float(np.abs(found[held]).max()),
    }


def resampled(rounds: Rounds) -> NDArray[np.float64]:
    """Errors of resampled rounds, (resamples, batches)."""
    generator = np.random.default_rng(0)
    drawn = (rounds[generator.integers(0, len(rounds), len(rounds))] for _ in range(RESAMPLES))
    return np.array([errors(one) for one in drawn])


def overall(taken: Mapping[str, Rounds]) -> tuple[float, float, float]:
    """The mean size of the errors at batches outside of the fit, over models, and its 95 % interval over rounds."""
    found = float(np.mean([np.abs(errors(rounds)[others()]).mean() for rounds in taken.values()]))
    again = np.mean([np.abs(resampled(rounds)[:, others()]).mean(axis=1) for rounds in taken.values()], axis=0)
    low, high = np.percentile(again, (2.5, 97.5))
    return found, float(low), float(high)


def other_fits(taken: Mapping[str, Rounds]) -> dict[str, float]:
    """The mean error that each pair and triple would have given, over models: none of them is chosen by it."""
    fits = [fit for size in (2, 3) for fit in combinations(BATCHES, size)]
    return {
        ", ".join(map(str, fit)): float(
            np.mean([np.abs(errors(rounds, fit)[others(fit)]).mean() for rounds in taken.values()])
        )
        for fit in fits
    }


# -- writing ------------------------------------------------------------------------------------------------------------


def block(found: Mapping[str, Mapping[str, Any]], mean: tuple[float, float, float], rounds: int) -> str:
    """The table with its sentence, as Markdown."""
    device = this_device()
    mape, low, high = mean
    worst = max(one["worst"] for one in found.values())
    setting = (
        f"Measured on {date.today().isoformat()}: {device.name}, {device.cores} cores; OpenVINO GenAI "
        f"{version('openvino-genai')}, continuous batching; Llamas of random weights, `lower > quantize:w8`; {PROMPT} "
        f"tokens read and {NEW} made; medians of {rounds} interleaved rounds. The line is fitted on batches of {FIT[0]} "
        f"and {FIT[1]}, chosen beforehand, and predicts the others. In brackets: 95 % intervals over rounds."
    )
    answer = (
        f"At batches outside of the fit it is wrong by {mape:.1%} in the mean ({low:.1%} to {high:.1%}) and {worst:.1%} at "
        f"most. The claim, {RULE:.0%}, {'holds' if mape <= RULE else 'does not hold'} in the mean and "
        f"{'holds' if worst <= RULE else 'does not hold'} at each batch."
    )
    lines = [
        textwrap.fill(setting, 120),
        "",
        textwrap.fill(answer, 120),
        "",
        "| model | line, ms | " + " | ".join(f"B = {batch}" for batch in BATCHES) + " |",
        "|---" * (len(BATCHES) + 2) + "|",
    ]
    for name, one in found.items():
        cells = [
            f"{itl:.2f} ms" if batch in FIT else f"{itl:.2f} ms, {error:+.1%} ({least:+.1%} to {most:+.1%})"
            for batch, itl, error, least, most in zip(
                BATCHES, one["itl_ms"], one["errors"], one["errors_low"], one["errors_high"], strict=True
            )
        ]
        lines.append(f"| {name} | {one['constant_ms']:.2f} + {one['slope_ms']:.3f} B | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
