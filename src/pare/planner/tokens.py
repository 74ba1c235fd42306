"""How many tokens a text is, by language: what a price by the token is a price of.

A million tokens are not a million of anything that a user knows. The same sentence is more than twice as many tokens in one
language as in another, and as many again by another tokenizer (Petrov et al. 2023, "Language model tokenizers introduce
unfairness between languages"). So texts are counted with the tokenizer of the model that is paid for, language by language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pare.catalog.prices import Usage
from pare.families.tokens import script_of
from pare.planner.types import Language, Tokenized
from pare.remote.cost import BYTES_A_TOKEN, FRAME_TOKENS, modelled_tokens
from pare.types import Provenance

Counter = Callable[[str], int]
"""Text → its number of tokens, special ones left out."""

LEAST = 0.01
"""The least share of requests with which a language is told."""
SAMPLE = 400
"""The characters at a text's start by which its script is told."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Texts of one language, or of several together, and how long they are. ``source`` names the tokenizer."""

    texts: int
    characters: int
    tokens: int
    provenance: Provenance
    source: str

    @property
    def tokens_per_character(self) -> float | None:
        """None where there are no characters."""
        return self.tokens / self.characters if self.characters else None


def language_of(text: str, stated: str = "") -> str:
    """The language that the log states, else the script of the text (``Latin``, ``Arabic``, ``CJK`` …), else ``none``."""
    return stated or script_of(text[:SAMPLE]) or "none"


def count(
    texts: Sequence[str],
    counter: Counter | None = None,
    name: str = "",
    stated: Sequence[str] | None = None,
) -> dict[str, Counted]:
    """Texts counted by language, the language with most characters first.

    ``counter`` is of the tokenizer called ``name`` (``families.tokens.counter`` opens one); without one, tokens are modelled
    as four bytes of UTF-8 each. ``stated`` are the texts' languages as far as the log says them, empty where it does not.
    """
    languages = stated if stated is not None else [""] * len(texts)
    by_language: dict[str, list[str]] = {}
    for text, said in zip(texts, languages, strict=True):
        by_language.setdefault(language_of(text, said), []).append(text)
    found = {language: _counted(members, counter, name) for language, members in by_language.items()}
    return dict(sorted(found.items(), key=lambda item: (-item[1].characters, item[0])))


def together(parts: Iterable[Counted]) -> Counted:
    """Texts of several languages as one. They were counted in the same way."""
    all_parts = tuple(parts)
    first = all_parts[0] if all_parts else _counted((), None, "")
    return Counted(
        sum(part.texts for part in all_parts),
        sum(part.characters for part in all_parts),
        sum(part.tokens for part in all_parts),
        first.provenance,
        first.source,
    )


def dearer(counted: Mapping[str, Counted], than: str) -> dict[str, float]:
    """How many times the tokens for a character each language takes of those that ``than`` takes; empty where ``than`` has
    no text. What a language costs more for, tokens being the same price in each.
    """
    base = counted[than].tokens_per_character if than in counted else None
    if not base:
        return {}
    rates = {language: part.tokens_per_character for language, part in counted.items()}
    return {language: rate / base for language, rate in rates.items() if rate is not None}


def tokenized(name: str, prompts: Mapping[str, Counted], answers: Mapping[str, Counted]) -> Tokenized:
    """Requests by language, the commonest first, as the tokenizer of that name counts them; a chat template's tokens are
    there only where the counts have them. ``prompts`` and ``answers`` are of the same requests.
    """
    total = sum(part.texts for part in prompts.values())
    common = sorted(prompts, key=lambda language: (-prompts[language].texts, language))
    whole = {language: together((prompts[language], answers[language])) for language in common}
    times = dearer(whole, common[0]) if common else {}
    first = prompts[common[0]] if common else together(())
    return Tokenized(
        name=name,
        texts=total,
        provenance=first.provenance,
        source=first.source,
        languages=tuple(
            Language(
                name=language,
                share=prompts[language].texts / total,
                prompt_tokens=prompts[language].tokens / prompts[language].texts,
                answer_tokens=answers[language].tokens / answers[language].texts,
                characters_per_token=whole[language].characters / whole[language].tokens
                if whole[language].tokens
                else None,
                dearer=times.get(language),
            )
            for language in common
            if prompts[language].texts >= LEAST * total
        ),
    )


def usage_of(prompts: Counted, answers: Counted) -> Usage:
    """What a provider bills for these prompts, a message each, and their answers. A chat template's tokens come on top of a
    message's own. Where a log states the tokens that were billed, those count and this does not.
    """
    return Usage(
        tokens_in=prompts.tokens + FRAME_TOKENS * prompts.texts,
        tokens_out=answers.tokens,
        requests=prompts.texts,
        characters_in=prompts.characters,
    )


def _counted(texts: Sequence[str], counter: Counter | None, name: str) -> Counted:
    count_one = counter or modelled_tokens
    provenance: Provenance = "modelled" if counter is None else "measured"
    source = f"{BYTES_A_TOKEN} bytes of UTF-8 a token" if counter is None else f"tokenizer of {name or 'the model'}"
    return Counted(len(texts), sum(map(len, texts)), sum(map(count_one, texts)), provenance, source)
