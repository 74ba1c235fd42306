"""How the command line ends: codes that cannot be mistaken for a verdict, one line, and streams that fail."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest

from pare import api
from pare.cli import main
from pare.errors import PareError

Pare = Callable[..., Any]


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def doctor() -> None:
        raise error

    monkeypatch.setattr("pare.cli.doctor.examine", doctor)


def test_a_failure_inside_is_no_verdict(pare: Pare, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, PareError("the serving process died"))
    said = pare("doctor")
    assert (said.code, said.err) == (70, "pare: the serving process died\n")


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), MemoryError(), AssertionError()])
def test_a_crash_is_no_verdict_and_asks_to_be_reported(
    pare: Pare, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    raising(monkeypatch, error)
    said = pare("doctor")
    assert said.code == 70
    assert said.err.startswith("Traceback (most recent call last)")
    last = said.err.splitlines()[-1]
    assert last.startswith(f"pare: a bug in pare ({type(error).__name__})")
    assert "report it" in last


def test_stopping_is_130(pare: Pare, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    said = pare("doctor")
    assert (said.code, said.err.strip()) == (130, "pare: stopped")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "pare: No space left on device; check"),
        (OSError(13, "Permission denied", "x.csv"), "pare: x.csv: Permission denied; check"),
        (OSError("odd"), "pare: odd; check"),
        (TimeoutError(), "pare: TimeoutError; check"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    pare: Pare, monkeypatch: pytest.MonkeyPatch, error: OSError, words: str
) -> None:
    raising(monkeypatch, error)
    pare("doctor").refused(words)


# -- streams ----------------------------------------------------------------------------------------------------------


def ended(*args: str | Path) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(arg) for arg in args])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


@pytest.mark.parametrize("args", [("show",), ("show", "--json"), ("--help",)], ids=" ".join)
def test_a_reader_that_left_is_no_verdict(monkeypatch: pytest.MonkeyPatch, run: Path, args: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with suppress(BrokenPipeError), os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert ended(*args, *([run] if args[0] == "show" else [])) == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_full_disk_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], run: Path, more: tuple[str, ...]
) -> None:
    with open("/dev/full", "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert ended("show", run, *more) == 2
    said = capsys.readouterr().err
    assert said == "pare: No space left on device; check the path, its rights and the free space\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_python_writes_at_its_end_changes_no_code(run: Path) -> None:
    """The buffer that could not be written is written again when the interpreter ends: then it would exit with 120."""
    command = [sys.executable, "-m", "pare.cli", "show", str(run)]
    with open("/dev/full", "w") as full:
        said = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as left:
        assert left.stdout is not None
        assert left.stderr is not None
        left.stdout.close()
        assert (left.wait(), left.stderr.read()) == (128 + signal.SIGPIPE, b"")


def test_both_streams_are_utf8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch, run: Path) -> None:
    raw = io.BytesIO(), io.BytesIO()
    for name, stream in zip(("stdout", "stderr"), raw, strict=True):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(stream, encoding="ascii"))
    assert ended("show", run) == 0
    assert "\u2013" in raw[0].getvalue().decode() or "\u2212" in raw[0].getvalue().decode()
    assert ended("show", "caf\u00e9/\udcff") == 2
    assert "caf\u00e9/\\udcff" in raw[1].getvalue().decode()


def test_no_streams_at_all_are_no_crash(monkeypatch: pytest.MonkeyPatch, run: Path) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert ended("show", run, "--json") == 0
    assert ended("show", "nothing") == 2


def test_a_verdict_keeps_its_code(pare: Pare, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise click.exceptions.Exit(3)

    monkeypatch.setattr(api, "prove", refuse)
    (tmp_path / "a.txt").write_text("a\n")
    assert pare("prove", "a.txt", "--against", "a.txt", "--data", "a.csv").code == 3
