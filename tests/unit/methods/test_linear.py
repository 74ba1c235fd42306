from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.errors import InputError
from pare.methods.base import BuildContext
from pare.methods.linear import Linear, eight_bits, share_of_each
from pare.runtimes import load
from pare.testing.contexts import LABELS, tiny_samples
from pare.types import Sample


def _context(folder: Path, rows: list[Sample], labels: tuple[str, ...] = LABELS) -> BuildContext:
    return BuildContext(rows, [], labels, folder / "base", None, 0, 1.0, 1, folder / "cache", lambda share, word: None)


def test_it_learns_what_can_be_learnt(tmp_path: Path) -> None:
    rows = tiny_samples(120)
    engine = load(Linear().apply(None, _context(tmp_path, rows[:90]), tmp_path))
    assert [p.label for p in engine.classify([row.text for row in rows[90:]])] == [row.label for row in rows[90:]]


def test_a_label_without_rows_is_never_answered(tmp_path: Path) -> None:
    engine = load(Linear().apply(None, _context(tmp_path, tiny_samples(), (*LABELS, "absent")), tmp_path))
    assert "absent" not in {p.label for p in engine.classify(["", "card", "anything at all"])}


def test_texts_without_common_ngrams_are_refused(tmp_path: Path) -> None:
    rows = [Sample(str(i), " ", LABELS[i % 3], str(i)) for i in range(60)]
    with pytest.raises(InputError, match="finds no n-gram"):
        Linear().apply(None, _context(tmp_path, rows), tmp_path)


def test_characters_alone_suffice(tmp_path: Path) -> None:
    rows = [replace(row, text="xyz"[LABELS.index(row.label)]) for row in tiny_samples()]
    engine = load(Linear().apply(None, _context(tmp_path, rows), tmp_path))
    assert [p.label for p in engine.classify(["x", "y", "z"])] == list(LABELS)


@given(st.floats(0.01, 1.0), st.integers(0, 5))
def test_a_share_keeps_every_label_and_the_order(share: float, seed: int) -> None:
    rows = tiny_samples()
    kept = share_of_each(rows, share, seed)
    assert {row.label for row in kept} == set(LABELS)
    assert [row.id for row in kept] == sorted(row.id for row in kept)
    assert len(kept) == pytest.approx(share * len(rows), abs=len(LABELS))


@given(st.integers(0, 100))
def test_eight_bits_are_near(seed: int) -> None:
    weights = np.random.default_rng(seed).normal(size=(7, 5))
    weights[3] = 0
    quantised, scale = eight_bits(weights)
    assert np.abs(quantised * scale[:, None] - weights).max() <= np.abs(weights).max() / 250
