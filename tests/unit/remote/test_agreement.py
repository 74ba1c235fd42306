from __future__ import annotations

import pytest

from pare.errors import InputError
from pare.proof.binomial import wilson
from pare.remote import Answer, self_agreement


def answers(*texts: str | None) -> list[Answer | None]:
    return [None if text is None else Answer(text, "stop") for text in texts]


def test_the_share_of_equal_answers_with_its_interval() -> None:
    found = self_agreement(answers("a", "b", "c", "d"), answers("a ", "b", "c", "e"), wilson)
    assert (found.share, found.n, found.left_out, found.alpha) == (0.75, 4, 0, 0.05)
    assert (found.low, found.high) == wilson(3, 4, 0.05)


def test_what_was_not_answered_whole_twice_is_left_out_and_counted() -> None:
    first = [*answers("a", None, "c"), Answer("d", "length")]
    found = self_agreement(first, answers("a", "b", None, "d"), wilson)
    assert (found.share, found.n, found.left_out) == (1.0, 1, 3)


def test_the_caller_may_say_what_is_the_same() -> None:
    one, other = answers('{"label": "a"}'), answers('{ "label":"a" }')
    assert self_agreement(one, other, wilson).share == 0
    assert self_agreement(one, other, wilson, same=lambda x, y: x.replace(" ", "") == y.replace(" ", "")).share == 1


def test_no_pair_is_no_agreement() -> None:
    with pytest.raises(InputError, match="none of 1 prompts has two whole answers"):
        self_agreement(answers("a"), answers(None), wilson)
    with pytest.raises(ValueError, match="shorter"):
        self_agreement(answers("a"), [], wilson)
