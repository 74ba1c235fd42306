"""A job's rows as data for a study: what the small model reads, what the large one answered, what a person said."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from pare.artifacts import file_hash, write_whole
from pare.data.read import Columns, rows
from pare.errors import InputError
from pare.logs import read_log
from pare.logs.contract import CONTRACT, Contract
from pare.logs.incumbent import INCUMBENT, Incumbent
from pare.scan.jobs import Job, Progress, find_jobs, member_of
from pare.scan.spend import DAYS_A_MONTH, months
from pare.types import Quantity

ROWS = "job.jsonl"
LABELS = Columns("text", "label")
"""The columns of what people said, unless they are named otherwise."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """A job written out: where its rows are, how many, how many of them a person labelled."""

    path: Path
    rows: int
    labelled: int
    unfit: int


def extract(
    log: Path,
    number: int,
    folder: Path,
    labels: Path | None = None,
    columns: Columns = LABELS,
    format: str | None = None,
    progress: Progress = lambda done, step: None,
) -> Extracted:
    """Writes a job's rows, its contract and what is known of the incumbent into ``folder``.

    ``labels`` is a table of what people said, with these ``columns``. Raises InputError where the log has no job of
    that number, or where its answers are no labels.
    """
    opened = read_log(log, format)
    jobs, own = find_jobs(opened, progress)
    if not 1 <= number <= len(jobs):
        raise InputError(f"{log} has jobs 1 to {len(jobs)} but got {number}; pare scan {log} shows them")
    job = jobs[number - 1]
    if job.form.kind != "label":
        raise InputError(
            f"job {number} of {log} answers with {job.form.kind}, and pare find needs labels; choose another job"
        )
    said = {row.text.strip(): row.label for row in rows(str(labels), columns) if row.label} if labels else {}
    contract = Contract(job.template, job.form)
    folder.mkdir(parents=True, exist_ok=True)
    written = labelled = 0
    beside = folder / f".{ROWS}.{os.getpid()}"
    with beside.open("wb") as file:
        for request in opened:
            if member_of(request, own) != job.signature:
                continue
            text, answer = contract.text(request), job.form.read(request.answer)
            if text is None or answer is None:
                continue
            row = {"line": request.line, "text": text, "answer": answer, "time": request.time}
            row |= {"label": said[text]} if text in said else {}
            file.write(msgspec.json.encode(row) + b"\n")
            written, labelled = written + 1, labelled + (text in said)
    _put(beside, folder / ROWS)
    write_whole(folder / CONTRACT, _json(contract.plain()))
    write_whole(folder / INCUMBENT, _json(incumbent_of(job)))
    return Extracted(folder / ROWS, written, labelled, job.requests - written)


def _put(beside: Path, target: Path) -> None:
    """Moves written rows to their place. Raises InputError where others are there: a study may stand on them."""
    if target.is_file() and file_hash(target) != file_hash(beside):
        beside.unlink()
        raise InputError(
            f"{target} holds other rows: the log, the labels or the job have changed since; "
            "give --run another folder, or remove this one"
        )
    beside.replace(target)


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode()


def incumbent_of(job: Job) -> Incumbent:
    """The large model of a job, by its log."""
    spend, span = job.spend.total(job.requests), months(job.first, job.last)
    counted = job.requests - job.spend.uncounted
    monthly = None
    if span is not None:
        source = f"{job.requests:,} requests logged over {float(span * DAYS_A_MONTH):,.1f} days"
        monthly = Quantity(job.requests / float(span), "requests", "measured", source)
    return Incumbent(
        model=max(job.spend.models, key=job.spend.models.__getitem__, default=""),
        requests=job.requests,
        latency_p50_ms=job.latency_ms(0.5),
        latency_p95_ms=job.latency_ms(0.95),
        tokens_in=job.spend.tokens_in / counted if counted else None,
        tokens_out=job.spend.tokens_out / counted if counted else None,
        usd_per_1k=None if spend is None else replace(spend, value=1000 * spend.value / job.requests),
        requests_per_month=monthly,
    )
