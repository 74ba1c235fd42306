"""``pare scan``: what of a log could move to a small model."""

from __future__ import annotations

import time
from pathlib import Path

import click

from pare import api
from pare.cli.output import emit, json_flag, say
from pare.logs import FORMATS


@click.command("scan")
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--format", "kind", type=click.Choice(sorted(FORMATS)), help="default: told from the first records")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="write the scan as a page too")
@json_flag
def command(log: Path, kind: str | None, html: Path | None, as_json: bool) -> None:
    """Find the jobs in a LOG of a large model: what each costs, what it answers, and whether it could move.

    LOG is a file or a folder of requests and responses: OpenAI, Anthropic, LiteLLM, Langfuse or OpenTelemetry.
    """
    found = api.scan(log, kind, _Ticker())
    if html is not None:
        from pare.report.scan import write

        say(f"page: {write(found, html)}")
    if as_json:
        emit(found)
    else:
        from pare.report.scan import show

        show(found)


class _Ticker:
    """Says now and then how far the two passes are."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, done: int, step: int) -> None:
        if done % 5_000 == 0 and time.monotonic() - self._said > 5:
            self._said = time.monotonic()
            say(f"{'looking for jobs' if step == 1 else 'counting'}: {done:,} requests")
