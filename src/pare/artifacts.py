"""Artifacts on disk: a folder with a manifest, and a content-addressed store of such folders.

The building and the serving install meet only here. A folder is written beside its final place, every file in it is
hashed, the manifest is written last, and the folder is renamed into the store: a reader sees a whole artifact or none.
Weights are safetensors or a runtime's own format; nothing is ever pickled.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from pare.errors import InputError
from pare.types import Artifact, Kind, Manifest, Shape

MANIFEST = "manifest.json"


def seal(
    folder: Path,
    *,
    format: str,
    labels: tuple[str, ...],
    shape: Shape,
    max_length: int = 0,
    decoding: Mapping[str, float] | None = None,
    lineage: Mapping[str, Any] | None = None,
    kind: Kind = "classify",
    contract: Mapping[str, Any] | None = None,
) -> Artifact:
    """Hashes the files of ``folder``, writes its manifest, and returns it as an artifact."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    manifest = Manifest(
        format=format,
        kind=kind,
        labels=labels,
        max_length=max_length,
        decoding=dict(decoding or {}),
        shape=shape,
        lineage=dict(lineage or {}),
        files={name: file_hash(folder / name) for name in names},
        contract=dict(contract or {}),
    )
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1))
    return read(folder)


def read(folder: str | Path, *, verify: bool = False) -> Artifact:
    """Reads an artifact. ``verify`` hashes every file again.

    Raises InputError where the folder has no manifest, the manifest cannot be read, or a file is missing or changed.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder} is no artifact: it has no {MANIFEST}; give a folder that pare built")
    raw = path.read_bytes()
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: {error}; the artifact is damaged: build it again") from None
    size = len(raw)
    for name, expected in manifest.files.items():
        file = folder / name
        if not file.is_file():
            raise InputError(f"{file} is missing, but the manifest names it; build the artifact again")
        if verify and file_hash(file) != expected:
            raise InputError(f"{file} is not the file that was sealed (its sha256 differs); build the artifact again")
        size += file.stat().st_size
    return Artifact(path=folder, id=hashlib.sha256(raw).hexdigest()[:16], manifest=manifest, size_bytes=size)


def publish(artifact: Artifact, out: Path) -> Artifact:
    """Copies an artifact to ``out``, which is absent or empty: the folder is there whole, or it is not there."""
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(artifact.path, partial)
    _sync(partial)
    partial.replace(out)
    return read(out)


def write_whole(path: Path, text: str) -> None:
    """Writes a file beside its place and renames it: readers see the old text or the new one, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8", newline="")
    beside.replace(path)


def write_table(path: Path, heading: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a CSV file, whole."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(heading)
    writer.writerows(rows)
    write_whole(path, out.getvalue())


def file_hash(path: Path) -> str:
    """The sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Store:
    """Artifacts under ``root``, each in a folder named by its id."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, id: str) -> Artifact:
        """The artifact of that id. Raises InputError where it is not in the store."""
        return read(self.root / id)

    def has(self, id: str) -> bool:
        return (self.root / id / MANIFEST).is_file()

    def ids(self) -> list[str]:
        return sorted(p.parent.name for p in self.root.glob(f"*/{MANIFEST}"))

    def put(self, artifact: Artifact) -> Artifact:
        """Moves a sealed folder of this file system into the store. Putting the same content twice keeps the first."""
        target = self.root / artifact.id
        if not self.has(artifact.id):
            _sync(artifact.path)
            artifact.path.rename(target)
        return read(target)

    def copy(self, artifact: Artifact) -> Artifact:
        """A copy of an artifact from elsewhere, in the store."""
        with self.scratch() as scratch:
            shutil.copytree(artifact.path, scratch / "out")
            return self.put(read(scratch / "out"))

    def remove(self, id: str) -> int:
        """Removes an artifact and returns the bytes it held. It leaves its name first, so nobody reads half of it."""
        size = self.get(id).size_bytes
        with self.scratch() as trash:
            (self.root / id).rename(trash / id)
        return size

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A temporary folder on the store's file system, removed afterwards. Leftovers of a kill are ``.tmp-*``."""
        self.root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".tmp-", dir=self.root))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def sweep(self) -> None:
        """Removes the scratch folders that a killed process left behind."""
        for folder in self.root.glob(".tmp-*"):
            shutil.rmtree(folder, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Flushes a folder's files to disk, so that a renamed folder is whole even after a power cut."""
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
