"""This machine is measured for real, at tiny sizes: bandwidth, products in every width, and every engine that is here."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

from pare.benchmark import machine
from pare.benchmark.continuous import Continuous
from pare.benchmark.machine import Entry
from pare.capacity.machine import ENGINES, Effort, measure_machine
from pare.capacity.probe import Llama, random_llama, served
from pare.errors import InputError
from pare.types import Artifact

TINY = Llama(width=64, inner=128, layers=2, heads=4, vocabulary=512, length=64)
EFFORT = Effort(
    array_bytes=1 << 22,
    passes=3,
    rows=64,
    columns=128,
    seconds=0.01,
    model=TINY,
    batches=(1, 3),
    prompt=8,
    new=6,
    rounds=2,
    idle_s=0.01,
)


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def entry(said: list[str]) -> Entry:
    return measure_machine(said.append, EFFORT)


def test_every_figure_is_measured_and_says_how(entry: Entry) -> None:
    chip = entry.server.chip
    assert chip.bandwidth is not None
    assert chip.memory is not None
    for quantity in (chip.bandwidth, chip.memory, entry.figures["triad"], *chip.peaks.values()):
        assert quantity.provenance == "measured"
        assert quantity.value > 0
        assert entry.date in quantity.source
    assert {"fp32", "int8", "int4"} <= set(chip.peaks)
    assert ("bf16" in chip.peaks) != any(note.startswith("bf16") for note in entry.notes)
    assert any(note.startswith("fp8") for note in entry.notes)


def test_every_engine_has_a_line_or_a_note(entry: Entry, said: list[str]) -> None:
    timed = {line.engine for line in entry.calibrations}
    assert "openvino" in timed
    for engine in ENGINES:
        assert (engine.name in timed) != any(note.startswith(f"{engine.name} was not timed") for note in entry.notes)
    for line in entry.calibrations:
        assert line.itl_constant_s + line.itl_slope_s > 0
        assert line.model in entry.shapes
    assert said[0].startswith("memory bandwidth")
    assert len(said) == 3 + len(timed)


def test_it_is_stored_and_read_back(entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARE_HOME", str(tmp_path))
    machine.write(entry)
    assert machine.this_machine() == entry.server
    assert machine.entry_here() == entry


# -- the model that engines are timed on ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return random_llama(TINY, tmp_path_factory.mktemp("probe") / "model")


def test_its_parameters_are_those_that_were_said(decoder: Artifact) -> None:
    assert sum(part.elements for part in decoder.manifest.shape.parts) == TINY.parameters


def test_a_seed_gives_the_same_model(decoder: Artifact, tmp_path: Path) -> None:
    assert random_llama(TINY, tmp_path / "again").id == decoder.id


def test_continuous_batching_refuses_what_it_cannot_time(decoder: Artifact, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes a decoder of format openvino"):
        Continuous(decoder, 1, 1, 8)
    graph = served(decoder, "w8", tmp_path)
    with pytest.raises(InputError, match="must fit the model's 64 tokens but are 65"):
        Continuous(graph, 1, 1, 65)
    with pytest.raises(InputError, match="at least 2 new tokens but there are 1"):
        Continuous(graph, 1, 1, 8).run(1, 4, 1)
