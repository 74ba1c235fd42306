"""The command line in an empty folder, a fake run and a small model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pare.cli import main
from pare.methods.base import BuildContext
from pare.methods.linear import Linear
from pare.testing.contexts import LABELS, tiny_samples
from pare.testing.studies import fake_study


@dataclass(frozen=True)
class Said:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    def refused(self, *words: str) -> None:
        """Bad input is exit code 2 and one line."""
        assert self.code == 2
        assert self.err.startswith("pare")
        assert self.err.count("\n") == 1
        assert self.err.endswith("\n")
        for word in words:
            assert word in self.err


@pytest.fixture
def pare(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Runs a command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str | Path) -> Said:
        with pytest.raises(SystemExit) as stopped:
            main([str(arg) for arg in args])
        assert isinstance(stopped.value.code, int)
        return Said(stopped.value.code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run without a report."""
    return fake_study(tmp_path_factory.mktemp("cli") / "run", rows=80).study.path


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear artifact of three classes: card, money, phone."""
    folder = tmp_path_factory.mktemp("model")
    ctx = BuildContext(tiny_samples(), [], LABELS, folder, None, 0, 1.0, 1, folder, lambda share, words: None)
    (folder / "out").mkdir()
    return Linear().apply(None, ctx, folder / "out").path
