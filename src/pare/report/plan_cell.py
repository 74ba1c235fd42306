"""A figure of a plan as a cell of a page."""

from __future__ import annotations

from pare.planner.types import Figure
from pare.report.figures import NONE, significant
from pare.report.html import Child, tag
from pare.report.parts import Cell, Sources
from pare.report.plan import plain
from pare.types import Quantity


def cell(figure: Figure | None, sources: Sources) -> Cell:
    """A figure with its mark, the number of its source, and its interval under it."""
    if figure is None:
        return Cell(NONE, None)
    as_source = Quantity(figure.value, figure.unit, figure.provenance, figure.source)
    shown: list[Child] = [plain(figure.value, figure.unit), sources.mark(as_source, numbered=True)]
    if figure.low is not None and figure.high is not None:
        shown.append(tag("span", f"{significant(figure.low)} to {significant(figure.high)}", class_="sub"))
    return Cell(shown, figure.value)
