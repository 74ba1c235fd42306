"""Folders of Hugging Face data sets: Parquet, Arrow (``save_to_disk``), JSONL or CSV files, with splits by name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pare.data.read import SUFFIXES, Columns, Row, file_rows
from pare.data.tables import class_names
from pare.errors import InputError

_TEST = re.compile(r"(^|[^a-z])test([^a-z]|$)", re.IGNORECASE)


def folder_rows(folder: Path, columns: Columns) -> Iterator[Row]:
    """Streams the rows of a folder's data files, in the order of their names.

    Where files of several formats are there, only those of the first in ``SUFFIXES`` are read: they are copies of each
    other. Files whose name, or whose folder's name, says ``test`` are sealed rows, provided that others are there.
    Raises InputError where the folder has no data file.
    """
    try:
        files = data_files(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror or error}") from None
    if not files:
        raise InputError(f"{folder} holds no data file; known: {', '.join(SUFFIXES)}")
    sealed = {file for file in files if _TEST.search(file.relative_to(folder).with_suffix("").as_posix())}
    if len(sealed) == len(files):
        sealed = set()
    for file in files:
        for row in file_rows(file, columns, _names_beside(file, columns.target)):
            yield replace(row, sealed=True) if file in sealed else row


def data_files(folder: Path) -> list[Path]:
    """The data files of a folder, of one format, sorted. Hidden files and the caches of ``datasets`` are left out."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder).parts
        if any(part.startswith(".") for part in inner) or path.name.startswith("cache-") or not path.is_file():
            continue
        suffix = Path(path.name.lower().removesuffix(".gz")).suffix
        if suffix in SUFFIXES:
            found.setdefault(suffix, []).append(path)
    return next((found[suffix] for suffix in SUFFIXES if suffix in found), [])


def _names_beside(file: Path, target: str) -> list[str]:
    """Class names from the ``dataset_info.json`` beside a file."""
    try:
        return class_names(json.loads((file.parent / "dataset_info.json").read_bytes()), target)
    except (OSError, ValueError, RecursionError):
        return []
