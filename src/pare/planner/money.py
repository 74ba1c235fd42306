"""What serving costs: on servers of one's own, behind an API, and where the two are equal.

A server costs what it costs whether it is busy or not, but for the power that serving draws, so its cost of a year is a
straight line in the utilisation u: ``fixed + busy u``. Its tokens of a year are ``tokens/s x seconds x u``, and their
quotient, the price of a token, falls with u. An API's price of a token does not depend on u at all. All that follows is
where these two lie, which is why utilisation is always an input and never left unsaid.

    fixed = price / years + idle W x PUE x hours x energy price + operation + staff
    busy  = (full W - idle W) x PUE x hours x energy price

Figures here are floats: they come of powers and speeds that are known to two digits. Prices of an API are exact, and
``catalog.prices`` keeps them as ``Decimal`` up to the last step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pare.catalog.prices import Offer, Usage, charge
from pare.catalog.types import Server
from pare.errors import InputError
from pare.planner.types import Figure, Site
from pare.types import Quantity
from pare.units import HOURS_PER_YEAR, MONTHS_PER_YEAR, SECONDS_PER_MONTH, watts_to_kwh

SECONDS_PER_YEAR = HOURS_PER_YEAR * 3600


@dataclass(frozen=True, slots=True)
class Running:
    """USD a year of one server at utilisation u: ``fixed + busy x u``. The parts of both are kept apart: ``capex``,
    ``idle`` and ``busy`` energy, ``operation`` and ``staff``.
    """

    capex: float
    idle: float
    busy: float
    operation: float
    staff: float
    source: str

    @property
    def fixed(self) -> float:
        return self.capex + self.idle + self.operation + self.staff

    def at(self, utilisation: float) -> float:
        """USD a year at a utilisation from 0 to 1."""
        return self.fixed + self.busy * utilisation


def running(server: Server, site: Site) -> Running:
    """What one server costs a year. Where its idle power is not known it is taken to draw its full power always.

    Raises InputError where its price or its power is not known: they are asked for, never taken as nothing; and for years
    or a PUE that cannot be.
    """
    price, power = _known(server.price, server, "price", "USD"), _known(server.power, server, "power", "W")
    if site.years.value <= 0 or site.pue.value < 1:
        raise InputError(
            "hardware is written off over more than 0 years and a PUE is 1 or more, but they are "
            f"{site.years.value:g} and {site.pue.value:g}; state them again"
        )
    idle = power if server.idle is None else server.idle
    a_watt = watts_to_kwh(1.0, HOURS_PER_YEAR) * site.pue.value * site.energy_price.value
    words = (
        f"price {_said(price)} over {_said(site.years)} + power {_said(power)}"
        + (" at all times (idle power unknown)" if server.idle is None else f", idle {_said(idle)},")
        + f" x PUE {_said(site.pue)} x {_said(site.energy_price)} + operation {_said(site.operation)}"
        + f" + staff {_said(site.staff)}"
    )
    return Running(
        capex=price.value / site.years.value,
        idle=min(idle.value, power.value) * a_watt,
        busy=max(0.0, power.value - idle.value) * a_watt,
        operation=site.operation.value,
        staff=site.staff.value,
        source=words,
    )


def own_usd_per_year(server: Server, site: Site, servers: int) -> Figure:
    """USD a year of so many servers at the site's utilisation. Raises InputError where price or power is not known."""
    if servers < 0:
        raise InputError(f"servers are counted from 0 but there are {servers}; state how many")
    one = running(server, site)
    source = f"{servers} x ({one.source}) at {_utilisation(site.utilisation.value):.0%} utilisation"
    return Figure(servers * one.at(site.utilisation.value), "USD/year", "modelled", source)


def usd_per_1k_tokens(usd_per_year: float, tokens_per_s: float, utilisation: float) -> Figure:
    """USD per 1,000 tokens of servers that cost so much a year and give ``tokens_per_s`` when they are busy."""
    return _per_1k(usd_per_year, tokens_per_s, utilisation, "tokens")


def usd_per_1k_requests(usd_per_year: float, requests_per_s: float, utilisation: float) -> Figure:
    """USD per 1,000 requests of servers that cost so much a year and answer ``requests_per_s`` when they are busy."""
    return _per_1k(usd_per_year, requests_per_s, utilisation, "requests")


def _per_1k(usd_per_year: float, per_s: float, utilisation: float, what: str) -> Figure:
    if _utilisation(utilisation) == 0 or per_s <= 0:
        raise InputError(
            f"a price per 1,000 {what} needs work that is done, but it is {per_s:g} {what}/s "
            f"at {utilisation:.0%} utilisation; state a utilisation and a speed above 0"
        )
    yearly = per_s * utilisation * SECONDS_PER_YEAR
    source = f"{usd_per_year:,.0f} USD a year / ({per_s:,.4g} {what}/s x {utilisation:.0%} x 8,766 h)"
    return Figure(1000 * usd_per_year / yearly, f"USD per 1,000 {what}", "modelled", source)


