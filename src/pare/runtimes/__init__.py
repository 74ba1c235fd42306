"""Artifact → Engine. One adapter a file; the table names them, so that listing imports nothing heavy.

Outside packages join through entry points of the group ``pare.runtimes``: ``name = "module:Class"``.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from pare.errors import InputError, nearest
from pare.runtimes.base import Engine, Runtime
from pare.runtimes.device import this_device
from pare.types import Artifact

__all__ = ["RUNTIMES", "Engine", "Runtime", "load", "runtime", "runtimes", "this_device"]

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


_resolve = runtime


def load(artifact: Artifact, runtime: str | None = None, threads: int | None = None) -> Engine:
    """Loads an artifact with the named runtime, or with the first of the table that supports it.

    ``threads`` defaults to every core this process may use. Raises InputError where no runtime can load the artifact,
    with each one's reason, and MissingExtra where the runtime's package is not installed.
    """
    device = this_device()
    reasons = []
    for name in [runtime] if runtime else runtimes():
        adapter = _resolve(name)
        support = adapter.supports(artifact, device)
        if support.ok:
            return adapter.load(artifact, device, threads or device.cores)
        reasons.append(f"{name}: {support.why}")
    raise InputError(f"{artifact.path} (format {artifact.manifest.format!r}) cannot be loaded: {'; '.join(reasons)}")
