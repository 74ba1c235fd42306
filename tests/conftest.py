"""Fixtures that every tier shares: a user's folder of its own, so that no test writes a look into a real one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def _own_user_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARE_HOME", str(tmp_path_factory.mktemp("pare-home")))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data, named by PARE_DATA; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("PARE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: PARE_DATA names {folder}, which does not exist")
    return folder
