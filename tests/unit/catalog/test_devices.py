from __future__ import annotations

import re

import pytest

from pare.catalog.devices import find_server, read_devices, servers
from pare.errors import InputError
from pare.types import Quantity

CHIP = """
chips:
  small:
    - {date: 2026-01-01, name: Small, kind: gpu, source: sheet, bandwidth_gb_per_s: 500, peaks_tera: {fp32: 10}}
    - {date: 2026-02-01, name: Small, kind: gpu, source: sheet, bandwidth_gb_per_s: 600, memory_gb: 24,
       peaks_tera: {fp32: 10, bf16: 40}, sources: {memory_gb: label}}
"""
SERVER = """
servers:
  pair:
    - {date: 2026-03-01, name: A pair, chip: small, count: 2, source: shop, power_w: 700, sessions: {a-model: 4}}
"""


def test_figures_are_in_base_units_with_source_and_date() -> None:
    found = read_devices(CHIP + SERVER, "devices.yaml")
    pair = found["pair"]
    assert (pair.count, pair.chip.name) == (2, "Small")
    assert pair.chip.bandwidth == Quantity(600e9, "B/s", "assumed", "sheet (2026-02-01)")
    assert pair.chip.memory == Quantity(24e9, "B", "assumed", "label (2026-02-01)")
    assert pair.chip.peaks["bf16"] == Quantity(40e12, "FLOP/s", "assumed", "sheet (2026-02-01)")
    assert pair.power == Quantity(700.0, "W", "assumed", "shop (2026-03-01)")
    assert pair.sessions["a-model"].value == 4
    assert (pair.price, pair.idle, pair.rack_units, pair.embodied, pair.chip.power) == (None,) * 5


def test_a_chip_is_a_server_of_its_own_whose_power_is_unknown() -> None:
    alone = read_devices(CHIP, "devices.yaml")["small"]
    assert (alone.name, alone.count, alone.power) == ("Small", 1, None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bandwidth_gb_per_s: 600", "bandwidth_gb_per_s: 0", "chips.small.bandwidth_gb_per_s must be a number above 0"),
        ("bandwidth_gb_per_s: 600", "bandwidth_gb_per_s: fast", "must be a number above 0 but is 'fast'"),
        ("bandwidth_gb_per_s: 600", "bandwith_gb_per_s: 600", "did you mean bandwidth_gb_per_s"),
        (
            "kind: gpu, source: sheet, bandwidth_gb_per_s: 600",
            "kind: tpu, source: x",
            "must be cpu, gpu or accelerator",
        ),
        ("name: Small, kind: gpu, source: sheet, bandwidth_gb_per_s: 600", "name: S, kind: gpu", "must give source"),
        ("bf16: 40", "bf17: 40", "did you mean bf16"),
        ("sources: {memory_gb: label}", "sources: {power_w: label}", "sources names power_w"),
        ("chip: small", "chip: smal", "'smal' is no chip; did you mean small"),
        ("date: 2026-03-01, name: A pair", "name: A pair", "must be a list of dated entries"),
        ("servers:", "machines:", "must hold chips and servers"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(old: str, new: str, message: str) -> None:
    text = CHIP + SERVER
    assert old in text
    with pytest.raises(InputError, match=re.escape(message)):
        read_devices(text.replace(old, new), "devices.yaml")


def test_servers_are_found_by_key_or_name_and_the_nearest_is_named() -> None:
    assert find_server("8X-H100-SXM") is find_server("8x nvidia h100 sxm 80gb")
    assert find_server("rtx 3090").chip.name == "RTX 3090"
    with pytest.raises(InputError, match="did you mean 8x-h100-sxm"):
        find_server("8x-h100")


@pytest.mark.parametrize("key", servers())
def test_every_device_can_be_planned_for(key: str) -> None:
    server = servers()[key]
    assert server.chip.bandwidth is not None
    assert server.chip.memory is not None
    assert {"fp32", "vector"} & set(server.chip.peaks)
    assert 2e11 < server.chip.bandwidth.value < 1e13, "bytes a second"
    assert 8e9 <= server.chip.memory.value <= 2e12, "bytes"
    figures = [server.chip.bandwidth, server.chip.memory, *server.chip.peaks.values(), *server.sessions.values()]
    assert all(re.search(r"\(\d{4}-\d\d-\d\d\)$", figure.source) for figure in figures)


@pytest.mark.parametrize("key", [key for key, server in servers().items() if server.rack_units is not None])
def test_a_whole_machine_draws_at_least_what_its_chips_may(key: str) -> None:
    server = servers()[key]
    assert server.power is not None
    assert server.rack_units is not None
    assert 1 <= server.rack_units.value <= 12
    vendors_comparison = bool(server.sessions)  # measured or assumed under load, below the chips' most
    if server.chip.power is not None and not vendors_comparison:
        assert server.count * server.chip.power.value < server.power.value < 3 * server.count * server.chip.power.value


def test_published_footprints_are_told_with_their_parts() -> None:
    found = {key: server.embodied for key, server in servers().items() if server.embodied is not None}
    assert found.keys() == {"8x-h100-sxm", "8x-b200-sxm", "8x-a100-sxm-80gb"}
    for key, board in (("8x-h100-sxm", 1_312), ("8x-b200-sxm", 2_274), ("8x-a100-sxm-80gb", 8 * 127.6)):
        assert found[key].value == pytest.approx(board + 0.152 * 8_640, abs=1)
        assert "R740" in found[key].source