# -- behind an API ------------------------------------------------------------------------------------------------------


def api_usd_per_1k(offer: Offer, usage: Usage, tokens: float) -> Figure:
    """USD per 1,000 tokens of the user's own text: what an offer charges for a usage, over the ``tokens`` that the same
    prompts and answers have by one tokenizer for all offers, so that offers that bill by other units or count other tokens
    compare.

    Raises InputError where the offer has no rate for what was used, or there is no text.
    """
    if tokens <= 0:
        raise InputError(
            "a price per 1,000 tokens needs texts, and there are none; give a log or the tokens of a request"
        )
    usd = charge(offer, usage)
    source = f"{usd:f} USD for {tokens:,.0f} tokens in {usage.requests:,} requests; {offer.seller}: {offer.source}"
    return Figure(float(usd) * 1000 / tokens, "USD per 1,000 tokens", "modelled", source)


def api_usd_per_1k_characters(offer: Offer, usage: Usage, characters: float) -> Figure:
    """USD per 1,000 characters of the user's own prompts and answers, whatever an offer bills by: the one measure that no
    tokenizer bends. Raises InputError as ``api_usd_per_1k`` does.
    """
    return replace(
        api_usd_per_1k(offer, usage, characters),
        unit="USD per 1,000 characters",
        source=(
            f"{charge(offer, usage):f} USD for {characters:,.0f} characters in {usage.requests:,} requests; "
            f"{offer.seller}: {offer.source}"
        ),
    )


def api_usd_per_1k_requests(offer: Offer, usage: Usage) -> Figure:
    """USD per 1,000 requests like those of a usage. Raises InputError where the offer has no rate for what was used."""
    usd = charge(offer, usage)
    source = f"{usd:f} USD for {usage.requests:,} requests; {offer.seller}: {offer.source}"
    return Figure(float(usd) * 1000 / usage.requests, "USD per 1,000 requests", "modelled", source)


# -- where the two are equal --------------------------------------------------------------------------------------------


def break_even_utilisation(one: Running, tokens_per_s: float, api_usd_per_1k: float) -> float | None:
    """The utilisation at which a server's tokens cost what the API's do; None where the API is cheaper even at 1.

    fixed + busy u = tokens/s x seconds x u x price, solved for u.
    """
    saved = tokens_per_s * SECONDS_PER_YEAR * api_usd_per_1k / 1000 - one.busy
    if saved <= 0 or one.fixed > saved:
        return None
    return one.fixed / saved


def break_even_volume(one: Running, tokens_per_s: float, api_usd_per_1k: float, servers: int = 1) -> float | None:
    """Tokens a month from which so many servers cost less than the API; None where they never do, however busy."""
    share = break_even_utilisation(one, tokens_per_s, api_usd_per_1k)
    return None if share is None else share * servers * tokens_per_s * SECONDS_PER_MONTH


@dataclass(frozen=True, slots=True)
class CostPoint:
    """USD a month at a volume in tokens a month, on ``servers`` of one's own and behind an API."""

    tokens_per_month: float
    servers: int
    own_usd: float
    api_usd: float


def cost_curve(
    one: Running,
    tokens_per_s: float,
    utilisation: float,
    api_usd_per_1k: float,
    volumes: Sequence[float],
    least: int = 1,
) -> tuple[CostPoint, ...]:
    """The cost of a month by volume, for a plot. A server is filled to ``utilisation`` before another is bought, and there
    are ``least`` servers or more. Raises InputError where utilisation or speed is not above 0.
    """
    if _utilisation(utilisation) == 0 or tokens_per_s <= 0:
        raise InputError(
            f"a server needs a utilisation and a speed above 0 but has {utilisation:.0%} and {tokens_per_s:g}; state both"
        )
    full = tokens_per_s * SECONDS_PER_MONTH
    points = []
    for volume in volumes:
        servers = max(least, math.ceil(volume / (full * utilisation) - 1e-9))
        own = (servers * one.fixed + one.busy * volume / full) / MONTHS_PER_YEAR
        points.append(CostPoint(volume, servers, own, volume * api_usd_per_1k / 1000))
    return tuple(points)


def _utilisation(value: float) -> float:
    if not 0 <= value <= 1:
        raise InputError(f"a utilisation is a share from 0 to 1 but is {value:g}; state it as 0.35 for 35 %")
    return value


def _known(figure: Quantity | None, server: Server, what: str, unit: str) -> Quantity:
    if figure is None:
        raise InputError(f"the {what} of {server.name} in {unit} is not known; state it")
    return figure


def _said(figure: Quantity) -> str:
    """A figure with its unit, marked where it is only assumed."""
    return f"{figure.value:,g} {figure.unit}{' (assumed)' if figure.provenance == 'assumed' else ''}"
