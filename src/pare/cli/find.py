"""``pare find``: a task in, the smallest proven model out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pare import api
from pare.cli.display import Display
from pare.cli.inputs import metric_help
from pare.cli.output import EXIT_CODES, emit, json_flag, say
from pare.data.fields import FIELDS, flag, with_columns
from pare.data.read import Columns
from pare.data.task import Task, with_flags
from pare.errors import InputError, nearest
from pare.evaluation.metrics import bar_metric, known_metrics
from pare.report import table
from pare.scan.rows import LABELS
from pare.search.study import REPORT

TASK_FILES = (".yaml", ".yml")


def _options(command: Any) -> Any:
    """One option for each field of a task; None means not given, so that a default never replaces what task.yaml says."""
    for name in reversed(list(FIELDS)):
        if name == "data.path":
            continue
        switch = name == "bar.growing"
        kind: dict[str, Any] = (
            {"is_flag": True, "default": None} if switch else {"metavar": name.split(".")[-1].upper()}
        )
        command = click.option(flag(name), name.replace(".", "__"), help=_help(name), **kind)(command)
    return command


def _help(name: str) -> str:
    default, words = FIELDS[name].default, FIELDS[name].help
    if name == "bar.metric":
        return metric_help()
    if default is None or default is False:
        return words
    return f"{words}  [default: {','.join(default) if isinstance(default, tuple) else default}]"


@click.command("find")
@click.argument("source", metavar="TASK.YAML|DATA")
@_options
@click.option(
    "--job", type=click.IntRange(min=1), help="DATA is a log: study this job of it, as pare scan numbers them"
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="with --job: what people said, a table with the columns --input and --target, by default text and label",
)
@click.option("--run", "run_folder", type=click.Path(path_type=Path), help="the run's folder; default: runs/NAME")
@click.option("--task-only", is_flag=True, help="print the task.yaml that the flags stand for, and stop")
@json_flag
@click.pass_context
def command(
    ctx: click.Context,
    /,
    source: str,
    job: int | None,
    labels: Path | None,
    run_folder: Path | None,
    task_only: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Find the smallest model that clears the bar, prove it, and write its report.

    Give a task.yaml, a data file with --input and --target (a CoNLL file needs neither), or a log of a large model with
    --job. An interrupted run goes on where it stopped. Exit codes: 0 pass, 1 fail, 2 bad input, 3 unproven, 70 a failure
    inside pare, 130 stopped.
    """
    given = {name.replace("__", "."): value for name, value in flags.items() if value is not None}
    if job is not None:
        source, given, run_folder = _job(source, job, labels, given, run_folder)
    elif labels is not None:
        raise InputError("--labels is for a job of a log: give --job too, or name the label's column with --target")
    task = _task(source, given)
    if task.kind != "generate":
        bar_metric(task.bar.metric, task.kind)
    if task_only and as_json:
        emit(task)
    elif task_only or not (as_json or source.endswith(TASK_FILES)):
        click.echo(task.to_yaml(Path()))
    if task_only:
        return
    with Display(live=False if as_json else None) as display:
        study = api.find(task, run_folder, display)
    verdict = study.verdict
    answer = verdict.answer if verdict else "unproven"
    if as_json:
        emit(table.summary(study))
    else:
        table.show(study)
        say(f"report: {study.path / REPORT}")
        imitated = study.task.imitates and verdict is not None and verdict.within is not None
        if imitated and answer == "unproven" and verdict and verdict.evidence:
            say(f"next: pare review {study.path}")
        if study.winner is not None:
            bench = f"   ·   pare bench {study.path}" if study.baseline is not None else ""
            say(f'next: pare run {study.path} "a text"{bench}')
    study.close()
    ctx.exit(EXIT_CODES[answer])


def _job(
    log: str, number: int, labels: Path | None, given: dict[str, Any], folder: Path | None
) -> tuple[str, dict[str, Any], Path]:
    """The data, the fields and the run's folder that a job of a log stands for."""
    if labels is None and {"data.input", "data.target"} & given.keys():
        raise InputError("--input and --target name the columns of --labels here; give --labels, or leave them out")
    if given.get("kind", "classify") != "classify":
        raise InputError(
            f"--kind must be classify with --job but got {given['kind']}: logged answers are one label a text"
        )
    name = given.get("name") or f"{Path(log).name.partition('.')[0]}-job{number}"
    run = folder or api.RUNS / name
    columns = Columns(given.get("data.input", LABELS.input), given.get("data.target", LABELS.target))
    found = api.extract(log, number, run, labels, columns)
    said = f", {found.labelled:,} of them labelled" if labels else ""
    say(f"job {number} of {log}: {found.rows:,} requests{said}; {found.unfit:,} do not fit and stay with the incumbent")
    fields = {"data.input": "text", "data.target": "label" if labels else "answer"}
    return str(found.path), {"name": name, "reference": "column:answer", **given, **fields}, run


def _task(source: str, given: dict[str, Any]) -> Task:
    metrics = known_metrics()
    if "candidates" in given:
        given["candidates"] = _listed(given["candidates"])
    if source.endswith(TASK_FILES):
        _check_exists(Path(source))
        return with_flags(Task.read(source, metrics=metrics), given, metrics=metrics)
    given = with_columns(given)
    for needed in ("data.input", "data.target"):
        if given.get(needed) is None:
            raise InputError(f"{source} is data, so {flag(needed)} must name a column; or give a task.yaml")
    named = {name.split(".")[-1]: value for name, value in given.items()}
    return Task.of(source, metrics=metrics, **named)


def _check_exists(file: Path) -> None:
    if file.exists():
        return
    beside = [entry.name for entry in file.parent.glob("*.y*ml")] if file.parent.is_dir() else []
    hint = f"{nearest(file.name, beside)}; or" if beside else "to"
    raise InputError(
        f"{file} does not exist; {hint} write one: pare find DATA --input TEXT --target LABEL --task-only > {file}"
    )


def _listed(text: str) -> list[str | int]:
    """``linear,students:1,2`` as a task.yaml would hold it: the depths of students stay with them."""
    return [int(name) if name.isdecimal() else name for name in (part.strip() for part in text.split(","))]
