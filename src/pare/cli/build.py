"""``pare build``: a recipe of compression methods, run on one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pare import api
from pare.cli.display import Display
from pare.cli.output import emit, json_flag, say
from pare.data.task import Task, with_flags
from pare.errors import InputError
from pare.report import built as report

TASK_FILES = (".yaml", ".yml")
EXPORTS = {"encoder": "hf", "decoder": "hf", "gguf": "gguf", "onnx": "onnx"}
"""By format, a form that others read it in; what is quantised and served here alone has none."""


@click.command("build")
@click.argument("model", metavar="MODEL")
@click.option(
    "--recipe", required=True, help='steps, each a method: "drop_layers:3 > distil:4 > quantize" (docs/methods.md)'
)
@click.option("--data", type=click.Path(path_type=Path), help="a task.yaml, or a data file; default: the task of a run")
@click.option("--input", "input_column", help="of a data file: the column that holds the text, or the prompt")
@click.option("--target", help="of a data file: the column that holds the label, or the answer")
@click.option("--kind", help="of a data file: what the model answers; default: what MODEL does, else classify")
@click.option("--seed", help="same data, same seed, same answer  [default: 0]")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="the folder to write: absent, or empty")
@click.option(
    "--teacher", type=click.Path(path_type=Path), help="a trained model to learn from; default: MODEL, if it is"
)
@json_flag
def command(
    model: str,
    recipe: str,
    data: Path | None,
    input_column: str | None,
    target: str | None,
    kind: str | None,
    seed: str | None,
    out: Path,
    teacher: Path | None,
    as_json: bool,
) -> None:
    """Run a recipe on a model and write what comes out, with its quality on dev and what serving it costs.

    MODEL is an artifact's folder, a run (its winner), a model's folder, a carried name or a hub id. Nothing is proven: the
    sealed rows are not read. A build that was stopped goes on when the same command is given again.
    """
    given = {"data.input": input_column, "data.target": target, "kind": kind, "seed": seed}
    task = _task(model, data, {name: value for name, value in given.items() if value is not None})
    with Display(live=False if as_json else None) as display:
        found = api.build(model, recipe, task, out, teacher=teacher, listener=display)
    if as_json:
        emit(report.summary(found))
    else:
        report.show(found)
        form = EXPORTS.get(found.format)
        export = f"   ·   pare export {out} --to {form} --out FOLDER" if form else ""
        say(f"next: pare show {out}{export}")


def _task(model: str, data: Path | None, given: dict[str, Any]) -> Task | None:
    if data is None:
        if given:
            raise InputError("--input, --target, --kind and --seed go with --data; give a data file too")
        return None
    if data.suffix in TASK_FILES:
        return with_flags(Task.read(data), given)
    named = {name.rpartition(".")[2]: value for name, value in given.items()}
    if "kind" not in named:
        named["kind"] = api.kind_of_model(model) or "classify"
    needed = ("target",) if named["kind"] == "generate" else () if named["kind"] == "tag" else ("input", "target")
    for name in needed:
        if name not in named:
            raise InputError(f"{data} is data, so --{name} must name a column; or give a task.yaml")
    return Task.of(data, **named)
