"""The shipped log is what its script writes, and ``pare scan`` finds its programs."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import pytest

from pare import api

SUPPORT = Path(__file__).resolve().parents[2] / "examples" / "support"


def test_the_log_is_what_its_script_writes() -> None:
    spec = importlib.util.spec_from_file_location("simulate", SUPPORT / "simulate.py")
    assert spec is not None
    assert spec.loader is not None
    simulate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(simulate)
    with (SUPPORT / "messages.csv").open(encoding="utf-8", newline="") as file:
        made = simulate.simulated(list(csv.DictReader(file)))
    with (SUPPORT / "logs.jsonl").open(encoding="utf-8") as file:
        assert [json.loads(line) for line in file] == made


def test_scan_finds_its_three_programs() -> None:
    pytest.importorskip("genai_prices", reason="the logs extra is not installed")
    found = api.scan(SUPPORT / "logs.jsonl")
    assert {(job.requests, job.kind) for job in found.jobs} == {
        (2580, "one of 12 labels in JSON, field intent"),
        (300, "json"),
        (250, "long text"),
    }
    route = next(job for job in found.jobs if job.labels)
    assert route.number == 2, "the Makefile's demo names this job"
