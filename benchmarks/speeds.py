"""The published speeds as points, predictors of them, and what the catalogue is given. `benchmarks/planner.py` runs it."""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from importlib.resources import files
from pathlib import Path

import numpy as np
import yaml

from pare.catalog.devices import find_server
from pare.catalog.types import Calibration, Chip, Roofline
from pare.families import family_of
from pare.planner import anatomy, decode, speed
from pare.planner.speed import Point, Step
from pare.planner.types import Widths
from pare.types import Shape

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("PARE_DATA", ROOT.parent / "shared" / "data")) / "hardware"

CONTEXT = 512
"""Tokens that a session looks back to: half of the 1,024 of the llama.cpp rows. ML.ENERGY's do not say; assumed the same."""

GIB = 2**30
"""The llama.cpp table's GB: its 14.96 GB of F16 are 8.03 billion weights of two bytes only if a GB is 2^30 bytes."""

WIDTHS = (("q4_k_m_tokens_per_s", 4.58 * GIB, 4.5), ("f16_tokens_per_s", 14.96 * GIB, 16.0))
"""Column, bytes of the file, and bits of its word embeddings, of which a token reads one row."""

H100 = "NVIDIA H100 SXM 80GB"
Predict = Callable[[Step], float]
Method = Callable[[Sequence[Point]], Predict]


def table(name: str) -> list[dict[str, str]]:
    """The rows of a table under PARE_DATA/hardware, without its comments."""
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def shape_of(model: str) -> Shape:
    """The anatomy of a model of the catalogue."""
    entries = yaml.safe_load(files("pare.catalog").joinpath("models.yaml").read_text(encoding="utf-8"))
    config = entries[model][-1]["config"]
    return family_of(config).shape(config, 0)


def _step(chip: Chip, shape: Shape, batch: int, read: float) -> Step:
    work = 2.0 * anatomy.step_bytes(anatomy.at_widths(shape, Widths(8.0)), batch, 0.0)
    return decode.step_on(chip, 1, read, batch * anatomy.flops_per_token(shape, CONTEXT), work)


def llama_cpp() -> list[Point]:
    """Llama-3-8B by llama.cpp on five devices, one session at a time, at two widths."""
    shape, found = shape_of("llama-3.1-8b"), []
    words = next(part.elements for part in shape.parts if part.name == "embeddings.word")
    names = {"A100-SXM 80GB": "a100-sxm-80gb"}
    for row in table("llamacpp_gpus.csv"):
        chip = find_server(names.get(row["device"], row["device"])).chip
        assert chip.bandwidth is not None
        assert chip.bandwidth.value == float(row["bandwidth_gb_per_s"]) * 1e9
        for column, size, bits in WIDTHS:
            read = size - words * bits / 8 + anatomy.kv_bytes(shape, CONTEXT)
            found.append(Point(row["device"], 1 / float(row[column]), _step(chip, shape, 1, read)))
    return found


def ml_energy() -> dict[int, Point]:
    """Llama-3.1-8B at bf16 on one H100, by batch size."""
    shape, chip = shape_of("llama-3.1-8b"), find_server("h100-sxm").chip
    stored, found = anatomy.at_widths(shape, Widths(16.0)), {}
    for row in table("mlenergy_llama31_8b_h100.csv"):
        batch = int(row["batch"])
        step = _step(chip, shape, batch, anatomy.step_bytes(stored, batch, CONTEXT))
        found[batch] = Point(H100, float(row["median_itl_ms"]) / 1e3, step)
    return found


# -- predictors -------------------------------------------------------------------------------------------------------


def bare(_: Sequence[Point]) -> Predict:
    """The textbook's roofline: nothing fitted, the longer of reading and computing."""
    return lambda step: max(step.bytes / step.bandwidth, step.flops / step.peak if step.peak else 0.0)


def mean(points: Sequence[Point]) -> Predict:
    """The mean time of the points, whatever is asked."""
    seconds = float(np.mean([point.seconds for point in points]))
    return lambda _: seconds


def _only_memory(step: Step) -> Step:
    return Step(step.bytes, step.bandwidth)


def efficiency_and_constant(points: Sequence[Point]) -> Predict:
    """bytes / (efficiency x bandwidth) + constant."""
    found = speed.fit([replace(point, step=_only_memory(point.step)) for point in points])
    return lambda step: speed.seconds(found, _only_memory(step))


def longer(points: Sequence[Point]) -> Predict:
    """max(bytes / (efficiency x bandwidth), FLOPs / (efficiency x peak)) + constant. The rows with the most work for their
    bytes are those bound by work; how many there are is what fits best.
    """
    order = sorted(
        points, key=lambda p: _reading_and_work(speed.BARE, p.step)[1] / _reading_and_work(speed.BARE, p.step)[0]
    )

    def fitted(few: int) -> Predict:
        rows = [replace(p, step=_one_term(p.step, i >= len(order) - few)) for i, p in enumerate(order)]
        found = speed.fit(rows)
        return lambda step: max(_reading_and_work(found, step)) + found.constant_s

    return min(map(fitted, range(len(order))), key=lambda predict: sum(e**2 for e in off(predict, points)))


