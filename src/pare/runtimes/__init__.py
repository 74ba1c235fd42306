"""Artifact → Engine. One adapter a file; the table names them, so that listing imports nothing heavy.

Outside packages join through entry points of the group ``pare.runtimes``: ``name = "module:Class"``.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

from pare.errors import InputError, nearest
from pare.runtimes.base import Engine, Generator, Runtime
from pare.runtimes.device import this_device
from pare.types import Artifact

__all__ = [
    "RUNTIMES",
    "Engine",
    "Generator",
    "Runtime",
    "load",
    "load_generator",
    "runtime",
    "runtimes",
    "this_device",
]

RUNTIMES: dict[str, str] = {
    "arrays": "pare.runtimes.arrays:Arrays",
    "openvino": "pare.runtimes.openvino:OpenVino",
    "onnx": "pare.runtimes.onnx:Onnx",
    "pytorch": "pare.runtimes.pytorch:PyTorch",
}
"""Name → where it is, in order of preference."""

GROUP = "pare.runtimes"


@cache
def runtimes() -> dict[str, str]:
    """The table with what other packages add. A name of ours cannot be taken."""
    outside = {point.name: point.value for point in entry_points(group=GROUP)}
    return RUNTIMES | {name: where for name, where in outside.items() if name not in RUNTIMES}


def runtime(name: str) -> Runtime:
    """The runtime of that name. Raises InputError where there is none."""
    table = runtimes()
    if name not in table:
        raise InputError(f"no runtime is called {name!r}: {nearest(name, table)}")
    module, _, attribute = table[name].partition(":")
    found: Runtime = getattr(import_module(module), attribute)()
    return found


def runtime_for(artifact: Artifact, preferred: str | None = None) -> str:
    """The name of the runtime that loads an artifact: the preferred one if it can, else the first of the table.

    Raises InputError where none can, with each one's reason.
    """
    reasons = []
    for name in dict.fromkeys([*([preferred] if preferred else []), *runtimes()]):
        support = runtime(name).supports(artifact, this_device())
        if support.ok:
            return name
        reasons.append(f"{name}: {support.why}")
    raise InputError(f"{artifact.path} (format {artifact.manifest.format!r}) cannot be loaded: {'; '.join(reasons)}")


_resolve = runtime


def load(artifact: Artifact, runtime: str | None = None, threads: int | None = None) -> Engine:
    """Loads an artifact with the named runtime, or with the first of the table that supports it.

    ``threads`` defaults to every core this process may use. What it gives is a Generator where the artifact generates;
    ``load_generator`` says so in its type. Raises InputError where the runtime cannot load the artifact, with the reason,
    and MissingExtra where its package is not installed.
    """
    return cast(Engine, _load(artifact, runtime, threads))


def load_generator(artifact: Artifact, runtime: str | None = None, threads: int | None = None) -> Generator:
    """Loads an artifact that generates. Raises as ``load`` does, and InputError where the artifact classifies."""
    if artifact.manifest.kind != "generate":
        raise InputError(f"{artifact.path} generates no text (its kind is {artifact.manifest.kind}); load it with load")
    return cast(Generator, _load(artifact, runtime, threads))


def _load(artifact: Artifact, runtime: str | None, threads: int | None) -> Engine | Generator:
    device = this_device()
    adapter = _resolve(runtime or runtime_for(artifact))
    support = adapter.supports(artifact, device)
    if not support.ok:
        raise InputError(
            f"{artifact.path} (format {artifact.manifest.format!r}) cannot be loaded: {adapter.name}: {support.why}"
        )
    return adapter.load(artifact, device, threads or device.cores)
