"""HTML from Python functions with one rule: a plain string is escaped when it is put into a tag, ``Html`` is not.

Only ``tag``, ``join`` and the constants of ``style`` make ``Html``, so whatever comes from users is escaped exactly once.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

__all__ = ["Html", "escape", "join", "tag"]

_VOID = frozenset({"meta", "br", "hr", "wbr", "col", "line", "rect", "circle", "path"})
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | int | None | Iterable["Child"]
Value = str | int | float | bool | None


def escape(value: object) -> Html:
    """A value as HTML text, safe in elements and in quoted attributes. Control characters and half surrogates go."""
    if isinstance(value, Html):
        return value
    whole = str(value).encode("utf-8", "replace").decode("utf-8")
    return Html(html.escape(_UNSEEN.sub("\ufffd", whole), quote=True))


def join(*children: Child) -> Html:
    """Children one after the other; None is left out, lists are flattened."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        parts.append(escape(child) if isinstance(child, str | int) else join(*child))
    return Html("".join(parts))


def tag(name: str, /, *children: Child, **attributes: Value) -> Html:
    """An element. ``class_`` is class, ``data_tip`` is data-tip; None and False leave an attribute out.

    >>> tag("b", "a < b", class_="x")
    '<b class="x">a &lt; b</b>'
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        label = key.rstrip("_").replace("_", "-")
        parts.append(f" {label}" if value is True else f' {label}="{escape(value)}"')
    if name in _VOID and not children:
        return Html("".join([*parts, "/>" if name in ("line", "rect", "circle", "path") else ">"]))
    return Html("".join([*parts, ">", join(*children), f"</{name}>"]))
