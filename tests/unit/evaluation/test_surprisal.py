"""Bits per byte: pooled over answers, by UTF-8 bytes, paired where two models are compared."""

from __future__ import annotations

import numpy as np
import pytest

from pare.evaluation.metrics import METRICS
from pare.evaluation.score import drop
from pare.evaluation.surprisal import added_bits, bits_per_byte


def test_bits_are_divided_by_the_bytes_of_all_answers() -> None:
    found = bits_per_byte(np.array([8.0, 4.0]), ["abcd", "ü"])
    assert found.value == pytest.approx(12 / 6)
    assert (found.metric, found.n, found.approximate) == ("bits_per_byte", 2, True)


def test_the_interval_covers_what_varies_and_nothing_else() -> None:
    answers = ["ab"] * 50
    same = bits_per_byte(np.full(50, 3.0), answers)
    assert same.low == same.value == same.high == 1.5
    bits = np.random.default_rng(1).gamma(4.0, 1.0, 50)
    spread = bits_per_byte(bits, answers)
    error = bits.std() / 2 / 50**0.5
    assert spread.value - spread.low == pytest.approx(1.96 * error, rel=0.3)
    assert spread.low < spread.value < spread.high


def test_what_two_models_differ_by_is_paired() -> None:
    before = np.random.default_rng(0).gamma(4.0, 9.0, 40)
    found = added_bits(before, before + 1.0, ["abcd"] * 40)
    assert found.value == pytest.approx(0.25)
    assert found.high - found.low < 1e-9
    assert added_bits(before, before - 1.0, ["abcd"] * 40).value == pytest.approx(-0.25)


def test_a_drop_of_labels_is_paired_too() -> None:
    right = np.eye(2, dtype=np.float32)[np.array([0, 1] * 50)]
    targets, wrong = np.array([0, 1] * 50), right.copy()
    wrong[:10] = wrong[:10, ::-1]
    found = drop(METRICS["accuracy"], right, wrong, targets, ("a", "b"))
    assert found.value == pytest.approx(0.1)
    assert 0.03 < found.low < 0.1 < found.high < 0.18
    same = drop(METRICS["accuracy"], wrong, wrong, targets, ("a", "b"))
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
