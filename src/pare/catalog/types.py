"""Entries of the catalogue. A figure that the catalogue does not know is None: it is asked for, never taken as zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pare.types import Quantity

Terms = Literal["permissive", "community", "research", "proprietary"]
"""What a licence lets one do. ``permissive``: use, change and sell (Apache-2.0, MIT); ``community``: with conditions of the
publisher's own; ``research``: no commercial use; ``proprietary``: weights are not given out."""


@dataclass(frozen=True, slots=True)
class PublishedScore:
    """A score as its publisher states it. It is dated, and never mixed with what pare measured."""

    benchmark: str
    value: float
    date: str
    source: str


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that is published. ``config`` is its config.json where that is public, ``parameters`` the publisher's count,
    and None where it is undisclosed; ``model_class`` may be known all the same. ``teaches`` says whether its terms let one
    train another model on its answers; None: not stated.
    """

    name: str
    hub: str
    licence: str
    terms: Terms
    teaches: bool | None
    parameters: int | None
    active: int | None
    model_class: int | None
    config: Mapping[str, Any] | None
    scores: tuple[PublishedScore, ...]
    date: str
    source: str


@dataclass(frozen=True, slots=True)
class Chip:
    """A processor, or one accelerator: ``bandwidth`` in bytes/s, ``memory`` in bytes, ``peaks`` in FLOP/s of dense matrix
    products by width (``fp32``, ``bf16``, ``fp8``, ``int8``, ``int4``), ``power`` in W at full load.
    """

    name: str
    kind: Literal["cpu", "gpu", "accelerator"]
    bandwidth: Quantity | None
    memory: Quantity | None
    peaks: Mapping[str, Quantity]
    power: Quantity | None


@dataclass(frozen=True, slots=True)
class Server:
    """A machine as one buys it: ``count`` chips, the power of the whole in W at full load and when idle, its height in rack
    units, its price in USD, and the kg CO2e of making it. ``sessions`` are those that a publisher states, by model.
    """

    name: str
    chip: Chip
    count: int
    power: Quantity | None = None
    idle: Quantity | None = None
    rack_units: Quantity | None = None
    price: Quantity | None = None
    embodied: Quantity | None = None
    sessions: Mapping[str, Quantity] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Measured speed of one model at one width on one server and engine, as lines: seconds between tokens with B sessions
    are ``itl_constant_s + itl_slope_s x B``, those before the first token ``prefill_constant_s + prefill_slope_s x tokens``.
    ``joules`` of a token are ``constant + slope / B`` where energy was measured. ``context``: tokens at which it was taken.
    ``server`` may name a single chip. ``miss`` is the half-width, in log(seconds), of the interval that holds the time
    between tokens at another batch size with 80 %; None where too few batch sizes were measured to say.
    """

    server: str
    model: str
    engine: str
    width: str
    context: float
    itl_constant_s: float
    itl_slope_s: float
    prefill_constant_s: float | None
    prefill_slope_s: float | None
    joules_constant: float | None
    joules_slope: float | None
    largest_batch: int
    date: str
    source: str
    miss: float | None = None


@dataclass(frozen=True, slots=True)
class Roofline:
    """How fast steps are on a device that was not measured (``planner.speed``). ``memory``, ``compute`` and ``vector`` are
    the shares of the peaks that are reached, ``constant_s`` is what every step takes besides. ``misses`` are
    log(predicted / measured) of each device that a fit did not see, on its worst row; empty where the fit saw all.
    """

    memory: float
    compute: float
    vector: float
    constant_s: float
    misses: tuple[float, ...] = ()
    source: str = ""
