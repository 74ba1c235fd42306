"""What static vectors weigh, and how much work they are."""

from __future__ import annotations

from pare.methods.static import Static
from pare.types import DataFacts, Shape


def test_the_shape_is_known_beforehand() -> None:
    shape = Static(tokens=500).reshape(Shape("bert", (), width=64, vocabulary=400), DataFacts(3, 60, 9.0))
    assert shape.exact
    assert (shape.width, shape.vocabulary) == (64, 400)


def test_unlabelled_texts_fill_up_a_bound() -> None:
    bounded = Static(epochs=1, most=100)
    counts = [bounded.passes(DataFacts(3, rows, 9.0, unlabelled=50)) * rows for rows in (20, 80, 200)]
    assert counts == [70, 100, 200]
