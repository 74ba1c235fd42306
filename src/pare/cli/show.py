"""``pare show``: a run's frontier and verdict, or a model's anatomy."""

from __future__ import annotations

from pathlib import Path

import click

from pare import api, artifacts
from pare.cli.output import emit, json_flag, say
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
        config = read_config(bases.locate(path))
        found = anatomy.anatomy(family_of(config).shape(config, classes), None)
    if as_json:
        emit(found)
    else:
        anatomy.show(found)