def _one_term(step: Step, work: bool) -> Step:
    return Step(0.0, step.bandwidth, step.flops, step.peak) if work else _only_memory(step)


def _reading_and_work(found: Roofline, step: Step) -> tuple[float, float]:
    work = step.flops / (found.compute * step.peak) if step.peak else 0.0
    return step.bytes / (found.memory * step.bandwidth), work


def sums(points: Sequence[Point]) -> Predict:
    """The planner's roofline."""
    found = speed.fit(points)
    return lambda step: speed.seconds(found, step)


def sums_with(more: Sequence[Point]) -> Method:
    """The planner's roofline, fitted on these points too."""
    return lambda points: sums([*points, *more])


def off(predict: Predict, points: Sequence[Point]) -> list[float]:
    """|predicted / measured - 1| of each point."""
    return [abs(predict(point.step) / point.seconds - 1) for point in points]


def without(points: Sequence[Point]) -> dict[str, tuple[list[Point], list[Point]]]:
    """For each device the others' points, and its own."""
    devices = dict.fromkeys(point.device for point in points)
    return {d: ([p for p in points if p.device != d], [p for p in points if p.device == d]) for d in devices}


def left_out(method: Method, points: Sequence[Point]) -> dict[str, float]:
    """The mean error on each device when the method saw the others."""
    return {device: float(np.mean(off(method(rest), own))) for device, (rest, own) in without(points).items()}


def halves(method: Method, points: Sequence[Point]) -> dict[str, float]:
    """The mean error on each device's held-out rows over every split of the rows into two halves."""
    errors: dict[str, list[float]] = {point.device: [] for point in points}
    for chosen in itertools.combinations(range(len(points)), len(points) // 2):
        rest = [points[i] for i in range(len(points)) if i not in chosen]
        for point, error in zip(rest, off(method([points[i] for i in chosen]), rest), strict=True):
            errors[point.device].append(error)
    return {device: float(np.mean(found)) for device, found in errors.items()}


def coverage(points: Sequence[Point], more: Sequence[Point]) -> dict[str, tuple[int, int]]:
    """Rows of each device inside the interval that the other devices' misses give, and how many rows it has."""
    found = {}
    for device, (rest, own) in without(points).items():
        fitted = speed.fit_leaving_out([*rest, *more], list(without(rest)))
        width = speed.half_width(fitted.misses)
        assert width is not None
        found[device] = sum(abs(speed.miss(fitted, point)) <= width for point in own), len(own)
    return found


# -- what the catalogue is given --------------------------------------------------------------------------------------


def general() -> Roofline:
    """The roofline of all rows, with the misses of the five devices of llama.cpp."""
    points = llama_cpp()
    found = speed.fit_leaving_out([*points, *ml_energy().values()], list(without(points)))
    source = (
        "fitted on Llama 8B: llama.cpp on five devices (GPU-Benchmarks-on-LLM-Inference, May 2024), H100 (ML.ENERGY)"
    )
    return replace(found, source=source)


def h100() -> Calibration:
    """The lines of the ML.ENERGY rows, fitted on all of them."""
    rows = table("mlenergy_llama31_8b_h100.csv")
    batches = [float(row["batch"]) for row in rows]
    seconds = [float(row["median_itl_ms"]) / 1e3 for row in rows]
    itl = speed.fit_line(batches, seconds)
    joules = speed.fit_line([1 / batch for batch in batches], [float(row["j_per_token"]) for row in rows])
    return Calibration(
        server=H100,
        model="llama-3.1-8b",
        engine="vLLM",
        width="bf16",
        context=float(CONTEXT),
        itl_constant_s=itl.constant,
        itl_slope_s=itl.slope,
        prefill_constant_s=None,
        prefill_slope_s=None,
        joules_constant=joules.constant,
        joules_slope=joules.slope,
        largest_batch=int(max(batches)),
        date=str(date.today()),
        source="ml-energy/leaderboard, lm-arena-chat; median time between tokens; context assumed",
        miss=speed.half_width(speed.line_misses(batches, seconds)),
    )


def write_speeds(path: Path, roofline: Roofline, lines: Sequence[Calibration]) -> None:
    """Writes the catalogue's file, six digits a figure."""
    fitted = {name: _digits(getattr(roofline, name)) for name in ("memory", "compute", "vector", "constant_s")}
    entry = {
        "date": str(date.today()),
        **fitted,
        "misses": [_digits(m) for m in roofline.misses],
        "source": roofline.source,
    }
    names = Calibration.__dataclass_fields__
    measured = [{name: _digits(getattr(line, name)) for name in names} for line in lines]
    head = "# Written by benchmarks/planner.py from the published tables under PARE_DATA/hardware.\n\n"
    body = yaml.safe_dump({"roofline": [entry], "calibrations": measured}, sort_keys=False, width=120)
    path.write_text(head + body, encoding="utf-8")


def _digits(value: object) -> object:
    return float(f"{value:.6g}") if isinstance(value, float) else value
