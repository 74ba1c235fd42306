"""``pare label``: a teacher labels texts, priced and capped beforehand."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from pare import api
from pare.cli.output import emit, json_flag, say
from pare.remote import Progress, usd
from pare.units import percent


class Money(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """An amount in US dollars, above 0."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            found = Decimal(str(value))
        except InvalidOperation:
            self.fail(f"must be an amount in US dollars but got {value!r}; write 2.50, for example", param, ctx)
        if not (found.is_finite() and found >= 0):
            self.fail(f"must be 0 or above but got {value!r}", param, ctx)
        return found


@click.command("label")
@click.argument("inputs", type=click.Path(path_type=Path))
@click.option(
    "--labels", required=True, type=click.Path(path_type=Path), help="YAML: a list of names, or name: meaning"
)
@click.option("--teacher", required=True, metavar="URL", help="an OpenAI-compatible endpoint, as https://host/v1")
@click.option("--model", required=True, help="the model to ask for")
@click.option("--input", "column", default="text", show_default=True, help="the column of texts")
@click.option(
    "--key-env", default="OPENAI_API_KEY", show_default=True, help="the environment variable that holds the key"
)
@click.option("--price-in", type=Money(), help="US dollars for a million prompt tokens")
@click.option("--price-out", type=Money(), help="US dollars for a million answer tokens")
@click.option("--cap", type=Money(), help="the most that all answers may cost, US dollars")
@click.option(
    "--passes", type=click.IntRange(1, 2), default=1, show_default=True, help="2: how often it agrees with itself"
)
@click.option("--out", type=click.Path(path_type=Path), help="default: INPUTS-labelled.csv beside it")
@json_flag
def command(inputs: Path, out: Path | None, as_json: bool, **asked: Any) -> None:
    """Let a teacher label the texts of INPUTS (CSV, TSV, JSONL or Parquet).

    The cost is estimated and held against --cap before the first request. Answers are kept as they arrive: the same
    command goes on where it stopped and asks for nothing twice. Writes text, label and model as CSV, the label empty where
    the teacher named none of the list; pare find takes the file as --synthetic.
    """
    target = out or inputs.with_name(f"{inputs.name.partition('.')[0]}-labelled.csv")
    found = api.label(inputs, target, say=say, progress=Ticker(), **asked)
    if as_json:
        emit(found)
        return
    click.echo(f"{found.labelled:,} of {found.rows:,} texts have a label: {target}")
    if found.unlabelled:
        say(f"{found.unlabelled:,} have none: the teacher named no label of the list, or was not asked")
    if found.spent_usd is not None:
        say(f"spent: {usd(found.spent_usd)} (measured: the endpoint's token counts x the given prices)")
    if found.self_agreement is not None:
        say(f"the teacher agrees with itself on {percent(found.self_agreement)} of the texts: no student can do better")
    if found.stopped:
        say(found.stopped)


class Ticker:
    """Says how far the teacher is, at every twentieth."""

    def __init__(self) -> None:
        self._said = -1

    def __call__(self, step: Progress) -> None:
        if step.total and (part := 20 * step.done // step.total) != self._said:
            self._said = part
            spent = "" if step.spent_usd is None else f", {usd(step.spent_usd)}"
            say(f"asking the teacher: {step.done:,} of {step.total:,}{spent}")
