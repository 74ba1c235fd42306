"""What sections are made of: marks of provenance, cells, tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pare.report.figures import NONE, shown
from pare.report.html import Child, Html, join, tag
from pare.types import Provenance, Quantity

MEANING: dict[Provenance, str] = {
    "measured": "read from an instrument or counted",
    "modelled": "computed by a named formula from other figures",
    "assumed": "taken from a named source, or a stated guess",
}

CUE = "Scroll sideways for more columns \u2192"
DENSE = 9
"""Tables of so many columns are set closer, so that they fit a page of 1,280 pixels."""


@dataclass
class Sources:
    """Numbers the distinct sources of figures in the order in which the page first shows them."""

    known: dict[tuple[Provenance, str], int] = field(default_factory=dict)

    def mark(self, quantity: Quantity | None, *, numbered: bool = False) -> Html:
        """A dot that tells the provenance, with the source as its title; numbered ones link to the list of sources."""
        if quantity is None:
            return Html("")
        number = self.known.setdefault((quantity.provenance, quantity.source), len(self.known) + 1)
        words = f"{quantity.provenance}: {quantity.source}"
        dot = tag("span", class_=f"p {quantity.provenance}", title=words, role="img", aria_label=words)
        link = tag("a", number, class_="n", href=f"#source-{number}", title=words) if numbered else None
        return join(dot, link)


@dataclass(frozen=True)
class Cell:
    """A table cell: what is shown, what it is sorted by (None where unknown), and its class."""

    content: Child
    value: float | str | None = None
    class_: str | None = None


def figure_cell(key: str, quantity: Quantity | None, sources: Sources, *, numbered: bool = False) -> Cell:
    """A figure with its mark."""
    if quantity is None:
        return Cell(NONE, None)
    return Cell([shown(key, quantity), sources.mark(quantity, numbered=numbered)], quantity.value)


@dataclass(frozen=True)
class Row:
    """A table row: its heading, its cells, and its class."""

    head: Child
    cells: Sequence[Cell]
    class_: str | None = None


@dataclass(frozen=True)
class Column:
    """A column's heading, with its meaning as a title. ``left`` aligns texts."""

    title: str
    help: str = ""
    left: bool = False


def table(columns: Sequence[Column], rows: Sequence[Row], *, sortable: bool = False) -> Html:
    """A table in a box of its own, which scrolls where the page is narrow; the first column stays."""
    heads = [
        tag("th", c.title, title=c.help or None, scope="col", class_="l" if c.left else None, data_sort=sortable)
        for c in columns
    ]
    body = [
        tag("tr", tag("th", row.head, scope="row"), [_cell(cell, sortable) for cell in row.cells], class_=row.class_)
        for row in rows
    ]
    whole = tag("table", tag("thead", tag("tr", heads)), tag("tbody", body))
    return scrolled(whole, columns[0].title, "sticky dense" if len(columns) >= DENSE else "sticky")


def scrolled(table: Html, name: str, kind: str) -> Html:
    """A table in a box that scrolls sideways; the page's script shows the cue, and fades the edge, where more is hidden."""
    return tag(
        "div",
        tag("p", CUE, class_="cue"),
        tag("div", table, class_=f"scroll {kind}", tabindex=0, role="region", aria_label=name),
        class_="box",
    )


def _cell(cell: Cell, sortable: bool) -> Html:
    value = None
    if sortable and not isinstance(cell.value, str):
        value = "" if cell.value is None else f"{cell.value:.12g}"
    return tag("td", cell.content, class_=cell.class_, data_v=value)


def section(name: str, title: str, *children: Child) -> Html:
    return tag("section", tag("h2", title), *children, id=name)


def lead(*children: Child) -> Html:
    return tag("p", *children, class_="lead")


def note(*children: Child) -> Html:
    return tag("p", *children, class_="note")


def terms(pairs: Sequence[tuple[str, Child]]) -> Html:
    """Words and what they mean, or names and values."""
    return tag("dl", [[tag("dt", name), tag("dd", value)] for name, value in pairs], class_="terms")


def user_text(value: str, most: int = 280) -> Html:
    """A user's text, shortened, in its own direction of writing."""
    return tag("bdi", shortened(value, most), dir="auto")


def user_label(value: str, most: int = 60) -> Html:
    """A user's label: as a text, but its lines break after the marks that join its words, or else anywhere."""
    pieces = re.findall(r"[^_./-]*[_./-]+|[^_./-]+", shortened(value, most))
    return tag("bdi", [[tag("wbr"), piece] if number else piece for number, piece in enumerate(pieces)], class_="label")


def shortened(value: str, most: int) -> str:
    """A text on one line, cut to so many characters."""
    flat = re.sub(r"\s+", " ", value).strip()
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"
