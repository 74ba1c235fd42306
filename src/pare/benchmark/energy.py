"""Energy of serving: read from the processor's counter where the system shows it, else modelled and labelled so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pare import catalog
from pare.types import Quantity

RAPL = Path("/sys/class/powercap/intel-rapl:0")
RAPL_COUNTER = "RAPL package counter, whole processor"


def counter_j() -> float | None:
    """The package energy counter in joules, or None where it cannot be read (as in most virtual machines)."""
    try:
        return int((RAPL / "energy_uj").read_text()) / 1e6
    except (OSError, ValueError):
        return None


def counter_range_j() -> float:
    """The value at which the counter starts again from zero."""
    return int((RAPL / "max_energy_range_uj").read_text()) / 1e6


@dataclass
class Counted:
    """The mean power of what ran inside of ``counted``, in W; None where no counter is readable."""

    watts: float | None = None


@contextmanager
def counted() -> Iterator[Counted]:
    """Reads the energy counter before and after a work. The counter must not pass its end more than once meanwhile."""
    found = Counted()
    before, start = counter_j(), time.perf_counter()
    yield found
    after, seconds = counter_j(), time.perf_counter() - start
    if before is not None and after is not None:
        risen = after - before if after >= before else after - before + counter_range_j()
        found.watts = risen / seconds


def per_1k_j(throughput_per_s: float, threads: int, counted_j: float | None, requests: int) -> Quantity:
    """Joules per 1,000 requests at full load.

    ``counted_j`` is what the counter rose over ``requests`` requests; None models it as busy cores x power per core.
    """
    if counted_j is not None and requests:
        return Quantity(1000 * counted_j / requests, "J", "measured", RAPL_COUNTER)
    power = catalog.fact("serving", "power_per_core_w")
    return Quantity(
        1000 / throughput_per_s * threads * power.value,
        "J",
        "modelled",
        f"1000 / throughput x {threads} cores x {power.value:g} W a core; {power.source}",
    )


def power_w(threads: int, counted_j: float | None, seconds: float) -> Quantity:
    """Watts while serving at full load: counted joules over seconds, or busy cores x power per core."""
    if counted_j is not None and seconds:
        return Quantity(counted_j / seconds, "W", "measured", RAPL_COUNTER)
    power = catalog.fact("serving", "power_per_core_w")
    return Quantity(threads * power.value, "W", "modelled", f"{threads} cores x {power.value:g} W; {power.source}")


def cost_per_1k_usd(throughput_per_s: float, threads: int) -> Quantity:
    """US dollars per 1,000 requests at full load, at the catalogue's price of a core."""
    price = catalog.fact("serving", "price_per_core_hour")
    return Quantity(
        1000 / throughput_per_s / 3600 * threads * price.value,
        "USD",
        "modelled",
        f"1000 / throughput x {threads} cores x {price.value:g} USD an hour; {price.source}",
    )
