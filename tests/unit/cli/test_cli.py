"""The command line over fake studies and files: exit codes, one line of error, one object of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from pare import api
from pare.artifacts import seal
from pare.benchmark.measure import Comparison
from pare.cli import VERBS
from pare.data.task import Task
from pare.search.study import Study
from pare.search.survivors import choose
from pare.testing.studies import fake_study
from pare.types import Quantity, Shape

Said = Any
Pare = Callable[..., Said]


def refused(said: Said, *words: str) -> None:
    said.refused(*words)


# -- help -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_json(pare: Pare, verb: str) -> None:
    said = pare(verb, "--help")
    assert said.code == 0
    assert "--json" in said.out


def test_the_bare_command_lists_its_verbs(pare: Pare) -> None:
    for args in ((), ("--help",)):
        said = pare(*args)
        assert said.code == 0
        assert all(verb in said.out for verb in VERBS)


def test_mistyped_commands_and_options_are_one_line(pare: Pare) -> None:
    refused(pare("fnd"), "did you mean find?")
    refused(pare("show", "--jsn"), "--jsn")
    refused(pare("find"), "TASK.YAML")
    refused(pare("bench", "x", "--rounds", "one"), "one")


# -- gc ---------------------------------------------------------------------------------------------------------------


def _strange(study: Study) -> str:
    with study.store.scratch() as scratch:
        (scratch / "x").mkdir()
        (scratch / "x" / "weights").write_text("left over")
        return study.store.put(seal(scratch / "x", format="linear", labels=("a", "b"), shape=Shape("linear", ()))).id


@pytest.mark.parametrize("answer", ["pass", None])
def test_gc_keeps_what_a_study_may_still_need(pare: Pare, tmp_path: Path, answer: Any) -> None:
    study = fake_study(tmp_path / "runs" / "x", answer, rows=80).study
    extra = _strange(study)
    before = len(study.store.ids())
    said = pare("gc", "--json")
    freed = said.json()["runs"]["runs/x"]
    assert freed["artifacts"] == before - len(study.store.ids())
    assert freed["artifacts"] > 0
    assert freed["bytes"] > 0
    assert not study.store.has(extra)
    plans = [plan for _, plan, _ in study.ledger.proofs()]
    needed = {trial.artifact for trial in study.frontier} | {id for plan in plans for id in plan.artifacts}
    needed |= {trial.artifact for trial in (study.reference, study.baseline) if trial}
    needed |= {trial.artifact for trial in choose(study.complete, study.facts.goal, study.cost, study.broken)}
    assert needed <= set(study.store.ids())
    assert pare("show", "runs/x", "--json").json()["frontier"]
    assert "0 artifacts removed" in pare("gc", "runs/x").out
    refused(pare("run", "runs/x", "hello", "--model", "static"), "the artifact of static is gone", "encoder")


def test_gc_refuses_what_is_no_run(pare: Pare, tmp_path: Path) -> None:
    refused(pare("gc"), "no run under runs")
    refused(pare("gc", tmp_path), "holds no study")


# -- prove ------------------------------------------------------------------------------------------------------------

ROWS = 600


def _labels(wrong: Iterable[int] = ()) -> list[str]:
    off = set(wrong)
    return [("card", "money")[(i + (i in off)) % 2] for i in range(ROWS)]


def _data(path: Path) -> Path:
    path.write_text("text,label\n" + "".join(f"message {i},{label}\n" for i, label in enumerate(_labels())))
    return path


def _csv(path: Path, labels: Iterable[str]) -> Path:
    path.write_text("id,prediction\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels)))
    return path


def _jsonl(path: Path, labels: Iterable[str]) -> Path:
    path.write_text("".join(json.dumps({"text": "x", "label": label}) + "\n" for label in labels))
    return path


def _lines(path: Path, labels: Iterable[str]) -> Path:
    path.write_text("".join(f"{label}\n" for label in labels))
    return path


@pytest.mark.parametrize(("write", "name"), [(_csv, "a.csv"), (_jsonl, "a.jsonl"), (_lines, "a.txt"), (_csv, "A.CSV")])
@pytest.mark.parametrize(
    ("wrong", "answer", "code"), [(range(4), "pass", 0), (range(90), "fail", 1), (range(12), "unproven", 3)]
)
def test_prove_files_of_predictions(
    pare: Pare, tmp_path: Path, write: Any, name: str, wrong: range, answer: str, code: int
) -> None:
    data = _data(tmp_path / "data.csv")
    small, large = write(tmp_path / name, _labels(wrong)), _lines(tmp_path / "large.txt", _labels())
    said = pare("prove", small, "--against", large, "--data", data, "--json")
    assert said.code == code
    assert said.err == ""
    assert said.json()["answer"] == answer
    assert said.json()["evidence"][0]["value"] == pytest.approx(1 - len(wrong) / ROWS)


def test_prove_prints_its_table(pare: Pare, tmp_path: Path) -> None:
    data = _data(tmp_path / "data.csv")
    same = _lines(tmp_path / "same.txt", _labels())
    said = pare("prove", same, "--against", same, "--data", data)
    assert said.code == 0
    assert "drop at most" in said.out
    assert "pass: same.txt is proven" in said.out


def test_another_plan_on_the_same_rows_is_a_further_look(pare: Pare, tmp_path: Path) -> None:
    data, same = _data(tmp_path / "data.csv"), _lines(tmp_path / "same.txt", _labels())
    other = _lines(tmp_path / "other.txt", _labels(range(2)))
    looks = [
        pare("prove", path, "--against", same, "--data", data, "--json").json()["look"] for path in (same, other, same)
    ]
    assert looks == [1, 2, 1]


def test_prove_refuses_bad_input(pare: Pare, tmp_path: Path) -> None:
    data, same = _data(tmp_path / "data.csv"), _lines(tmp_path / "same.txt", _labels())

    def prove(candidate: Path, *more: str | Path, against: Path = same) -> Said:
        return pare("prove", candidate, "--against", against, "--data", data, *more)

    refused(prove(_lines(tmp_path / "few.txt", _labels()[1:])), "599 predictions for 600 rows")
    refused(prove(tmp_path / "none.txt"), "none.txt does not exist")
    refused(prove(tmp_path), "manifest.json")
    refused(prove(same, "--metric", "macro_f1"), "use balanced_accuracy")
    refused(prove(same, "--metric", "acuracy"), "did you mean accuracy")
    refused(prove(same, "--metric", "brier"), "needs probabilities")
    for within in ("2", "1", "-0.1", "nan"):
        refused(prove(same, "--within", within), "--within must be", "write 0.02")
    for confidence in ("0.5", "1", "95"):
        refused(prove(same, "--confidence", confidence), "--confidence must be", "write 0.95")
    refused(prove(same, "--target", "lable"), "did you mean label?")
    refused(prove(_jsonl(tmp_path / "x.jsonl", _labels()), against=tmp_path / "gone"), "gone does not exist")
    refused(pare("prove", same, "--against", same), "--data")
    refused(pare("prove", same, "--against", same, "--data", tmp_path / "dta.csv"), "did you mean data.csv?")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("p.csv", b"id,guess\n1,card\n", "no column of predictions"),
        ("p.csv", b'prediction\n"card\n', "does not parse"),
        ("p.csv", b"", "no column of predictions"),
        ("p.jsonl", b'{"label": "card"}\n{"label"\n', "line 2 must be a JSON object"),
        ("p.jsonl", b'["card"]\n', "line 1 must be a JSON object"),
        ("p.jsonl", b'{"guess": "card"}\n', "no column of predictions"),
        ("p.jsonl", b'{"label": ["card", "money"]}\n', "one label"),
        ("p.txt", b"\xff\xfe\x00card\n", "not UTF-8"),
        ("p.csv", b"prediction\n\xff\n", "not UTF-8"),
        ("p.jsonl", b"\xff\n", "not UTF-8"),
    ],
)
def test_broken_predictions_are_one_line(pare: Pare, tmp_path: Path, name: str, text: bytes, words: str) -> None:
    data = _data(tmp_path / "data.csv")
    (tmp_path / name).write_bytes(text)
    refused(pare("prove", tmp_path / name, "--against", tmp_path / name, "--data", data), words)


def test_predicted_labels_are_read_as_the_data_are(pare: Pare, tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text(
        "".join(f'{{"text": "t{i}", "label": {i % 2 == 0}}}\n'.lower() for i in range(60))
    )
    (tmp_path / "p.jsonl").write_text("".join(f'{{"prediction": {i % 2 == 0}}}\n'.lower() for i in range(60)))
    (tmp_path / "q.csv").write_text("prediction\n" + "".join(f"{i % 2 == 0} \n".lower() for i in range(60)))
    said = pare("prove", "p.jsonl", "--against", "q.csv", "--data", "d.jsonl", "--json").json()
    assert (said["evidence"][0]["value"], said["reference_value"]) == (1, 1)


def test_rows_without_a_label_cannot_be_judged(pare: Pare, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("text,label\na,card\nb,\n")
    same = _lines(tmp_path / "p.txt", ["card", "money"])
    refused(pare("prove", same, "--against", same, "--data", "d.csv"), "d.csv, line 3", "label is empty")


# -- find -------------------------------------------------------------------------------------------------------------

GOOD = "text,label\n" + "".join(f"message number {i} of {('a', 'b')[i % 2]},{('a', 'b')[i % 2]}\n" for i in range(60))


@pytest.mark.parametrize(
    ("text", "flags", "words"),
    [
        (GOOD, ("--target", "lable"), ("no column lable", "did you mean label?")),
        ("text,label\n" + "".join(f"message {i},a\n" for i in range(30)), (), ("two classes", "only a")),
        (GOOD, ("--metric", "acuracy"), ("--metric", "did you mean accuracy")),
        (GOOD, ("--metric", "macro_f1"), ("use balanced_accuracy",)),
        (GOOD, ("--within", "2"), ("--within", "write 0.02")),
        (GOOD, ("--within", "0.02", "--at-least", "0.9"), ("keep one",)),
        (GOOD, ("--candidates", "linear,studnts"), ("did you mean students?",)),
        (GOOD, ("--base", "all-MiniLM-L6-v3"), ("did you mean all-MiniLM-L6-v2?",)),
        (GOOD, ("--base", "./nowhere"), ("./nowhere",)),
        (GOOD, ("--base", "."), ("config.json",)),
        (GOOD, ("--reference", "./nowhere"), ("reference", "nowhere", "does not exist")),
        (GOOD, ("--reference", "."), ("manifest.json",)),
        ("text,label\n" + 'hello there,"[""a"", ""b""]"\n' * 20, (), ("line 2", "one label")),
        ("".join(f"text{i},a|b\n" if i else "text,label\nx,a\ny,b\n" for i in range(30)), (), ("several", "'a|b'")),
        ("", (), ("empty",)),
        ("text,label\n", (), ("no rows",)),
        ('text,label\n"open,a\n', (), ("line 2", "does not parse")),
    ],
)
def test_find_refuses_bad_input(
    pare: Pare, tmp_path: Path, text: str, flags: tuple[str, ...], words: tuple[str, ...]
) -> None:
    (tmp_path / "rows.csv").write_text(text)
    given = ("--input", "text", "--target", "label", *flags) if "--target" not in flags else ("--input", "text", *flags)
    refused(pare("find", "rows.csv", *given), *words)


def test_a_wrong_base_does_not_bind_the_run(pare: Pare, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(GOOD)
    refused(pare("find", "rows.csv", "--input", "text", "--target", "label", "--base", "nope"))
    assert not (tmp_path / "runs").exists()


def test_with_json_bad_data_is_one_line_and_nothing_else(pare: Pare, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(f"message {i},a\n" for i in range(30)))
    said = pare("find", "rows.csv", "--input", "text", "--target", "label", "--json")
    assert said.out == ""
    refused(said, "two classes")


def test_help_names_defaults_metrics_and_units(pare: Pare) -> None:
    words = " ".join(pare("find", "--help").out.split())
    for said in (
        "classify: accuracy, balanced_accuracy, brier; multilabel: example_f1, hamming, subset_accuracy",
        "[default: accuracy for classify, example_f1 for multilabel",
        "[default: linear,static,encoder,students]",
        "[default: 0.95]",
        "joules per 1,000 requests",
    ):
        assert said in words
    assert "balanced_accuracy" in pare("prove", "--help").out


def test_find_refuses_missing_files_and_unknown_fields(pare: Pare, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(GOOD)
    refused(pare("find", "row.csv", "--input", "text", "--target", "label"), "did you mean rows.csv?")
    refused(pare("find", "rows.csv", "--target", "label"), "--input must name a column")
    refused(
        pare("find", "task.yaml"), "task.yaml does not exist; to write one: pare find DATA", "--task-only > task.yaml"
    )
    (tmp_path / "task.yaml").write_text("data: {path: rows.csv, input: text, target: label}\nlimits: {size: 3}\n")
    refused(pare("find", "task.yaml"), "limits.size", "did you mean size_mb?")
    (tmp_path / "task.yaml").write_text("data: {path: rows.csv, input: text}\n")
    refused(pare("find", "task.yaml"), "data.target is missing")
    (tmp_path / "task.yaml").write_text("data: [\n")
    refused(pare("find", "task.yaml"), "is not YAML")


def test_the_printed_task_reads_back(pare: Pare, tmp_path: Path) -> None:
    flags = ("--input", "text", "--target", "label", "--within", "0.03", "--size-mb", "5", "--growing", "--seed", "7")
    said = pare("find", "rows.csv", *flags, "--candidates", "linear,students:1,2", "--task-only")
    assert (said.code, said.err) == (0, "")
    task = Task.parse(said.out)
    assert (task.bar.within, task.limits.size_mb, task.bar.growing, task.seed) == (0.03, 5.0, True, 7)
    assert task.candidates == ("linear", "students:1,2")
    (tmp_path / "task.yaml").write_text(said.out)
    again = pare("find", "task.yaml", "--task-only", "--within", "0.04")
    assert Task.parse(again.out).bar.within == 0.04
    assert pare("find", "task.yaml", "--task-only", "--json").json()["candidates"] == ["linear", "students:1,2"]


# -- bench, doctor ----------------------------------------------------------------------------------------------------


def test_run_and_bench_refuse_bad_input(pare: Pare, run: Path, tmp_path: Path) -> None:
    refused(pare("run", tmp_path, "hello"), "no run and no artifact", "study.db", "manifest.json")
    refused(pare("run", run, "hello", "--model", "student-9"), "student-9", "linear")
    refused(pare("bench", tmp_path), "holds no study")
    refused(pare("bench", run, "--rounds", "1"), "--rounds")


def test_bench_marks_what_was_not_measured(pare: Pare, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def figures(watts: float, cores: int) -> dict[str, Quantity]:
        return {
            "latency_p50_ms": Quantity(1.0, "ms", "measured", "clock"),
            "power_w": Quantity(watts, "W", "modelled", f"{cores} cores x 10 W"),
            "cost_usd_per_1k": Quantity(0.002, "USD", "assumed", "a price list of 2026"),
        }

    found = Comparison(("a", "b"), (figures(20, 2), figures(10, 1)), {"latency_p50_ms": (1, 1, 1)}, 8)
    monkeypatch.setattr(api, "bench", lambda *_: found)
    out = pare("bench", run).out
    for words in ("20.0 W [1]", "10.0 W [2]", "$0.0020 [3]", "1.00 ms  "):
        assert words in out
    for source in ("[1] modelled: 2 cores x 10 W", "[2] modelled: 1 cores x 10 W", "[3] assumed: a price list of 2026"):
        assert source in out
    assert "[4]" not in out
    assert pare("bench", run, "--json").json()["figures"][0]["power_w"]["provenance"] == "modelled"


def test_doctor_reports_one_object(pare: Pare) -> None:
    assert pare("doctor", "--json").json()["device"]["cores"] >= 1
    assert "machine" in pare("doctor").out
