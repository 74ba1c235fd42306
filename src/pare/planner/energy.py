"""Energy and CO2 of serving a model and of making it.

A machine that is switched on draws its idle power, busy or not; serving adds to that. Over a year it draws
``idle + (full - idle) x utilisation`` on average (Fan, Weber and Barroso 2007, "Power provisioning for a warehouse-sized
computer", section 3), and its data centre draws PUE times as much. A token costs ``a + p / B`` joules when B sessions are
decoded together: what it takes by itself, and its share of reading the weights. What making the hardware gave off is spread
over the years it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pare.catalog.types import Server
from pare.errors import InputError
from pare.planner.types import Figure
from pare.types import Quantity, Trial
from pare.units import HOURS_PER_YEAR, joules_to_kwh, kwh_to_joules, watts_to_kwh


def joules_per_token(batch: float, constant: float, slope: float) -> float:
    """Joules of a token decoded with ``batch`` sessions: ``constant + slope / batch``. Raises InputError below 1 session."""
    if batch < 1:
        raise InputError(f"a batch has at least 1 session but has {batch:g}; state how many are decoded together")
    return constant + slope / batch


def with_idle(server: Server, share: Quantity) -> Server:
    """The server with an idle power, where it states none: a share of its full power, and unknown where that is unknown."""
    if server.idle is not None or server.power is None:
        return server
    source = f"{share.value:.0%} of full power; {share.source}"
    return replace(server, idle=Quantity(share.value * server.power.value, "W", "assumed", source))


def with_embodied(server: Server, bare: Quantity, accelerator: Quantity) -> Server:
    """The server with the kg CO2e of making it, where its entry states none: those of a server without accelerators, and
    of each accelerator. Unknown where the height is: what is no machine of a catalogue may be a part of one.
    """
    if server.embodied is not None or server.rack_units is None:
        return server
    kg, source = bare.value, bare.source
    if server.chip.kind != "cpu":
        kg += server.count * accelerator.value
        source = f"{bare.value:g} + {server.count} x {accelerator.value:g} {bare.unit}; {source}; {accelerator.source}"
    return replace(server, embodied=Quantity(kg, bare.unit, "assumed", source))


def mean_power_w(power_w: float, idle_w: float, utilisation: float) -> float:
    """The mean power in W of a machine that is busy for a share of the time. Raises InputError where a figure cannot be."""
    if not 0 <= utilisation <= 1 or not 0 <= idle_w <= power_w:
        raise InputError(
            "a utilisation is from 0 to 1 and idle power from 0 W to full power, but they are "
            f"{utilisation:g}, {idle_w:g} W and {power_w:g} W; state them again"
        )
    return idle_w + (power_w - idle_w) * utilisation


def serving_kwh_per_year(power_w: float, idle_w: float, utilisation: float, pue: float, servers: int = 1) -> float:
    """kWh a year of so many servers, the data centre's cooling and distribution included."""
    return servers * pue * watts_to_kwh(mean_power_w(power_w, idle_w, utilisation), HOURS_PER_YEAR)


def idling_kwh_per_year(power_w: float, idle_w: float, utilisation: float, pue: float, servers: int = 1) -> float:
    """kWh a year of those that are drawn while nothing is served: what idling costs."""
    mean_power_w(power_w, idle_w, utilisation)
    return servers * pue * watts_to_kwh(idle_w * (1 - utilisation), HOURS_PER_YEAR)


def kg(kwh: float, grid: Quantity) -> Figure:
    """kg CO2e of so many kWh on a grid."""
    source = f"{kwh:,.4g} kWh x {grid.value:g} {grid.unit}; {grid.source}"
    return Figure(kwh * grid.value, "kg CO2e", "modelled", source)


def embodied_kg_per_year(embodied: Quantity, years: float, servers: int = 1) -> Figure:
    """kg CO2e a year of making the servers, spread over the years that they are used."""
    if years <= 0:
        raise InputError(f"hardware is used for more than 0 years but it says {years:g}; state the years")
    source = f"{servers} x {embodied.value:g} {embodied.unit} / {years:g} years; {embodied.source}"
    return Figure(servers * embodied.value / years, "kg CO2e/year", "modelled", source)


# -- making -------------------------------------------------------------------------------------------------------------


def making_kwh(seconds: float, power: Quantity, pue: float = 1.0) -> Figure:
    """kWh of work that took so many seconds on a machine drawing ``power`` in W."""
    kwh = pue * joules_to_kwh(seconds * power.value)
    source = f"{seconds:,.0f} s x {power.value:g} W x PUE {pue:g}; {power.source}"
    return Figure(kwh, "kWh", "modelled", source)


def study_kwh(trials: Sequence[Trial], power: Quantity, pue: float = 1.0) -> Figure:
    """kWh of a study: of building, scoring and measuring every trial of its ledger, the failed and dropped ones too.

    A trial's seconds are those that it took itself; a step that an earlier trial has built is counted there only.
    """
    return making_kwh(sum(trial.seconds for trial in trials), power, pue)


def payback_requests(making: float, before_j: float, after_j: float) -> float | None:
    """The requests after which a model has saved the ``making`` kWh that it took, where a request took ``before_j`` joules
    and takes ``after_j`` now; None where it saves nothing, and so never does.
    """
    saved = before_j - after_j
    return kwh_to_joules(making) / saved if saved > 0 else None
