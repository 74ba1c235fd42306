"""``pare gc``: free space, keep frontiers."""

from __future__ import annotations

from pathlib import Path

import click

from pare import api
from pare.cli.inputs import check_runs
from pare.cli.output import emit, json_flag
from pare.errors import InputError
from pare.search.study import LEDGER
from pare.units import megabytes


@click.command("gc")
@click.argument("paths", nargs=-1, metavar="[RUN]...", type=click.Path(path_type=Path))
@json_flag
def command(paths: tuple[Path, ...], as_json: bool) -> None:
    """Remove artifacts that no frontier, reference or proof needs; default: of every run under runs/, and the steps of
    builds that are finished.
    """
    runs = sorted(path.parent for path in api.RUNS.glob(f"*/{LEDGER}"))
    chosen = paths or (*runs, *api.all_builds())
    if not chosen:
        raise InputError(f"there is no run under {api.RUNS}, and no build; name a run's folder")
    check_runs(*chosen)
    freed = {str(path): dict(zip(("artifacts", "bytes"), api.gc(path), strict=True)) for path in chosen}
    if as_json:
        emit({"runs": freed})
        return
    for name, gone in freed.items():
        click.echo(f"{name}: {gone['artifacts']} artifacts removed, {megabytes(gone['bytes'])} freed")
