"""``pare export``: a built model in the form that others read."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from pare import api
from pare.cli.inputs import check_runs
from pare.cli.output import emit, json_flag, say
from pare.units import megabytes


@click.command("export")
@click.argument("path", metavar="RUN|ARTIFACT", type=click.Path(path_type=Path))
@click.option("--to", required=True, help="hf (a Hugging Face folder), onnx (encoders) or gguf (decoders)")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="the folder to write: absent, or empty")
@click.option("--width", help="of gguf: how matrices are stored: f32, f16, q8_0 or q4_0  [default: f16]")
@json_flag
def command(path: Path, to: str, out: Path, width: str | None, as_json: bool) -> None:
    """Write a built model as a Hugging Face folder, an ONNX graph or a GGUF file, with a README of how to use it.

    Quantised weights have no such form, and factors only that of onnx: export what was there before that step.
    """
    check_runs(path)
    found = api.export(path, to, out, width)
    if as_json:
        emit({**asdict(found), "path": str(found.path)})
        return
    click.echo(f"{found.path}: {len(found.files)} files, {megabytes(found.size_bytes)}")
    for note in found.notes:
        say(note)
    say(f"how to use it: {found.path / 'README.md'}")
