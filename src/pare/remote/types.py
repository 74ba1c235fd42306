"""What is asked of a remote model and what comes back: small frozen types. Unknown is None, never zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from pare.errors import InputError
from pare.types import Message, Provenance


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked in one request."""

    messages: tuple[Message, ...]

    @classmethod
    def of(cls, text: str, system: str = "") -> Prompt:
        """A prompt of one user message, after a system message where one is given."""
        head = (Message("system", system),) if system else ()
        return cls((*head, Message("user", text)))


OURS = frozenset({"model", "messages", "stream", "n", "temperature", "max_tokens", "max_completion_tokens"})
"""Fields of a request that `Parameters.more` may not set."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """How it is asked. Every field is part of an answer's key in the cache.

    ``temperature`` None leaves it out, for models that refuse any other than their own. ``max_tokens`` None sets no limit.
    ``limit_field`` is what the endpoint calls that limit. ``more`` are further fields of the request as they are
    (``seed``, ``reasoning_effort``). Raises InputError for values no endpoint could take.
    """

    temperature: float | None = 0.0
    max_tokens: int | None = 256
    response_format: Mapping[str, Any] | None = None
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    more: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.max_tokens is not None and self.max_tokens < 1:
            raise InputError(f"max_tokens must be at least 1 but is {self.max_tokens}")
        if self.temperature is not None and not 0 <= self.temperature <= 2:
            raise InputError(f"temperature must be from 0 to 2 but is {self.temperature}")
        taken = sorted(OURS & set(self.more))
        if taken:
            raise InputError(f"{taken[0]!r} is not a further field of a request: set it by its own name")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens, as the caller knows them. Raises InputError for what is no price."""

    usd_per_million_in: Decimal
    usd_per_million_out: Decimal

    def __post_init__(self) -> None:
        for value in (self.usd_per_million_in, self.usd_per_million_out):
            if not value.is_finite() or value < 0:
                raise InputError(f"a price must be at least $0 per million tokens but is {value}")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``finish`` is the endpoint's finish_reason; tokens are as the endpoint counted them, None if it did not.

    ``model`` is what the endpoint says answered; ``cached`` is true where nothing was asked for it in this call.
    """

    text: str
    finish: str
    tokens_in: int | None = None
    tokens_out: int | None = None
    model: str = ""
    cached: bool = False

    @property
    def truncated(self) -> bool:
        """Whether the answer was cut at the limit of tokens: its end is missing."""
        return self.finish == "length"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a call will ask and cost, before it asks.

    ``requests`` are still to be sent, ``cached`` were answered before; tokens and ``usd`` are those of the requests to be
    sent. ``paid_usd`` is what the cached answers cost when they were asked, at this price. Without a price both are None.
    ``source`` names the formula.
    """

    requests: int
    cached: int
    tokens_in: int
    tokens_out: int
    usd: Decimal | None
    paid_usd: Decimal | None
    provenance: Provenance
    source: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A prompt that the endpoint would not take: its position, the pass (from 1) and the endpoint's reason."""

    prompt: int
    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call is: answers that are there, of all; ``spent_usd`` in this call, None without a price."""

    done: int
    total: int
    spent_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Answers:
    """All that is known after a call.

    ``passes`` holds one tuple a pass, each in the prompts' order, None where there is no answer. ``asked`` answers came in
    this call, ``reused`` from the cache (prompts that are the same share one). ``spent_usd`` is measured: the endpoint's
    own token counts times the price. ``unsure_usd`` is modelled, at most: requests that were sent and whose usage is
    unknown (a timeout, a broken answer). ``stopped`` is empty, or why the call ended early and how to go on.
    """

    passes: tuple[tuple[Answer | None, ...], ...]
    asked: int
    reused: int
    estimate: Estimate
    spent_usd: Decimal | None
    unsure_usd: Decimal | None
    refused: tuple[Refusal, ...] = ()
    stopped: str = ""

    @property
    def complete(self) -> bool:
        """Whether every prompt has its answer in every pass."""
        return all(answer is not None for answers in self.passes for answer in answers)

    @property
    def truncated(self) -> int:
        """How many answers were cut at the limit of tokens."""
        return sum(answer is not None and answer.truncated for answers in self.passes for answer in answers)
