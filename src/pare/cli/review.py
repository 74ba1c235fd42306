"""``pare review``: a person labels the rows that decide."""

from __future__ import annotations

from pathlib import Path

import click

from pare import api
from pare.cli.inputs import check_runs
from pare.cli.output import EXIT_CODES, emit, json_flag, say
from pare.data.read import Columns, rows
from pare.errors import InputError


@click.command("review")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--labels", type=click.Path(path_type=Path), help="a CSV with the columns id and label: judge with them")
@click.option("--reviewer", default="me", show_default=True, help="who labelled; several are compared")
@json_flag
@click.pass_context
def command(ctx: click.Context, run: Path, labels: Path | None, reviewer: str, as_json: bool) -> None:
    """Label only the rows that decide: those on which the small model and the logged answers differ.

    Writes review.html (worked by keyboard) and review.csv into the RUN's folder, blind to which model said what. With
    --labels the frozen proof is judged again, at any time and as often as you like: the missing labels count as losses.
    """
    check_runs(run)
    if labels is None:
        _ask(run, as_json)
        return
    found = api.take_labels(run, _labels(labels), reviewer)
    if as_json:
        emit(found)
    else:
        click.echo(found.verdict.sentence)
        say(f"{found.labelled:,} rows have a label")
        if found.agreement is not None:
            say(
                f"two reviewers agree on {found.agreement.share:.0%} of the {found.agreement.both} rows that both labelled"
            )
    ctx.exit(EXIT_CODES[found.verdict.answer])


def _ask(run: Path, as_json: bool) -> None:
    from pare.report.review import write

    found = api.review(run)
    sheet, page = write(found, run)
    if as_json:
        emit(
            {
                "rows": found.rows,
                "asked": len(found.questions),
                "done": found.done,
                "csv": str(sheet),
                "page": str(page),
            }
        )
        return
    click.echo(f"{len(found.questions):,} of {found.rows:,} sealed rows need a label; {found.done:,} have one")
    say(f"label them in {page}, or in {sheet}; then: pare review {run} --labels review.csv")


def _labels(path: Path) -> dict[str, str]:
    """Row id → label, of the rows that have one."""
    found = {row.text: row.label for row in rows(str(path), Columns("id", "label")) if row.label}
    if not found:
        raise InputError(f"{path} holds no label; fill in the column label of some rows")
    return found
