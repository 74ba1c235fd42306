"""What every engine that generates must hold: the suite behind ``conformance.check_runtime`` for the kind ``generate``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice, zip_longest

import numpy as np
from numpy.typing import NDArray

from pare.runtimes.base import Generator
from pare.runtimes.writing import HALF

TOLERANCE = 2e-2
"""The largest relative difference of a surprisal between one pair alone and the same in a batch, as for logits."""

MOST = 12

ODD = ("", " ", "\n\t", "\x00", "</s> <s>", "ünïcødé – «naïve»", "أين بطاقتي؟", "我的卡在哪里", "🙂🙂👩‍👩‍👧", "a" * 900)


def surprisal_is_one_value_a_pair(engine: Generator, texts: Sequence[str]) -> None:
    for size in (0, 1, 2, len(texts)):
        found = engine.surprisal([(text, " and on") for text in texts[:size]])
        assert found.shape == (size,)
        assert found.dtype == np.float64
        assert (np.isfinite(found) & (found > 0)).all()
    assert engine.surprisal([(texts[0], "")])[0] == 0


def order_is_kept(engine: Generator, texts: Sequence[str]) -> None:
    pairs = _pairs(texts)
    _near(engine.surprisal(pairs), engine.surprisal(pairs[::-1])[::-1])


def single_equals_batch(engine: Generator, texts: Sequence[str]) -> None:
    pairs = _pairs(texts)
    _near(engine.surprisal(pairs), np.array([engine.surprisal([pair])[0] for pair in pairs]))


def repeated_calls_agree(engine: Generator, texts: Sequence[str]) -> None:
    pairs = _pairs(texts)
    assert np.array_equal(engine.surprisal(pairs), engine.surprisal(pairs))
    assert list(engine.generate(texts[0], MOST)) == list(engine.generate(texts[0], MOST))


def nothing_is_remembered(engine: Generator, texts: Sequence[str]) -> None:
    """A call's past is its own: one that is cut short, or is still going, changes no other."""
    pairs = _pairs(texts)
    score, tokens = engine.surprisal(pairs), list(engine.generate(texts[0], MOST))
    going = engine.generate(texts[0], MOST)
    begun = list(islice(going, 2))
    list(islice(engine.generate(texts[1], MOST), 1))
    assert np.array_equal(engine.surprisal(pairs), score)
    assert [*begun, *going] == tokens


def generate_is_the_likeliest(engine: Generator, texts: Sequence[str]) -> None:
    """No character is a likelier beginning than the token that is chosen, as ``surprisal`` has it."""
    for text in texts[:3]:
        said = next(iter(engine.generate(text, 1))).text
        if said and HALF not in said:
            bits = engine.surprisal([(text, one) for one in (said, *" abcdefgh,.?!\n")])
            assert bits[0] <= bits[1:].min() * (1 + TOLERANCE)


def most_is_kept(engine: Generator, texts: Sequence[str]) -> None:
    longest = list(engine.generate(texts[0], MOST))
    for most in (0, 1, 3):
        shorter = [token.id for token in engine.generate(texts[0], most)]
        assert shorter == [token.id for token in longest[:most]]


def odd_texts_are_answered(engine: Generator, texts: Sequence[str]) -> None:
    odd = [*ODD, " ".join(texts) * 50]
    pairs = [(one, other) for one, other in zip_longest(odd, reversed(odd), fillvalue="")]
    found = engine.surprisal(pairs)
    assert np.isfinite(found).all()
    _near(found, np.array([engine.surprisal([pair])[0] for pair in pairs]))
    for text in odd:
        tokens = list(engine.generate(text, 3))
        assert 1 <= len(tokens) <= 3
        "".join(token.text for token in tokens).encode()


def longer_answers_cost_more(engine: Generator, texts: Sequence[str]) -> None:
    """An answer that does not fit at once is scored to its end."""
    sizes = engine.surprisal([(texts[0], " and on" * count) for count in (1, 20, 200, 400)])
    assert (np.diff(sizes) > 0).all()


GeneratorCheck = Callable[[Generator, Sequence[str]], None]
GENERATOR_CHECKS: tuple[GeneratorCheck, ...] = (
    surprisal_is_one_value_a_pair,
    order_is_kept,
    single_equals_batch,
    repeated_calls_agree,
    nothing_is_remembered,
    generate_is_the_likeliest,
    most_is_kept,
    odd_texts_are_answered,
    longer_answers_cost_more,
)


def check_generator(engine: Generator, texts: Sequence[str]) -> None:
    """Runs every check of a generator; ``texts`` are at least three."""
    assert engine.facts
    for check in GENERATOR_CHECKS:
        check(engine, texts)


def _pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    return [(text, " and on" * (1 + i % 5)) for i, text in enumerate(texts)]


def _near(found: NDArray[np.float64], other: NDArray[np.float64]) -> None:
    worst = float((np.abs(found - other) / np.maximum(1.0, np.abs(other))).max(initial=0.0))
    assert worst <= TOLERANCE, f"surprisals differ by {worst:.3g} of their size"
