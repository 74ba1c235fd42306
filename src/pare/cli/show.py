"""``pare show``: a run's frontier and verdict, or a model's anatomy."""

from __future__ import annotations

from pathlib import Path

import click

from pare import api, artifacts
from pare.cli.output import emit, json_flag, say
from pare.errors import InputError, nearest
from pare.families import family_of, read_config
from pare.report import anatomy, table
from pare.search import bases
from pare.search.study import LEDGER, REPORT


@click.command("show")
@click.argument("path", metavar="RUN|ARTIFACT|MODEL")
@click.option("--classes", default=2, show_default=True, help="classes of the head, for a base model without one")
@json_flag
def command(path: str, classes: int, as_json: bool) -> None:
    """Show a run's frontier and verdict, or the anatomy of an artifact or a base model."""
    folder = Path(path)
    if (folder / LEDGER).is_file():
        study = api.show(folder)
        if as_json:
            emit(table.summary(study))
        else:
            table.show(study)
            say(f"report: {folder / REPORT}")
        study.close()
        return
    if (folder / artifacts.MANIFEST).is_file():
        artifact = artifacts.read(folder, verify=True)
        found = anatomy.anatomy(artifact.manifest.shape, artifact.size_bytes)
    else:
        _check(folder, path)
        config = read_config(bases.locate(path))
        found = anatomy.anatomy(family_of(config).shape(config, classes), None)
    if as_json:
        emit(found)
    else:
        anatomy.show(found)


def _check(folder: Path, path: str) -> None:
    """Refuses what cannot be a model: neither here, nor carried by a package, nor the form of a hub id."""
    may_be_hub = path.count("/") == 1 and not folder.parent.is_dir()
    if folder.exists() or path in bases.CARRIED or may_be_hub:
        return
    beside = [entry.name for entry in folder.parent.iterdir() if entry.is_dir()] if folder.parent.is_dir() else []
    raise InputError(f"{path} is no run, artifact or model; {nearest(folder.name, [*beside[:50], *bases.CARRIED])}")
