"""How a study looks while it runs: a live frontier on a terminal, plain lines elsewhere. All on standard error."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pare.search.halving import FULL
from pare.search.listener import NO_RUNG, Progress
from pare.search.space import INCUMBENT
from pare.types import Trial
from pare.units import duration, megabytes, percent

if TYPE_CHECKING:
    from pare.search.study import Study

PLAIN_EVERY_S = 15.0


def rung_name(rung: int) -> str:
    return "full  " if rung == FULL else "" if rung == NO_RUNG else f"rung {rung}"


def trial_line(study: Study, trial: Trial) -> str:
    """A finished trial in one line."""
    name, rung = trial.candidate.name, rung_name(trial.rung)
    if trial.state != "done":
        return f"{rung}  {name:<18} {trial.state}: {trial.why}"
    quality = percent(study.quality(trial))
    if name == INCUMBENT:
        return f"{rung}  {name:<18} {quality:>7}  by its logged answers on dev"
    if trial.measurement is None:
        return (
            f"{rung}  {name:<18} {quality:>7} on a slice ({trial.fidelity:.0%} of the work), {duration(trial.seconds)}"
        )
    figures = trial.measurement.figures
    drop = "" if trial.drop is None else f"  drop {100 * trial.drop:+.1f}"
    return (
        f"{rung}  {name:<18} {quality:>7}{drop}  {megabytes(trial.size_bytes):>8}  "
        f"p50 {figures['latency_p50_ms'].value:.2f} ms  {figures['throughput_per_s'].value:,.0f}/s  "
        f"({duration(trial.seconds)})"
    )


class Display:
    """A listener that draws. Use it as a context manager."""

    def __init__(self, *, live: bool | None = None) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._is_live = self._console.is_terminal if live is None else live
        self._live: Live | None = None
        self._start = time.monotonic()
        self._step = ("", 0.0)
        self._said = 0.0
        self._table: Table | None = None

    def __enter__(self) -> Display:
        if self._is_live:
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        self._console.print(Text(text))

    def progress(self, step: Progress) -> None:
        now = time.monotonic()
        name = f"{step.candidate}/{step.words.partition(':')[0]}"
        if self._step[0] != name:
            self._step = (name, now)
        spent = now - self._step[1]
        left = f", {duration(spent / step.share - spent)} left of it" if step.share > 0.02 and spent > 2 else ""
        whole = f", about {duration(step.left_s)} left in all" if step.left_s else ""
        place = f"{rung_name(step.rung)}  {step.candidate}".strip()
        line = f"{place}  {step.words or 'starting'}  {step.share:.0%}{left}{whole}  [{duration(now - self._start)}]"
        if self._live is not None:
            parts = [self._table] if self._table is not None else []
            self._live.update(Group(*parts, Text(line, style="dim")))
        elif now - self._said > PLAIN_EVERY_S:
            self._said = now
            self._console.print(Text(line))

    def finished(self, study: Study, trial: Trial) -> None:
        self._console.print(Text(trial_line(study, trial)))
        self._said = time.monotonic()
        self._table = frontier(study)


def frontier(study: Study) -> Table:
    """The frontier so far, the likeliest to win marked."""
    table = Table(title="frontier so far", title_justify="left", box=None, pad_edge=False)
    for column in ("candidate", "quality", "size", "chance to be proven"):
        table.add_column(column, justify="left" if column == "candidate" else "right")
    for trial in study.frontier:
        chance = percent(study.chance(trial), 0) if trial.drop is not None else "-"
        table.add_row(trial.candidate.name, percent(study.quality(trial)), megabytes(trial.size_bytes), chance)
    return table
