"""What ``pare build`` made, as JSON and on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pare.evaluation.surprisal import BITS_PER_BYTE
from pare.report import sensitivity
from pare.report.anatomy import anatomy
from pare.report.figures import NONE, milliseconds, points, shown, significant, times
from pare.report.terminal import console, grid
from pare.search.compress import Built
from pare.types import Measurement, Quantity, Score
from pare.units import duration, megabytes

HEADING = ("step", "size", "took", "")


def summary(built: Built) -> dict[str, Any]:
    """The result as one JSON object of plain values; ``docs/json.md`` lists its keys."""
    quality = built.quality
    return {
        "out": str(built.path),
        "artifact": built.artifact,
        "model": built.model,
        "recipe": built.recipe,
        "steps": msgspec.to_builtins(built.steps),
        "format": built.format,
        "runtime": built.runtime,
        "quality": {
            "before": msgspec.to_builtins(quality.before) if quality else None,
            "after": msgspec.to_builtins(quality.after) if quality else None,
            "drop": msgspec.to_builtins(quality.drop) if quality else None,
        },
        "size_bytes": built.size_bytes,
        "fp32_bytes": built.fp32_bytes,
        "ratio": built.ratio,
        "figures": msgspec.to_builtins(built.measurement.figures) if built.measurement else {},
        "figures_before": msgspec.to_builtins(built.before.figures) if built.before else {},
        "runtime_before": built.before.runtime if built.before else "",
        "anatomy": anatomy(built.shape, built.size_bytes).as_dict()
        | {"sensitivity": sensitivity.read(built.path), "published": None},
        "notes": list(built.notes),
    }


def show(built: Built) -> None:
    """Prints the recipe with its steps, the model in a line, its quality and what serving it costs."""
    out = console()
    out.print(f"recipe: {built.recipe}", markup=False)
    out.print(grid(HEADING, rows(built)))
    sensitivity.show(sensitivity.read(built.path))
    for line in lines(built):
        out.print(line, markup=False)


def rows(built: Built) -> list[tuple[str, ...]]:
    """A row for each step; cells are as ``HEADING`` names them."""
    return [
        (
            step.step,
            megabytes(step.size_bytes),
            duration(step.seconds),
            "; ".join(filter(None, [step.why and f"put in: {step.why}", "built before" if step.known else ""])),
        )
        for step in built.steps
    ]


def lines(built: Built) -> list[str]:
    """What came out, in sentences."""
    found = [
        anatomy(built.shape, built.size_bytes).sentence(),
        f"size: {megabytes(built.size_bytes)} of files, {times(built.ratio)} smaller than the {megabytes(built.fp32_bytes)} "
        f"of {built.model} in fp32",
    ]
    if built.quality is not None:
        found.append(_quality(built.quality.before, built.quality.after, built.quality.drop))
    if built.measurement is not None:
        found.append(
            f"served by {built.runtime}: {_figures(built.measurement)} ({built.measurement.workload}, measured)"
        )
    if built.measurement is not None and built.before is not None:
        gained = ", ".join(_gained(built.before.figures, built.measurement.figures))
        found.append(f"before, served by {built.before.runtime}: {_figures(built.before)}; now {gained}")
    return [*found, *built.notes]


_NAMES = {
    "latency_p50_ms": "p50",
    "latency_p95_ms": "p95",
    "throughput_per_s": "throughput",
    "ttft_p50_ms_batch_1": "first token p50",
    "itl_p50_ms_batch_1": "between tokens p50",
    "decode_tokens_per_s_batch_1": "tokens made alone",
    "decode_tokens_per_s_batch_8": "tokens made at batch 8",
    "memory_mb": "peak memory",
}


def _figures(taken: Measurement) -> str:
    return ", ".join(
        f"{name} {_measured(key, taken.figures[key])}" for key, name in _NAMES.items() if key in taken.figures
    )


def _gained(before: Mapping[str, Quantity], after: Mapping[str, Quantity]) -> Iterator[str]:
    """How the figures changed: ``p50 / 4.0``, ``throughput x 3.1``."""
    for key, name in _NAMES.items():
        if key not in before or key not in after or not before[key].value or not after[key].value:
            continue
        if after[key].unit == "1/s":
            yield f"{name} x {significant(after[key].value / before[key].value)}"
        else:
            yield f"{name} / {significant(before[key].value / after[key].value)}"


def _measured(key: str, figure: Quantity) -> str:
    if key.startswith(("ttft", "itl")):
        return milliseconds(figure.value)
    return f"{significant(figure.value)}/s" if figure.unit == "1/s" else shown(key, figure)


def _quality(before: Score | None, after: Score, drop: Score | None) -> str:
    was = f", {_figure(before)} before" if before is not None else ""
    if drop is None:
        lost = ""
    elif after.metric == BITS_PER_BYTE:
        lost = f"; {drop.value:+.4f} bits a byte on the same rows ({drop.low:+.4f} to {drop.high:+.4f})"
    else:
        lost = f"; a drop of {points(drop.value)} points on the same rows ({points(drop.low)} to {points(drop.high)})"
    sure = f"{100 * after.confidence:.0f} % interval" + (", approximate" if after.approximate else "")
    return f"{after.metric} on {after.n:,} dev rows: {_figure(after)}{was}{lost}; {sure}"


def _figure(score: Score | None) -> str:
    if score is None:
        return NONE
    if score.metric == BITS_PER_BYTE:
        return f"{score.value:.4f} ({score.low:.4f} to {score.high:.4f})"
    return f"{100 * score.value:.1f} % ({100 * score.low:.1f} to {100 * score.high:.1f})"
