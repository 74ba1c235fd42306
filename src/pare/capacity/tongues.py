"""A log's texts by language: how many tokens each tokenizer makes of them, and what each offer charges for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pare.capacity.asked import Asked
from pare.capacity.subjects import Found
from pare.capacity.usage import Sampled, Usage
from pare.catalog import prices
from pare.errors import InputError
from pare.families.tokens import counter, scripts_unknown
from pare.planner import money
from pare.planner.tokens import Counted, count, tokenized
from pare.planner.types import Demand, Figure, TextPrice, Tokenized
from pare.remote.cost import FRAME_TOKENS, modelled_tokens

LOG = "the log"
"""The name of a log's own count."""
Lengths = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Count:
    """The sampled texts by one tokenizer: prompts and answers by language, and the tokens of each request, of which a chat
    template's are a part. ``path`` is None of the log's own count.
    """

    name: str
    prompts: Mapping[str, Counted]
    answers: Mapping[str, Counted]
    lengths: Lengths
    path: Path | None = None

    @property
    def shown(self) -> Tokenized:
        return tokenized(self.name, self.prompts, self.answers)


@dataclass(frozen=True, slots=True)
class Tongues:
    """A log by every tokenizer at hand: the log's own count, those of compared models by name, and the others given."""

    sample: tuple[Sampled, ...] = ()
    logged: Count | None = None
    own: Mapping[str, Count] | None = None
    given: tuple[Count, ...] = ()

    @property
    def counts(self) -> tuple[Count, ...]:
        return tuple(filter(None, (self.logged, *(self.own or {}).values(), *self.given)))

    def of(self, name: str) -> Count | None:
        """The count by a model's own tokenizer, where there is one."""
        return (self.own or {}).get(name)

    def notes(self) -> tuple[str, ...]:
        """Scripts that a tokenizer does not know, of which its count tells nothing."""
        texts = [one.prompt for one in self.sample]
        unknown = ((one.name, scripts_unknown(one.path, texts)) for one in self.counts if one.path)
        return tuple(
            f"the tokenizer of {name} does not know {' and '.join(scripts)} script: it makes unknown tokens or single "
            "characters of its words"
            for name, scripts in unknown
            if scripts
        )


def tongues(asked: Asked, usage: Usage | None, found: Sequence[Found]) -> Tongues:
    """Counts a log's sample with the tokenizers of what is compared and with those given.

    Raises InputError where a tokenizer is given without a log, or cannot be read.
    """
    if usage is None:
        if asked.tokenizer:
            raise InputError("--tokenizer counts the texts of a log; give one with --usage")
        return Tongues()
    paths = {one.name: one.tokenizer for one in found if one.tokenizer is not None}
    others = []
    for text in asked.tokenizer:
        name, path = _named(text, found)
        if name:
            paths[name] = path
        else:
            others.append(path)
    sample = usage.sample
    return Tongues(
        sample,
        logged(sample),
        {name: counted(name, path, sample) for name, path in paths.items()},
        tuple(counted(str(path), path, sample) for path in others),
    )


def _named(text: str, found: Sequence[Found]) -> tuple[str, Path]:
    """(a compared model or empty, a path) of ``PATH`` or ``MODEL=PATH``."""
    if Path(text).exists():
        return "", Path(text)
    wanted, equals, path = text.partition("=")
    if not equals:
        raise InputError(f"--tokenizer {text} does not exist; give a tokenizer.json or the folder that has one")
    names = {one.name.casefold(): one.name for one in found}
    name = names.get(wanted.strip().casefold())
    if name is None:
        raise InputError(f"--tokenizer {text}: {wanted!r} is not compared; compared are {', '.join(names.values())}")
    return name, Path(path.strip())


