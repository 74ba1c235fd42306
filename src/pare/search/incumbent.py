"""The incumbent: a large model that is known by its logged answers only. It takes part as a trial that nobody built.

What it costs and how long it takes comes from the log that a job was taken from, or from the model's name: a price of its
tokens. What neither says stays unknown, but for energy, which no provider states for a model: it is assumed, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pare import catalog
from pare.catalog.prices import prices_source, rates
from pare.data import Dataset
from pare.data.task import COLUMN, Task
from pare.errors import InputError
from pare.evaluation.score import scores
from pare.logs.incumbent import Incumbent
from pare.remote.cost import BYTES_A_TOKEN, modelled_tokens
from pare.search.halving import FULL
from pare.search.space import INCUMBENT
from pare.types import Candidate, Quantity, Sample, Trial

SURE = 20.0
"""The logit of a logged answer; the others are 0. A large model's own doubts are not logged."""


def answer_logits(samples: Sequence[Sample], labels: Sequence[str]) -> NDArray[np.float32]:
    """Logged answers as logits, (samples, labels). One that is no label of the task is wrong, whatever the truth is."""
    index = {label: i for i, label in enumerate(labels)}
    found = np.zeros((len(samples), len(labels)), dtype=np.float32)
    for row, sample in enumerate(samples):
        given = index.get(sample.answer)
        found[row, (index[sample.label] + 1) % len(labels) if given is None else given] = SURE
    return found


def incumbent_trial(dataset: Dataset) -> tuple[Trial, NDArray[np.float32]]:
    """The incumbent's trial on dev, and its logits there. Its size and speed are unknown."""
    logits = answer_logits(dataset.dev, dataset.labels)
    trial = Trial(
        Candidate(INCUMBENT, "", (), "remote"),
        FULL,
        1.0,
        "done",
        artifact=f"{COLUMN}{dataset.test.answers}",
        scores=scores(dataset.kind, logits, dataset.targets(dataset.dev), dataset.labels),
        drop=0.0,
        discordance=0.0,
    )
    return trial, logits


def known_incumbent(task: Task, dataset: Dataset, file: Path | None) -> Incumbent | None:
    """What is known of a task's incumbent; None where the task has none. ``file`` is what a log's job says of it, if there
    is one; ``task.incumbent`` names and prices it anew.

    Raises MissingExtra where it is to be priced and ``genai-prices`` is not installed.
    """
    if not task.has_incumbent:
        return None
    logged = _logged(file) if file is not None else Incumbent("")
    if task.incumbent is None:
        return logged
    provider, _, model = task.incumbent.partition(":") if ":" in task.incumbent else ("", "", task.incumbent)
    tokens_in, tokens_out = logged.tokens_in, logged.tokens_out
    source = "the log's tokens a request"
    if tokens_in is None or tokens_out is None:
        rows = dataset.real
        tokens_in = float(np.mean([modelled_tokens(row.text) for row in rows]))
        tokens_out = float(np.mean([modelled_tokens(row.answer) for row in rows]))
        source = f"texts and answers alone, {BYTES_A_TOKEN} bytes a token; the prompt around them costs more"
    found = rates(provider, model, round(tokens_in))
    price = None
    if found is not None:
        words = f"{tokens_in:.0f} tokens in and {tokens_out:.0f} out ({source}) x {prices_source()}"
        usd = found.cost(round(1000 * tokens_in), round(1000 * tokens_out), requests=1000)
        price = Quantity(float(usd), "USD", "modelled", words)
    known = task.incumbent if logged.model in ("", model) else f"{logged.model}, priced as {task.incumbent}"
    return replace(
        logged, model=known, tokens_in=tokens_in, tokens_out=tokens_out, usd_per_1k=price or logged.usd_per_1k
    )


def _logged(file: Path) -> Incumbent:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Incumbent)
    except msgspec.DecodeError as error:
        raise InputError(
            f"{file} cannot be read: {error}; run the same pare find LOG --job again, into another folder"
        ) from None


def incumbent_figures(known: Incumbent) -> dict[str, Quantity]:
    """The incumbent's figures by the names of a measurement's; what is unknown is left out."""
    times = {"latency_p50_ms": known.latency_p50_ms, "latency_p95_ms": known.latency_p95_ms}
    logged = f"of {known.requests:,} logged requests, network included"
    found = {
        key: Quantity(value, "ms", "measured", f"{'median' if 'p50' in key else '95th percentile'} {logged}")
        for key, value in times.items()
        if value is not None
    }
    if known.usd_per_1k is not None:
        found["cost_usd_per_1k"] = known.usd_per_1k
    prompt = catalog.fact("serving", "energy_per_prompt_wh")
    found["energy_j_per_1k"] = replace(prompt, value=prompt.value * 3600 * 1000, unit="J")
    return found
