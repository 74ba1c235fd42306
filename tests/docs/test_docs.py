"""The documentation's Python is executed, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import CliRunner

from pare.cli import VERBS, group
from pare.evaluation.metrics import METRICS, known_metrics
from pare.methods import METHODS, parameters

sys.path.insert(0, str(Path(__file__).parent))
from blocks import ROOT, blocks

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
EXECUTED = [page for page in PAGES if page.name != "README.md" and blocks(page, "python")]


@pytest.fixture
def own_metrics() -> Iterator[None]:
    """Forgets the metrics that a page adds, so that no other test sees them."""
    with patch.dict(METRICS):
        yield
    known_metrics.cache_clear()


@pytest.mark.usefixtures("own_metrics")
@pytest.mark.parametrize("page", EXECUTED, ids=lambda page: page.name)
def test_python_in_the_docs_runs(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {"__name__": "docs"}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), space)


def commands() -> list[str]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found += re.findall(r"^(?:    |)\$? ?(pare [a-z].*?)(?:\s+#.*)?$", text, re.MULTILINE)
    return sorted(set(found))


@pytest.mark.parametrize("command", commands())
def test_commands_in_the_docs_exist_with_their_flags(command: str) -> None:
    verb, *arguments = shlex.split(command)[1:]
    assert verb in VERBS
    if verb == "--help":
        return
    known = CliRunner().invoke(group, [verb, "--help"]).output
    for flag in (word.partition("=")[0] for word in arguments if word.startswith("--")):
        assert flag in known, f"{flag} is no flag of pare {verb}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_named_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (page.parent / target).exists(), f"{target} does not exist"
    for target in re.findall(r"`((?:docs|src|tests|benchmarks|examples)/[\w./-]+)`", text):
        assert (ROOT / target).exists(), f"{target} does not exist"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("name", METHODS)
def test_a_methods_section_has_one_row_for_each_parameter(name: str) -> None:
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    sections = [
        text for text in re.split(r"^## ", page, flags=re.MULTILINE)[1:] if name in _words(text.splitlines()[0])
    ]
    rows = re.findall(r"^\| (`[^|]*) \|", "\n".join(sections), re.MULTILINE)
    told = [word for row in rows for word in re.findall(r"`(\w+)`", row)]
    for parameter in parameters(name):
        assert told.count(parameter) == 1, f"{parameter} of {name} has {told.count(parameter)} rows"


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def test_every_method_has_a_row_and_a_section_and_every_table_of_figures_its_place() -> None:
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    sections = " ".join(re.findall(r"^## (.*)$", page, re.MULTILINE))
    for name in METHODS:
        assert re.search(rf"^\| \[`{name}`\]\(#", page, re.MULTILINE), f"{name} has no row"
        assert re.search(rf"\b{name}\b", sections), f"{name} has no section"
    for marker in ("banking77", "trec", "tinystories"):
        assert re.search(rf"^<!-- {marker} -->$.*?^<!-- end {marker} -->$", page, re.MULTILINE | re.DOTALL), marker
