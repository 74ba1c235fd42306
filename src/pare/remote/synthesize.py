"""A teacher as an author: new messages of one class, after some that people wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from pare.remote.types import Prompt

MESSAGES = 10
"""The most messages that one request asks for: in long lists teachers repeat themselves."""
EXAMPLES = 8
"""The most examples that one request shows."""
EXAMPLE_CHARS = 1_000
"""An example is cut there."""

_TOLD = (
    "You write realistic messages for training a text classifier. You are given the name of a class and messages of it "
    "that people wrote. Write new messages of the same class: in the same language, of like length and tone, and with the "
    "same kind of mistakes, but about other particulars and in other words, as different people would write them. Never "
    "repeat or merely reword an example. Answer with JSON of this form, and with nothing else: "
    '{"messages": ["...", "..."]}'
)
_NAMES = ("text", "message", "content")
"""What teachers call the message in an object, before other strings in it."""
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,3}[.)])\s+(.+)$", re.MULTILINE)


def invent(label: str, examples: Sequence[str], count: int, part: int, parts: int) -> Prompt:
    """Asks for ``count`` new messages of a class. ``part`` of ``parts`` keeps requests with like examples apart."""
    shown = json.dumps([text[:EXAMPLE_CHARS] for text in examples], ensure_ascii=False)
    asked = f"Write {count} new messages." if parts == 1 else f"Write {count} new messages: list {part} of {parts}."
    return Prompt.of(f"Class: {label}\nMessages of it: {shown}\n{asked}", system=_TOLD)


def messages_of(answer: str) -> list[str]:
    """The messages that an answer holds: a JSON list or an object with one, in a code fence or among words or cut off at
    its end, of texts or of objects with a text; else the items of a bulleted or numbered list. Empty where there is none.
    """
    start = answer.find("[")
    while start >= 0:
        if found := [text for item in _items(answer, start + 1) if (text := _text(item)) is not None]:
            return found
        start = answer.find("[", start + 1)
    return [item.strip() for item in _BULLET.findall(answer)]


def _items(text: str, at: int) -> list[Any]:
    """The values of a JSON list from the place after its bracket on, up to its end or to what does not parse."""
    decoder, items = json.JSONDecoder(), []
    while at < len(text) and text[at] != "]":
        if text[at] in ", \t\r\n":
            at += 1
            continue
        try:
            item, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        items.append(item)
    return items


def _text(item: Any) -> str | None:
    """A message: a string, or of an object the one that is named as such, else its longest string."""
    if isinstance(item, dict):
        said = {name.casefold(): value for name, value in item.items() if isinstance(value, str)}
        named = next((said[name] for name in _NAMES if name in said), None)
        item = max(said.values(), key=len, default=None) if named is None else named
    return item.strip() if isinstance(item, str) else None
