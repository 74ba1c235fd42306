"""``pare synthesize``: a teacher invents messages for thin classes, priced and capped beforehand."""

from __future__ import annotations

import shlex
from itertools import count
from pathlib import Path
from typing import Any

import click

from pare import api
from pare.cli.inputs import is_run
from pare.cli.label import Money, Ticker
from pare.cli.output import emit, json_flag, say
from pare.data import Task
from pare.remote import usd
from pare.scan.synthesize import Synthesized
from pare.search.study import LEDGER, TASK


@click.command("synthesize")
@click.argument("source", metavar="RUN|TASK.YAML", type=click.Path(path_type=Path))
@click.option("--teacher", required=True, metavar="URL", help="an OpenAI-compatible endpoint, as https://host/v1")
@click.option("--model", required=True, help="the model to ask for")
@click.option(
    "--per-class",
    type=click.IntRange(min=1),
    help="the train rows each class is filled up to; default: the classes' median, and 20 at least",
)
@click.option("--check", is_flag=True, help="keep only what the teacher itself gives the same label, asked anew")
@click.option(
    "--key-env", default="OPENAI_API_KEY", show_default=True, help="the environment variable that holds the key"
)
@click.option("--price-in", type=Money(), help="US dollars for a million prompt tokens")
@click.option("--price-out", type=Money(), help="US dollars for a million answer tokens")
@click.option("--cap", "--max-usd", "cap", type=Money(), help="the most that all answers may cost, US dollars")
@json_flag
def command(source: Path, as_json: bool, **asked: Any) -> None:
    """Let a teacher invent messages for the classes of a task that have few rows to train on.

    The teacher is shown train rows and no others. What repeats a row of the data is set aside. The cost is estimated and
    held against --max-usd before the first request; answers are kept as they arrive, so the same command goes on where it
    stopped. Writes synthetic.csv, and synthetic-quarantine.csv with what was set aside, beside the task; where there are
    other rows in such a file already, synthetic-2.csv and so on.
    """
    found = api.synthesize(source, say=say, progress=Ticker(), **asked)
    if as_json:
        emit(found)
        return
    click.echo(
        f"{found.rows:,} messages for {len(found.kept)} of {found.thin} classes with fewer than {found.per_class} rows to "
        f"train on ({found.wanted:,} wanted): {found.path}"
    )
    if found.set_aside:
        most = ", ".join(f"{count:,} {reason}" for reason, count in list(found.set_aside.items())[:3])
        say(f"set aside: {sum(found.set_aside.values()):,} ({most}); listed in {found.quarantine}")
    if found.unreadable:
        say(f"{found.unreadable:,} answers held no list of messages")
    if found.refused:
        say(f"{found.refused:,} requests were refused by the endpoint")
    if found.spent_usd is not None:
        say(f"spent: {usd(found.spent_usd)} (measured: the endpoint's token counts x the given prices)")
    if found.stopped:
        say(found.stopped)
    if found.rows:
        say(f"next: {_next(source, found)}")


def _next(source: Path, found: Synthesized) -> str:
    """The command that takes the rows. A run belongs to its rows, so one that was begun needs another folder."""
    folder = source if source.is_dir() else source.parent
    file = folder / TASK if source.is_dir() else source
    begun = folder if is_run(folder) else api.RUNS / Task.read(file).name
    run = ["--run", _free(f"{begun}-synthetic")] if (begun / LEDGER).exists() else []
    return shlex.join(["pare", "find", str(file), "--synthetic", found.path, *run])


def _free(folder: str) -> str:
    """A folder's name, with a number where there is one of that name."""
    names = (folder if number == 1 else f"{folder}-{number}" for number in count(1))
    return next(name for name in names if not Path(name).exists())
