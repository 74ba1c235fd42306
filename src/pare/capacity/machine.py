"""``pare doctor --measure``: this machine's entry, measured: bandwidth, matrix products, and each engine at two batch sizes.

Models that engines are timed on are made on the spot (``probe``), which needs the build extra; without it the rest is
measured, and a note says so. Timings are taken one at a time under the machine-wide lock (``benchmark.lock``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pare.benchmark import bandwidth, continuous, energy, lock, products, slots
from pare.benchmark.decoding import measure_decoders
from pare.benchmark.machine import FORMAT, Entry, server_name
from pare.capacity.probe import LLAMA_29M, TEXTS, Llama, random_llama, served
from pare.catalog import grid
from pare.catalog.types import Calibration, Chip, Server
from pare.errors import InputError, PareError
from pare.planner.speed import fit_line
from pare.runtimes import this_device
from pare.types import Artifact, Device, Quantity, Shape

Say = Callable[[str], None]
Times = Mapping[int, tuple[float, float]]
"""Seconds to the first token and between tokens, by batch: medians over rounds."""

BUILDING = ("torch", "transformers")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured. ``array_bytes``: of an array, None for several times the caches; ``rows`` inputs times a matrix
    of ``columns`` squared, ``seconds`` a width; engines answer prompts of so many tokens with as many ``new`` ones, at the
    two ``batches``.
    """

    array_bytes: int | None = None
    passes: int = 12
    rows: int = 1024
    columns: int = 4096
    seconds: float = 3.0
    model: Llama = LLAMA_29M
    batches: tuple[int, int] = (2, 16)
    prompt: int = 64
    new: int = 64
    rounds: int = 5
    idle_s: float = 2.0


FULL = Effort()


def measure_machine(say: Say, effort: Effort = FULL) -> Entry:
    """Measures this machine in one to two minutes; ``say`` is told what is being measured. Nothing is stored."""
    device, today = this_device(), date.today().isoformat()
    threads = device.cores
    with lock.machine():
        say(f"memory bandwidth, {threads} threads")
        reading, triad = bandwidth.bandwidths(threads, device.memory_bytes, today, effort.array_bytes, effort.passes)
        with energy.counted() as idle:
            time.sleep(effort.idle_s)
        say("matrix products: fp32, bf16, weights in 8 and in 4 bits")
        with energy.counted() as full:
            peaks = products.peaks(threads, today, effort.rows, effort.columns, effort.seconds)
    power, why = power_of(device, full.watts, today)
    lines, shapes, missing = _engines(effort, device, today, say)
    memory = Quantity(float(device.memory_bytes), "bytes", "measured", f"as the operating system tells, {today}")
    return Entry(
        format=FORMAT,
        date=today,
        device=device,
        threads=threads,
        server=Server(
            name=server_name(device),
            chip=Chip(device.name, "cpu", reading, memory, peaks.found, power),
            count=1,
            power=power,
            idle=None
            if idle.watts is None
            else Quantity(idle.watts, "W", "measured", f"{energy.RAPL_COUNTER}, {today}"),
        ),
        figures={"triad": triad},
        calibrations=tuple(lines),
        shapes=shapes,
        notes=(*peaks.notes, *why, *missing),
    )


def power_of(device: Device, counted_w: float | None, today: str) -> tuple[Quantity | None, tuple[str, ...]]:
    """The power at full load in W, and why it is not known: counted during the products, else the processor's design
    power as ``codecarbon`` lists it, else None. A figure of a whole processor is never cut to the cores that are seen.
    """
    if counted_w is not None:
        how = f"{energy.RAPL_COUNTER}, during matrix products, {today}"
        return Quantity(counted_w, "W", "measured", how), ()
    unread = "power: this machine shows no energy counter (RAPL)"
    try:
        listed = grid.cpu_power_w(device.name)
    except InputError as error:
        return None, (f"{unread}, and {error}",)
    if listed is None:
        return None, (f"{unread}, and codecarbon lists no processor called {device.name!r}: give the server's watts",)
    return listed, (f"{unread}: {listed.value:g} W is the {listed.source}",)


# -- engines ------------------------------------------------------------------------------------------------------------


