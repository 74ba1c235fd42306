"""Asking a remote model: what a call will cost, and the call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

from pare.errors import InputError, Interrupted
from pare.remote import cost
from pare.remote.cache import Cache, key_of
from pare.remote.call import Call, Plan, Question
from pare.remote.cost import Counter
from pare.remote.endpoint import Endpoint
from pare.remote.retry import Clock, Retry
from pare.remote.types import Answer, Answers, Estimate, Parameters, Price, Progress, Prompt
from pare.remote.wire import body

__all__ = ["answers", "estimate"]


def estimate(
    endpoint: Endpoint,
    prompts: Sequence[Prompt],
    cache: Path,
    *,
    parameters: Parameters | None = None,
    price: Price | None = None,
    passes: int = 1,
    expected_tokens: int | None = None,
    count_tokens: Counter | None = None,
) -> Estimate:
    """What `answers` with the same arguments will ask and cost. Sends nothing and needs no key.

    ``expected_tokens`` of an answer; without it an answer is taken to be as long as ``max_tokens`` allows.
    ``count_tokens`` replaces the rule of four bytes a token. Raises InputError as `answers` does.
    """
    with Cache(cache) as kept:
        asked = parameters or Parameters()
        return _plan(endpoint, prompts, kept, asked, price, passes, expected_tokens, count_tokens).estimate


def answers(
    endpoint: Endpoint,
    prompts: Sequence[Prompt],
    cache: Path,
    *,
    parameters: Parameters | None = None,
    concurrency: int = 8,
    cap_usd: Decimal | None = None,
    price: Price | None = None,
    passes: int = 1,
    expected_tokens: int | None = None,
    count_tokens: Counter | None = None,
    refusals: int = 0,
    progress: Callable[[Progress], None] | None = None,
    retry: Retry | None = None,
    clock: Clock | None = None,
) -> Answers:
    """Every prompt's answer, in ``passes`` passes; what ``cache`` (a folder, or a .db file) holds is not asked again.

    Prompts that are the same are asked once a pass. ``cap_usd`` is the most these answers may cost in all, those that
    earlier calls paid for included; it is checked on the estimate before the first request and held during the call. A
    call that reaches it returns what is there and says so in ``stopped``. ``refusals`` is how many prompts the endpoint
    may refuse (400, 413, 422) before that ends the call.

    Raises InputError for bad arguments, an estimate above the cap, and an endpoint that refuses or fails for good;
    MissingExtra without aiohttp; Interrupted on Ctrl-C. Answers that had arrived are kept in each case.
    """
    _check(concurrency, refusals)
    with Cache(cache) as kept:
        asked = parameters or Parameters()
        plan = _plan(endpoint, prompts, kept, asked, price, passes, expected_tokens, count_tokens)
        needs = [question.need for question in plan.questions]
        cost.check_cap(plan.estimate, cap_usd, cost.headroom(price, needs) if price else Decimal(0))
        call = Call(plan, kept, cap_usd, refusals, progress)
        if plan.questions:
            try:
                asyncio.run(call.run(endpoint.key(), concurrency, retry or Retry(), clock or Clock()))
            except KeyboardInterrupt:
                raise Interrupted(f"stopped: {call.kept()}; the same command asks for the others") from None
        return call.answers()


def _plan(
    endpoint: Endpoint,
    prompts: Sequence[Prompt],
    cache: Cache,
    parameters: Parameters,
    price: Price | None,
    passes: int,
    expected_tokens: int | None,
    counter: Counter | None,
) -> Plan:
    if passes < 1:
        raise InputError(f"passes must be at least 1 but is {passes}")
    if expected_tokens is not None and expected_tokens < 1:
        raise InputError(f"expected_tokens must be at least 1 but is {expected_tokens}")
    bodies = [body(endpoint, prompt, parameters) for prompt in prompts]
    needs = [cost.need(prompt, parameters, expected_tokens, counter) for prompt in prompts]
    keys = tuple(tuple(key_of(endpoint.place, one, number) for one in bodies) for number in range(1, passes + 1))
    found: dict[str, Answer] = {}
    known: list[tuple[cost.Need, Answer]] = []
    questions: dict[str, Question] = {}
    for number, row in enumerate(keys, start=1):
        for prompt, key in enumerate(row):
            if key in found or key in questions:
                continue
            answer = cache.get(key)
            if answer is None:
                questions[key] = Question(key, prompt, number, bodies[prompt], needs[prompt])
                continue
            found[key] = answer
            known.append((needs[prompt], answer))
    reckoned = cost.reckon([question.need for question in questions.values()], known, price, counter)
    return Plan(endpoint, keys, tuple(questions.values()), found, price, reckoned)


def _check(concurrency: int, refusals: int) -> None:
    if concurrency < 1:
        raise InputError(f"concurrency must be at least 1 but is {concurrency}")
    if refusals < 0:
        raise InputError(f"refusals must be at least 0 but is {refusals}")
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise InputError("a call cannot run inside an event loop (a notebook): await asyncio.to_thread(answers, ...)")
