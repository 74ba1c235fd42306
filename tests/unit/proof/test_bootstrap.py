"""The macro-F1 bootstrap against its definition and a plain row-by-row bootstrap."""

import time

import numpy as np
import pytest

from pare.proof.bootstrap import macro_f1, macro_f1_drop


def plain_macro_f1(gold, predicted, names):
    scores = []
    for name in names:
        hits = np.sum((gold == name) & (predicted == name))
        total = np.sum(gold == name) + np.sum(predicted == name)
        scores.append(2 * hits / total if total else 0.0)
    return np.mean(scores)


def example(n, classes, seed=0):
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=n)
    reference = np.where(rng.random(n) < 0.9, gold, rng.integers(classes, size=n))
    candidate = np.where(rng.random(n) < 0.85, gold, rng.integers(classes, size=n))
    return tuple(a.astype(str) for a in (gold, reference, candidate))


def test_weights_are_row_counts():
    gold, predicted = np.array([0, 1, 1, 2]), np.array([0, 1, 0, 0])
    weights = np.array([[1.0, 2, 1, 0]])
    rows = np.repeat(np.arange(4), weights[0].astype(int))
    assert macro_f1(gold, predicted, weights, 3)[0] == pytest.approx(
        plain_macro_f1(gold[rows], predicted[rows], range(3))
    )


def test_agrees_with_resampling_rows():
    gold, reference, candidate = example(300, 4)
    names, rng = np.unique(gold), np.random.default_rng(1)
    drops = []
    for _ in range(600):
        i = rng.integers(300, size=300)
        drops.append(plain_macro_f1(gold[i], reference[i], names) - plain_macro_f1(gold[i], candidate[i], names))
    result = macro_f1_drop(gold, reference, candidate, alpha=0.1)
    expected = plain_macro_f1(gold, reference, names) - plain_macro_f1(gold, candidate, names)
    assert result.approximate
    assert result.drop == pytest.approx(expected)
    assert (result.lower, result.upper) == pytest.approx(tuple(np.quantile(drops, [0.05, 0.95])), abs=0.008)


def test_seeded_and_fast():
    labels = example(3000, 77)
    begun = time.process_time()
    assert macro_f1_drop(*labels, seed=3) == macro_f1_drop(*labels, seed=3)
    assert time.process_time() - begun < 4
    assert macro_f1_drop(*labels, seed=3) != macro_f1_drop(*labels, seed=4)


def test_same_answers_drop_nothing():
    gold, reference, _ = example(100, 3)
    result = macro_f1_drop(gold, reference, reference)
    assert (result.drop, result.lower, result.upper) == (0, 0, 0)


def test_bad_arguments():
    with pytest.raises(ValueError, match="alike"):
        macro_f1_drop(["a"], ["a", "b"], ["a"])
    with pytest.raises(ValueError, match="resamples"):
        macro_f1_drop(["a"], ["a"], ["a"], resamples=0)
