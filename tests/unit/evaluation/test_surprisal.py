"""Bits per byte: pooled over answers, by UTF-8 bytes, paired where two models are compared."""

from __future__ import annotations

import numpy as np
import pytest

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
