"""``pare run``: texts in, labels out as JSON lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from io import BufferedReader
from itertools import groupby
from pathlib import Path
from typing import cast

import click
import msgspec

from pare import api
from pare.artifacts import MANIFEST
from pare.cli.inputs import is_run
from pare.cli.output import say
from pare.data.fields import WORD
from pare.data.read import SUFFIXES, Columns, is_conll, rows
from pare.errors import InputError
from pare.runtimes import load
from pare.search.study import LEDGER, Study, artifact_at
from pare.types import Kind, Prediction

BATCH = 256
"""The most texts in one call of the model, and in one write."""
READ_BYTES = 1 << 16
ANSWERS: dict[Kind, str] = {"classify": "label", "multilabel": "labels", "tag": "tags"}
"""The key under which a line holds the answer: a label, or a list."""
TABLES = (*SUFFIXES, ".json")
"""Files of rows, also packed (``.gz``). Any other file holds one text a line."""


@click.command("run")
@click.argument("path", metavar="RUN|ARTIFACT", type=click.Path(path_type=Path))
@click.argument("texts", nargs=-1, metavar="[TEXT|FILE]...")
@click.option("--model", default="", help="a candidate of the run; default: the winner, else the reference")
@click.option(
    "--input", "column", help="the column of texts in files of rows; default: the one of the run's task, else text"
)
@click.option(
    "--abstain", is_flag=True, help="answer null where the confidence is below the threshold ('none of these')"
)
@click.option("--threads", type=click.IntRange(min=1), help="default: all cores")
@click.option("--log", type=click.Path(path_type=Path), help="a log instead: answer its requests in the caller's form")
@click.option("--json", "as_json", is_flag=True, help="the default: one JSON object a text")
def command(
    path: Path,
    texts: tuple[str, ...],
    model: str,
    column: str | None,
    abstain: bool,
    threads: int | None,
    log: Path | None,
    as_json: bool,
) -> None:
    """Classify texts: as arguments, in files, or the lines of standard input, each answered as it comes.

    Of a CSV, TSV, JSONL, Parquet or CoNLL file the texts of one column are read, empty ones too, so that answers and rows
    match one to one; any other file holds one text a line. Every text gives one JSON line: text, label (for tasks of other
    kinds a list: labels, or tags and the entities that they name), confidence, and whether it is above the deployment's
    threshold. With --log each request of a log gives its line and the answer in the caller's form, null where the request
    does not fit and is for the incumbent.
    """
    if log is not None:
        _replay(path, log)
        return
    _check(path, texts)
    study = Study.open(path) if is_run(path) else None
    name, artifact = artifact_at(path, model)
    if study is not None:
        column = column or study.task.data.input
        if not model and study.winner is None:
            say(f"pare: {path} has no proven winner; this is its {name}. --model names another candidate")
        study.close()
    kind = artifact.manifest.kind
    if kind not in ANSWERS:
        raise InputError(
            f"{path} is of kind {kind}; pare run answers with {', '.join(ANSWERS.values())}: load it in Python"
        )
    engine, key = load(artifact, threads=threads), ANSWERS[kind]
    try:
        for batch in _batches(texts, column, kind):
            found = engine.classify(batch)
            click.echo(b"\n".join(_line(text, answer, key, abstain) for text, answer in zip(batch, found, strict=True)))
    finally:
        engine.close()


def _line(text: str, found: Prediction, key: str, abstain: bool) -> bytes:
    given = found.label if key == "label" else found.labels
    said = None if abstain and found.abstain else given
    confidence = round(found.confidence, 4)
    named = {"entities": found.entities if said is not None else None} if key == "tags" else {}
    return msgspec.json.encode(
        {"text": text, key: said, **named, "confidence": confidence, "in_scope": not found.abstain}
    )


def _replay(path: Path, log: Path) -> None:
    """Answers a log's requests, and says how many were for the incumbent."""
    asked = kept = 0
    for found in api.replay(path, log):
        click.echo(msgspec.json.encode(found))
        asked, kept = asked + 1, kept + (found.answer is None)
    say(
        f"{asked - kept:,} of {asked:,} requests answered; {kept:,} do not fit the prompt contract and are the incumbent's"
    )


def _check(path: Path, given: Sequence[str]) -> None:
    """Refuses, before anything is loaded, what is no model, and what would be classified as the text that it is not."""
    if not is_run(path) and not (path / MANIFEST).is_file():
        raise InputError(
            f"{path} is no run and no artifact: it has no {LEDGER} and no {MANIFEST}; give a folder that pare made"
        )
    if not given and sys.stdin is None:
        raise InputError("standard input is closed; give texts or files as arguments, or lines on standard input")
    for text in given:
        if os.path.isdir(text):
            raise InputError(
                f"{text} is a folder; name a file in it, or give the word on standard input if it is a text"
            )
        if not os.path.exists(text) and _looks_like_a_file(text):
            raise InputError(
                f"{text} looks like a file and does not exist; check the path, or classify it as a text: "
                f"echo {text} | pare run {path}"
            )


def _looks_like_a_file(text: str) -> bool:
    return len(text.split()) == 1 and (_is_table(text) or text.lower().endswith(".txt"))


def _is_table(path: str) -> bool:
    return path.lower().removesuffix(".gz").endswith(TABLES)


def _batches(given: Sequence[str], column: str | None, kind: Kind) -> Iterator[list[str]]:
    """All texts, in batches that never wait for more where some are ready. For a tagger a file of any name may be CoNLL."""
    if not given:
        yield from _lines(cast(BufferedReader, sys.stdin.buffer), "standard input")
    for is_file, group in groupby(given, os.path.exists):
        if not is_file:
            yield from _sliced(group)
            continue
        for path in group:
            words = (kind == "tag" or _is_table(path)) and is_conll(Path(path))
            if words or _is_table(path):
                named = column or (WORD if words else "text")
                yield from _sliced(row.text for row in rows(path, Columns(named, target="", kind=kind)))
            else:
                with open(path, "rb") as file:
                    yield from _lines(file, path)


def _sliced(texts: Iterator[str]) -> Iterator[list[str]]:
    """Batches of texts. What came before bad input is given out before the error is raised."""
    batch: list[str] = []
    try:
        for text in texts:
            batch.append(text)
            if len(batch) == BATCH:
                yield batch
                batch = []
    except InputError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _lines(file: BufferedReader, name: str) -> Iterator[list[str]]:
    """The lines of a file or pipe, blank ones left out. ``read1`` gives what has arrived, and waits only for the first.

    Raises InputError at the first line that is no UTF-8.
    """
    rest, number = b"", 0
    while chunk := file.read1(READ_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from _sliced(_decoded(whole, name, number))
        number += len(whole)
    yield from _sliced(_decoded([rest], name, number))


def _decoded(lines: Sequence[bytes], name: str, before: int) -> Iterator[str]:
    for number, line in enumerate(lines, before + 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r")
        except UnicodeDecodeError:
            raise InputError(f"{name}, line {number} is not UTF-8; give texts, one a line, in UTF-8") from None
        if text.strip():
            yield text
