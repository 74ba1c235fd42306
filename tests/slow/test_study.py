"""A whole study on a tiny base: the verdict, the same answer again, and survival of kill -9 and Ctrl-C."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pare
from pare.api import prove_more
from pare.store import Ledger, UserLedger

pytestmark = pytest.mark.slow


def command(task: Path, run: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "pare.cli", "find", str(task), "--run", str(run), *more]


def finished(run: Path) -> dict[tuple[str, int], tuple[str, str]]:
    """(candidate, rung) → (state, artifact) of every recorded trial."""
    if not (run / "study.db").is_file():
        return {}
    ledger = Ledger(run / "study.db")
    try:
        return {(t.candidate.name, t.rung): (t.state, t.artifact) for t in ledger.trials()}
    finally:
        ledger.close()


def test_a_study_ends_in_a_verdict_a_report_and_a_model_that_answers(small_task: Path, tmp_path: Path) -> None:
    study = pare.find(small_task, tmp_path / "run")
    assert study.verdict is not None
    assert (study.verdict.answer, study.verdict.look) == ("pass", 1)
    assert study.winner in study.frontier
    assert study.winner is not None
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert study.winner.candidate.name in page
    assert "assumes that tomorrow resembles the sealed rows" in page
    answer = pare.load(tmp_path / "run").classify(["hello my handset is lost"])[0]
    assert answer.label == "phone"
    assert 0 < answer.confidence <= 1


def test_the_same_data_and_seed_give_the_same_artifacts_and_verdict(small_task: Path, tmp_path: Path) -> None:
    first = pare.find(small_task, tmp_path / "a")
    second = pare.find(small_task, tmp_path / "b")
    assert finished(tmp_path / "a") == finished(tmp_path / "b")
    assert first.verdict is not None
    assert second.verdict is not None
    assert first.verdict.winner == second.verdict.winner
    assert [e.p_pass for e in first.verdict.evidence] == [e.p_pass for e in second.verdict.evidence]


def test_the_same_command_again_takes_no_further_look(small_task: Path, tmp_path: Path) -> None:
    before = pare.find(small_task, tmp_path / "run")
    again = pare.find(small_task, tmp_path / "run")
    assert again.verdict == before.verdict
    assert len(again.ledger.proofs()) == 1


def test_kill_9_at_any_moment_loses_no_finished_trial(small_task: Path, tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    elsewhere = {
        **os.environ,
        "PARE_HOME": str(tmp_path / "elsewhere"),
    }  # another user: its look is none of the killed one's
    subprocess.run(command(small_task, undisturbed), check=True, capture_output=True, env=elsewhere)
    run = tmp_path / "run"
    rng = random.Random(5)
    killed = 0
    for _ in range(6):
        child = subprocess.Popen(command(small_task, run), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = finished(run)
        deadline = time.monotonic() + rng.uniform(4, 14)
        while time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.05)
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            child.wait()
            killed += 1
        after = finished(run)
        assert {key: after[key] for key in before} == before, "a finished trial changed"
    assert killed >= 1
    subprocess.run(command(small_task, run), check=True, capture_output=True)
    assert finished(run) == finished(undisturbed)
    assert not list((run / "artifacts").glob(".tmp-*"))
    ledger = UserLedger(Path(os.environ["PARE_HOME"]) / "pare.db")
    looks = ledger.looks([row for row, side in ledger.sides().items() if side == "test"])
    assert [look for _, look in looks] == [1], "however often it was killed, the study took one look"


def _hear_ctrl_c() -> None:
    """A shell's background jobs ignore Ctrl-C, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_says_how_to_go_on(small_task: Path, tmp_path: Path) -> None:
    child = subprocess.Popen(
        command(small_task, tmp_path / "run"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_ctrl_c,  # noqa: PLW1509
    )
    while not finished(tmp_path / "run"):
        assert child.poll() is None
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, words = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "run the same command again to go on" in words.splitlines()[-1]
    assert "Traceback" not in words


def test_json_is_one_object_and_the_exit_code_is_the_verdict(small_task: Path, tmp_path: Path) -> None:
    done = subprocess.run(command(small_task, tmp_path / "run", "--json"), capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert json.loads(done.stdout)["verdict"]["answer"] == "pass"


def test_a_growing_plan_takes_more_rows_as_the_same_look(small_task: Path, tmp_path: Path, more_messages: Path) -> None:
    text = small_task.read_text().replace("at_least: 0.7", "at_least: 0.86, growing: true")
    small_task.write_text(text.replace(", static, 'students:1'", ""))
    before = pare.find(small_task, tmp_path / "run").verdict
    assert before is not None
    grown = prove_more(tmp_path / "run", more_messages).verdict
    assert grown is not None
    assert grown.look == before.look == 1
    assert grown.n > before.n + 800
    assert grown.evidence[0].p_pass <= before.evidence[0].p_pass
    assert grown.evidence[0].artifact == before.evidence[0].artifact


def test_limits_that_nothing_meets_fail_without_a_look(small_task: Path, tmp_path: Path) -> None:
    text = small_task.read_text().replace(", static, 'students:1'", "")
    small_task.write_text(f"{text}limits: {{throughput: 1e9}}\n")
    done = subprocess.run(command(small_task, tmp_path / "run"), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nothing meets the limits" in done.stdout
    assert "throughput" in done.stdout
    assert pare.show(tmp_path / "run").ledger.proofs() == []
