from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from pare import catalog
from pare.catalog import grid as module
from pare.catalog.grid import cpu_power_w, grid
from pare.errors import InputError, MissingExtra

needs_codecarbon = pytest.mark.skipif(find_spec("codecarbon") is None, reason="the plan extra is not installed")


def test_without_a_region_the_assumption_of_the_catalogue_counts() -> None:
    assert grid() == grid(" ") == catalog.fact("serving", "grid_intensity_kg_per_kwh")


@needs_codecarbon
def test_a_region_by_code_or_name() -> None:
    saudi = grid("SAU")
    assert saudi == grid("sau") == grid("Saudi Arabia") == grid("saudi arabia")
    assert saudi.unit == "kg CO2e/kWh"
    assert saudi.provenance == "assumed"
    assert "Saudi Arabia (SAU) in 20" in saudi.source
    assert "codecarbon" in saudi.source
    # Oil and gas, coal and wind, nuclear: an order that no edition of the data turns around.
    assert 0.5 < saudi.value < 1.0
    assert grid("FRA").value < grid("DEU").value < saudi.value
    assert 0.01 < grid("FRA").value < 0.15
    assert 0.4 < grid("world").value < 0.55


@needs_codecarbon
@pytest.mark.parametrize(
    ("region", "words"),
    [("SAX", "SAU"), ("Germny", "did you mean Germany"), ("DE", "three-letter"), ("qqqqqq", "three-letter")],
)
def test_an_unknown_region_is_refused_with_the_nearest(region: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        grid(region)


@needs_codecarbon
def test_an_intensity_of_zero_is_unknown() -> None:
    with pytest.raises(InputError, match=r"Central African Republic .* is not known"):
        grid("CAF")


@needs_codecarbon
def test_the_power_of_a_processor() -> None:
    power = cpu_power_w("AMD EPYC 9654 96-Core Processor")
    assert power is not None
    assert (power.value, power.unit, power.provenance) == (360.0, "W", "assumed")
    assert "AMD EPYC 9654, by codecarbon" in power.source
    xeon = cpu_power_w("Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz")
    assert xeon is not None
    assert xeon.value == 300.0
    for unknown in ("AMD EPYC", "AmpereOne A192-32X", "", "Processor"):
        assert cpu_power_w(unknown) is None


@needs_codecarbon
def test_codecarbon_is_read_and_not_imported() -> None:
    code = "import sys; from pare.catalog.grid import *; grid('DEU'); cpu_power_w('AMD EPYC 9654'); "
    code += "print('codecarbon' in sys.modules or 'pandas' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_without_codecarbon_the_command_that_adds_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    module._json.cache_clear()
    module._cpu_powers.cache_clear()
    with pytest.raises(MissingExtra, match=r"pare-lm\[plan\]"):
        grid("DEU")
    with pytest.raises(MissingExtra, match=r"pare-lm\[plan\]"):
        cpu_power_w("AMD EPYC 9654")
    assert grid().value > 0
