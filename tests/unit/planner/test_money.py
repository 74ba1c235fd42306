from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.catalog.prices import Offer, Rate, Unit, Usage
from pare.catalog.types import Chip, Server
from pare.errors import InputError
from pare.planner import money
from pare.planner.types import Site
from pare.types import Quantity
from pare.units import HOURS_PER_YEAR, SECONDS_PER_MONTH


def assumed(value: float, unit: str = "") -> Quantity:
    return Quantity(value, unit, "assumed", "test")


SITE = Site(
    region="DEU",
    grid=assumed(0.38, "kg CO2e/kWh"),
    energy_price=assumed(0.15, "USD/kWh"),
    pue=assumed(1.5),
    years=assumed(4, "years"),
    operation=assumed(1_000, "USD/year"),
    staff=assumed(1_500, "USD/year"),
    utilisation=assumed(0.35),
)
CHIP = Chip("chip", "cpu", None, None, {}, None)
# The CPU server of shared/data/hardware: 577 W for 8 sessions of an 8B model or 64 of a 1B model, each at 10 tokens/s.
SERVER = Server(
    "server",
    CHIP,
    1,
    power=assumed(577, "W"),
    idle=assumed(115, "W"),
    rack_units=assumed(2),
    price=assumed(12_000, "USD"),
)


def site(utilisation: float) -> Site:
    return replace(SITE, utilisation=assumed(utilisation))


def test_a_server_by_hand() -> None:
    one = money.running(SERVER, SITE)
    assert one.capex == 3_000
    assert one.idle == pytest.approx(0.115 * 8_766 * 1.5 * 0.15)
    assert one.busy == pytest.approx(0.462 * 8_766 * 1.5 * 0.15)
    assert one.fixed == pytest.approx(3_000 + one.idle + 1_000 + 1_500)
    cost = money.own_usd_per_year(SERVER, SITE, 3)
    assert cost.value == pytest.approx(3 * (one.fixed + 0.35 * one.busy))
    assert (cost.unit, cost.provenance) == ("USD/year", "modelled")
    assert "35% utilisation" in cost.source
    assert "577 W (assumed)" in cost.source
    assert money.usd_per_1k_tokens(cost.value, 3 * 80, 0.35).value == pytest.approx(
        1_000 * cost.value / (240 * 0.35 * HOURS_PER_YEAR * 3_600)
    )


def test_an_unknown_idle_power_is_full_power_and_an_unknown_price_is_asked_for() -> None:
    dim = money.running(replace(SERVER, idle=None), SITE)
    assert dim.busy == 0
    assert dim.idle == pytest.approx(money.running(SERVER, SITE).idle + money.running(SERVER, SITE).busy)
    assert "idle power unknown" in dim.source
    with pytest.raises(InputError, match="price of server in USD is not known; state it"):
        money.own_usd_per_year(replace(SERVER, price=None), SITE, 1)
    with pytest.raises(InputError, match="power of server in W"):
        money.running(replace(SERVER, power=None), SITE)


def test_impossible_figures_are_refused() -> None:
    with pytest.raises(InputError, match="from 0 to 1 but is 35"):
        money.own_usd_per_year(SERVER, site(35), 1)
    with pytest.raises(InputError, match="needs work that is done"):
        money.usd_per_1k_tokens(100, 80, 0)
    for wrong in (replace(SITE, years=assumed(0)), replace(SITE, pue=assumed(0.9))):
        with pytest.raises(InputError, match="PUE is 1 or more"):
            money.running(SERVER, wrong)
    with pytest.raises(InputError, match="servers are counted"):
        money.own_usd_per_year(SERVER, SITE, -1)


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0, 1))
def test_cost_is_additive_over_servers(first: int, second: int, utilisation: float) -> None:
    where = site(utilisation)
    apart = sum(money.own_usd_per_year(SERVER, where, n).value for n in (first, second))
    assert money.own_usd_per_year(SERVER, where, first + second).value == pytest.approx(apart)


@given(st.floats(0.001, 1), st.floats(0.001, 1), st.floats(0, 577), st.floats(1, 1e5))
def test_more_utilisation_never_raises_the_price_of_a_token(a: float, b: float, idle: float, speed: float) -> None:
    server = replace(SERVER, idle=assumed(idle, "W"))
    low, high = sorted((a, b))
    costs = [
        money.usd_per_1k_tokens(money.own_usd_per_year(server, site(u), 1).value, speed, u).value for u in (low, high)
    ]
    assert costs[1] <= costs[0] * (1 + 1e-12)


