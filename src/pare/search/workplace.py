"""Where builds keep their steps: a folder for each model and data set, in the user's data folder.

Beside ``--out`` they would litter the user's work and could not be shared; here recipes that begin alike share their steps,
whatever they are written to, and a build that was killed goes on from its last step. ``pare gc`` frees it.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from pare.artifacts import Store
from pare.errors import InputError
from pare.store import Ledger, user_folder
from pare.types import Artifact

LEDGER = "build.db"
OPEN = "open"
"""The fact that a build is not finished: its steps are needed to go on."""


@dataclass(frozen=True)
class Workplace:
    """A folder with a ledger of steps and a store of their artifacts."""

    path: Path
    ledger: Ledger
    store: Store


def builds_folder() -> Path:
    """The folder of all builds of this user."""
    return user_folder() / "builds"


def all_builds() -> list[Path]:
    """The folders of builds, by name."""
    return sorted(path.parent for path in builds_folder().glob(f"*/{LEDGER}"))


@contextmanager
def workplace(name: str, *facts: str) -> Iterator[Workplace]:
    """The place of builds of a model (``name``) that share ``facts``: its hash and that of the data.

    Raises InputError where another process builds there.
    """
    stem = re.sub(r"[^\w.-]+", "-", name).strip(".-") or "model"
    path = builds_folder() / f"{stem}-{hashlib.sha256(':'.join(facts).encode()).hexdigest()[:10]}"
    with _held(path):
        place = Workplace(path, Ledger(path / LEDGER), Store(path / "artifacts"))
        try:
            place.store.sweep()
            yield place
        finally:
            place.ledger.close()


def free(path: Path) -> tuple[int, int]:
    """Removes the steps of a build that is finished: (artifacts removed, bytes freed). Of one that is not, none."""
    with _held(path):
        ledger, store = Ledger(path / LEDGER), Store(path / "artifacts")
        unfinished = ledger.fact(OPEN, bool)
        ledger.close()
        store.sweep()
        if unfinished:
            return 0, 0
        sizes = [store.get(id).size_bytes for id in store.ids()]
        for inner in ("artifacts", "cache"):
            shutil.rmtree(path / inner, ignore_errors=True)
        (path / LEDGER).unlink()
    shutil.rmtree(path, ignore_errors=True)
    return len(sizes), sum(sizes)


def find_step(id: str) -> Artifact | None:
    """The artifact of that id among the steps of all builds; None where it is gone, or was built elsewhere."""
    stores = (Store(path / "artifacts") for path in all_builds())
    return next((store.get(id) for store in stores if store.has(id)), None)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    path.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path / ".lock", timeout=0):
            yield
    except Timeout:
        raise InputError(f"another pare is building in {path}; wait for it to end") from None