def logged(sample: Sequence[Sampled]) -> Count:
    """What the log says itself: measured where every sampled request has its tokens, else modelled."""
    known = all(one.tokens_in is not None and one.tokens_out is not None for one in sample)
    lengths = tuple(
        (
            modelled_tokens(one.prompt) if one.tokens_in is None else one.tokens_in,
            modelled_tokens(one.answer) if one.tokens_out is None else one.tokens_out,
        )
        for one in sample
    )
    by_language: dict[str, list[int]] = {}
    for place, one in enumerate(sample):
        by_language.setdefault(one.language, []).append(place)

    def side(which: int) -> dict[str, Counted]:
        texts = [one.answer if which else one.prompt for one in sample]
        return {
            language: Counted(
                len(places),
                sum(len(texts[place]) for place in places),
                sum(lengths[place][which] for place in places),
                "measured" if known else "modelled",
                "as the log counts, a chat template's tokens among them"
                if known
                else "4 bytes of UTF-8 a token where the log counts none",
            )
            for language, places in by_language.items()
        }

    return Count(LOG, side(0), side(1), lengths)


def counted(name: str, path: Path, sample: Sequence[Sampled]) -> Count:
    """The sample by a tokenizer. Raises InputError where it cannot be read."""
    tokens = _remembering(counter(path))
    stated = [one.language for one in sample]
    prompts = count([one.prompt for one in sample], tokens, name, stated)
    answers = count([one.answer for one in sample], tokens, name, stated)
    lengths = tuple((tokens(one.prompt) + FRAME_TOKENS * one.messages, tokens(one.answer)) for one in sample)
    return Count(name, prompts, answers, lengths, path)


def _remembering(tokens: Callable[[str], int]) -> Callable[[str], int]:
    """The same, each text counted once: prompts are long, and they are asked for by language and by request."""
    known: dict[str, int] = {}

    def of(text: str) -> int:
        if text not in known:
            known[text] = tokens(text)
        return known[text]

    return of


def own_demand(demand: Demand, one: Count, asked: Asked, peak_per_s: float | None) -> tuple[Demand, Lengths]:
    """A demand in a model's own tokens. What the user stated stays. ``peak_per_s`` is the log's where it says how many
    sessions there are: a longer answer takes longer, so that more are under way at once (Little 1961).
    """
    n = len(one.lengths)
    prompt = asked.prompt or max(1.0, sum(length for length, _ in one.lengths) / n)
    answer = asked.answer or max(1.0, sum(length for _, length in one.lengths) / n)
    made = replace(demand, prompt_tokens=prompt, answer_tokens=answer)
    if peak_per_s is not None and asked.sessions is None and asked.every is None:
        every = answer / asked.min_tps
        made = replace(made, every_s=every, sessions=max(1, math.ceil(peak_per_s * every - 1e-9)))
    return made, tuple((max(1, length), max(1, answered)) for length, answered in one.lengths)


def text_prices(found: Sequence[Found], counts: Tongues, usage: Usage | None) -> tuple[TextPrice, ...]:
    """What each offer charges for the sampled texts, by language; one that bills by what is not known has no price."""
    if usage is None or counts.logged is None:
        return ()
    return tuple(
        TextPrice(one.name, offer.seller, language, figures)
        for one in found
        for offer in one.sold
        for language, figures in _charged(offer, counts.of(one.name) or counts.logged, usage.cached)
    )


def _charged(offer: prices.Offer, by: Count, cached: float) -> Iterator[tuple[str, dict[str, Figure]]]:
    for language in (one.name for one in by.shown.languages):
        asked, answered = by.prompts[language], by.answers[language]
        frame = FRAME_TOKENS * asked.texts if by.path else 0
        used = prices.Usage(
            tokens_in=asked.tokens + frame,
            tokens_out=answered.tokens,
            requests=asked.texts,
            tokens_cached=cached * asked.texts,
            characters_in=asked.characters,
        )
        with suppress(InputError):
            found = {
                "usd_per_1k_tokens": money.api_usd_per_1k(offer, used, asked.tokens + answered.tokens),
                "usd_per_1k_characters": money.api_usd_per_1k_characters(
                    offer, used, asked.characters + answered.characters
                ),
                "usd_per_1k_requests": money.api_usd_per_1k_requests(offer, used),
            }
            words = f"tokens: {asked.source}"
            yield (
                language,
                {key: replace(figure, unit="USD", source=f"{figure.source}; {words}") for key, figure in found.items()},
            )
