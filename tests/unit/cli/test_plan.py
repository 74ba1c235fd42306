"""``pare plan`` on the command line: the examples of its issue, what it prints, and bad input."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pare.testing.logs import write_log

pytest.importorskip("genai_prices", reason="the plan extra is not installed")

Pare = Callable[..., Any]
LLAMAS = "llama-3.2-1b,llama-3.2-3b,llama-3.1-8b,llama-3.1-70b"


def test_a_run_for_a_thousand_sessions(pare: Pare, run: Path) -> None:
    said = pare("plan", run, "--sessions", "1000")
    assert said.code == 0
    assert "1,000 sessions" in said.out
    assert "holds 1,000 sessions" in said.out.splitlines()[-1]
    assert "texts/s" in said.out


@pytest.mark.skipif(find_spec("codecarbon") is None, reason="the plan extra is not installed")
def test_a_hub_id_in_a_region(pare: Pare) -> None:
    said = pare("plan", "meta-llama/Llama-3.1-8B", "--sessions", "500", "--min-tps", "10", "--region", "SAU", "--json")
    assert said.json()["site"]["region"] == "SAU"
    assert "Saudi Arabia" in said.json()["site"]["grid"]["source"]


def test_several_in_a_rack_on_every_device(pare: Pare) -> None:
    found = pare("plan", "--compare", LLAMAS, "--devices", "all", "--rack", "42U,12.5kW", "--json").json()
    assert [subject["name"] for subject in found["subjects"]] == LLAMAS.split(",")
    racks = {(one["subject"], one["server"]): one["a_rack"] for one in found["hosted"]}
    assert racks["llama-3.2-1b", "AmpereOne A192-32X"] == 19
    assert racks["llama-3.1-70b", "8x NVIDIA H100 SXM 80GB"] == 1
    small = pare("plan", "--compare", LLAMAS, "--rack", "42U,6kW", "--json").json()
    assert {one["a_rack"] for one in small["hosted"] if one["server"].startswith("Ampere")} == {8}


def test_buy_or_host_by_a_log(pare: Pare, run: Path, tmp_path: Path) -> None:
    log = write_log(tmp_path / "usage.jsonl", 90)
    said = pare("plan", "--usage", log, "--compare", f"gpt-4o-mini,own:{run}", "--price", "3000")
    assert said.code == 0
    assert said.out.splitlines()[-1].startswith("Buying gpt-4o-mini from")
    assert "90 requests" in said.out


def test_growth(pare: Pare, run: Path) -> None:
    assert re.search(r"server 2 in [\d.]+ months \([A-Z][a-z]+ 20\d\d\)", pare("plan", run, "--growth", "5%/month").out)


def test_the_page_loads_nothing_and_draws_three_plots(pare: Pare, tmp_path: Path) -> None:
    page = tmp_path / "plan.html"
    said = pare(
        "plan", "--compare", "llama-3.1-8b,gpt-4o-mini", "--price", "90000", "--growth", "5%/month", "--html", page
    )
    assert said.code == 0
    assert str(page) in said.err
    text = page.read_text(encoding="utf-8")
    assert "http-equiv" in text
    assert text.count('class="fill own"') >= 2
    assert 'class="series own"' in text
    assert 'class="series stated"' in text
    assert "Where the figures come from" in text


def test_json_holds_what_the_table_shows(pare: Pare) -> None:
    found = pare("plan", "llama-3.2-1b", "--sessions", "7", "--price", "8000", "--json").json()
    assert found["sentence"] == pare("plan", "llama-3.2-1b", "--sessions", "7", "--price", "8000").out.splitlines()[-1]
    assert found["demand"]["sessions"] == 7
    for one in found["hosted"]:
        for figure in one["figures"].values():
            assert figure["source"]
            assert figure["provenance"] in ("measured", "modelled", "assumed")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("needs a model",)),
        (("nosuch-model",), ("nosuch-model", "catalogue")),
        (("lama-3.1-8b",), ("did you mean llama-3.1-8b",)),
        (("own:nowhere",), ("nowhere", "does not exist")),
        ((".",), ("no run, artifact or model",)),
        (("llama-3.1-8b", "--sessions", "0"), ("sessions", "0")),
        (("llama-3.1-8b", "--sessions", "many"), ("--sessions",)),
        (("llama-3.1-8b", "--min-tps", "nan"), ("min-tps", "nan")),
        (("llama-3.1-8b", "--every", "inf"), ("every", "inf")),
        (("llama-3.1-8b", "--utilisation", "300%"), ("utilisation", "3")),
        (("llama-3.1-8b", "--pue", "0.5"), ("pue", "0.5")),
        (("llama-3.1-8b", "--price", "cheap"), ("price", "cheap")),
        (("llama-3.1-8b", "--price", "nosuch=4"), ("nosuch", "devices")),
        (("llama-3.1-8b", "--price", "-5"), ("price", "-5")),
        (("llama-3.1-8b", "--devices", "abacus"), ("abacus",)),
        (("llama-3.1-8b", "--devices", "here"), ("doctor --measure",)),
        (("llama-3.1-8b", "--rack", "tall"), ("42U,12.5kW",)),
        (("llama-3.1-8b", "--growth", "fast"), ("5%/month",)),
        (("llama-3.1-8b", "--width", "w0"), ("width",)),
        (("llama-3.1-8b", "--licence", "free"), ("--licence",)),
        (("llama-3.1-8b", "--licence", "permissive"), ("permissive",)),
        (("llama-3.1-8b", "--usage", "nowhere.jsonl"), ("nowhere.jsonl",)),
        (("llama-3.1-8b", "--region", "XQZ"), ()),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(pare: Pare, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    pare("plan", *arguments).refused(*words)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    option=st.sampled_from(
        ("--sessions", "--min-tps", "--rack", "--growth", "--width", "--price", "--pue", "--years", "--devices")
    ),
    value=st.text(max_size=10) | st.floats().map(str) | st.integers().map(str),
)
def test_any_value_is_planned_or_refused_in_one_line(pare: Pare, option: str, value: str) -> None:
    said = pare("plan", "llama-3.2-1b", f"{option}={value}", "--json")
    if said.code:
        said.refused()
    else:
        assert json.loads(said.out)["sentence"]
