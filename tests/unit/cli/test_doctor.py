"""``pare doctor``: what was measured here, and measuring it, with meters that tell made-up figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pare.benchmark import bandwidth, machine, products
from pare.capacity import machine as capacity
from pare.errors import MissingExtra
from pare.testing.machines import fake_entry
from pare.types import Quantity

Pare = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / "home"


@pytest.fixture
def meters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meters that tell made-up figures at once, on a machine without the build extra and without a counter."""

    def rates(threads: int, memory: int, date: str, size: int | None, passes: int) -> tuple[Quantity, Quantity]:
        return Quantity(48e9, "bytes/s", "measured", "fake"), Quantity(30e9, "bytes/s", "measured", "fake")

    def peaks(threads: int, date: str, rows: int, columns: int, seconds: float) -> products.Peaks:
        return products.Peaks(
            {"fp32": Quantity(2e11, "FLOP/s", "measured", "fake")}, ("bf16: this processor has none",)
        )

    monkeypatch.setattr(bandwidth, "bandwidths", rates)
    monkeypatch.setattr(products, "peaks", peaks)
    monkeypatch.setattr(capacity, "find_spec", lambda name: None)
    monkeypatch.setattr(capacity, "power_of", lambda device, counted, today: (None, ("power: no counter",)))
    monkeypatch.setattr(capacity.time, "sleep", lambda seconds: None)


@pytest.mark.usefixtures("meters")
def test_measuring_stores_an_entry_and_tells_it(pare: Pare) -> None:
    said = pare("doctor", "--measure")
    assert said.code == 0
    for words in ("reads 48.0 GB/s; STREAM triad 30.0 GB/s", "fp32 200 GFLOP/s", "bf16: this processor has none"):
        assert words in said.out
    assert "measuring memory bandwidth" in said.err
    assert f"stored in {machine.place()}" in said.err
    server = machine.this_machine()
    assert server is not None
    assert server.chip.bandwidth is not None
    assert server.chip.bandwidth.value == 48e9
    assert server.chip.bandwidth.provenance == "measured"
    assert server.power is None
    assert server.idle is None


@pytest.mark.usefixtures("meters")
def test_without_the_build_extra_the_rest_is_measured_and_one_line_says_so(pare: Pare) -> None:
    found = pare("doctor", "--measure", "--json").json()["measured"]
    assert found["calibrations"] == []
    assert found["server"]["chip"]["peaks"]["fp32"]["value"] == 2e11
    missing = [note for note in found["notes"] if "pip install 'pare-lm[build]'" in note]
    assert len(missing) == 1
    assert missing[0].startswith("engines were not timed")


def test_what_is_stored_is_shown(pare: Pare) -> None:
    machine.write(fake_entry())
    said = pare("doctor")
    assert "openvino, llama-29m-random in w8: 4.00 + 0.500 x batch ms between tokens" in said.out
    assert "90 W, measured" in said.out
    assert pare("doctor", "--json").json()["measured_why"] == ""


def test_nothing_stored_says_how_to_measure(pare: Pare) -> None:
    assert "pare doctor --measure" in pare("doctor").out
    found = pare("doctor", "--json").json()
    assert found["measured"] is None
    assert "not measured yet" in found["measured_why"]


def test_an_entry_of_another_machine_is_not_shown(pare: Pare) -> None:
    entry = fake_entry()
    machine.write(replace(entry, device=replace(entry.device, name="another processor")))
    assert pare("doctor", "--json").json()["measured"] is None


def test_a_broken_file_is_told_and_the_rest_is_shown(pare: Pare) -> None:
    machine.place().parent.mkdir(parents=True)
    machine.place().write_text("{")
    said = pare("doctor")
    assert said.code == 0
    assert "is no entry of a machine" in said.out
    assert "python" in said.out


def test_stopping_leaves_what_was_stored(pare: Pare, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.write(fake_entry())
    before = machine.place().read_bytes()

    def stop(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bandwidth, "bandwidths", stop)
    said = pare("doctor", "--measure")
    assert said.code == 130
    assert "nothing was stored" in said.err
    assert machine.place().read_bytes() == before
    assert [file.name for file in machine.place().parent.iterdir()] == [machine.FILE]


# -- power ------------------------------------------------------------------------------------------------------------


def test_power_that_was_counted_is_measured() -> None:
    power, why = capacity.power_of(fake_entry().device, 88.0, "2026-01-31")
    assert power is not None
    assert (power.value, power.provenance, why) == (88.0, "measured", ())
    assert "RAPL" in power.source


def test_power_of_a_listed_processor_keeps_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Quantity(280.0, "W", "assumed", "thermal design power of Chip 9, by codecarbon 3")
    monkeypatch.setattr("pare.catalog.grid.cpu_power_w", lambda name: listed)
    power, why = capacity.power_of(fake_entry().device, None, "2026-01-31")
    assert power == listed
    assert "280 W" in why[0]


def test_power_that_nothing_tells_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pare.catalog.grid.cpu_power_w", lambda name: None)
    power, why = capacity.power_of(fake_entry().device, None, "2026-01-31")
    assert power is None
    assert "codecarbon lists no processor" in why[0]

    def missing(name: str) -> None:
        raise MissingExtra("codecarbon", "plan", "reading processors")

    monkeypatch.setattr("pare.catalog.grid.cpu_power_w", missing)
    power, why = capacity.power_of(fake_entry().device, None, "2026-01-31")
    assert power is None
    assert "codecarbon, which is not installed" in why[0]
