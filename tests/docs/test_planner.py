"""``docs/planner.md`` names every option of ``pare plan``, and its examples run."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from pare.cli import main
from pare.cli.plan import command
from pare.testing.logs import write_log
from pare.testing.studies import fake_study

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "planner.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^    pare plan (.*?)(?:\s+#.*)?$", TEXT, re.MULTILINE)


def test_every_option_has_its_row() -> None:
    named = re.findall(r"^\| `(--[\w-]+)` \|", TEXT, re.MULTILINE)
    known = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
    assert sorted(named) == sorted(known)


@pytest.mark.skipif(find_spec("genai_prices") is None, reason="the plan extra is not installed")
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_run(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--region" in example and find_spec("codecarbon") is None:
        pytest.skip("the plan extra is not installed")
    monkeypatch.chdir(tmp_path)
    fake_study(tmp_path / "runs" / "support", rows=60)
    write_log(tmp_path / "usage.jsonl", 60)
    with pytest.raises(SystemExit) as stopped:
        main(["plan", *shlex.split(example)])
    said = capsys.readouterr()
    assert stopped.value.code == 0, said.err
    assert re.search(r"\$|kW| W", said.out.splitlines()[-1])


def test_there_are_five_of_them() -> None:
    assert len(EXAMPLES) == 5