def _engines(
    effort: Effort, device: Device, today: str, say: Say
) -> tuple[list[Calibration], dict[str, Shape], list[str]]:
    """A line for each engine that is here; the shapes of what they ran, by model; and why others are not among them."""
    if absent := [name for name in BUILDING if find_spec(name) is None]:
        words = (
            f"engines were not timed: making a model for it needs {' and '.join(absent)}: pip install 'pare-lm[build]'"
        )
        return [], {}, [words]
    lines: list[Calibration] = []
    shapes: dict[str, Shape] = {}
    notes: list[str] = []
    with TemporaryDirectory(prefix="pare-measuring-") as scratch:
        folder = Path(scratch)
        say(f"making {effort.model.name}, a Llama of {effort.model.parameters / 1e6:.0f} M random weights")
        decoder = random_llama(effort.model, folder / "model")
        shapes[effort.model.name] = decoder.manifest.shape
        made: dict[str, Artifact] = {}
        both = " and ".join(map(str, effort.batches))
        for engine in ENGINES:
            if engine.needs and (missing := [name for name in engine.needs if find_spec(name) is None]):
                notes.append(f"{engine.name} was not timed: {' and '.join(missing)} is not installed")
                continue
            say(f"{engine.name}: {effort.model.name} in {engine.width}, batches of {both}")
            try:
                if engine.width not in made:
                    made[engine.width] = served(decoder, engine.width, folder)
                times = engine.times(made[engine.width], effort, device)
            except PareError as error:
                notes.append(f"{engine.name} was not timed: {error}")
                continue
            lines.append(line(engine, effort, times, device, today))
    return lines, shapes, notes


def line(engine: Engine, effort: Effort, times: Times, device: Device, today: str) -> Calibration:
    """The lines through measured batches: time between tokens by batch, and to the first token by tokens read."""
    batches = sorted(times)
    itl = fit_line(batches, [times[batch][1] for batch in batches])
    prefill = fit_line([batch * effort.prompt for batch in batches], [times[batch][0] for batch in batches])
    both = " and ".join(map(str, batches))
    return Calibration(
        server=server_name(device),
        model=effort.model.name,
        engine=engine.name,
        width=engine.width,
        context=effort.prompt + effort.new / 2,
        itl_constant_s=itl.constant,
        itl_slope_s=itl.slope,
        prefill_constant_s=prefill.constant,
        prefill_slope_s=prefill.slope,
        joules_constant=None,
        joules_slope=None,
        largest_batch=batches[-1],
        date=today,
        source=f"measured here: {engine.name} {version(engine.package)}, batches of {both}, {effort.prompt} tokens read and "
        f"{effort.new} made, {device.cores} threads, medians of {effort.rounds} interleaved rounds",
    )


def _embedded(artifact: Artifact, effort: Effort, device: Device) -> Times:
    """pare's own engine, in a fresh serving process."""
    figures = measure_decoders(
        [(artifact, "openvino")],
        device,
        device.cores,
        TEXTS,
        batches=effort.batches,
        prompt=effort.prompt,
        new=effort.new,
        rounds=effort.rounds,
    )[0].figures
    return {
        batch: (
            figures[f"ttft_p50_ms_batch_{batch}"].value / 1000,
            figures[f"itl_p50_ms_batch_{batch}"].value / 1000,
        )
        for batch in effort.batches
    }


def _continuous(artifact: Artifact, effort: Effort, device: Device) -> Times:
    length = effort.prompt + effort.new
    with lock.machine(), continuous.Continuous(artifact, device.cores, max(effort.batches), length) as held:
        return _medians(held, effort)


def _slots(artifact: Artifact, effort: Effort, device: Device) -> Times:
    length = effort.prompt + effort.new
    with lock.machine(), slots.Slots(artifact, device.cores, max(effort.batches), length) as held:
        return _medians(held, effort)


def _medians(held: continuous.Session, effort: Effort) -> Times:
    taken = list(continuous.interleaved(held, effort.batches, effort.prompt, effort.new, effort.rounds))
    middle = {batch: np.median([each[batch] for each in taken], axis=0) for batch in effort.batches}
    return {batch: (float(first), float(between)) for batch, (first, between) in middle.items()}


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that can be timed: the width it is given, the package that it is, and what else it ``needs``."""

    name: str
    width: str
    package: str
    needs: tuple[str, ...]
    times: Callable[[Artifact, Effort, Device], Times]


ENGINES = (
    Engine("openvino", "w8", "openvino", (), _embedded),
    Engine("openvino-genai", "w8", "openvino-genai", ("openvino_genai",), _continuous),
    Engine("llamacpp", "q8_0", "xllamacpp", ("xllamacpp", "gguf"), _slots),
)
"""``openvino`` is what pare serves decoders with; the others batch requests continuously."""
