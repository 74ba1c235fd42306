"""A remote teacher: any endpoint that speaks the OpenAI chat-completions protocol.

`answers` asks, with retries, a cap on the money and a cache that outlives a kill; `estimate` says beforehand what it will
cost; `self_agreement` says how often the teacher agrees with itself. Keys come from the environment only.
Nothing here needs aiohttp (extra ``remote``) until a request is really sent.
"""

from __future__ import annotations

from pare.remote.agreement import SelfAgreement, self_agreement
from pare.remote.ask import answers, estimate
from pare.remote.cost import describe, usd
from pare.remote.endpoint import Endpoint
from pare.remote.retry import Clock, Retry
from pare.remote.types import (
    Answer,
    Answers,
    Estimate,
    Parameters,
    Price,
    Progress,
    Prompt,
    Refusal,
)

__all__ = [
    "Answer",
    "Answers",
    "Clock",
    "Endpoint",
    "Estimate",
    "Parameters",
    "Price",
    "Progress",
    "Prompt",
    "Refusal",
    "Retry",
    "SelfAgreement",
    "answers",
    "describe",
    "estimate",
    "self_agreement",
    "usd",
]
