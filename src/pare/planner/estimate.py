"""Bytes, parameters and FLOPs of a shape, and which limits they break.

FLOPs count a multiply and an add as two. A token costs what its parts say plus ``attention_flops`` for each token of
context; training costs three times the forward pass (forward, and backward twice as much; Kaplan et al., 2020, 2.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pare.types import DataFacts, Limits, Shape, Trial
from pare.units import MB, megabytes

TRAINING_PASSES = 3.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a shape will weigh and work. ``exact`` is False where ``size_bytes`` is an upper bound."""

    size_bytes: float
    parameters: int
    flops_per_request: float
    exact: bool


def weight_bytes(shape: Shape) -> float:
    """The bytes of the weights: elements x stored bits. A container's own bytes come on top."""
    return sum(part.elements * part.bits / 8 for part in shape.parts)


def parameters(shape: Shape) -> int:
    return sum(part.elements for part in shape.parts)


def flops_per_request(shape: Shape, tokens: float) -> float:
    """The forward FLOPs of one request of so many tokens."""
    per_token = sum(part.flops_per_token for part in shape.parts) + shape.attention_flops * tokens
    return tokens * per_token + sum(part.flops_per_request for part in shape.parts)


def training_flops(shape: Shape, facts: DataFacts, epochs: float) -> float:
    """The FLOPs of training on all rows for so many epochs."""
    return TRAINING_PASSES * facts.rows * epochs * flops_per_request(shape, facts.tokens_per_row)


def estimate(shape: Shape, facts: DataFacts) -> Estimate:
    return Estimate(
        size_bytes=weight_bytes(shape),
        parameters=parameters(shape),
        flops_per_request=flops_per_request(shape, facts.tokens_per_row),
        exact=shape.exact,
    )


def excludes(shape: Shape, limits: Limits) -> str:
    """Why the limits exclude a shape before it is built, or an empty string.

    Only what is certain excludes: an upper bound never does, and neither do limits on what must be measured.
    """
    if limits.parameters is not None and shape.exact and parameters(shape) > limits.parameters:
        return f"{parameters(shape):,} parameters, over the limit of {limits.parameters:,}"
    if limits.size_mb is not None and shape.exact and weight_bytes(shape) > limits.size_mb * MB:
        return f"its weights alone are {megabytes(weight_bytes(shape))}, over the limit of {limits.size_mb:g} MB"
    return ""


# Limits on measured figures: the field of Limits, the figure, its unit, and whether more is better.
_MEASURED = (
    ("latency_p95_ms", "latency_p95_ms", "ms", False),
    ("throughput", "throughput_per_s", "texts/s", True),
    ("memory_mb", "memory_mb", "MB", False),
    ("power_w", "power_w", "W", False),
    ("energy_j", "energy_j_per_1k", "J per 1,000 requests", False),
    ("cost_per_1k", "cost_usd_per_1k", "USD per 1,000 requests", False),
)


def breaks(trial: Trial, limits: Limits) -> str:
    """Which limits a built and measured trial breaks, in words, or an empty string."""
    broken: list[str] = []
    if limits.size_mb is not None and trial.size_bytes > limits.size_mb * MB:
        broken.append(f"size {megabytes(trial.size_bytes)} (limit {limits.size_mb:g} MB)")
    if limits.parameters is not None and trial.shape is not None and parameters(trial.shape) > limits.parameters:
        broken.append(f"{parameters(trial.shape):,} parameters (limit {limits.parameters:,})")
    for field, figure, unit, more_is_better in _MEASURED:
        limit = getattr(limits, field)
        if limit is None:
            continue
        if trial.measurement is None:
            broken.append(f"{field} was not measured")
            continue
        value = trial.measurement.figures[figure].value
        if value < float(limit) if more_is_better else value > float(limit):
            broken.append(f"{field} {value:.3g} {unit} (limit {float(limit):g})")
    return "; ".join(broken)


def nearest_to_limits(shapes: Sequence[tuple[str, Shape]]) -> str:
    """The smallest of the named shapes, in words: what limits would have to admit for anything to meet them."""
    name, shape = min(shapes, key=lambda item: weight_bytes(item[1]))
    return f"the smallest candidate, {name}, has {parameters(shape):,} parameters and {megabytes(weight_bytes(shape))}"
