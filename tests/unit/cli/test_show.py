"""``pare show`` over fake studies, artifacts, published models and folders of configs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pare.search.study import Study
from pare.testing.studies import fake_study
from pare.types import Candidate, Trial

Said = Any
Pare = Callable[..., Said]


def refused(said: Said, *words: str) -> None:
    said.refused(*words)


def test_show_prints_the_frontier_and_the_verdict(pare: Pare, run: Path) -> None:
    said = pare("show", run)
    assert said.code == 0
    assert "student-1-int8" in said.out
    assert "pass: " in said.out
    assert said.err == ""  # there is no report to name


def test_show_names_a_report_that_is_there(pare: Pare, tmp_path: Path) -> None:
    folder = fake_study(tmp_path / "run", rows=40).study.path
    (folder / "report.html").write_text("")
    assert f"report: {folder / 'report.html'}" in pare("show", folder).err


@pytest.mark.parametrize("halved", [False, True])
def test_show_says_that_nothing_is_finished_yet(pare: Pare, tmp_path: Path, halved: bool) -> None:
    made = fake_study(tmp_path / "run", None, models=())
    if halved:
        made.study.tell(Trial(Candidate("student-1", "x", (), "openvino"), rung=1, fidelity=0.2, state="done"))
    said = pare("show", made.study.path)
    assert (said.code, said.out) == (0, "")
    assert said.err == f"{made.study.path} has no finished trial yet; run the same pare find again to go on\n"


def test_a_run_without_its_task_says_what_to_do(pare: Pare, tmp_path: Path) -> None:
    folder = fake_study(tmp_path / "run", rows=40).study.path
    (folder / "task.yaml").unlink()
    for args in (("show", folder), ("run", folder, "hello"), ("bench", folder), ("gc", folder)):
        refused(pare(*args), "task.yaml does not exist", "run the same pare find again")
    refused(pare("prove", folder, "--more", "x.csv"), "run the same pare find again")
    refused(pare("prove", "a.txt", "--against", folder, "--data", "x.csv"), "run the same pare find again")


def test_show_prints_one_object(pare: Pare, run: Path) -> None:
    said = pare("show", run, "--json")
    assert (said.code, said.err) == (0, "")
    assert said.json()["winner"] == "student-1-int8"


def test_show_tells_the_anatomy_of_an_artifact(pare: Pare, run: Path) -> None:
    study = Study.open(run)
    artifact = study.deployed("student-1-int8").path
    study.close()
    assert "bert: " in pare("show", artifact).out
    assert pare("show", artifact, "--json").json()["layers"] == 1


def test_show_refuses_what_is_nothing(pare: Pare, run: Path, tmp_path: Path) -> None:
    (tmp_path / "runs" / "support").mkdir(parents=True)
    refused(pare("show", "runs/suport"), "did you mean support?")
    refused(pare("show", "nothing"), "no run, artifact or model")
    refused(pare("show", "runs/support"), "study.db, manifest.json or config.json", "name another folder")
    refused(pare("show", "."), "config.json")
    refused(pare("show", "~/x"), "no run, artifact or model")
    (tmp_path / "small.csv").write_text("text,label\na,b\n")
    refused(pare("show", "small.csv"), "small.csv is a file; show takes the folder of a run")


def test_show_tells_of_a_published_model_without_its_weights(pare: Pare) -> None:
    said = pare("show", "mistralai/Mixtral-8x7B-v0.1").out
    assert "46,702,792,704 parameters (class 2), of which a token uses 12,879,925,248" in said
    assert "keeps 131,072 bytes of keys and values" in said
    assert "licence apache-2.0 (permissive): another model may be trained on its answers" in said
    assert "MMLU, 5-shot 70.6; arXiv:2401.04088" in said
    plain = pare("show", "Mixtral-8x7B", "--json").json()
    assert (plain["active_parameters"], plain["model_class"]) == (12_879_925_248, 2)
    assert (plain["published"]["licence"], plain["published"]["teaches"]) == ("apache-2.0", True)
    assert "in 13 of 26 layers of the last 4,096 tokens only" in pare("show", "gemma-2-2b").out


def test_show_says_what_is_undisclosed(pare: Pare) -> None:
    said = pare("show", "gpt-4o-mini").out
    assert "gpt-4o-mini: parameters undisclosed, layers and context undisclosed" in said
    assert "licence openai (proprietary): its terms restrict training another model on its answers" in said
    plain = pare("show", "gpt-4o-mini", "--json").json()
    assert (plain["parameters"], plain["model_class"], plain["layers"], plain["groups"]) == (None, None, None, [])
    assert "540,000,000,000 parameters as published (class 3)" in pare("show", "palm-540b").out
    assert "is not stated" in pare("show", "palm-540b").out


def test_show_counts_a_folder_that_has_a_config_only(pare: Pare, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    sizes = {"n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 16, "vocab_size": 50}
    (tmp_path / "m" / "config.json").write_text(json.dumps(sizes | {"model_type": "gpt2"}))
    plain = pare("show", tmp_path / "m", "--json").json()
    assert plain["parameters"] == 50 * 8 + 16 * 8 + 2 * (12 * 64 + 13 * 8) + 16
    assert plain["kv_bytes_per_token_of_context"] == 2 * 2 * 8 * 2
    assert plain["published"] is None
    (tmp_path / "m" / "config.json").write_text('{"model_type": "gpt2", "n_embd": 8}')
    refused(pare("show", tmp_path / "m"), "config of a gpt2 must have 'n_layer'")


def test_show_names_the_nearest_published_models(pare: Pare) -> None:
    refused(pare("show", "lama-3.1-8b"), "did you mean llama-3.1-8b")


@pytest.mark.parametrize("classes", ["-3", "0", "1"])
def test_show_refuses_a_head_without_a_choice(pare: Pare, classes: str) -> None:
    refused(pare("show", "all-MiniLM-L6-v2", "--classes", classes), "--classes", "x>=2")
