"""``pare show``: a run's frontier and verdict, or a model's anatomy."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from pare import api, artifacts
from pare.catalog.models import find_model, models
from pare.catalog.types import ModelEntry
from pare.cli.inputs import is_run
from pare.cli.output import emit, json_flag, say
from pare.errors import InputError, nearest
from pare.families import read_config, shape_of
from pare.report import anatomy, published, sensitivity
from pare.report import table as trials
from pare.search import bases
from pare.search.study import LEDGER, REPORT, Study

CONFIG = "config.json"


@click.command("show")
@click.argument("path", metavar="RUN|ARTIFACT|MODEL")
@click.option(
    "--classes",
    type=click.IntRange(min=2),
    default=2,
    show_default=True,
    help="classes of the head, for a base model without one",
)
@json_flag
def command(path: str, classes: int, as_json: bool) -> None:
    """Show a run's frontier and verdict, or the anatomy of an artifact or a model: a folder, or the name of one that is
    published.
    """
    folder = Path(path)
    if is_run(folder):
        study = api.show(folder)
        _show_study(study, as_json)
        study.close()
        return
    entry = None if folder.exists() else find_model(path)
    if entry is not None:
        _show_published(entry, classes, as_json)
        return
    table: list[dict[str, Any]] = []
    if (folder / artifacts.MANIFEST).is_file():
        artifact = artifacts.read(folder, verify=True)
        found = anatomy.anatomy(artifact.manifest.shape, artifact.size_bytes)
        table = sensitivity.read(folder)
    else:
        _check(folder, path)
        found = anatomy.anatomy(shape_of(read_config(bases.locate(path)), classes))
    if as_json:
        emit(found.as_dict() | {"sensitivity": table, "published": None})
    else:
        anatomy.show(found)
        sensitivity.show(table)


def _show_published(entry: ModelEntry, classes: int, as_json: bool) -> None:
    found = None if entry.config is None else anatomy.anatomy(shape_of(entry.config, classes))
    if as_json:
        parts = published.without_config(entry) if found is None else found.as_dict()
        emit(parts | {"sensitivity": [], "published": published.as_dict(entry)})
        return
    if found is not None:
        anatomy.show(found)
    published.show(entry)


def _show_study(study: Study, as_json: bool) -> None:
    if as_json:
        emit(trials.summary(study))
        return
    if study.complete or study.verdict is not None:
        trials.show(study)
    else:
        say(f"{study.path} has no finished trial yet; run the same pare find again to go on")
    report = study.path / REPORT
    if report.is_file():
        say(f"report: {report}")


def _check(folder: Path, path: str) -> None:
    """Refuses what cannot be shown: a file, a folder of something else, and a name that is neither here, nor carried by a
    package, nor of the form of a hub id.
    """
    if folder.is_file():
        raise InputError(f"{path} is a file; show takes the folder of a run, an artifact or a model, or a model's name")
    if folder.is_dir() and not (folder / CONFIG).is_file():
        raise InputError(
            f"{path} is no run, artifact or model: it has no {LEDGER}, {artifacts.MANIFEST} or {CONFIG}; "
            "name another folder"
        )
    may_be_hub = path.count("/") == 1 and path[0] not in "./~" and not folder.parent.is_dir()
    if folder.exists() or path in bases.CARRIED or may_be_hub:
        return
    beside = [entry.name for entry in folder.parent.iterdir() if entry.is_dir()] if folder.parent.is_dir() else []
    like = get_close_matches(path.casefold(), models())
    raise InputError(
        f"{path} is no run, artifact or model; {nearest(folder.name, [*beside[:50], *bases.CARRIED, *like])}"
    )