@given(st.floats(1, 1e5), st.floats(1e-7, 1e-1), st.integers(1, 50))
def test_the_break_even_is_where_the_two_costs_are_equal(speed: float, price: float, servers: int) -> None:
    one = money.running(SERVER, SITE)
    share = money.break_even_utilisation(one, speed, price)
    volume = money.break_even_volume(one, speed, price, servers)
    if share is None:
        assert volume is None
        full = money.usd_per_1k_tokens(one.at(1.0), speed, 1.0).value
        assert full >= price * (1 - 1e-9)  # even without a minute's rest
        return
    assert 0 < share <= 1
    assert money.usd_per_1k_tokens(one.at(share), speed, share).value == pytest.approx(price)
    assert volume is not None
    (point,) = money.cost_curve(one, speed, 1.0, price, [volume], least=servers)
    assert point.servers == servers
    assert point.own_usd == pytest.approx(point.api_usd)


def test_buy_wins_where_it_should() -> None:
    one = money.running(replace(SERVER, price=assumed(0.0, "USD")), SITE)
    speed, price = 8 * 10.0, 0.05 / 1_000  # 8 sessions at 10 tokens/s, 577 W, against $0.05 a million tokens
    assert money.break_even_utilisation(one, speed, price) is None
    assert money.break_even_volume(one, speed, price) is None
    # The electricity of a server that was a present costs more than the API, at full utilisation.
    assert one.idle + one.busy > speed * HOURS_PER_YEAR * 3_600 * price / 1_000
    full = [money.usd_per_1k_tokens(one.at(u), speed, u).value for u in (0.05, 0.35, 1.0)]
    assert min(full) > 5 * price


def test_hosting_wins_where_it_should() -> None:
    one = money.running(SERVER, SITE)
    speed, price = 64 * 10.0, 0.60 / 1_000  # 64 sessions of a small model against $0.60 a million tokens
    share = money.break_even_utilisation(one, speed, price)
    assert share is not None
    assert 0.4 < share < 0.6
    busy, idle = (money.usd_per_1k_tokens(one.at(u), speed, u).value for u in (0.8, 0.2))
    assert busy < price < idle


def test_a_curve_climbs_by_servers_and_the_api_by_tokens() -> None:
    one = money.running(SERVER, SITE)
    full = 640 * SECONDS_PER_MONTH
    points = money.cost_curve(one, 640, 0.5, 0.0006, [0.0, 0.5 * full, 0.51 * full, full, 1.6 * full])
    assert [p.servers for p in points] == [1, 1, 2, 2, 4]
    assert points[0].own_usd == pytest.approx(one.fixed / 12)
    assert points[0].api_usd == 0
    assert points[3].api_usd == pytest.approx(full * 0.0006 / 1_000)
    assert points[3].own_usd == pytest.approx((2 * one.fixed + one.busy) / 12)
    with pytest.raises(InputError, match="above 0"):
        money.cost_curve(one, 640, 0.0, 0.0006, [1.0])


def offer(**known: Rate) -> Offer:
    found: dict[Unit, Rate] = dict(known.items())  # type: ignore[misc]
    return Offer("maker", "model", found, False, "a page")


def test_prices_of_all_units_come_to_the_same_one() -> None:
    # 100 requests, in all 20,000 characters and 5,000 tokens of prompts, 1,000 tokens of answers.
    used = Usage(5_000, 1_000, requests=100, characters_in=20_000)
    text = 6_000
    by_token = offer(tokens_in=Rate(Decimal(1), 10**6), tokens_out=Rate(Decimal(1), 10**6))
    by_request = offer(requests=Rate(Decimal("0.06"), 1_000))
    by_character = offer(characters_in=Rate(Decimal("0.25"), 10**6), tokens_out=Rate(Decimal(1), 10**6))
    for one in (by_token, by_request, by_character):
        found = money.api_usd_per_1k(one, used, text)
        assert found.value == pytest.approx(0.001)
        assert found.unit == "USD per 1,000 tokens"
        assert money.api_usd_per_1k_requests(one, used).value == pytest.approx(0.06)
    # A tokenizer that makes twice as many tokens of the same text costs twice as much for the text.
    twice = Usage(10_000, 2_000, requests=100, characters_in=20_000)
    assert money.api_usd_per_1k(by_token, twice, text).value == pytest.approx(0.002)
    with pytest.raises(InputError, match="needs texts"):
        money.api_usd_per_1k(by_token, used, 0)
