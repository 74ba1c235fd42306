"""The machine this runs on, as the operating system describes it."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

from pare.types import Device

X86 = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
ARM = ("asimd", "asimddp", "i8mm", "bf16", "sve")
FEATURES = X86 + ARM
"""Instruction sets that decide how fast small models run, as Linux spells them."""


@cache
def this_device() -> Device:
    """The processor's name, the cores this process may use, the memory in bytes, and the instruction sets that matter."""
    import psutil

    name, flags = _processor()
    return Device(
        name=name or platform.processor() or platform.machine(),
        cores=usable_cores(),
        memory_bytes=psutil.virtual_memory().total,
        features=tuple(feature for feature in FEATURES if feature in flags),
    )


def usable_cores() -> int:
    """The cores this process may be scheduled on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, frozenset[str]]:
    """The processor's name and feature flags from Linux; empty elsewhere."""
    if not cpuinfo.is_file():
        return "", frozenset()
    fields: dict[str, str] = {}
    for line in cpuinfo.read_text(errors="replace").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = fields.get("flags") or fields.get("Features") or ""
    return fields.get("model name", ""), frozenset(flags.split())
