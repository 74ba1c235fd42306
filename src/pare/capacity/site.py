"""Where it runs: the grid, the prices and habits of the place, and which machines are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pare import catalog
from pare.benchmark.machine import this_machine
from pare.capacity.asked import EVERY_SERVER, EVERYTHING, Asked
from pare.catalog.devices import find_server, servers
from pare.catalog.grid import grid
from pare.catalog.types import Server
from pare.errors import InputError, nearest
from pare.planner.energy import with_embodied, with_idle
from pare.planner.invest import Project
from pare.planner.types import Site
from pare.runtimes import this_device
from pare.types import Quantity

GIVEN = "given by the user"
HERE = "here"
"""``--devices here``: the machine that ``pare doctor --measure`` has measured."""
FACTS = {
    "energy_price": ("energy_price_per_kwh", "USD/kWh"),
    "pue": ("pue", ""),
    "years": ("hardware_years", "years"),
    "operation": ("operation_usd_per_server_year", "USD/year"),
    "staff": ("staff_usd_per_server_year", "USD/year"),
    "utilisation": ("utilisation", ""),
}
"""An option of a plan, the fact of the catalogue that stands for it where it is not given, and its unit."""


def site(asked: Asked, utilisation: Quantity | None = None) -> Site:
    """The place: what is given, else what the catalogue assumes. ``utilisation`` is a log's, which an option overrules.

    Raises InputError for an unknown region, MissingExtra for any region without codecarbon.
    """
    found = {name: _fact(asked, name) for name in FACTS}
    if asked.utilisation is None and utilisation is not None:
        found["utilisation"] = utilisation
    return Site(region=asked.region or "world", grid=grid(asked.region), rack=asked.rack, **found)


def _fact(asked: Asked, name: str) -> Quantity:
    fact, unit = FACTS[name]
    given = getattr(asked, name)
    return catalog.fact("serving", fact) if given is None else Quantity(given, unit, "assumed", GIVEN)


def machines(asked: Asked, beside: Sequence[Server] = ()) -> list[Server]:
    """The servers to compare, with the prices that the user gives; ``beside`` are the machines of studies, once each.

    Raises InputError for an unknown device or a price for one that is not compared.
    """
    measured = _here()
    found: dict[str, Server] = {}
    for name in asked.devices:
        for server in _named(name, measured):
            found.setdefault(server.name, server)
    if measured is not None and EVERY_SERVER in asked.devices:
        found.setdefault(measured.name, measured)
    for server in beside:
        found.setdefault(server.name, measured if measured and measured.name == server.name else server)
    share, bare, accelerator = (
        catalog.fact("serving", name)
        for name in ("idle_power_share", "embodied_kg_per_server", "embodied_kg_per_accelerator")
    )
    whole = [with_embodied(with_idle(server, share), bare, accelerator) for server in found.values()]
    return _with_prices(whole, asked)


def core_power(cores: int) -> Quantity:
    """Watts of a machine at full load whose power nobody has read: so many cores at the catalogue's power of a core."""
    a_core = catalog.fact("serving", "power_per_core_w")
    return Quantity(cores * a_core.value, "W", "assumed", f"{cores} cores x {a_core.value:g} W; {a_core.source}")


def _here() -> Server | None:
    """This machine as it was measured; where its energy counter cannot be read, as in most virtual machines, by core."""
    measured = this_machine()
    if measured is None or measured.power is not None:
        return measured
    return replace(measured, power=core_power(this_device().cores))


def project(asked: Asked) -> Project:
    """What replacing an API by a model of one's own takes: as given, else as the catalogue assumes."""
    months, usd, upkeep = asked.project_months, asked.project_usd, asked.upkeep
    names = ("project_months", "project_usd_per_month", "project_other_usd", "upkeep_usd_per_month")
    found = [catalog.fact("serving", name) for name in names]
    if months is not None:
        found[0] = Quantity(months, "months", "assumed", GIVEN)
    if usd is not None:
        found[1:3] = Quantity(0.0, "USD/month", "assumed", GIVEN), Quantity(usd, "USD", "assumed", GIVEN)
    if upkeep is not None:
        found[3] = Quantity(upkeep, "USD/month", "assumed", GIVEN)
    return Project(*found)


def _named(name: str, measured: Server | None) -> list[Server]:
    if name == EVERYTHING:
        return [*servers().values(), *([measured] if measured else [])]
    if name == EVERY_SERVER:
        return [server for server in servers().values() if server.power is not None]
    if name == HERE:
        if measured is None:
            raise InputError("this machine has no entry yet; measure it: pare doctor --measure")
        return [measured]
    return [find_server(name)]


def _with_prices(found: Sequence[Server], asked: Asked) -> list[Server]:
    known = {server.name.casefold(): server.name for server in found}
    known |= {key.casefold(): server.name for key, server in servers().items() if server.name in known.values()}
    prices = {}
    for name, usd in asked.price.items():
        if name and name.casefold() not in known:
            raise InputError(
                f"--price {name}={usd:g}: {name!r} is not among the devices; {nearest(name.casefold(), known)}"
            )
        prices[known[name.casefold()] if name else ""] = Quantity(usd, "USD", "assumed", GIVEN)
    every = prices.get("")
    return [replace(server, price=prices.get(server.name, every or server.price)) for server in found]
