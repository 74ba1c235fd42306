"""What ``docs/json.md`` says is what the commands print."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from string import ascii_letters
from typing import Any

import pytest
from tokenizers import Tokenizer, models

from pare import api
from pare.benchmark import machine
from pare.benchmark.measure import Comparison
from pare.cli import CLOSED_PIPE, INTERNAL, main
from pare.cli.output import EXIT_CODES
from pare.errors import InputError, Interrupted
from pare.logs.incumbent import Incumbent
from pare.methods.base import BuildContext
from pare.methods.linear import Linear
from pare.report.sensitivity import FILE
from pare.search.export import Exported
from pare.search.halving import FULL
from pare.testing.building import tiny_built
from pare.testing.contexts import LABELS, tiny_samples
from pare.testing.logs import write_log
from pare.testing.machines import fake_entry
from pare.testing.studies import against, fake_study
from pare.types import Quantity

MONTH = Quantity(9e4, "requests", "measured", "a log")
KNOWN = Incumbent("gpt", 9, 812.0, 1400.0, 210.0, 9.0, Quantity(0.04, "USD", "modelled", "tokens x price"), MONTH)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"


def tables() -> dict[str, dict[str, str]]:
    """The documented keys of each section, with what they hold."""
    found: dict[str, dict[str, str]] = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, re.MULTILINE)
        found[section.partition("\n")[0]] = dict(rows)
    return found


def expanded(name: str) -> set[str]:
    """A section's keys, with those of the sections that it refers to in their places."""
    found: set[str] = set()
    for key, words in tables()[name].items():
        inner = re.match(r"\[\w+\]\(#(\w+)\)", words)
        found |= {f"{key}.{rest}" for rest in expanded(inner[1])} if inner else {key}
    return found


def matching(documented: set[str], value: Any) -> Iterator[str]:
    """The documented key of every value inside ``value``; a value without one stands for itself."""
    yield from _walk([(key, re.findall(r"\[\]|[^.\[\]]+", key)) for key in documented], value, "")


def _walk(keys: list[tuple[str, list[str]]], value: Any, at: str) -> Iterator[str]:
    leaf = [key for key, rest in keys if not rest]
    if leaf or not keys:
        yield leaf[0] if leaf else at
    elif isinstance(value, list):
        for item in value:
            yield from _walk([(key, rest[1:]) for key, rest in keys if rest[0] == "[]"], item, f"{at}[]")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _walk([(key, rest[1:]) for key, rest in keys if rest[0] in (name, "*")], item, f"{at}.{name}")
    elif value is not None:
        yield f"{at} is {value!r}"


def said(capsys: pytest.CaptureFixture[str], *args: str | Path) -> Any:
    with pytest.raises(SystemExit):
        main([str(arg) for arg in args])
    return json.loads(capsys.readouterr().out)


def check(name: str, *values: Any) -> None:
    documented = expanded(name)
    found = {key for value in values for key in matching(documented, value)}
    assert found - documented == set(), "printed, but not documented"
    assert documented - found == set(), "documented, but not printed"


SENSITIVE = {"layer": "layers.0.ffn", "rows": 4, "columns": 8, "loss": 0.1, "folds": [0.1], "width": 8}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_study(tmp_path_factory.mktemp("json") / "run", rows=60, truncated=True).study.path


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("linear")
    ctx = BuildContext(tiny_samples(), [], LABELS, folder, None, 0, 1.0, 1, folder, lambda share, words: None)
    (folder / "out").mkdir()
    (folder / "out" / FILE).write_text(json.dumps([SENSITIVE]))
    return Linear().apply(None, ctx, folder / "out").path


def test_exit_codes() -> None:
    sentence = PAGE.read_text(encoding="utf-8").partition("Exit codes")[2].partition("\n\n")[0]
    named = {int(code) for code in re.findall(r"(?:: |, )(\d+) ", sentence.replace("\n", " "))}
    assert named == {*EXIT_CODES.values(), InputError.exit_code, Interrupted.exit_code, INTERNAL, CLOSED_PIPE}


def test_the_rung_of_full_work() -> None:
    assert f"{FULL} is full work" in tables()["trial"]["rung"]


