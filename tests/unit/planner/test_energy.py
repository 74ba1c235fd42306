from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.catalog.types import Chip, Server
from pare.errors import InputError
from pare.planner import energy
from pare.planner.speed import fit_line
from pare.types import Candidate, Quantity, Trial

GRID = Quantity(0.4, "kg CO2e/kWh", "assumed", "test grid")
POWER = Quantity(200.0, "W", "modelled", "test power")


def test_serving_by_hand() -> None:
    # 100 W idle and 500 W full at a quarter: 200 W on average, 1,753.2 kWh a year at the plug of the machine.
    assert energy.mean_power_w(500, 100, 0.25) == 200
    assert energy.serving_kwh_per_year(500, 100, 0.25, 1.0) == pytest.approx(1_753.2)
    assert energy.serving_kwh_per_year(500, 100, 0.25, 1.5, servers=4) == pytest.approx(6 * 1_753.2)
    # Three quarters of the time it draws 100 W for nothing: 657.45 kWh.
    assert energy.idling_kwh_per_year(500, 100, 0.25, 1.0) == pytest.approx(657.45)
    assert energy.kg(1_000, GRID).value == 400
    assert "test grid" in energy.kg(1_000, GRID).source
    made = energy.embodied_kg_per_year(Quantity(1_200, "kg CO2e", "assumed", "maker"), 4, servers=2)
    assert made.value == 600


@given(st.floats(0, 1), st.floats(0, 1), st.floats(1, 5_000), st.floats(0, 1), st.floats(1, 2), st.integers(0, 40))
def test_serving_energy_grows_with_work_and_idling_shrinks(
    a: float, b: float, power: float, idle_share: float, pue: float, servers: int
) -> None:
    low, high = sorted((a, b))
    idle = power * idle_share
    used = [energy.serving_kwh_per_year(power, idle, u, pue, servers) for u in (low, high)]
    lost = [energy.idling_kwh_per_year(power, idle, u, pue, servers) for u in (low, high)]
    assert used[0] <= used[1] * (1 + 1e-9)
    assert lost[1] <= lost[0] * (1 + 1e-9)
    assert all(waste <= whole * (1 + 1e-9) for waste, whole in zip(lost, used, strict=True))
    one = energy.serving_kwh_per_year(power, idle, low, pue)
    assert used[0] == pytest.approx(servers * one)


def test_a_token_costs_less_in_company() -> None:
    assert energy.joules_per_token(1, 0.05, 3.2) == pytest.approx(3.25)
    assert energy.joules_per_token(32, 0.05, 3.2) == pytest.approx(0.15)
    with pytest.raises(InputError, match="at least 1 session"):
        energy.joules_per_token(0, 0.05, 3.2)


def test_the_line_of_a_token_predicts_a_measured_gpu(data: Path) -> None:
    """Llama-3.1-8B on one H100: fitted on the smallest and the largest batch, the two between are predicted within 8 %."""
    lines = (data / "hardware" / "mlenergy_llama31_8b_h100.csv").read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines if line and not line.startswith(("#", "batch"))]
    points = [(float(row[0]), float(row[4])) for row in rows]
    ends, between = [points[0], points[-1]], points[1:-1]
    line = fit_line([1 / batch for batch, _ in ends], [joules for _, joules in ends])
    assert between
    for batch, joules in between:
        assert energy.joules_per_token(batch, line.constant, line.slope) == pytest.approx(joules, rel=0.08)


def test_an_idle_power_is_assumed_only_where_none_is_stated() -> None:
    chip = Chip("chip", "cpu", None, None, {}, None)
    share = Quantity(0.2, "", "assumed", "a survey")
    bare = Server("bare", chip, 1, power=POWER)
    found = energy.with_idle(bare, share).idle
    assert found is not None
    assert (found.value, found.unit, found.provenance) == (40.0, "W", "assumed")
    stated = Server("stated", chip, 1, power=POWER, idle=Quantity(90, "W", "measured", "meter"))
    assert energy.with_idle(stated, share) is stated
    assert energy.with_idle(Server("unknown", chip, 1), share).idle is None


def test_hardware_is_made_of_a_server_and_its_accelerators_where_no_footprint_is_stated() -> None:
    bare, each = (Quantity(kg, "kg CO2e", "assumed", who) for kg, who in ((1_000, "a maker"), (150, "another")))
    tall = Quantity(2, "U", "assumed", "a sheet")
    gpu, cpu = (Chip("chip", kind, None, None, {}, None) for kind in ("gpu", "cpu"))
    four = energy.with_embodied(Server("four", gpu, 4, rack_units=tall), bare, each).embodied
    two = energy.with_embodied(Server("two", cpu, 2, rack_units=tall), bare, each).embodied
    assert four is not None
    assert two is not None
    assert (four.value, two.value, four.provenance) == (1_600, 1_000, "assumed")
    assert "a maker" in four.source
    assert "another" in four.source
    assert "another" not in two.source
    stated = Server("stated", gpu, 4, rack_units=tall, embodied=Quantity(900, "kg CO2e", "assumed", "its maker"))
    assert energy.with_embodied(stated, bare, each) is stated
    part = Server("a part of a server", cpu, 1, power=POWER)
    assert energy.with_embodied(part, bare, each) is part


@pytest.mark.parametrize(("power", "idle", "share"), [(100, 200, 0.5), (100, -1, 0.5), (100, 10, 1.1), (100, 10, -0.1)])
def test_impossible_powers_are_refused(power: float, idle: float, share: float) -> None:
    with pytest.raises(InputError, match="idle power from 0 W to full power"):
        energy.serving_kwh_per_year(power, idle, share, 1.2)


def trial(name: str, seconds: float, state: str = "done") -> Trial:
    return Trial(Candidate(name, "", (), "openvino"), 1, 1.0, state, seconds=seconds)  # type: ignore[arg-type]


def test_what_a_study_took_includes_what_failed() -> None:
    trials = [trial("a", 3_000), trial("b", 500, "failed"), trial("c", 100, "dropped")]
    found = energy.study_kwh(trials, POWER, pue=1.5)
    assert found.value == pytest.approx(1.5 * 200 * 1.0 / 1_000)  # an hour at 200 W
    assert (found.unit, found.provenance) == ("kWh", "modelled")
    assert "3,600 s x 200 W" in found.source


def test_the_requests_that_pay_the_making_back() -> None:
    # 0.3 kWh are 1.08 MJ; 864 J a request (0.24 Wh) saved but for 0.5 J.
    found = energy.payback_requests(0.3, 864, 0.5)
    assert found == pytest.approx(1_080_000 / 863.5)
    assert energy.payback_requests(0.3, 0.5, 0.5) is None
    assert energy.payback_requests(0.3, 0.5, 864) is None
