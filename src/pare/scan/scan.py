"""What could move: every job of a log with its spend, its kind of answer, how far the cheapest model gets, and advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

import numpy as np

from pare.data.near import near_groups
from pare.errors import InputError
from pare.logs import Log, read_log
from pare.logs.templates import Template, constant_share
from pare.runtimes import this_device
from pare.scan.agreement import Agreement, linear_agreement
from pare.scan.jobs import Job, Progress, find_jobs
from pare.scan.spend import months
from pare.types import Quantity

NEAR_ROWS = 2_000
MOVE_AT, PERHAPS_AT = 0.65, 0.4
"""Agreement of the linear rung, as the lower end of its interval, from which a job can move, or perhaps can."""
MOVE_ROWS = 400
"""Distinct rows from which a study has enough to train on and to prove with."""

Advice = Literal["move", "perhaps", "keep"]


@dataclass(frozen=True, slots=True)
class Found:
    """One job as a scan tells it. ``number`` counts from 1, the dearest first. What is unknown is None."""

    number: int
    advice: Advice
    reason: str
    command: str
    prompt: str
    template: Template
    requests: int
    share: float
    distinct: int
    near: float | None
    unfit: int
    formless: int
    kind: str
    labels: tuple[str, ...]
    models: tuple[str, ...]
    tokens_in: int | None
    tokens_out: int | None
    spend: Quantity | None
    spend_month: Quantity | None
    constant: float
    latency_p50_ms: float | None
    agreement: Agreement | None


@dataclass(frozen=True, slots=True)
class Scan:
    """What a log holds. ``loose`` requests belong to no job; ``months`` is the time the log covers, None if unknown."""

    path: str
    format: str
    requests: int
    skipped: int
    skipped_because: tuple[str, ...]
    months: float | None
    spend: Quantity | None
    loose: int
    jobs: tuple[Found, ...]


def scan(path: Path, format: str | None = None, progress: Progress = lambda done, step: None) -> Scan:
    """Reads a log twice and describes its jobs. Raises InputError where it holds no request that can be read."""
    log = read_log(path, format)
    jobs, own = find_jobs(log, progress)
    rest = own.rest
    requests = sum(job.requests for job in jobs) + rest.requests
    if not requests:
        raise InputError(
            f"{path} holds no answered request of {log.format}; {'; '.join(_reasons(log)) or 'it is empty'}"
        )
    span = _span([*jobs, rest])
    found = [_found(job, path, requests, span) for job in jobs]
    known = [one.spend for one in found if one.spend]
    return Scan(
        path=str(path),
        format=log.format,
        requests=requests,
        skipped=log.skipped,
        skipped_because=_reasons(log),
        months=float(span) if span else None,
        spend=_sum(known) if len(known) == len(found) and known else None,
        loose=rest.requests,
        jobs=tuple(_numbered(one, number, path) for number, one in enumerate(found, start=1)),
    )


def _reasons(log: Log) -> tuple[str, ...]:
    """Why records were passed over, with a place of each, the commonest first."""
    ranked = sorted(log.reasons.items(), key=lambda item: -item[1].count)
    return tuple(f"{skipped.count:,} {why}, as {skipped.examples[0]}" for why, skipped in ranked)


def _span(jobs: Sequence[Job]) -> Decimal | None:
    first = min((job.first for job in jobs if job.first), default="")
    return months(first, max((job.last for job in jobs), default=""))


def _sum(parts: Sequence[Quantity]) -> Quantity:
    modelled = [part for part in parts if part.provenance != "measured"]
    shown = (modelled or list(parts))[0]
    return Quantity(sum(part.value for part in parts), "USD", shown.provenance, shown.source)


def _found(job: Job, path: Path, requests: int, span: Decimal | None) -> Found:
    rows = job.rows.items
    agreement = None
    if job.form.kind == "label":
        agreement = linear_agreement(rows, job.form.labels, this_device().cores)
    spend = job.spend.total(job.requests)
    counted = job.spend.uncounted == 0
    advice, reason = advise(job, agreement)
    month = None
    if spend is not None and span is not None:
        source = f"{spend.source}; over the {float(span):.2f} months logged"
        month = Quantity(spend.value / float(span), "USD", "modelled", source)
    return Found(
        number=0,
        advice=advice,
        reason=reason,
        command="",
        prompt=_prompt(job.template),
        template=job.template,
        requests=job.requests,
        share=job.requests / requests,
        distinct=job.distinct,
        near=_near_share([row.text for row in rows[:NEAR_ROWS]]),
        unfit=job.unfit,
        formless=job.formless if job.form.kind == "label" else 0,
        kind=_kind(job),
        labels=job.form.labels,
        models=tuple(sorted(job.spend.models, key=lambda model: -job.spend.models[model])),
        tokens_in=job.spend.tokens_in if counted else None,
        tokens_out=job.spend.tokens_out if counted else None,
        spend=spend,
        spend_month=month,
        constant=constant_share(job.template, [row.text for row in rows]),
        latency_p50_ms=job.latency_ms(0.5),
        agreement=agreement,
    )


def _numbered(found: Found, number: int, path: Path) -> Found:
    if found.advice == "keep" or not found.labels:
        return replace(found, number=number)
    return replace(found, number=number, command=f"pare find {path} --job {number} --reference column:answer")


def _kind(job: Job) -> str:
    form = job.form
    if form.kind != "label":
        return form.kind
    return f"one of {len(form.labels)} labels" + (f" in JSON, field {form.field}" if form.field else "")


def _prompt(template: Template) -> str:
    """A template in one line: its constant words, and its slots in braces."""
    shown = []
    for piece in template.pieces:
        slots = [f"{{{name}}}" for name in piece.slots]
        shown.append("".join(text + slot for text, slot in zip(piece.constants, [*slots, ""], strict=True)))
    return " ".join(" | ".join(shown).split())


def _near_share(texts: Sequence[str]) -> float | None:
    """The share of distinct texts that nearly repeat another one; None where there are too few to say."""
    distinct = sorted(set(texts))
    if len(distinct) < 20:
        return None
    _, sizes = np.unique(near_groups(distinct), return_counts=True)
    return float((sizes[sizes > 1] - 1).sum() / len(distinct))


def advise(job: Job, agreement: Agreement | None) -> tuple[Advice, str]:
    """Whether a job can move to a small model, and why. Rules of thumb, not a proof: ``pare find`` proves."""
    kind = job.form.kind
    if kind == "label" and agreement is not None:
        words = f"a linear model gives the logged answer on {agreement.value:.0%} of {agreement.n} rows it never saw"
        if job.distinct < MOVE_ROWS:
            return "perhaps", f"{words}, but {job.distinct} distinct requests prove little; log more"
        if agreement.low >= MOVE_AT:
            return "move", f"{words}; a fine-tuned encoder usually does better"
        if agreement.low >= PERHAPS_AT:
            return "perhaps", f"{words}; an encoder may close the gap"
        return "keep", f"{words}: the answers do not follow from these texts alone, or are noisy"
    if kind == "label":
        return "perhaps", f"few labels, but only {job.distinct} distinct requests to learn from; log more"
    why = {
        "json": "JSON of several fields: extraction, which pare does not build yet",
        "short text": "short free text: no fixed set of answers to choose from",
        "long text": "long free text: writing, not choosing",
        "tool call": "tool calls: an agent at work",
        "empty": "no answer was logged",
    }
    return ("perhaps" if kind == "json" else "keep"), why[kind]
