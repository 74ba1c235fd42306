"""A call under way: workers share a list of questions, and end together when one of them must."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pare.errors import InputError, MissingExtra
from pare.remote.cache import Cache
from pare.remote.cost import Budget, Full, Need, charged, headroom, money, total, usd
from pare.remote.endpoint import Endpoint
from pare.remote.retry import Clock, Retry
from pare.remote.types import Answer, Answers, Estimate, Price, Progress, Refusal
from pare.remote.wire import SPENT, Complaint

if TYPE_CHECKING:
    from pare.remote.client import Client

ABOUT_THE_PROMPT = frozenset({400, 413, 422})
"""Statuses that may be about one prompt; all others that are final are about the key, the model or the address."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked in one pass: its key in the cache, the prompt's position, the pass (from 1), body and tokens."""

    key: str
    prompt: int
    number: int
    body: Mapping[str, Any]
    need: Need


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a call is for: the keys of each pass in the prompts' order, what is to be asked, what was answered."""

    endpoint: Endpoint
    keys: tuple[tuple[str, ...], ...]
    questions: tuple[Question, ...]
    found: Mapping[str, Answer]
    price: Price | None
    estimate: Estimate

    @property
    def total(self) -> int:
        """Different questions, answered or not."""
        return len(self.questions) + len(self.found)


class Call:
    """Asks a plan's questions and keeps every answer when it arrives."""

    def __init__(
        self,
        plan: Plan,
        cache: Cache,
        cap_usd: Decimal | None,
        refusals: int,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._plan, self._cache, self._cap = plan, cache, cap_usd
        self._budget = Budget(plan.price, cap_usd, plan.estimate.paid_usd)
        self._refusals, self._progress = refusals, progress
        self._answered: dict[str, Answer] = {}
        self._refused: list[Refusal] = []
        self._failure: tuple[Question, Exception] | None = None
        self._full = False

    async def run(self, key: str | None, concurrency: int, retry: Retry, clock: Clock) -> None:
        """Asks. Raises MissingExtra without aiohttp, InputError where the endpoint will not go on answering."""
        try:
            from pare.remote.client import connected
        except ModuleNotFoundError:
            raise MissingExtra("aiohttp", "remote", "asking a remote model") from None
        questions = iter(self._plan.questions)
        async with connected(self._plan.endpoint, key, self._budget, retry, clock, concurrency) as client:
            # The first goes alone: a wrong key costs one request, and its headers say how fast the others may follow.
            await self._one(client, next(questions))
            await asyncio.gather(*(self._work(client, questions) for _ in range(concurrency)))
        if self._failure is not None:
            raise self._explained(*self._failure)

    def answers(self) -> Answers:
        """What is known, in the prompts' order."""
        known = {**self._plan.found, **self._answered}
        return Answers(
            passes=tuple(tuple(known.get(key) for key in keys) for keys in self._plan.keys),
            asked=len(self._answered),
            reused=len(self._plan.found),
            estimate=self._plan.estimate,
            spent_usd=self._budget.spent_usd,
            unsure_usd=self._budget.unsure_usd,
            refused=tuple(sorted(self._refused, key=lambda refusal: (refusal.number, refusal.prompt))),
            stopped=self._cap_reached() if self._full else "",
        )

    def kept(self) -> str:
        """How many answers are safe, for people."""
        return f"{self._done:,} of {self._plan.total:,} answers are kept in {self._cache.path}"

    async def _work(self, client: Client, questions: Iterator[Question]) -> None:
        while not self._over:
            question = next(questions, None)
            if question is None:
                return
            await self._one(client, question)

    async def _one(self, client: Client, question: Question) -> None:
        from pare.remote.client import Halted

        try:
            answer = await client.complete(question.body, question.need)
            self._keep(question, answer)
        except Halted:
            return
        except Full:
            self._full = True
        except Exception as error:  # whatever it is, the others end in order, and it is raised when they have
            if not self._tolerated(question, error):
                self._failure = self._failure or (question, error)
        if self._over:
            await client.halt()

    @property
    def _done(self) -> int:
        return len(self._plan.found) + len(self._answered)

    @property
    def _over(self) -> bool:
        return self._full or self._failure is not None

    def _keep(self, question: Question, answer: Answer) -> None:
        endpoint = self._plan.endpoint
        self._cache.put(question.key, endpoint.place, endpoint.model, question.number, answer)
        self._answered[question.key] = answer
        if self._progress:
            self._progress(Progress(self._done, self._plan.total, self._budget.spent_usd))

    def _tolerated(self, question: Question, error: Exception) -> bool:
        said = getattr(error, "complaint", None)
        if said is None or said.status not in ABOUT_THE_PROMPT or len(self._refused) >= self._refusals:
            return False
        self._refused.append(Refusal(question.prompt, question.number, str(error)))
        return True

    def _explained(self, question: Question, error: Exception) -> Exception:
        from pare.remote.client import Unanswered

        if not isinstance(error, Unanswered):
            return error
        endpoint = self._plan.endpoint
        return InputError(
            f"{endpoint.host}: {error}: {_next_step(endpoint, question, error.complaint)} ({self.kept()})"
        )

    def _cap_reached(self) -> str:
        plan, budget = self._plan, self._budget
        if self._cap is None or plan.price is None:
            raise AssertionError("nothing is full without a cap and a price")
        left = [question.need for question in plan.questions if question.key not in self._answered]
        more = _expected(plan.price, left) * max(Decimal(1), self._observed(plan.price)) + headroom(plan.price, left)
        return (
            f"stopped at the cap of {usd(self._cap)}, {usd(budget.total_usd)} paid: {self.kept()}; the same command with "
            f"a cap of {usd(max(self._cap, budget.total_usd + more))} asks for the other {len(left):,}"
        )

    def _observed(self, price: Price) -> Decimal:
        """What this call's answers cost, as a multiple of what was expected of them."""
        answered = [question for question in self._plan.questions if question.key in self._answered]
        expected = _expected(price, [question.need for question in answered])
        cost = total(charged(price, question.need, self._answered[question.key]) for question in answered)
        return cost / expected if expected else Decimal(1)


def _expected(price: Price, needs: Sequence[Need]) -> Decimal:
    return total(money(price, need.tokens_in, need.expected_out) for need in needs)


def _next_step(endpoint: Endpoint, question: Question, said: Complaint | None) -> str:
    status = None if said is None else said.status
    if status == 402 or (said is not None and said.code in SPENT):
        return "add credit to the account, then give the same command again"
    if status in ABOUT_THE_PROMPT:
        return f"prompt {question.prompt + 1} was refused: change it or the parameters, or allow refusals"
    if status == 401:
        return f"put a valid key into {endpoint.key_env}"
    if status == 403:
        return f"ask for access to {endpoint.model}, or name another model"
    if status == 404:
        return f"check the url ({endpoint.place}) and the model's name ({endpoint.model})"
    if status is not None and 300 <= status < 400:
        return "give the url that it moved to; redirects are not followed, they would take the key along"
    return "see that it runs, then give the same command again"
