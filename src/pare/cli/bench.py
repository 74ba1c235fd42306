"""``pare bench``: winner against reference, in turns."""

from __future__ import annotations

from pathlib import Path

import click

from pare import api
from pare.cli.inputs import check_runs
from pare.cli.output import emit, json_flag
from pare.report.table import show_comparison


@click.command("bench")
@click.argument("path", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--against", default="", help="another candidate; encoder-pytorch is the reference in PyTorch fp32")
@click.option("--threads", type=click.IntRange(min=1), help="default: all cores")
@click.option("--rounds", type=click.IntRange(min=2), default=8, show_default=True, help="interleaved rounds")
@json_flag
def command(path: Path, against: str, threads: int | None, rounds: int, as_json: bool) -> None:
    """Measure a run's winner against its reference: latency, throughput, memory, energy; fresh processes, in turns.

    Figures that are not measured but modelled or assumed are marked, with their formula and source below the table.
    """
    check_runs(path)
    found = api.bench(path, against, threads, rounds)
    if as_json:
        emit(found)
    else:
        show_comparison(found)
