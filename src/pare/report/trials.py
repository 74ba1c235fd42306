"""The trial table: every trial with every figure, in four parts that share their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pare.planner import estimate
from pare.report.anatomy import GROUPS, anatomy
from pare.report.figures import BY_KEY, NONE, count, interval, points, ratio_of, share, times
from pare.report.head import legend
from pare.report.html import Html, join, tag
from pare.report.parts import Cell, Column, Row, Sources, figure_cell, lead, section, table
from pare.report.view import View
from pare.report.words import plural
from pare.search.halving import FULL
from pare.types import Quantity, Trial
from pare.units import duration

SPEED = (
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "throughput_per_s",
    "load_ms",
    "memory_mb",
    "power_w",
    "energy_j_per_1k",
    "cost_usd_per_1k",
)
RATIOS = ("size_bytes", "latency_p50_ms", "throughput_per_s", "memory_mb", "energy_j_per_1k")


def all_trials(view: View, sources: Sources) -> Html:
    """The section."""
    if not view.trials:
        return section("trials", "Every trial", lead("No trial was finished."))
    complete = sorted(view.complete, key=lambda trial: (view.study.cost(trial), -view.quality(trial)))
    parts: list[Html] = []
    if complete:
        parts = [
            tag("h3", "Quality on dev"),
            _quality(view, complete),
            tag("h3", "Size and anatomy"),
            _size(view, complete, sources),
            tag("h3", "Speed, memory, energy and cost"),
            _speed(view, complete, sources),
            tag("h3", f"Ratios: how many times better than {_compared(view)}"),
            _ratios(view, complete),
            legend(),
        ]
    rest = [trial for trial in view.trials if trial not in view.complete]
    if rest:
        parts += [tag("h3", "Small rungs, dropped, excluded and failed"), _rest(view, rest)]
    return section(
        "trials",
        "Every trial",
        lead(
            f"{plural(len(view.built), 'model')} at full work, cheapest first, and {len(rest)} more that were tried small "
            "or not at all. Times are of single requests in a serving process; throughput is 32 texts at a time."
        ),
        parts,
    )


def _compared(view: View) -> str:
    if view.incumbent is None:
        return "the reference in PyTorch fp32, and as served"
    return "the encoder in PyTorch fp32, and the incumbent over the network"


def _head(view: View, trial: Trial) -> Html:
    chips = [tag("span", name, class_=f"chip {name}") for name in view.roles(trial)]
    return join(tag("span", trial.candidate.name, class_="name"), " ", chips)


def _rows(view: View, trials: Sequence[Trial], cells: Callable[[Trial], list[Cell]]) -> list[Row]:
    found = []
    for trial in trials:
        special = "winner" if trial == view.winner else "reference" if trial == view.reference else None
        found.append(Row(_head(view, trial), cells(trial), special))
    return found


def _quality(view: View, trials: Sequence[Trial]) -> Html:
    names = sorted(
        {name for trial in trials for name in trial.scores}, key=lambda name: (name != view.facts.goal.metric, name)
    )
    columns = [Column("candidate")]
    columns += [Column(name.replace("_", " "), "value, and its interval below") for name in names]
    columns += [
        Column("drop, points", f"{view.against} less candidate, on the same rows"),
        Column("discordance", "mean square of the difference row by row"),
        Column("chance", "predicted chance of a proof on the sealed rows"),
        Column("built in", "building, scoring and measuring; a step that was built before is not counted"),
    ]
    broken = {id(trial): estimate.breaks(trial, view.task.limits) for trial in trials}
    if any(broken.values()):
        columns.append(Column("breaks", "the limits that it breaks", left=True))

    def cells(trial: Trial) -> list[Cell]:
        found = []
        for name in names:
            scored = trial.scores.get(name)
            if scored is None:
                found.append(Cell(NONE))
                continue
            about = "~ " if scored.approximate else ""
            found.append(Cell([share(scored.value), tag("span", about + interval(scored), class_="sub")], scored.value))
        drop, apart = trial.drop, trial.discordance
        chance = None if trial in (view.reference, view.baseline) else view.study.chance(trial)
        return [
            *found,
            Cell(NONE if drop is None else points(drop), drop),
            Cell(NONE if apart is None else share(apart), apart),
            Cell(NONE if chance is None else f"{chance:.0%}", chance),
            Cell(duration(trial.seconds), trial.seconds),
            *([Cell(broken[id(trial)], "", "why")] if any(broken.values()) else []),
        ]

    return table(columns, _rows(view, trials, cells), sortable=True)


def _size(view: View, trials: Sequence[Trial], sources: Sources) -> Html:
    shapes = {id(t): anatomy(t.shape, t.size_bytes) for t in trials if t.shape is not None}
    used = [group for group in GROUPS if any(g.name == group for shape in shapes.values() for g in shape.groups)]
    columns = [Column("candidate"), Column("files", "bytes of the served files")]
    columns += [
        Column("compression", "bytes of the reference in PyTorch fp32 / bytes of this one"),
        Column("parameters"),
    ]
    columns += [Column(group, "parameters in this part") for group in used]
    columns += [Column("FLOPs a request", BY_KEY["flops_per_request"].help)]

    def cells(trial: Trial) -> list[Cell]:
        found = view.figures(trial)
        ratio = ratio_of(_figure(view, view.baseline, "size_bytes"), found.get("size_bytes"), "low")
        parts = {g.name: g.parameters for g in shapes[id(trial)].groups} if id(trial) in shapes else {}
        return [
            figure_cell("size_bytes", found.get("size_bytes"), sources),
            Cell(times(ratio), ratio),
            figure_cell("parameters", found.get("parameters"), sources),
            *(Cell(count(parts[group]) if group in parts else NONE, parts.get(group)) for group in used),
            figure_cell("flops_per_request", found.get("flops_per_request"), sources),
        ]

    return table(columns, _rows(view, trials, cells), sortable=True)


def _speed(view: View, trials: Sequence[Trial], sources: Sources) -> Html:
    columns = [Column("candidate"), *(Column(BY_KEY[key].title, BY_KEY[key].help) for key in SPEED)]

    def cells(trial: Trial) -> list[Cell]:
        found = view.figures(trial)
        return [figure_cell(key, found.get(key), sources) for key in SPEED]

    return table(columns, _rows(view, trials, cells), sortable=True)


def _ratios(view: View, trials: Sequence[Trial]) -> Html:
    against = [("to PyTorch", view.baseline), ("to served", view.reference)]
    columns = [Column("candidate")]
    columns += [Column(f"{BY_KEY[key].title}, {name}") for name, other in against if other for key in RATIOS]
    if len(columns) == 1:
        return lead("There is no reference in this study, so there are no ratios.")

    def cells(trial: Trial) -> list[Cell]:
        found = view.figures(trial)
        made = []
        for _, other in against:
            for key in RATIOS if other else ():
                value = ratio_of(_figure(view, other, key), found.get(key), BY_KEY[key].better)
                made.append(Cell(times(value), value))
        return made

    return table(columns, _rows(view, trials, cells), sortable=True)


def _figure(view: View, trial: Trial | None, key: str) -> Quantity | None:
    return None if trial is None else view.figures(trial).get(key)


def _rest(view: View, trials: Sequence[Trial]) -> Html:
    columns = [Column("candidate"), Column("rung"), Column("work", "share of full training"), Column("state")]
    columns += [Column(view.facts.goal.metric), Column("time"), Column("why", left=True)]
    rows = []
    for trial in trials:
        scored = trial.scores.get(view.facts.goal.metric)
        value = [share(scored.value), tag("span", interval(scored), class_="sub")] if scored else NONE
        rows.append(
            Row(
                trial.candidate.name,
                [
                    Cell("full" if trial.rung == FULL else trial.rung, trial.rung),
                    Cell(f"{trial.fidelity:.0%}" if trial.state == "done" else NONE, trial.fidelity),
                    Cell(trial.state, trial.state),
                    Cell(value, scored.value if scored else None),
                    Cell(duration(trial.seconds) if trial.seconds else NONE, trial.seconds),
                    Cell(trial.why or ("small rung" if trial.state == "done" else NONE), trial.why, "why"),
                ],
            )
        )
    return table(columns, rows, sortable=True)
