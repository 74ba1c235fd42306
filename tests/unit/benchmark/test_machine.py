"""This machine's entry: what is stored comes back, and what cannot be is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pare.benchmark import machine
from pare.errors import InputError
from pare.testing.machines import fake_entry
from pare.types import Device


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_what_is_stored_comes_back() -> None:
    entry = fake_entry()
    path = machine.write(entry)
    assert machine.entry_here() == entry
    assert machine.this_machine() == entry.server
    assert [file.name for file in path.parent.iterdir()] == [machine.FILE], "nothing is left beside it"


def test_where_nothing_was_measured_there_is_nothing() -> None:
    assert machine.this_machine() is None
    assert machine.entry_here() is None


@pytest.mark.parametrize("other", [{"name": "another processor"}, {"cores": 4096}])
def test_an_entry_of_another_machine_is_not_used(other: dict[str, Any]) -> None:
    entry = fake_entry()
    machine.write(replace(entry, device=replace(entry.device, **other)))
    assert machine.this_machine() is None
    assert machine.entry_here() is None


def test_more_memory_is_still_this_machine() -> None:
    entry = fake_entry()
    machine.write(replace(entry, device=replace(entry.device, memory_bytes=1)))
    assert machine.this_machine() == entry.server


def test_a_later_entry_takes_the_place_of_the_earlier() -> None:
    machine.write(fake_entry())
    machine.write(replace(fake_entry(), threads=1))
    found = machine.entry_here()
    assert found is not None
    assert found.threads == 1


def test_the_name_says_processor_and_cores() -> None:
    assert machine.server_name(Device("Chip 9", 12, 1)) == "Chip 9, 12 cores"


# -- broken files -----------------------------------------------------------------------------------------------------


def refusal() -> str:
    with pytest.raises(InputError) as raised:
        machine.this_machine()
    words = str(raised.value)
    assert "\n" not in words
    assert machine.FILE in words
    return words


def stored(change: Callable[[dict[str, Any]], None]) -> None:
    held = json.loads(msgspec.json.encode(fake_entry()))
    change(held)
    machine.place().parent.mkdir(parents=True, exist_ok=True)
    machine.place().write_text(json.dumps(held), encoding="utf-8")


def put(*keys: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(held: Any) -> None:
        for key in keys[:-1]:
            held = held[key]
        held[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("server", "chip", "bandwidth", "value", value=-1), "bandwidth must be a number above 0 but found -1"),
        (put("server", "chip", "peaks", "fp32", "value", value=0), "peaks.fp32 must be a number above 0 but found 0"),
        (put("figures", "triad", "value", value=0), "figures.triad must be a number above 0"),
        (put("server", "power", "value", value=-5), "power must be a number above 0 but found -5"),
        (put("server", "count", value=0), "server.count must be from 1 to 1,000,000 but found 0"),
        (put("server", "count", value=10**30), "server.count"),
        (put("threads", value=0), "threads must be from 1 to 1,000,000"),
        (put("calibrations", 0, "itl_slope_s", value=-0.1), "itl of llama-29m-random must be a line of numbers"),
        (put("calibrations", 0, "prefill_slope_s", value=None), "must have both a constant and a slope"),
        (
            put("calibrations", 0, "largest_batch", value=0),
            "largest_batch of llama-29m-random must be from 1 to 1,000,000",
        ),
        (put("calibrations", 0, "context", value=0), "context of llama-29m-random must be a number above 0"),
        (put("calibrations", 0, "server", value="other"), "a line must be of the server"),
        (put("date", value="yesterday"), "date must be a day as 2026-01-31 but found 'yesterday'"),
        (put("server", "chip", "kind", value="toaster"), "toaster"),
        (put("device", value=None), "$.device"),
    ],
)
def test_what_cannot_be_is_refused_by_name(change: Callable[[dict[str, Any]], None], words: str) -> None:
    stored(change)
    said = refusal()
    assert words in said
    assert machine.REMEDY in said


def test_a_later_form_asks_for_a_later_pare() -> None:
    stored(put("format", value=machine.FORMAT + 1))
    assert "upgrade pare-lm" in refusal()


def test_nothing_that_cannot_be_is_stored() -> None:
    entry = fake_entry()
    machine.write(entry)
    with pytest.raises(InputError, match="threads must be from 1 to 1,000,000"):
        machine.write(replace(entry, threads=0))
    assert machine.entry_here() == entry, "the one before is as it was"


def test_a_folder_in_its_place_is_one_line() -> None:
    machine.place().mkdir(parents=True)
    assert "cannot be read" in refusal()


WHOLE = msgspec.json.encode(fake_entry())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.integers(0, len(WHOLE)),
    length=st.integers(0, 40),
    put_in=st.one_of(st.binary(max_size=12), st.sampled_from([b"null", b"1e999", b"-1", b"[]", b"NaN", b"{}", b'"x"'])),
)
def test_any_damage_is_one_line_or_an_entry(start: int, length: int, put_in: bytes) -> None:
    machine.place().parent.mkdir(parents=True, exist_ok=True)
    machine.place().write_bytes(WHOLE[:start] + put_in + WHOLE[start + length :])
    try:
        found = machine.entry_here()
    except InputError:
        refusal()
    else:
        assert found is None or found.server.count >= 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(WHOLE) - 1))
def test_half_a_file_is_refused(cut: int) -> None:
    machine.place().parent.mkdir(parents=True, exist_ok=True)
    machine.place().write_bytes(WHOLE[:cut])
    assert "is no entry of a machine" in refusal()
