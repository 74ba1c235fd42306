from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.catalog.devices import find_server
from pare.errors import InputError
from pare.planner.capacity import Rule
from pare.planner.rack import DEFAULT, Rack, of_rack, pack, read_rack

MODELS = {
    "sessions_llama32_1b": ("llama-3.2-1b", 1.236e9),
    "sessions_llama32_3b": ("llama-3.2-3b", 3.213e9),
    "sessions_llama31_8b": ("llama-3.1-8b", 8.03e9),
    "sessions_llama31_70b": ("llama-3.1-70b", 70.55e9),
    "sessions_llama31_405b": ("llama-3.1-405b", 405.9e9),
}
"""Columns of the vendor's table, their models and the bytes of their weights at 8 bits."""

RACKS = {
    "AmpereOne A192-32X": (19, [1216, 608, 152, None, None]),
    "8x NVIDIA L40S": (3, [24, 24, 24, None, None]),
    "8x NVIDIA H100 SXM 80GB": (1, [56, 56, 56, 8, None]),
}
RULES = {"8x NVIDIA L40S": Rule(), "8x NVIDIA H100 SXM 80GB": Rule(slices=7)}


@pytest.fixture
def rows(data: Path) -> dict[str, dict[str, str]]:
    lines = (data / "hardware" / "servers.csv").read_text(encoding="utf-8").splitlines()
    return {row["server"]: row for row in csv.DictReader(line for line in lines if not line.startswith("#"))}


@pytest.mark.parametrize("name", RACKS)
def test_the_vendors_racks(rows: dict[str, dict[str, str]], name: str) -> None:
    row, (servers, expected) = rows[name], RACKS[name]
    packed = pack(DEFAULT, int(row["rack_units"]), float(row["power_w"]))
    assert (packed.servers, packed.binds) == (servers, "power")
    stated = [of_rack(packed, int(row[c])).sessions if row[c].isdigit() else None for c in MODELS]
    assert stated == expected


@pytest.mark.parametrize("name", RACKS)
def test_the_catalogue_says_what_the_vendors_table_says(rows: dict[str, dict[str, str]], name: str) -> None:
    row, server = rows[name], find_server(name)
    assert server.power is not None
    assert server.rack_units is not None
    assert server.chip.memory is not None
    assert (server.power.value, server.rack_units.value) == (float(row["power_w"]), float(row["rack_units"]))
    assert server.count == (int(row["accelerators"]) or 1)
    if int(row["accelerators"]):
        assert server.chip.memory.value == 1e9 * float(row["memory_gb_each"])
    stated = {model: int(row[column]) for column, (model, _) in MODELS.items() if row[column].isdigit()}
    assert {model: figure.value for model, figure in server.sessions.items()} == stated
    assert all("18 December 2024" in figure.source for figure in server.sessions.values())


@pytest.mark.parametrize("name", RULES)
def test_the_vendors_assumption_of_a_session_a_gpu_gives_its_figures(
    rows: dict[str, dict[str, str]], name: str
) -> None:
    for column, (_, size) in MODELS.items():
        by_rule = RULES[name].sessions(size, find_server(name))
        # Where the vendor states none the model does not fit one chip.
        assert by_rule == (int(rows[name][column]) if rows[name][column].isdigit() else None)


def test_space_power_or_both_bind() -> None:
    assert pack(DEFAULT, 10, 500).binds == "space"
    assert pack(DEFAULT, 10, 500).servers == 4
    assert pack(Rack(42, 11, 2, 1), 10, 2500).binds == "both"
    assert pack(DEFAULT, 1, 500).servers == 23
    assert pack(DEFAULT, 1, 20_000).servers == 0


def test_an_unknown_height_or_power_is_asked_for() -> None:
    with pytest.raises(InputError, match="has 0 units and 500 W"):
        pack(DEFAULT, 0, 500)
    with pytest.raises(InputError, match="state both"):
        pack(DEFAULT, 2, 0.0)


@given(st.integers(3, 60), st.floats(2, 40), st.integers(1, 10), st.floats(100, 10_000))
def test_a_rack_holds_what_it_takes_and_no_more(units: int, kilowatts: float, height: int, watts: float) -> None:
    packed = pack(Rack(units, kilowatts), height, watts)
    assert packed.used_units <= units - 2
    assert packed.used_kw <= kilowatts - 1 + 1e-6
    fits_space = packed.used_units + height <= units - 2
    fits_power = packed.used_kw + watts / 1000 <= kilowatts - 1 - 1e-6
    assert not (fits_space and fits_power)


def test_what_a_rack_serves_by_hand() -> None:
    packed = pack(DEFAULT, 4, 3000)
    found = of_rack(packed, 10, 600.0)
    assert (found.sessions, found.tokens_per_s) == (30, 1800.0)
    assert found.sessions_per_kw == pytest.approx(30 / 9)
    assert found.tokens_per_j == pytest.approx(1800 / 9000)
    assert of_rack(packed, 10).tokens_per_j is None
    assert of_rack(pack(DEFAULT, 1, 20_000), 10, 600.0).sessions == 0


def test_racks_are_read_as_users_write_them() -> None:
    assert read_rack("42U,12.5kW") == DEFAULT
    assert read_rack("15000 W, 48u") == Rack(48, 15.0)
    assert read_rack("20kW") == Rack(42, 20.0)
    for wrong in ("42", "4.5U", "tall", ""):
        with pytest.raises(InputError, match=r"written like 42U,12\.5kW"):
            read_rack(wrong)
    with pytest.raises(InputError, match="more than the 2 U and 1 kW"):
        read_rack("2U")
    for huge in ("9" * 400 + "U", "9" * 400 + "kW", "1001U"):
        with pytest.raises(InputError, match="at most 1,000 U and 10,000 kW"):
            read_rack(huge)
