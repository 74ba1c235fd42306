"""The plan: what servers hold, what they cost beside an API, and what is recommended by which figures."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pare.catalog.devices import find_server, servers
from pare.catalog.models import find_model, models
from pare.catalog.speeds import calibrations, general_roofline
from pare.catalog.types import Chip, Server
from pare.families import keeps_context, shape_of
from pare.planner import anatomy, estimate
from pare.planner.compact import compact
from pare.planner.growth import Growth
from pare.planner.hosting import PEAK_LOAD, Making, Speeds, Wanted, host
from pare.planner.invest import Project
from pare.planner.plan import Priced, plan, requests_per_year
from pare.planner.recommend import best_of
from pare.planner.types import Demand, Figure, Plan, Site, Subject, Widths
from pare.types import Quantity, Score

SPEEDS = Speeds(general_roofline(), calibrations())


def quantity(value: float, unit: str = "") -> Quantity:
    return Quantity(value, unit, "assumed", "test")


SITE = Site(
    region="test",
    grid=quantity(0.4, "kg CO2e/kWh"),
    energy_price=quantity(0.2, "USD/kWh"),
    pue=quantity(1.5),
    years=quantity(4, "years"),
    operation=quantity(1000, "USD/year"),
    staff=quantity(500, "USD/year"),
    utilisation=quantity(0.5),
)
DEMAND = Demand(100, prompt_tokens=500, answer_tokens=100, every_s=20)
SMALL = Server(
    "a small one", Chip("a chip", "cpu", None, quantity(8e9, "B"), {}, None), 1, quantity(100, "W"), quantity(40, "W")
)


def wanted(demand: Demand = DEMAND, site: Site = SITE, **more: object) -> Wanted:
    return Wanted(demand, site, SPEEDS, requests_per_year(demand, site), **more)  # type: ignore[arg-type]


def decoder(name: str = "llama-3.2-1b") -> Subject:
    entry = find_model(name)
    assert entry is not None
    assert entry.config is not None
    return Subject(name, shape_of(entry.config), entry.parameters, entry.parameters, 0, widths=Widths(8.0))


def encoder(per_s: float = 1000.0, on: str = SMALL.name) -> Subject:
    rate = Figure(per_s, "texts/s", "measured", "a clock")
    score = Score("accuracy", 0.93, 0.91, 0.95, 500)
    return Subject("own", None, None, None, None, weight_bytes=4e6, quality=score, texts_per_s=rate, measured_on=on)


def offer(usd: float | None = 1e-4, name: str = "large") -> Priced:
    price = None if usd is None else Figure(usd, "USD", "modelled", "a price")
    return Priced(name, "seller", price, Figure(2.4e-4, "kWh", "assumed", "a statement"))


def with_price(server: Server, usd: float) -> Server:
    return replace(server, price=Quantity(usd, "USD", "assumed", "given"))


def usd(found: Plan) -> tuple[float, float]:
    return found.hosted[0].figures["usd_per_year"].value, found.bought[0].figures["usd_per_year"].value


def test_requests_of_a_year_are_sessions_by_their_pace_and_the_utilisation() -> None:
    assert requests_per_year(DEMAND, SITE).value == pytest.approx(100 / 20 * 0.5 * 8766 * 3600)


def test_servers_hold_the_demand_and_fill_racks() -> None:
    found = host(decoder(), find_server("8x-l40s"), wanted(Demand(20_000)))
    held = found.capacity.sessions
    assert held > 0
    assert found.servers is not None
    assert (found.servers - 1) * held < 20_000 <= found.servers * held
    assert (found.a_rack, found.rack_binds, found.rack_sessions) == (3, "power", 3 * held)
    assert found.racks == -(-found.servers // 3)
    assert found.published is not None
    assert found.published.value == 8


def test_an_unknown_is_asked_for_and_never_zero() -> None:
    server = replace(find_server("8x-l40s"), price=None)
    found = host(decoder(), server, wanted())
    assert "usd_per_year" not in found.figures
    assert any("--price" in ask for ask in found.asks)
    bare = host(decoder(), replace(server, power=None, idle=None), wanted())
    assert not {"kw", "kwh_per_year", "electricity_usd_per_year", "rack_kw"} & set(bare.figures)
    assert bare.a_rack is None
    assert any("power" in ask for ask in bare.asks)


def test_a_chip_without_bandwidth_says_so() -> None:
    found = host(decoder(), SMALL, wanted())
    assert found.capacity.sessions == 0
    assert "bandwidth" in found.capacity.why
    assert found.servers is None


def test_money_and_energy_add_up() -> None:
    server = with_price(replace(find_server("8x-l40s"), idle=quantity(600, "W")), 80_000)
    found = host(decoder(), server, wanted()).figures
    power = 600 + (server.power.value - 600) * 0.5 if server.power else 0
    kwh = power * 1.5 * 8766 / 1000
    assert found["kwh_per_year"].value == pytest.approx(kwh)
    assert found["kg_per_year"].value == pytest.approx(0.4 * kwh)
    assert found["usd_per_year"].value == pytest.approx(80_000 / 4 + 1000 + 500 + 0.2 * kwh)
    assert found["idle_kwh_per_year"].value == pytest.approx(600 * 0.5 * 1.5 * 8.766)
    requests = wanted().requests.value
    assert found["usd_per_1k_requests"].value == pytest.approx(1000 * found["usd_per_year"].value / requests)
    assert found["usd_per_1k_requests"].value == pytest.approx(100 * found["usd_per_1k_tokens"].value)


def test_every_figure_says_where_it_is_from() -> None:
    server = with_price(find_server("8x-h100-sxm"), 300_000)
    making = {"llama-3.2-1b": Making(Figure(60, "s", "measured", "clock"), Figure(0.1, "kWh", "modelled", "watts"))}
    found = plan([decoder()], [server], wanted(making=making), [offer()])
    for figures in (found.hosted[0].figures, found.bought[0].figures, found.figures):
        for name, figure in figures.items():
            assert figure.source, name
            assert figure.provenance in ("measured", "modelled", "assumed"), name


# -- a model that answers in one step ---------------------------------------------------------------------------------


def test_a_server_holds_users_by_its_measured_throughput() -> None:
    found = host(encoder(1000.0), SMALL, wanted())
    assert found.capacity.sessions == int(1000 * PEAK_LOAD * 20)
    # The utilisation is the mean as a share of the peak: it sets a year's requests, and not once more what a server holds.
    seldom = replace(wanted(), site=replace(SITE, utilisation=quantity(0.05)))
    assert host(encoder(1000.0), SMALL, seldom).capacity.sessions == found.capacity.sessions
    assert found.servers == 1
    assert "usd_per_1k_tokens" not in found.figures or found.figures["usd_per_1k_tokens"].value > 0


def test_on_another_machine_it_was_not_measured() -> None:
    found = host(encoder(on="elsewhere"), SMALL, wanted())
    assert found.capacity.sessions == 0
    assert "elsewhere" in found.capacity.why
    assert found.asks == ()


def test_a_study_pays_its_energy_back() -> None:
    making = {"own": Making(Figure(600, "s", "measured", "clock"), Figure(0.5, "kWh", "modelled", "watts"))}
    found = plan([encoder()], [with_price(SMALL, 500)], wanted(making=making), [offer()])
    mine, theirs = found.hosted[0].figures, found.bought[0].figures
    saved = (theirs["kwh_per_1k_requests"].value - mine["kwh_per_1k_requests"].value) / 1000
    assert mine["payback_requests"].value == pytest.approx(0.5 / saved)
    assert mine["build_s"].value == 600


# -- buying -------------------------------------------------------------------------------------------------------------


def test_what_leaves_the_house() -> None:
    found = plan([encoder()], [SMALL], wanted(), [offer()])
    assert found.hosted[0].figures["tokens_leaving_per_year"].value == 0
    assert found.bought[0].figures["tokens_leaving_per_year"].value == pytest.approx(
        600 * found.figures["requests_per_year"].value
    )


def test_an_offer_without_a_price_or_an_energy_asks() -> None:
    bare = Priced("large", "seller", None, None, ("price of large",))
    found = plan([], [], wanted(), [bare]).bought[0]
    assert set(found.figures) == {"tokens_leaving_per_year"}
    assert found.asks[0] == "price of large"
    assert "not stated" in found.asks[1]


def test_it_breaks_even_where_both_cost_the_same() -> None:
    server = with_price(SMALL, 4000)
    first = plan([encoder()], [server], wanted(), [offer()])
    share = first.hosted[0].figures["break_even_utilisation"].value
    rate = first.hosted[0].capacity.sessions / DEMAND.every_s
    price = 1e-4 * rate * share * 8766 * 3600
    idle, full = 40 * 1.5 * 8.766 * 0.2, 100 * 1.5 * 8.766 * 0.2
    assert price == pytest.approx(4000 / 4 + 1500 + idle + (full - idle) * share)


# -- the recommendation -------------------------------------------------------------------------------------------------


def test_buying_wins_where_it_should() -> None:
    """8 sessions at 577 W against an API at 0.05 USD a million tokens."""
    server = with_price(replace(SMALL, power=quantity(577, "W"), idle=None), 10_000)
    eight = Demand(8, prompt_tokens=512, answer_tokens=128, every_s=12.8)
    subject = encoder(8 / 12.8 / PEAK_LOAD * 1.01)
    found = plan([subject], [server], wanted(eight), [offer(640 * 0.05e-6)])
    own, api = usd(found)
    assert found.hosted[0].capacity.sessions == 8
    assert api < own
    assert found.sentence.startswith("Buying large from seller")
    assert "break_even_utilisation" not in found.hosted[0].figures


def test_its_electricity_alone_decides_without_a_price() -> None:
    server = replace(SMALL, power=quantity(577, "W"), idle=None)
    found = plan([encoder()], [server], wanted(Demand(1, every_s=30)), [offer(1e-6)])
    assert found.sentence.startswith("Buying large")
    assert "electricity alone" in found.sentence
    assert "--price" not in found.sentence


def test_a_price_is_asked_for_where_it_would_decide() -> None:
    found = plan([encoder()], [SMALL], wanted(), [offer(1.0)])
    assert "--price" in found.sentence


def test_hosting_wins_at_a_volume_and_two_figures_say_so() -> None:
    found = plan([encoder()], [with_price(SMALL, 1000)], wanted(), [offer(0.01)])
    own, api = usd(found)
    assert own < api
    assert found.sentence.startswith("Hosting own on 1 server")
    assert f"${own:,.0f}" in found.sentence
    assert f"${api:,.0f}" in found.sentence


def test_without_costs_the_least_power_wins() -> None:
    pair = [replace(find_server(name), price=None) for name in ("8x-l40s", "8x-h100-sxm")]
    found = plan([decoder(), decoder("llama-3.1-8b")], pair, wanted())
    assert "3.1 kW" in found.sentence
    assert "pare find" in found.sentence


def test_nothing_that_serves_is_said_with_the_reason() -> None:
    found = plan([decoder("llama-3.1-405b")], [find_server("ampereone-a192-32x")], wanted())
    assert found.sentence.startswith("Nothing here serves")
    assert found.hosted[0].capacity.why in found.sentence


def test_goodput_is_simulated_for_the_recommended_servers_alone() -> None:
    found = plan([decoder()], [find_server("8x-l40s"), find_server("8x-h100-sxm")], wanted(Demand(50)))
    shares = [one.goodput for one in found.hosted]
    assert sum(share is not None for share in shares) == 1
    assert all(share is None or 0 <= share.value <= 1 for share in shares)


def test_growth_names_the_next_server() -> None:
    found = plan([encoder()], [with_price(SMALL, 4000)], wanted(), [offer()], Growth(0.05))
    names = [one.what for one in found.growth["own"]]
    assert names[0] == "server 2"
    assert "break-even" in names


def test_a_subject_is_best_put_on_the_cheapest_that_holds_it() -> None:
    dear, cheap = with_price(find_server("8x-h100-sxm"), 300_000), with_price(find_server("8x-l40s"), 80_000)
    found = plan([decoder()], [dear, cheap], wanted())
    best = best_of(found.hosted, "llama-3.2-1b")
    assert best is not None
    assert best.server == cheap.name


# -- all of it ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama-3.2-1b", "gemma-2-9b", "mixtral-8x7b", "deepseek-v2-lite"])
def test_a_compact_shape_has_the_same_sums(name: str) -> None:
    entry = find_model(name)
    assert entry is not None
    assert entry.config is not None
    whole = shape_of(entry.config)
    lean = compact(whole)
    assert len(lean.parts) < 8 < len(whole.parts)
    assert estimate.parameters(lean) == estimate.parameters(whole)
    assert anatomy.active_parameters(lean) == anatomy.active_parameters(whole)
    for widths in (Widths(8.0), Widths(4.25, head=8.0, kv=8.0)):
        left, right = (anatomy.at_widths(shape, widths) for shape in (lean, whole))
        assert anatomy.step_bytes(left, 7, 900) == pytest.approx(anatomy.step_bytes(right, 7, 900))
        assert anatomy.prefill_flops(left, 300) == pytest.approx(anatomy.prefill_flops(right, 300))


def test_the_whole_catalogue_is_planned_on_every_server() -> None:
    shapes = [(entry, shape_of(entry.config)) for entry in models().values() if entry.config]
    known = [Subject(entry.name, shape, None, None, None) for entry, shape in shapes if keeps_context(shape)]
    machines = [server for server in servers().values() if server.power is not None]
    found = plan(known, machines, wanted())
    assert len(found.hosted) == len(known) * len(machines)


def test_a_device_without_peaks_is_asked_for_them_and_not_taken_to_compute_in_no_time() -> None:
    known = find_server("8x-l40s")
    assert host(decoder(), known, wanted()).capacity.sessions > 0
    found = host(decoder(), replace(known, chip=replace(known.chip, peaks={})), wanted())
    assert found.capacity.sessions == 0
    assert "peaks" in found.capacity.why
    assert found.servers is None


def test_a_plan_by_hand() -> None:
    """Two servers of 14,000 users: power, energy, CO2, money, break-even and payback, worked out on paper.

    A server at u = 0.5: 40 W idle, 100 W full, so 70 W, x PUE 1.5 x 8,766 h = 920.43 kWh; two of them 1,840.86 kWh.
    """
    demand = Demand(20_000, prompt_tokens=500, answer_tokens=100, every_s=20)
    made = Making(Figure(3600.0, "s", "measured", "a clock"), Figure(0.5, "kWh", "modelled", "a study"))
    project = Project(quantity(2, "months"), quantity(10_000, "USD/month"), quantity(1_000, "USD"), quantity(100))
    requests = 20_000 / 20 * 0.5 * 8766 * 3600
    price = 1e-6
    server = with_price(replace(SMALL, rack_units=quantity(2, "U")), 8_000)
    found = plan(
        [encoder(1000.0)],
        [server],
        wanted(demand, making={"own": made}, project=project),
        [offer(price)],
        Growth(0.05),
    )
    one = found.hosted[0]
    value = {name: figure.value for name, figure in one.figures.items()}
    assert found.figures["requests_per_year"].value == pytest.approx(requests)
    assert (one.capacity.sessions, one.servers, one.racks, one.a_rack) == (14_000, 2, 1, 20)
    assert value["kw"] == pytest.approx(0.2)
    assert value["kwh_per_year"] == pytest.approx(1840.86)
    assert value["idle_kwh_per_year"] == pytest.approx(2 * 1.5 * 40 * 0.5 * 8.766)
    assert value["kg_per_year"] == pytest.approx(0.4 * 1840.86)
    assert value["kwh_per_1k_requests"] == pytest.approx(1840.86 / requests * 1000)
    assert value["kwh_per_1k_tokens"] == pytest.approx(1840.86 / requests * 1000 / 100)
    assert value["electricity_usd_per_year"] == pytest.approx(0.2 * 1840.86)
    yearly = 2 * (8_000 / 4 + 1_000 + 500) + 0.2 * 1840.86
    assert value["usd_per_year"] == pytest.approx(yearly)
    assert value["usd_per_1k_requests"] == pytest.approx(yearly / requests * 1000)
    assert value["rack_kw"] == pytest.approx(20 * 0.1)
    assert value["sessions_per_kw"] == pytest.approx(14_000 / 0.1)
    # fixed + busy u = requests of a year x u x price, and the volume of both servers there.
    fixed, busy = 3_500 + 0.2 * 1.5 * 8.766 * 40, 0.2 * 1.5 * 8.766 * 60
    full = 14_000 / 20 * 8766 * 3600
    share = fixed / (full * price - busy)
    assert value["break_even_utilisation"] == pytest.approx(share)
    assert value["break_even_requests_per_year"] == pytest.approx(2 * share * full)
    # The project: 21,000 USD and two months, of a month's saving less 100 USD; the study: its kWh, of what a request saves.
    saved = (requests * price - yearly) / 12 - 100
    assert value["project_usd"] == 21_000
    assert value["project_payback_months"] == pytest.approx(2 + 21_000 / saved)
    assert value["making_kg"] == pytest.approx(0.2)
    assert value["payback_requests"] == pytest.approx(0.5 / (2.4e-4 - 1840.86 / requests))
    bought = found.bought[0].figures
    assert bought["usd_per_year"].value == pytest.approx(requests * price)
    assert bought["kwh_per_year"].value == pytest.approx(requests * 2.4e-4)
    assert bought["kg_per_year"].value == pytest.approx(requests * 2.4e-4 * 0.4)
    assert bought["tokens_leaving_per_year"].value == pytest.approx(requests * 600)
    server_due, rack_due, even_due = found.growth["own"]
    assert server_due.months == pytest.approx(math.log(28_000 / 20_000) / math.log(1.05))
    assert rack_due.months == pytest.approx(math.log(280_000 / 20_000) / math.log(1.05))
    assert even_due.months == 0.0, "hosting is the cheaper already"
    cheap = plan([encoder(1000.0)], [server], wanted(demand), [offer(3e-7)], Growth(0.05))
    volume = 2 * fixed / (full * 3e-7 - busy) * full
    assert cheap.growth["own"][2].months == pytest.approx(math.log(volume / requests) / math.log(1.05))


def test_tokens_of_a_rack_and_of_a_joule_by_hand() -> None:
    found = host(decoder("llama-3.1-8b"), find_server("8x-l40s"), wanted())
    speed = found.capacity.tokens_per_s
    assert speed is not None
    assert found.a_rack == 3
    assert found.figures["rack_tokens_per_s"].value == pytest.approx(3 * speed.value)
    assert found.figures["tokens_per_j"].value == pytest.approx(speed.value / 3097)
    assert found.figures["sessions_per_kw"].value == pytest.approx(found.capacity.sessions / 3.097)
    assert found.figures["kv_bytes_per_session"].value == 600 * 131_072
    assert found.figures["weight_bytes"].value == 8_030_261_248


def test_joules_of_a_token_are_told_where_they_were_measured() -> None:
    subject = replace(decoder("llama-3.1-8b"), widths=Widths(16.0))
    found = host(subject, find_server("h100-sxm"), wanted())
    line = next(one for one in calibrations() if one.joules_slope is not None)
    assert line.joules_constant is not None
    assert line.joules_slope is not None
    each = line.joules_constant + line.joules_slope / found.capacity.batch
    assert found.figures["j_per_token"].value == pytest.approx(each)
    assert "j_per_token" not in host(subject, find_server("l40s"), wanted()).figures
