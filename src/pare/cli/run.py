"""``pare run``: texts in, labels out as JSON lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO

import click
import msgspec

from pare import api
from pare.cli.output import say
from pare.errors import InputError
from pare.runtimes import load
from pare.search.study import LEDGER, Study

BATCH = 256


@click.command("run")
@click.argument("path", metavar="RUN|ARTIFACT", type=click.Path(path_type=Path))
@click.argument("texts", nargs=-1, metavar="[TEXT|FILE]...")
@click.option("--model", default="", help="a candidate of the run; default: the winner, else the reference")
@click.option(
    "--abstain", is_flag=True, help="answer null where the confidence is below the threshold ('none of these')"
)
@click.option("--threads", type=click.IntRange(min=1), help="default: all cores")
@click.option("--json", "as_json", is_flag=True, help="the default: one JSON object a text")
def command(path: Path, texts: tuple[str, ...], model: str, abstain: bool, threads: int | None, as_json: bool) -> None:
    """Classify texts: as arguments, the lines of files, or the lines of standard input.

    Every text gives one JSON line: text, label, confidence, and whether it is above the deployment's threshold.
    """
    name, artifact = api.resolve(path, model)
    if not model and (path / LEDGER).is_file():
        study = Study.open(path)
        if study.winner is None:
            say(f"pare: {path} has no proven winner; this is its {name}. --model names another candidate")
        study.close()
    engine = load(artifact, threads=threads)
    try:
        for batch in _batches(_texts(texts)):
            for text, found in zip(batch, engine.classify(batch), strict=True):
                label = None if abstain and found.abstain else found.label
                answer = {
                    "text": text,
                    "label": label,
                    "confidence": round(found.confidence, 4),
                    "in_scope": not found.abstain,
                }
                click.echo(msgspec.json.encode(answer))
    finally:
        engine.close()


def _texts(given: tuple[str, ...]) -> Iterator[str]:
    if not given:
        yield from _lines(sys.stdin)
    for text in given:
        if os.path.isfile(text):
            with Path(text).open(encoding="utf-8-sig") as file:
                yield from _lines(file)
        else:
            yield text


def _lines(file: IO[str]) -> Iterator[str]:
    try:
        for line in file:
            if line.strip():
                yield line.rstrip("\n")
    except UnicodeDecodeError:
        raise InputError(f"{file.name} is not UTF-8 text; give texts, one a line, in UTF-8") from None


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(texts)
    interactive = sys.stdin.isatty()
    while batch := list(islice(rest, 1 if interactive else BATCH)):
        yield batch