def test_study(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fresh = fake_study(tmp_path / "fresh", None, rows=60).study.path
    logged = against(fake_study(tmp_path / "logged", rows=60), KNOWN).study.path
    check("study", *(said(capsys, "show", path, "--json") for path in (run, fresh, logged)))


def test_anatomy(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = (said(capsys, "show", name, "--json") for name in ("gemma-2-2b", "palm-540b"))
    check("anatomy", said(capsys, "show", artifact, "--json"), *models)


def test_published(capsys: pytest.CaptureFixture[str]) -> None:
    check("published", *(said(capsys, "show", name, "--json")["published"] for name in ("gemma-2-2b", "mixtral-8x7b")))


def test_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--input", "text", "--target", "label", "--task-only", "--json")
    check("task", said(capsys, "find", tmp_path / "rows.csv", *flags))


def test_answer(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check("answer", said(capsys, "run", artifact, "where is my card", "--json"))


def test_comparison(run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"latency_p50_ms": Quantity(1.0, "ms", "measured", "clock")}
    made = Comparison(("a", "b"), (figures, figures), {"latency_p50_ms": (1, 1, 1)}, 8)
    monkeypatch.setattr(api, "bench", lambda *given: made)
    check("comparison", said(capsys, "bench", run, "--json"))


def test_built(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FILE).write_text(json.dumps([SENSITIVE]))
    full = tiny_built(tmp_path)
    bare = replace(full, quality=None, measurement=None)
    made = iter([full, bare])
    monkeypatch.setattr(api, "build", lambda *given, **named: next(made))
    (tmp_path / "task.yaml").write_text("data: {path: d.csv, input: text, target: label}")
    build = ("build", "m", "--recipe", "lower", "--data", tmp_path / "task.yaml", "--out", tmp_path / "out", "--json")
    check("built", said(capsys, *build), said(capsys, *build))


def test_exported(artifact: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made = Exported(artifact, "hf", "0" * 16, 12, ("config.json",), ("two matrices stay f16",))
    monkeypatch.setattr(api, "export", lambda *given: made)
    check("exported", said(capsys, "export", artifact, "--to", "hf", "--out", artifact / "x", "--json"))


def test_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tiny_samples(40)
    (tmp_path / "d.csv").write_text("text,label\n" + "".join(f'"{row.text}",{row.label}\n' for row in rows))
    (tmp_path / "a.txt").write_text("".join(f"{row.label}\n" for row in rows))
    arguments = ("prove", tmp_path / "a.txt", "--against", tmp_path / "a.txt", "--data", tmp_path / "d.csv", "--json")
    check("verdict", said(capsys, *arguments))


def test_freed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check("freed", said(capsys, "gc", run, "--json"))


def test_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARE_HOME", str(tmp_path))
    before = said(capsys, "doctor", "--json")
    machine.write(fake_entry())
    check("machine", before, said(capsys, "doctor", "--json"))


def test_scan_and_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("genai_prices", reason="the logs extra is not installed")
    monkeypatch.setenv("PARE_HOME", str(tmp_path / "home"))
    log = write_log(tmp_path / "log.jsonl")
    log.write_text(log.read_text(encoding="utf-8") + "broken\n", encoding="utf-8")
    check("scan", said(capsys, "scan", log, "--json"))
    said(
        capsys,
        "find",
        log,
        "--job",
        "2",
        "--candidates",
        "linear",
        "--at-least",
        "0.5",
        "--run",
        tmp_path / "run",
        "--json",
    )
    with pytest.raises(SystemExit):
        main(["run", str(tmp_path / "run"), "--log", str(log)])
    check("replayed", *map(json.loads, capsys.readouterr().out.splitlines()))


def test_review_and_reviewed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("genai_prices", reason="the logs extra is not installed")
    monkeypatch.setenv("PARE_HOME", str(tmp_path / "home"))
    study = ("--candidates", "linear", "--within", "0.02", "--run", tmp_path / "run", "--json")
    said(capsys, "find", write_log(tmp_path / "log.jsonl", 3000), "--job", "2", *study)
    check("review", said(capsys, "review", tmp_path / "run", "--json"))
    labels = tmp_path / "labels.csv"
    rows = api.review(tmp_path / "run").questions
    labels.write_text("id,label\n" + "".join(f"{row.id},{row.options[0]}\n" for row in rows))
    said(capsys, "review", tmp_path / "run", "--labels", labels, "--json")
    again = ("--labels", labels, "--reviewer", "another", "--json")
    check("reviewed", said(capsys, "review", tmp_path / "run", *again))


def test_synthesized(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp", reason="the remote extra is not installed")
    from pare.testing.server import serving

    monkeypatch.setenv("PARE_HOME", str(tmp_path / "home"))
    rows = "".join(f'"{row.text}",{row.label}\n' for row in tiny_samples(120))
    (tmp_path / "d.csv").write_text(f"text,label\n{rows}")
    (tmp_path / "task.yaml").write_text("data: {path: d.csv, input: text, target: label}")
    with serving(lambda asked: json.dumps([asked.text.partition("\n")[0] + " is what I write of", ""])) as server:
        teacher = ("--teacher", server.url, "--model", "m", "--price-in", "1", "--price-out", "1")
        one = ("--per-class", "35")
        found = said(capsys, "synthesize", tmp_path / "task.yaml", *teacher, *one, "--json")
    check("synthesized", found)


def test_labelled(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp", reason="the remote extra is not installed")
    from pare.testing.server import serving

    monkeypatch.setenv("PARE_HOME", str(tmp_path / "home"))
    (tmp_path / "texts.csv").write_text("text\none\ntwo\n")
    (tmp_path / "labels.yaml").write_text("- a\n- b\n")
    with serving("a") as server:
        teacher = ("--teacher", server.url, "--model", "m", "--price-in", "1", "--price-out", "1", "--passes", "2")
        check(
            "labelled",
            said(capsys, "label", tmp_path / "texts.csv", "--labels", tmp_path / "labels.yaml", *teacher, "--json"),
        )


def test_plan(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("genai_prices", reason="the plan extra is not installed")
    flags = ("--price", "9000", "--growth", "5%/month", "--width", "w8,head=8,embeddings=8", "--json")
    bought = said(capsys, "plan", "llama-3.1-70b", "--compare", f"gpt-4o-mini,gemma-2-9b,own:{run}", *flags)

    letters = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(ascii_letters)}, merges=[]))
    letters.save(str(tmp_path / "tokenizer.json"))
    log = write_log(tmp_path / "usage.jsonl", 60)
    own = f"gemma-2-9b={tmp_path / 'tokenizer.json'}"
    counted = said(capsys, "plan", "gemma-2-9b", "--usage", str(log), "--tokenizer", own, "--json")

    def unpriced(*given: object) -> None:
        raise InputError("no rate")

    monkeypatch.setattr("pare.capacity.gather.prices.charge", unpriced)
    hosted = said(capsys, "plan", "llama-3.2-1b", *flags)
    check("planned", bought, hosted, counted)
