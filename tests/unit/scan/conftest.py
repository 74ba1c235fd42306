"""A task with a class that has too few rows, and a user's folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("aiohttp", reason="the remote extra is not installed")
    from pare.testing.author import write_task

    monkeypatch.setenv("PARE_HOME", str(tmp_path / "home"))
    return write_task(tmp_path)
