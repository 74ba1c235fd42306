"""Entities and their metrics, against an oracle that shares no code with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from pare.evaluation.spans import entity_counts, entity_f1, sentence_accuracy, sentence_f1, word_accuracy
from pare.kinds import KINDS, Span, spans

CLASSES = ("B-x", "B-y", "I-x", "I-y", "O")
TAGS = st.lists(st.sampled_from(CLASSES), max_size=9)


def brute_force(tags: list[str]) -> set[tuple[str, int, int]]:
    """Every stretch of words of one type that cannot be extended and holds no beginning but its first word."""
    types = [None if tag == "O" else tag[2:] for tag in tags]
    found = set()
    for start in range(len(tags)):
        for end in range(start + 1, len(tags) + 1):
            inside = types[start] is not None and all(t == types[start] for t in types[start:end])
            one = not any(tag.startswith("B-") for tag in tags[start + 1 : end])
            begins = tags[start].startswith("B-") or start == 0 or types[start - 1] != types[start]
            stops = end == len(tags) or types[end] != types[start] or tags[end].startswith("B-")
            if inside and one and begins and stops:
                found.add((types[start], start, end))
    return found


@settings(max_examples=300, derandomize=True)
@given(TAGS)
def test_entities_are_those_of_an_independent_reading(tags: list[str]) -> None:
    assert {tuple(span) for span in spans(tags)} == brute_force(tags)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("I-x I-x O", [("x", 0, 2)]),
        ("B-x I-y", [("x", 0, 1), ("y", 1, 2)]),
        ("B-x B-x", [("x", 0, 1), ("x", 1, 2)]),
        ("B-x E-x I-x", [("x", 0, 2), ("x", 2, 3)]),
        ("S-x S-x U-y", [("x", 0, 1), ("x", 1, 2), ("y", 2, 3)]),
        ("noun noun verb O", [("noun", 0, 2), ("verb", 2, 3)]),
        ("B-creative-work I-creative-work", [("creative-work", 0, 2)]),
        ("", []),
    ],
)
def test_entities_by_hand(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert spans(tags.split()) == [Span(*span) for span in expected]


def arrays(cells: list[list[str]]) -> np.ndarray:
    return KINDS["tag"].targets([" ".join(tags) for tags in cells], CLASSES)


def sure(targets: np.ndarray) -> np.ndarray:
    """Logits that decide what the targets say."""
    logits = np.where(targets[..., None] == np.arange(len(CLASSES)), 3.0, 0.0).astype(np.float32)
    logits[targets < 0] = np.nan
    return logits


PAIRS = st.lists(TAGS.flatmap(lambda t: st.tuples(st.just(t), st.permutations(t))), min_size=1, max_size=6)


@settings(max_examples=200, derandomize=True)
@given(PAIRS)
def test_f1_is_that_of_scikit_learn_over_all_possible_entities(pairs: list[tuple[list[str], list[str]]]) -> None:
    targets, given_tags = arrays([t for t, _ in pairs]), arrays([g for _, g in pairs])
    found = sentence_f1(sure(given_tags), targets, CLASSES)
    expected: list[float] = []
    every: tuple[list[bool], list[bool]] = [], []
    for true, said in pairs:
        one, other = brute_force(true), brute_force(said)
        both = sorted(one | other)
        marks = [span in one for span in both], [span in other for span in both]
        expected.append(f1_score(*marks, zero_division=1.0) if both else 1.0)
        every[0].extend(marks[0])
        every[1].extend(marks[1])
    assert found == pytest.approx(expected)
    whole = entity_f1(entity_counts(given_tags, targets, CLASSES).sum(axis=0))
    assert whole == pytest.approx(f1_score(*every, zero_division=1.0) if every[0] else 1.0)


def test_words_and_sentences_by_hand() -> None:
    targets = arrays([["O", "B-x", "I-x", "O"], ["O", "O"], []])
    said = arrays([["O", "B-x", "O", "O"], ["O", "O"], []])
    assert word_accuracy(sure(said), targets, CLASSES).tolist() == [0.75, 1.0, 1.0]
    assert sentence_accuracy(sure(said), targets, CLASSES).tolist() == [0.0, 1.0, 1.0]
    assert sentence_f1(sure(said), targets, CLASSES).tolist() == [0.0, 1.0, 1.0]


def test_an_entity_where_none_is_expected_costs_the_sentence() -> None:
    targets, said = arrays([["O", "O"]]), arrays([["O", "B-x"]])
    assert sentence_f1(sure(said), targets, CLASSES).tolist() == [0.0]
