"""Classes of models by their size. The industry has no standard bounds; these are pare's own."""

from __future__ import annotations

CLASSES = ((2e9, 0), (10e9, 1), (100e9, 2))
"""Upper bounds by parameter count; what is above them is class 3."""


def model_class(parameters: float) -> int:
    """The class of a model by all its parameters: 0 below 2 B, 1 below 10 B, 2 below 100 B, else 3."""
    return next((number for bound, number in CLASSES if parameters < bound), 3)
