"""Every compression method and the best recipes, on one model and one task: quality, bytes, work and speed as served.

    python benchmarks/methods.py banking77|trec|tinystories [--only NAME ...] [--work runs/methods] [--docs docs/methods.md]

Each row is a recipe as `pare build` takes it. A step that was built before is taken from the work folder, a row that was
scored is not scored again, so a killed run goes on where it was. Speeds are taken last, of all rows together in interleaved
rounds. The table is written to `<work>/<task>.json`, and into the docs between the task's markers.

Text tasks read the published training file under PARE_DATA (default ../shared/data). The published test file is not read:
looks at it are counted, and these figures prove nothing, they compare. A fifth of the training file, drawn by the seed, is
held out and scored on; drops are paired. The decoder is the trained Llama of 656,000 parameters under PARE_DATA, scored on
a fifth of those stories that no method's defaults were chosen on (the last 60 were looked at for that, and are trained on).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from blocks import write_block
from numpy.typing import NDArray
from settings import ROOT, SETTINGS, Setting

from pare import artifacts, methods, runtimes
from pare.artifacts import Store
from pare.benchmark.decoding import measure_decoders
from pare.benchmark.measure import measure_together
from pare.evaluation.metrics import METRICS
from pare.evaluation.score import paired, score
from pare.evaluation.surprisal import added_bits, bits_per_byte
from pare.methods import recipe
from pare.planner import estimate
from pare.types import Artifact, Score

TEXTS = 256
ROUNDS, SECONDS = 6, 0.4
TOGETHER = 9
"""The most processes that are measured side by side: each holds its model in memory."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=sorted(SETTINGS))
    parser.add_argument("--only", nargs="+", default=[], help="names of rows")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "methods")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "methods.md")
    parser.add_argument("--no-speed", action="store_true", help="build and score only")
    options = parser.parse_args()
    work = options.work / options.task
    setting = SETTINGS[options.task](work)
    wanted = [(name, text) for name, text in setting.rows if not options.only or name in options.only]
    table = Table(work.with_suffix(".json"))
    built: dict[str, Artifact] = {}
    for name, text in wanted:
        try:
            artifact = build(setting, text, work)
            built[name] = artifact
            if table.row(name).get("artifact") != artifact.id:
                table.put(name, {"recipe": text, "artifact": artifact.id, **scored(setting, artifact, work)})
            print(json.dumps({"name": name, **table.row(name)}), flush=True)
        except Exception as error:  # a row that fails is shown as failed, and the others go on
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    if not options.no_speed:
        timed(setting, built, table)
    write(setting, table, options.docs)


# -- building ---------------------------------------------------------------------------------------------------------


def build(setting: Setting, text: str, work: Path) -> Artifact:
    """The artifact of a recipe; steps that were built before are taken from the work folder."""
    store = Store(work / "artifacts")
    parent, ctx = setting.start, setting.ctx
    key = f"{setting.name}:{ctx.data}:{parent.id if parent else ctx.base.name}"
    for step in recipe.parse(text) if text else ():
        key = hashlib.sha256(msgspec.json.encode([key, step], order="deterministic")).hexdigest()[:24]
        marker = work / "steps" / key
        if marker.is_file() and store.has(marker.read_text()):
            parent = store.get(marker.read_text())
        else:
            start = time.perf_counter()
            with store.scratch() as scratch:
                out = scratch / "out"
                out.mkdir()
                parent = store.put(methods.method(step).apply(parent, ctx, out))
            marker.parent.mkdir(parents=True, exist_ok=True)
            artifacts.write_whole(marker, parent.id)
            print(f"  {recipe.written([step])}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        if step.method in ("finetune", "lora") and ctx.teacher is None:
            ctx = replace(ctx, teacher=parent)
    assert parent is not None, "a recipe that starts from nothing has a step"
    return parent


# -- scoring ----------------------------------------------------------------------------------------------------------


def outputs(setting: Setting, artifact: Artifact, work: Path) -> NDArray[Any]:
    """What the served artifact says of the held-out rows, kept by artifact: logits, or the bits of each answer."""
    file = work / "outputs" / f"{artifact.id}.npy"
    if not file.is_file():
        if setting.writes:
            writer = runtimes.load_generator(artifact, None, setting.ctx.threads)
            found = writer.surprisal([(sample.text, sample.label) for sample in setting.held])
            writer.close()
        else:
            engine = runtimes.load(artifact)
            found = engine.logits([sample.text for sample in setting.held])
            engine.close()
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, found)
    kept: NDArray[Any] = np.load(file)
    return kept


def quality(setting: Setting, start: NDArray[Any], found: NDArray[Any]) -> tuple[Score, float]:
    """The score of some outputs, and how much worse than the reference's they are: in accuracy, or in bits per byte."""
    if setting.writes:
        answers = [sample.label for sample in setting.held]
        return bits_per_byte(found, answers), added_bits(start, found, answers).value
    metric, targets, labels = METRICS["accuracy"], setting.ctx.targets(setting.held), setting.ctx.labels
    return score(metric, found, targets, labels), paired(metric, start, found, targets, labels)[0]


