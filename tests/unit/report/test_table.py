import json
from dataclasses import replace

import msgspec

from pare.benchmark.measure import Comparison
from pare.report import table
from pare.search.study import UNREAD
from pare.testing.studies import MODELS, fake_study
from pare.types import Quantity


def test_the_frontier_ends_with_reference_and_pytorch(passed):
    rows = table.rows(passed.study)
    assert all(len(row) == len(table.HEADER) for row in rows)
    names = [row[1] for row in rows]
    assert names[-2:] == ["encoder", "encoder-pytorch"]
    assert [row[1] for row in rows if row[0] == "*"] == ["student-1-int8"]
    sizes = [float(row[5].split()[0]) for row in rows[:-2]]
    assert sizes == sorted(sizes)


def test_without_measurements_times_are_unknown(failed):
    row = table.rows(failed.study)[0]
    assert row[6:8] == ("–", "–")


def test_the_summary_is_plain_json_with_every_trial(passed):
    found = table.summary(passed.study, passed.dev)
    assert json.loads(msgspec.json.encode(found)) == json.loads(json.dumps(found))
    assert found["verdict"]["answer"] == "pass"
    assert found["winner"] == "student-1-int8"
    assert found["reference"] == "encoder"
    assert found["baseline"] == "encoder-pytorch"
    assert len(found["trials"]) == len(passed.study.trials)
    assert {trial["state"] for trial in found["trials"]} == {"done", "dropped", "excluded", "failed"}
    winner = next(t for t in found["trials"] if t["name"] == found["winner"] and t["artifact"])
    assert winner["figures"]["latency_p50_ms"]["provenance"] == "measured"
    assert winner["figures"]["flops_per_request"]["provenance"] == "modelled"
    assert "measured: the mean of the dev rows" in winner["figures"]["flops_per_request"]["source"]
    assert winner["ratios"]["pytorch"]["size_bytes"] == 90.9 / 4.13
    assert winner["roles"] == ["winner"]
    assert winner["parts"]["embeddings.word"] == 5702 * 384


def test_without_samples_the_planners_tokens_are_used_and_named(passed):
    found = table.summary(passed.study)
    winner = next(t for t in found["trials"] if t["name"] == found["winner"] and t["artifact"])
    assert "11.4 tokens a request, modelled: " in winner["figures"]["flops_per_request"]["source"]


def test_flops_are_known_after_the_artifacts_are_gone(tmp_path):
    made = fake_study(tmp_path / "gone", rows=40)
    for id in made.study.store.ids():
        made.study.store.remove(id)
    found = table.summary(made.study, made.dev)
    assert all("flops_per_request" in trial["figures"] for trial in found["trials"] if trial["artifact"])


def test_a_fixed_bar_shows_levels_and_no_drops(tmp_path, capsys):
    verdict = fake_study(tmp_path / "level", "pass", at_least=0.92, rows=40).study.verdict
    assert table.verdict_rows(verdict)[0][2:4] == ("93.8 %", "92.0 %")
    table.show_verdict(verdict)
    out = capsys.readouterr().out
    assert "level at least" in out
    assert "drop" not in out


def test_the_reference_on_sealed_rows_is_null_where_none_was_read(tmp_path, passed):
    assert table.summary(passed.study)["verdict"]["reference_value"] == 0.939
    alone = fake_study(tmp_path / "alone", models=MODELS[:1], at_least=0.88, rows=40).study
    assert table.summary(alone)["verdict"]["reference_value"] is None
    both = fake_study(tmp_path / "both", at_least=0.88, rows=40).study
    assert table.summary(both)["verdict"]["reference_value"] == 0.939


def test_a_verdict_that_needed_no_sealed_row_has_no_plan(tmp_path):
    study = fake_study(tmp_path / "unread", rows=40).study
    found = replace(study.verdict, answer="fail", winner="", evidence=(), test="none: the sealed rows were not read")
    study.ledger.set_fact(UNREAD, [found])
    made = table.summary(study)
    assert made["verdict"]["test"] == "none: the sealed rows were not read"
    assert made["verdict"]["reference_value"] is None
    assert made["plan"] is None


def test_a_study_without_proof_has_null_verdict(tmp_path):
    found = table.summary(fake_study(tmp_path / "x", None, models=()).study)
    assert found["verdict"] is None
    assert found["winner"] is None
    assert found["trials"] == []


def test_printing_shows_the_verdict_and_what_it_assumes(passed, capsys):
    table.show(passed.study)
    table.show_verdict(passed.study.verdict)
    out = capsys.readouterr().out
    assert "student-1-int8" in out
    assert "tomorrow resembles the sealed rows" in out
    assert "proven" in out


def test_a_comparison_gives_ratios_with_their_range(capsys):
    fast, slow = ({"latency_p50_ms": Quantity(v, "ms", "measured", "")} for v in (1.0, 4.0))
    found = Comparison(("a", "b"), (fast, slow), {"size_bytes": (22, 22, 22), "latency_p50_ms": (4, 3.5, 4.5)}, 8)
    assert table.comparison_rows(found) == [
        ("size", "–", "–", "22x"),
        ("p50", "1.00 ms", "4.00 ms", "4.0x (3.5x to 4.5x)"),
    ]
    table.show_comparison(found)
    assert "8 rounds" in capsys.readouterr().out
