"""What every verb shares: JSON on standard output, and words about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

F = TypeVar("F", bound=Callable[..., Any])

EXIT_CODES = {"pass": 0, "fail": 1, "unproven": 3}


def json_flag(command: F) -> F:
    """Adds ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="one JSON object on standard output")(command)


def emit(value: Any) -> None:
    """Writes one JSON object to standard output."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=1))


def say(text: str) -> None:
    """A message on standard error."""
    click.echo(text, err=True)
