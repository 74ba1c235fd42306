"""Fixtures that every tier shares: a user's folder of its own, so that no test writes a look into a real one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")

# A run of the tests is repeatable, also on a busy machine; HYPOTHESIS_PROFILE=fuzz looks for new examples.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("fuzz", derandomize=False, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


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
