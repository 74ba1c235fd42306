"""Parquet and Arrow files, read lazily with Polars, only the columns that are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pare.data.read import Columns, Row
from pare.errors import InputError

if TYPE_CHECKING:
    import polars

BATCH_ROWS = 10_000


def table_rows(path: Path, columns: Columns, names: Sequence[str] | None = None) -> Iterator[Row]:
    """Streams the rows of a Parquet or Arrow file. A row's line is its number, from 1.

    ``names`` are the words of a target of class numbers; a Parquet file of a Hugging Face data set carries its own.
    """
    import polars
    from polars.exceptions import PanicException, PolarsError

    try:
        frame = _scan(path)
        columns.check(frame.collect_schema().names(), str(path))
        names = names or _class_names(path, columns.target)
        wanted = list(dict.fromkeys(name for name in columns.names() if name))
        number = 0
        for batch in frame.select(wanted).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
            for record in batch.iter_rows(named=True):
                number += 1
                if names:
                    record[columns.target] = _named(record[columns.target], names)
                yield columns.row(record, str(path), number)
    except (PolarsError, PanicException, ValueError, polars.exceptions.PolarsWarning) as error:
        why = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(f"{path} does not parse as {path.suffix[1:]}: {why}; write it again") from None


def _scan(path: Path) -> polars.LazyFrame:
    """A lazy frame of the file. Arrow comes in two forms: with a footer, or as a stream, as ``save_to_disk`` writes it."""
    import polars

    if path.suffix.lower() == ".parquet":
        return polars.scan_parquet(path, glob=False)
    with path.open("rb") as file:
        has_footer = file.read(6) == b"ARROW1"
    return polars.scan_ipc(path, glob=False) if has_footer else polars.read_ipc_stream(path).lazy()


def _class_names(path: Path, target: str) -> list[str]:
    """The class names that a Hugging Face data set keeps in a Parquet file's metadata; empty where there are none."""
    import polars

    if path.suffix.lower() != ".parquet":
        return []
    try:
        return class_names(json.loads(polars.read_parquet_metadata(path)["huggingface"])["info"], target)
    except (KeyError, TypeError, ValueError):
        return []


def class_names(info: Any, target: str) -> list[str]:
    """The class names of ``target``, or of its members, in a data set's info record; empty where it has none."""
    try:
        feature = info["features"][target]
        names = feature["names"] if "names" in feature else feature["feature"]["names"]
    except (KeyError, TypeError):
        return []
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


def _named(value: Any, names: Sequence[str]) -> Any:
    """A class number's word, or the words of a list of them. -1 is how a hidden label is written: empty."""
    if isinstance(value, list):
        return [_named(member, names) for member in value]
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    return names[value] if 0 <= value < len(names) else "" if value == -1 else value
