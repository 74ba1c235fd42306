"""One measurement at a time on a machine: a lock that every pare process of every user waits for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


@contextmanager
def machine() -> Iterator[None]:
    """Holds the machine-wide measuring lock. A killed holder releases it with its process."""
    with FileLock(Path(tempfile.gettempdir()) / "pare-measuring.lock", mode=0o666):
        yield
