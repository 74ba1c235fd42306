"""Jobs: the requests of one program, in constant memory. A sample of the log shows them, a second pass counts all rows."""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from pare.logs.forms import Form, form_of
from pare.logs.templates import Extractor, Known, Signature, Template, home_of, input_text, known, learn, merged
from pare.logs.types import Logged
from pare.scan.spend import Spend

SAMPLE = 20_000
"""Requests in which jobs, templates and forms are looked for."""
KEPT = 4_000
"""Rows of a job that are kept to be looked at closely."""
REMEMBERED = 100_000
"""Signatures whose job is remembered; of a log with more, the rest is looked up each time."""
LEAST_SHARE, LEAST_REQUESTS = 0.002, 20
"""A job has this share of the sample, and so many of its requests."""


T = TypeVar("T")


class Reservoir(Generic[T]):
    """A uniform sample of a stream, drawn with a fixed seed (algorithm R; Vitter, 1985)."""

    def __init__(self, size: int, seed: int = 0) -> None:
        self._size, self._seen, self._rng = size, 0, random.Random(seed)
        self.items: list[T] = []

    def add(self, item: T) -> None:
        self._seen += 1
        if len(self.items) < self._size:
            self.items.append(item)
        elif (place := self._rng.randrange(self._seen)) < self._size:
            self.items[place] = item


@dataclass(frozen=True, slots=True)
class Row:
    """A request as a small model would meet it: the slots' text, the answer, its label where the form gives one."""

    line: int
    text: str
    answer: str
    label: str | None


@dataclass
class Job:
    """What was counted of one program's requests. ``unfit`` did not fit the template, ``formless`` have no such answer."""

    signature: Signature
    template: Template
    form: Form
    requests: int = 0
    unfit: int = 0
    formless: int = 0
    spend: Spend = field(default_factory=Spend)
    first: str = ""
    last: str = ""
    inputs: array[int] = field(default_factory=lambda: array("q"))
    latencies: array[float] = field(default_factory=lambda: array("f"))
    rows: Reservoir[Row] = field(default_factory=lambda: Reservoir(KEPT))

    def __post_init__(self) -> None:
        self._extract = Extractor(self.template)

    def add(self, request: Logged) -> None:
        """Counts a request."""
        self.requests += 1
        self.spend.add(request)
        if request.time:
            self.first = min(self.first or request.time, request.time)
            self.last = max(self.last, request.time)
        if request.latency_ms is not None:
            self.latencies.append(request.latency_ms)
        row = self.row(request)
        if row is None:
            self.unfit += 1
            return
        self.inputs.append(hash(row.text))
        self.formless += row.label is None
        self.rows.add(row)

    def row(self, request: Logged) -> Row | None:
        """The request as a small model would meet it, or None where it does not fit the template."""
        slots = self._extract.slots(request)
        if slots is None:
            return None
        label = self.form.read(request.answer) if self.form.kind == "label" else None
        return Row(request.line, input_text(slots), request.answer, label)

    @property
    def distinct(self) -> int:
        """Requests whose slots hold different texts."""
        return len(np.unique(np.frombuffer(self.inputs, dtype=np.int64))) if self.inputs else 0

    def latency_ms(self, share: float) -> float | None:
        """The time within which this share of the requests was answered; None where the log has no times."""
        found = np.frombuffer(self.latencies, dtype=np.float32)
        return float(np.quantile(found, share)) if len(found) else None


Progress = Callable[[int, int], None]


def find_jobs(log: Iterable[Logged], progress: Progress = lambda done, step: None) -> tuple[list[Job], Own]:
    """(the jobs of a log, the dearest first, then the largest; whose is which request). The log is read twice."""
    sample: Reservoir[Logged] = Reservoir(SAMPLE)
    for count, request in enumerate(log, start=1):
        sample.add(request)
        progress(count, 1)
    own = _jobs_of(sample.items)
    for count, request in enumerate(log, start=1):
        found = member_of(request, own)
        (own.rest if found is None else own.jobs[found]).add(request)
        progress(count, 2)

    def rank(job: Job) -> tuple[float, int, Signature]:
        spend = job.spend.total(job.requests)
        return -(spend.value if spend else 0.0), -job.requests, job.signature

    return sorted((job for job in own.jobs.values() if job.requests), key=rank), own


@dataclass
class Own:
    """Whose request is which: the lines of programs, the jobs by signature, the home of each signature, and the rest."""

    known: Known
    jobs: dict[Signature, Job]
    homes: dict[Signature, Signature | None]
    rest: Job


def member_of(request: Logged, own: Own) -> Signature | None:
    """The signature of the job that a request belongs to, or None."""
    found = own.known.signature(request)
    home = own.homes[found] if found in own.homes else home_of(found, own.jobs)
    if len(own.homes) < REMEMBERED:
        own.homes[found] = home
    return home


def _jobs_of(sample: Sequence[Logged]) -> Own:
    """What a sample shows."""
    sample = sorted(sample, key=lambda request: request.line)
    own = known(sample)
    signatures = [own.signature(request) for request in sample]
    counts = Counter(signatures)
    home = merged(counts)
    sizes: Counter[Signature] = Counter()
    for found, count in counts.items():
        sizes[home[found]] += count
    least = max(LEAST_REQUESTS, LEAST_SHARE * len(sample))
    large = sorted(found for found, size in sizes.items() if found and size >= least)
    jobs: dict[Signature, Job] = {}
    for found in large:
        members = [request for request, mine in zip(sample, signatures, strict=True) if home[mine] == found]
        jobs[found] = Job(found, learn(members, own), form_of(members))
    loose = [request for request, mine in zip(sample, signatures, strict=True) if home[mine] not in large]
    rest = Job((), learn(loose, own), form_of(loose)) if loose else Job((), Template(()), Form("empty"))
    homes: dict[Signature, Signature | None] = {
        found: home[found] if home[found] in large else None for found in counts
    }
    return Own(own, jobs, homes, rest)
