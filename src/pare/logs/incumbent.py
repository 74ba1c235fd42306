"""What a log says of the large model that does a job today. It lies beside the job's rows, for the study on them."""

from __future__ import annotations

from dataclasses import dataclass

from pare.types import Quantity

INCUMBENT = "incumbent.json"
"""The file of a run's folder that says so."""


@dataclass(frozen=True, slots=True)
class Incumbent:
    """A large model at its job. ``tokens_in`` and ``tokens_out`` are means of a request; None where the log does not say."""

    model: str
    requests: int = 0
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    tokens_in: float | None = None
    tokens_out: float | None = None
    usd_per_1k: Quantity | None = None
    requests_per_month: Quantity | None = None
