"""A run's winner as a plan sees it: quality, size and speed as the study measured them, and what the study itself took."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pare import catalog
from pare.benchmark.machine import server_name
from pare.capacity.site import core_power
from pare.catalog.types import Chip, Server
from pare.errors import InputError
from pare.logs.incumbent import Incumbent
from pare.planner import anatomy, estimate
from pare.planner.energy import study_kwh
from pare.planner.hosting import Making
from pare.planner.types import Figure, Subject, Widths
from pare.search.space import BASELINE, INCUMBENT
from pare.search.study import Facts, Study
from pare.types import Device, Quantity, Shape, Trial


@dataclass(frozen=True, slots=True)
class FromRun:
    """What a run gives a plan. ``requests_per_month`` is the task's volume, else the log's rate; None: neither is known."""

    subject: Subject
    server: Server
    making: Making
    incumbent: Incumbent | None
    requests_per_month: Quantity | None
    notes: tuple[str, ...]
    tokenizer: Path | None = None


def of_run(name: str, path: Path) -> FromRun:
    """Reads a run. Raises InputError where no trial of it was finished and measured."""
    study = Study.open(path)
    try:
        trial, notes = _chosen(study, name)
        facts = study.facts
        return FromRun(
            subject=_subject(name, trial, facts),
            server=server_of(facts.device),
            making=_making(study, facts),
            incumbent=study.incumbent,
            requests_per_month=_volume(study),
            notes=notes,
            tokenizer=_tokenizer(study, trial),
        )
    finally:
        study.close()


def server_of(device: Device) -> Server:
    """The machine of a study as a server: its memory as read, its power as the catalogue assumes it by core; the rest is
    unknown.
    """
    memory = Quantity(float(device.memory_bytes), "B", "measured", "read from the machine of the study")
    watts = core_power(device.cores)
    return Server(server_name(device), Chip(device.name, "cpu", None, memory, {}, watts), 1, power=watts)


def widths_of(shape: Shape) -> Widths:
    """The widths at which a built model's parts are stored: means over their elements, scales included."""

    def mean(names: tuple[str, ...]) -> float | None:
        parts = [part for part in shape.parts if part.name.startswith(names) and part.elements]
        elements = sum(part.elements for part in parts)
        return sum(part.elements * part.bits for part in parts) / elements if elements else None

    embeddings, head = mean(("embeddings",)), mean(("head",))
    rest = mean(("layers", "rest")) or embeddings or head
    return Widths(weights=rest or Widths().weights, embeddings=embeddings, head=head)


def _chosen(study: Study, name: str) -> tuple[Trial, tuple[str, ...]]:
    """The winner, else what is cheapest on the frontier, with a note that says so."""
    winner = study.winner
    if winner is not None and winner.candidate.name != INCUMBENT:
        return winner, (f"{name} is {winner.candidate.name}, the winner of its study",)
    able = [trial for trial in study.frontier if trial.candidate.name not in (BASELINE, INCUMBENT)]
    if not able:
        raise InputError(f"{name} has no finished trial to plan for; run the same pare find again to go on")
    return able[0], (
        f"{name} is {able[0].candidate.name}, the cheapest on its frontier: its study has no proven winner",
    )


def _tokenizer(study: Study, trial: Trial) -> Path | None:
    """The tokenizer of the chosen model; None where it has none, or its artifact is gone."""
    path = study.store.root / trial.artifact / "tokenizer.json"
    return path if trial.artifact and path.is_file() else None


def _subject(name: str, trial: Trial, facts: Facts) -> Subject:
    found = trial.measurement.figures if trial.measurement else {}
    rate, joules = found.get("throughput_per_s"), found.get("energy_j_per_1k")
    if rate is None:
        raise InputError(
            f"{name} has no measured throughput for {trial.candidate.name}; run the same pare find again, which measures it"
        )
    count = estimate.parameters(trial.shape) if trial.shape else None
    return Subject(
        name=name,
        shape=trial.shape,
        parameters=count,
        active=count,
        model_class=None if count is None else anatomy.model_class(count),
        widths=widths_of(trial.shape) if trial.shape else Widths(),
        weight_bytes=float(trial.size_bytes) or None,
        quality=trial.scores.get(facts.goal.metric),
        texts_per_s=_figure(rate, 1.0, "texts/s", f" on {facts.device.name}, 32 texts at a time"),
        measured_j=None if joules is None else _figure(joules, 1e-3, "J", ""),
        measured_on=server_name(facts.device),
    )


def _figure(quantity: Quantity, scale: float, unit: str, where: str) -> Figure:
    return Figure(quantity.value * scale, unit, quantity.provenance, quantity.source + where)


def _making(study: Study, facts: Facts) -> Making:
    """The machine time of all trials, and its energy by the catalogue's power of a core."""
    trials = study.trials
    a_core = catalog.fact("serving", "power_per_core_w")
    source = f"{facts.threads} cores x {a_core.value:g} W; {a_core.source}"
    drawn = Quantity(facts.threads * a_core.value, "W", "modelled", source)
    seconds = Figure(
        sum(trial.seconds for trial in trials), "s", "measured", f"machine time of {len(trials)} trials of the study"
    )
    return Making(seconds, study_kwh(trials, drawn))


def _volume(study: Study) -> Quantity | None:
    if study.task.volume is not None:
        return Quantity(study.task.volume, "requests", "assumed", "volume, as the task states it")
    return study.incumbent.requests_per_month if study.incumbent else None
