"""This machine's entry, as ``pare doctor --measure`` found it: one file in the user's data folder, ``machine.json``.

An entry is of the processor and the cores it was taken on: on another machine, or with other cores, there is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from pare.artifacts import write_whole
from pare.catalog.types import Calibration, Server
from pare.errors import InputError
from pare.runtimes import this_device
from pare.store import user_folder
from pare.types import Device, Quantity, Shape

FILE = "machine.json"
FORMAT = 1
MOST = 1_000_000
"""Of what is counted on one machine, more is an error."""
REMEDY = "measure again: pare doctor --measure"


@dataclass(frozen=True, slots=True)
class Entry:
    """What was measured on ``device`` with ``threads``. ``server.chip.bandwidth`` is of reading; ``figures`` hold the rest.

    ``calibrations`` are lines through measured batches, ``shapes`` the anatomy of the models that they are of, by name.
    ``notes`` say what could not be measured, and why.
    """

    format: int
    date: str
    device: Device
    threads: int
    server: Server
    figures: Mapping[str, Quantity]
    calibrations: tuple[Calibration, ...]
    shapes: Mapping[str, Shape]
    notes: tuple[str, ...]


def place() -> Path:
    """The file of this machine's entry, whether or not it is there."""
    return user_folder() / FILE


def server_name(device: Device) -> str:
    """What a machine is called where no catalogue names it: its processor and the cores that pare may use."""
    return f"{device.name}, {device.cores} cores"


def write(entry: Entry) -> Path:
    """Stores an entry in place of the one before, whole or not at all. Raises InputError where it says what cannot be."""
    path = place()
    _check(entry, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, msgspec.json.format(msgspec.json.encode(entry, order="deterministic"), indent=1).decode() + "\n")
    return path


def entry_here() -> Entry | None:
    """This machine's entry; None where there is none, or one of another machine.

    Raises InputError, in one line, where the file cannot be read or says what cannot be.
    """
    path = place()
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); {REMEDY}") from None
    try:
        told = msgspec.json.decode(raw, type=_Format)
        if told.format > FORMAT:
            raise InputError(f"{path} has format {told.format}, this pare knows up to {FORMAT}: upgrade pare-lm")
        entry = msgspec.json.decode(raw, type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is no entry of a machine ({error}); {REMEDY}") from None
    _check(entry, path)
    here = this_device()
    return entry if (entry.device.name, entry.device.cores) == (here.name, here.cores) else None


def this_machine() -> Server | None:
    """This machine as a server, every figure measured here; None where it was not measured. Raises as ``entry_here``."""
    entry = entry_here()
    return entry.server if entry else None


class _Format(msgspec.Struct):
    format: int


def _check(entry: Entry, path: Path) -> None:
    """Raises InputError where an entry says what cannot be measured."""
    for rule, found in _broken(entry):
        raise InputError(f"{path}: {rule} but found {found}; {REMEDY}")


def _broken(entry: Entry) -> Iterator[tuple[str, object]]:
    chip, server = entry.server.chip, entry.server
    quantities: dict[str, Quantity | None] = {f"peaks.{width}": peak for width, peak in chip.peaks.items()}
    quantities |= {f"figures.{name}": quantity for name, quantity in entry.figures.items()}
    quantities |= {"bandwidth": chip.bandwidth, "memory": chip.memory, "chip.power": chip.power}
    quantities |= {"power": server.power, "idle": server.idle}
    for name, quantity in quantities.items():
        if quantity is not None and not 0 < quantity.value < math.inf:
            yield f"{name} must be a number above 0", f"{quantity.value:g}"
    counts = {"server.count": server.count, "threads": entry.threads, "device.cores": entry.device.cores}
    counts |= {f"largest_batch of {line.model}": line.largest_batch for line in entry.calibrations}
    for name, count in counts.items():
        if not 1 <= count <= MOST:
            yield f"{name} must be from 1 to {MOST:,}", count
    for line in entry.calibrations:
        yield from _bent(line)
        if line.server != server.name:
            yield f"a line must be of the server {server.name!r}", repr(line.server)
    try:
        date.fromisoformat(entry.date)
    except ValueError:
        yield "date must be a day as 2026-01-31", repr(entry.date)


def _bent(line: Calibration) -> Iterator[tuple[str, object]]:
    """Times and energies that no line can have."""
    pairs: dict[str, tuple[float | None, float | None]] = {
        "itl": (line.itl_constant_s, line.itl_slope_s),
        "prefill": (line.prefill_constant_s, line.prefill_slope_s),
        "joules": (line.joules_constant, line.joules_slope),
    }
    for name, (constant, slope) in pairs.items():
        if (constant is None) != (slope is None):
            yield f"{name} of {line.model} must have both a constant and a slope", "one of them"
        if constant is not None and slope is not None:
            held = 0 <= constant < math.inf and 0 <= slope < math.inf and constant + slope > 0
            if not held:
                yield f"{name} of {line.model} must be a line of numbers at least 0", f"{constant:g} + {slope:g} x"
    if not 0 < line.context < math.inf:
        yield f"context of {line.model} must be a number above 0", f"{line.context:g}"
