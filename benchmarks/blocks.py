"""What a benchmark writes into a page: a block between markers that bear its name."""

from __future__ import annotations

import re
from pathlib import Path

from pare.artifacts import write_whole


def write_block(page: Path, name: str, text: str) -> None:
    """Puts ``text`` between ``<!-- name -->`` and ``<!-- end name -->``, in place of what is there."""
    whole = page.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end {re.escape(name)} -->)", re.DOTALL)
    if not pattern.search(whole):
        raise SystemExit(f"{page} has no markers <!-- {name} --> and <!-- end {name} -->; add them")
    write_whole(page, pattern.sub(lambda match: f"{match[1]}{text.strip()}\n{match[2]}", whole))