def scored(setting: Setting, artifact: Artifact, work: Path) -> dict[str, Any]:
    """Quality with its interval, what is lost (paired), bytes, ratio and work of one artifact."""
    start = build(setting, dict(setting.rows)[setting.reference], work)
    found, drop = quality(setting, outputs(setting, start, work), outputs(setting, artifact, work))
    return {
        "quality": found.value,
        "low": found.low,
        "high": found.high,
        "drop": drop,
        "size_bytes": artifact.size_bytes,
        "ratio": start.size_bytes / artifact.size_bytes,
        "flops": estimate.flops_per_request(artifact.manifest.shape, setting.tokens),
    }


# -- timing and writing -----------------------------------------------------------------------------------------------


class Table:
    """The rows that were finished, in a file that is written whole after each."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rows: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file.is_file() else {}

    def row(self, name: str) -> dict[str, Any]:
        return self.rows.get(name, {})

    def put(self, name: str, fields: dict[str, Any]) -> None:
        self.rows[name] = {**self.rows.get(name, {}), **fields}
        artifacts.write_whole(self.file, json.dumps(self.rows, indent=1) + "\n")


def timed(setting: Setting, built: dict[str, Artifact], table: Table) -> None:
    """Latency and throughput in interleaved rounds, a few rows at a time, each group with the reference beside it."""
    others = [name for name in built if name != setting.reference]
    reference = build(setting, dict(setting.rows)[setting.reference], table.file.with_suffix(""))
    for start in range(0, len(others), TOGETHER - 1):
        names = [setting.reference, *others[start : start + TOGETHER - 1]]
        speeds = measured(setting, [reference, *(built[name] for name in names[1:])])
        for name, (latency, rate) in zip(names, speeds, strict=True):
            faster = {"faster": speeds[0][0] / latency, "throughput_ratio": rate / speeds[0][1]}
            table.put(name, {"latency_ms": latency, "per_s": rate, **faster, "device": runtimes.this_device().name})


def measured(setting: Setting, made: Sequence[Artifact]) -> list[tuple[float, float]]:
    """(ms, a second) of each artifact: of a text at batch 1 and texts at batch 32; of decoders the time between tokens at
    batch 1 and tokens at batch 8.
    """
    device = runtimes.this_device()
    served = [(artifact, runtimes.runtime_for(artifact)) for artifact in made]
    texts = [sample.text or sample.label for sample in setting.held[:TEXTS]]
    if setting.writes:
        found = measure_decoders(served, device, device.cores, texts, batches=(1, 8), rounds=ROUNDS)
        keys = ("itl_p50_ms_batch_1", "decode_tokens_per_s_batch_8")
    else:
        found = measure_together(served, device, device.cores, texts, ROUNDS, SECONDS)
        keys = ("latency_p50_ms", "throughput_per_s")
    return [(one.figures[keys[0]].value, one.figures[keys[1]].value) for one in found]


TEXT_HEADING = (
    "| row | recipe | accuracy (95 %) | drop | MB | fewer bytes | MFLOPs a text | ms at batch 1 | a second at batch 32 | "
    "times faster at 1, 32 |"
)
WRITING_HEADING = (
    "| row | recipe | bits per byte (95 %) | more | MB | fewer bytes | MFLOPs a text | ms a token | "
    "tokens a second at batch 8 | times faster at 1, 8 |"
)


def write(setting: Setting, table: Table, docs: Path) -> None:
    """The table on standard output, and in the docs between the task's markers."""
    heading = WRITING_HEADING if setting.writes else TEXT_HEADING
    lines = [heading, "|---" * (heading.count("|") - 1) + "|"]
    for name, _ in setting.rows:
        if row := table.row(name):
            lines.append(_line(name, row, setting.writes))
    text = "\n".join(lines)
    print(text)
    if docs.is_file():
        write_block(docs, setting.name, text)


def _line(name: str, row: dict[str, Any], writes: bool) -> str:
    scale, digits = (1, 3) if writes else (100, 1)
    value, low, high, drop = (f"{scale * row[key]:.{digits}f}" for key in ("quality", "low", "high", "drop"))
    speed = ["–", "–", "–"]
    if "latency_ms" in row:
        speed = [
            f"{row['latency_ms']:.2f}",
            f"{row['per_s']:,.0f}",
            f"{row['faster']:.1f}x, {row['throughput_ratio']:.1f}x",
        ]
    cells = [name, f"`{row['recipe'] or '–'}`", f"{value} ({low} to {high})", drop, f"{row['size_bytes'] / 1e6:.2f}"]
    cells += [f"{row['ratio']:.1f}x", f"{row['flops'] / 1e6:.1f}", *speed]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
