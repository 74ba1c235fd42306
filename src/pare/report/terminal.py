"""Plain tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def grid(heading: Sequence[str], rows: Sequence[Sequence[str]], styles: Mapping[int, str] | None = None) -> Table:
    """A table without lines; ``styles`` are rich styles by row number. Cells are shown as they are, never as markup."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(heading):
        left = number == 0 or name in ("candidate", "result")
        made.add_column(Text(name), justify="left" if left else "right", no_wrap=True)
    for number, row in enumerate(rows):
        made.add_row(*(Text(cell) for cell in row), style=(styles or {}).get(number, ""))
    return made


def console() -> Console:
    """Standard output, as wide as its tables need where it is no terminal."""
    from rich.console import Console

    found = Console(highlight=False, soft_wrap=True)
    return found if found.is_terminal else Console(highlight=False, soft_wrap=True, width=200)
