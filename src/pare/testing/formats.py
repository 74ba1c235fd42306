"""What every format of logs must hold: it reads its own records, and none of its functions raises, whatever the record.

An outside package runs it on a record of its own::

    check_log_format(MyFormat(), record)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pare.logs import Format
from pare.logs.types import Logged

ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**70,
    float("inf"),
    "",
    "{",
    "[]",
    [],
    {},
    [None],
    {"content": []},
    [{"role": 7}],
)
"""Values that no log should hold anywhere, and some do."""


def check_log_format(format: Format, record: dict[str, Any]) -> Logged:
    """Checks a format on a record that it can read, and on that record with every value in turn replaced or left out.

    Returns the first request of the record. Raises AssertionError where the format does not conform.
    """
    parts = list(format.split(record))
    assert all(map(format.knows, parts)), "knows must be true of every part of a record that can be read"
    found = [logged for part in parts if (logged := format.parse(part, 7)) is not None]
    assert found, "the record must hold an answered request"
    assert found[0].line == 7, "parse must carry the line on"
    assert found[0].messages, "a request has messages"
    assert found[0].answer or found[0].tool_calls, "a request has an answer"
    for spoilt in _spoilt(record):
        if isinstance(spoilt, dict):
            format.knows(spoilt)
            for part in format.split(spoilt):
                format.knows(part)
                assert isinstance(format.parse(part, 1), Logged | None), "parse must give a Logged or None"
    return found[0]


def _spoilt(value: Any) -> Iterator[Any]:
    """A value with one thing inside it replaced or left out, in every way."""
    yield from ODD
    if isinstance(value, dict):
        for key, inner in value.items():
            rest = {other: kept for other, kept in value.items() if other != key}
            yield rest
            yield from ({**rest, key: changed} for changed in _spoilt(inner))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield [*value[:place], *value[place + 1 :]]
            yield from ([*value[:place], changed, *value[place + 1 :]] for changed in _spoilt(inner))
