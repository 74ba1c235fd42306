"""``pare prove``: the proof alone, or more rows for a growing one."""

from __future__ import annotations

from pathlib import Path

import click

from pare import api
from pare.cli.display import Display
from pare.cli.inputs import check_runs, metric_help
from pare.cli.output import EXIT_CODES, emit, json_flag
from pare.data.fields import TAG, WORD, check
from pare.data.read import is_conll
from pare.errors import InputError
from pare.report import table
from pare.search.predictions import kind_of_models

FILE = click.Path(path_type=Path)


@click.command("prove")
@click.argument("candidate", metavar="ARTIFACT|PREDICTIONS|RUN", type=FILE)
@click.option("--against", type=FILE, help="what it must match: an artifact, a run, or a file of predictions")
@click.option("--data", type=FILE, help="labelled rows: CSV, TSV, JSONL, Parquet or CoNLL")
@click.option("--more", type=FILE, help="fresh labelled rows for the growing proof of a run")
@click.option("--input", "input_column", help="the column that holds the text  [default: text; of a CoNLL file word]")
@click.option("--target", help="the column that holds the label  [default: label; of a CoNLL file tag]")
@click.option(
    "--within",
    type=float,
    default=0.02,
    show_default=True,
    help="absolute points of the reference, as a fraction; 0 asks for no drop at all",
)
@click.option("--metric", help=metric_help())
@click.option("--confidence", type=float, default=0.95, show_default=True, help="how sure the proof has to be")
@json_flag
@click.pass_context
def command(
    ctx: click.Context,
    candidate: Path,
    against: Path | None,
    data: Path | None,
    more: Path | None,
    input_column: str | None,
    target: str | None,
    within: float,
    metric: str | None,
    confidence: float,
    as_json: bool,
) -> None:
    """Prove that one model is within so many points of another on labelled rows.

    Rows that pare find has trained on or chosen by are refused, where one of the two is a run or an artifact. Exit codes:
    0 pass, 1 fail, 2 bad input, 3 unproven.
    """
    check_runs(candidate, against)
    if more is not None:
        with Display(live=False) as display:
            study = api.prove_more(candidate, more, display)
        verdict = study.verdict
        study.close()
        assert verdict is not None
    elif against is None or data is None:
        raise InputError("a proof needs --against and --data (or --more for the growing proof of a run)")
    else:
        words = is_conll(data) and kind_of_models([candidate, against], metric) == "tag"
        verdict = api.prove(
            candidate,
            against,
            data,
            input=input_column or (WORD if words else "text"),
            target=target or (TAG if words else "label"),
            within=check("bar.within", within, "--within"),
            metric=metric,
            confidence=check("bar.confidence", confidence, "--confidence"),
        )
    if as_json:
        emit(verdict)
    else:
        table.show_verdict(verdict)
    ctx.exit(EXIT_CODES[verdict.answer])
