"""What the design promises of the code itself: sizes, public names, lean imports."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import pare

SOURCE = Path(pare.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
HEAVY = ("torch", "transformers", "nncf", "sklearn", "openvino", "polars", "sqlalchemy", "rich")


def imported_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after running the code."""
    program = f"{code}\nimport sys, json; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_public_names_are_pinned() -> None:
    assert pare.__all__ == ["Study", "Task", "__version__", "bench", "build", "export", "find", "load", "prove", "show"]
    for name in pare.__all__:
        assert getattr(pare, name) is not None


def test_importing_pare_loads_nothing_heavy() -> None:
    assert not imported_by("import pare") & {*HEAVY, "numpy", "click"}


def test_help_loads_nothing_heavy() -> None:
    code = "from click.testing import CliRunner; from pare.cli import group; CliRunner().invoke(group, ['--help'])"
    assert not imported_by(code) & {*HEAVY, "numpy"}


def test_loading_and_serving_never_reaches_the_building_libraries() -> None:
    code = (
        "import pare.runtimes, pare.runtimes.arrays, pare.runtimes.openvino, pare.proof.sequence, pare.planner.estimate"
    )
    assert not imported_by(code) & {"torch", "transformers", "nncf", "sklearn"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_a_file_is_short_and_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "a module docstring is missing"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_nothing_is_pickled(path: Path) -> None:
    names = {alias.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, ast.Import) for alias in node.names}  # fmt: skip
    assert not names & {"pickle", "joblib", "dill", "shelve"}
