"""What each matrix of a graph loses when it alone is quantised, as ``quantize(keep=...)`` measured it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

FILE = "sensitivity.json"
"""Beside the graph; ``methods/quantize.py`` writes it."""
SHOWN = 12
HEADING = ("matrix", "rows x columns", "loss alone", "of folds", "stored in")


def read(folder: Path) -> list[dict[str, Any]]:
    """The table's rows, the most sensitive for its size first; none where nothing was measured."""
    file = folder / FILE
    found: list[dict[str, Any]] = msgspec.json.decode(file.read_bytes()) if file.is_file() else []
    return found


def rows(table: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The first rows, as ``HEADING`` names their cells, and a last one that says how many there are more."""
    found: list[tuple[str, ...]] = [
        (
            row["layer"],
            f"{row['rows']:,} x {row['columns']:,}",
            _loss(row["loss"]),
            f"{_loss(min(row['folds']))} to {_loss(max(row['folds']))}",
            f"{row['width']} bits",
        )
        for row in table[:SHOWN]
    ]
    more = len(table) - len(found)
    return [*found, (f"and {more} more in {FILE}", "", "", "", "")] if more > 0 else found


def show(table: Sequence[dict[str, Any]]) -> None:
    """Prints the table on standard output; nothing where there is none."""
    from pare.report.terminal import console, grid

    if table:
        out = console()
        out.print(
            "sensitivity: the loss when a matrix alone is quantised (mean probability of the right label, or bits a byte)"
        )
        out.print(grid(HEADING, rows(table)))


def _loss(value: float) -> str:
    return f"{value:+.5f}"
