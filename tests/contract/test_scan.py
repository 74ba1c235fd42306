"""A scan of a small log, and a study on a job of it, by the command line."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("genai_prices", reason="the logs extra is not installed")

import pare
from pare import api
from pare.cli import group
from pare.errors import InputError
from pare.logs.types import Logged
from pare.report.scan import page
from pare.scan.jobs import Reservoir
from pare.scan.scan import scan
from pare.scan.spend import Spend, months, price
from pare.search import run as running
from pare.testing.logs import FILLER, WORDS, write_log
from pare.types import Message


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(running, "MEASURED_SECONDS", 0.1)
    monkeypatch.chdir(tmp_path)


def test_a_scan_tells_the_jobs_what_they_cost_and_what_could_move(tmp_path: Path) -> None:
    found = scan(write_log(tmp_path / "log.jsonl"))
    assert (found.requests, found.format, found.loose, len(found.jobs)) == (900, "openai", 0, 2)
    poem, route = found.jobs
    assert (poem.advice, poem.kind, poem.command) == ("keep", "long text", "")
    assert (route.advice, route.kind) == ("move", "one of 3 labels in JSON, field intent")
    assert route.labels == ("card", "money", "phone")
    assert route.template.slots == ("message",)
    assert route.agreement is not None
    assert route.agreement.low > 0.7 > route.agreement.commonest
    assert route.spend is not None
    assert route.spend.value == pytest.approx(600 * (100 * 0.15 + 10 * 0.6) / 1e6)
    assert route.spend_month is not None
    assert route.spend_month.value == pytest.approx(route.spend.value / found.months)  # type: ignore[operator]
    assert "pare find" in route.command
    assert "--job 2" in route.command
    html = page(found)
    assert "Route it." in html
    assert "genai-prices" in html


def test_an_unknown_price_is_unknown_never_zero() -> None:
    request = Logged(1, (Message("user", "x"),), "y", model="our-own-7b", tokens_in=10, tokens_out=1)
    assert price(request) is None
    spend = Spend()
    for _ in range(10):
        spend.add(request)
    assert spend.total(10) is None
    stated = Spend()
    stated.add(Logged(1, (), "y", cost_usd=Decimal("0.25")))
    assert stated.total(1) is not None


def test_cached_tokens_are_priced_as_cached() -> None:
    def cost(cached: int) -> Decimal | None:
        return price(Logged(1, (), "", model="gpt-4o-mini", tokens_in=1000, tokens_out=0, tokens_cached=cached))

    assert cost(0) == Decimal("0.00015")
    assert cost(1000) == Decimal("0.000075")


def test_times_that_say_nothing_give_no_month() -> None:
    assert months("", "") is None
    assert months("2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z") is None
    assert months("2026-01-01", "yesterday") is None
    assert months("2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00") == pytest.approx(
        Decimal(1), rel=Decimal("0.03")
    )


def test_a_reservoir_is_uniform() -> None:
    hits = [0] * 20
    for seed in range(3000):
        sample: Reservoir[int] = Reservoir(4, seed)
        for i in range(20):
            sample.add(i)
        for i in sample.items:
            hits[i] += 1
    assert min(hits) > 500
    assert max(hits) < 700


def test_find_on_a_job_imitates_and_answers_the_callers_requests_in_their_form(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.jsonl")
    arguments = ["find", str(path), "--job", "2", "--candidates", "linear", "--within", "0.3"]
    done = CliRunner().invoke(group, arguments, standalone_mode=False)
    assert done.exception is None, done.output
    run = tmp_path / "runs" / "log-job2"
    study = pare.api.show(run)
    assert study.verdict is not None
    assert study.verdict.answer == "pass"
    assert study.deployed("linear").manifest.contract

    fresh = write_log(tmp_path / "fresh.jsonl", 1500, seed=5)
    answers = list(api.replay(run, fresh))
    assert len(answers) == 1500
    fitting = [one.answer for one in answers if one.answer is not None]
    assert len(fitting) == 1000
    assert all(set(json.loads(answer)) == {"intent"} and json.loads(answer)["intent"] in WORDS for answer in fitting)


def test_labels_of_people_make_it_accuracy_against_the_incumbent(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.jsonl", 1500)
    found = api.extract(path, 2, tmp_path / "run")
    assert (found.rows, found.labelled, found.unfit) == (1000, 0, 0)
    rows = [json.loads(line) for line in found.path.read_text().splitlines()]
    truth = {word: label for label, words in WORDS.items() for word in words.split()}
    with (tmp_path / "labels.csv").open("w") as file:
        file.write("note,intent\n")
        for row in rows:
            file.write(f"{row['text']},{next(truth[word] for word in row['text'].split() if word in truth)}\n")
    arguments = ["find", str(path), "--job", "2", "--labels", str(tmp_path / "labels.csv"), "--volume", "1M/month"]
    columns = ["--input", "note", "--target", "intent"]
    done = CliRunner().invoke(group, [*arguments, *columns, "--candidates", "linear"], standalone_mode=False)
    assert done.exception is None, done.output
    study = pare.api.show(tmp_path / "runs" / "log-job2")
    assert study.verdict is not None
    assert study.verdict.answer == "pass"
    assert "better by at least" in study.verdict.sentence
    # 1,000 requests of 100 tokens in and 10 out, at $0.15 and $0.60 for a million
    assert "gpt-4o-mini today" in done.output
    assert "$21.00 a month (modelled)" in done.output
    assert study.reference is not None
    assert 0.85 < study.quality(study.reference) < 0.97


def test_what_cannot_be_studied_is_said(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.jsonl", 300)
    with pytest.raises(InputError, match="--labels is for a job of a log"):
        CliRunner().invoke(
            group, ["find", str(path), "--labels", "x.csv"], standalone_mode=False, catch_exceptions=False
        )
    with pytest.raises(InputError, match="has jobs 1 to 2 but got 3"):
        api.extract(path, 3, tmp_path / "run")
    with pytest.raises(InputError, match="answers with long text"):
        api.extract(path, 1, tmp_path / "run")
    task = pare.Task.of(_plain(tmp_path), input="text", target="label", candidates="linear", at_least=0.5)
    pare.find(task, tmp_path / "p").close()
    with pytest.raises(InputError, match="no prompt contract"):
        next(api.replay(tmp_path / "p", path))


def _plain(folder: Path) -> Path:
    rng = random.Random(0)
    path = folder / "plain.csv"
    rows = [
        (" ".join([*rng.choices(FILLER, k=8), word, str(i)]), label)
        for i in range(80)
        for label, word in (("a", "card"), ("b", "money"))
    ]
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    return path
