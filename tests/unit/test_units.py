from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare import units

AMOUNTS = st.floats(1e-9, 1e12)


@given(AMOUNTS)
def test_joules_and_kilowatt_hours_convert_both_ways(amount: float) -> None:
    assert units.joules_to_kwh(units.kwh_to_joules(amount)) == pytest.approx(amount, rel=1e-12)
    assert units.kwh_to_joules(units.joules_to_kwh(amount)) == pytest.approx(amount, rel=1e-12)


@given(AMOUNTS, st.floats(1e-3, 1e5))
def test_watts_and_kilowatt_hours_convert_both_ways(watts: float, hours: float) -> None:
    kwh = units.watts_to_kwh(watts, hours)
    assert units.kwh_to_watts(kwh, hours) == pytest.approx(watts, rel=1e-12)
    # The same energy, by way of joules.
    assert units.kwh_to_joules(kwh) == pytest.approx(watts * hours * 3600, rel=1e-12)


def test_anchors() -> None:
    assert units.kwh_to_joules(1) == 3_600_000
    assert units.watts_to_kwh(577, units.HOURS_PER_YEAR) == pytest.approx(5057.98, abs=0.01)
    assert units.SECONDS_PER_MONTH * 12 == 365.25 * 86_400


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (units.energy(0.00042), "0.42 Wh"),
        (units.energy(0.85), "850 Wh"),
        (units.energy(12.34), "12.3 kWh"),
        (units.energy(4_210), "4.21 MWh"),
        (units.energy(0), "0 Wh"),
        (units.power(577), "577 W"),
        (units.power(12_500), "12.5 kW"),
        (units.mass(0.0008), "0.8 g"),
        (units.mass(12.3), "12.3 kg"),
        (units.mass(4_200), "4.2 t"),
        (units.dollars(Decimal("12400.4")), "$12,400"),
        (units.dollars(12.4), "$12.40"),
        (units.dollars(0.00312), "$0.0031"),
        (units.dollars(0.5), "$0.50"),
        (units.dollars(0.999), "$1.00"),
        (units.dollars(-3.2), "-$3.20"),
        (units.dollars(0), "$0.00"),
    ],
)
def test_as_people_read_them(text: str, wanted: str) -> None:
    assert text == wanted
