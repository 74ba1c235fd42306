"""What is known of the large model that does the job today: from its log, or from its name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from pare.data import Dataset, Task, prepare
from pare.errors import InputError
from pare.logs.incumbent import INCUMBENT, Incumbent
from pare.report.view import view
from pare.report.words import today
from pare.search.incumbent import incumbent_figures, known_incumbent
from pare.search.study import ALLOWED
from pare.search.survivors import chance
from pare.testing.studies import Model, against, fake_study
from pare.types import Quantity

PRICE = Quantity(0.118, "USD", "modelled", "tokens x price")
MONTH = Quantity(250_000.0, "requests", "measured", "a log of 9 days")
LOGGED = Incumbent("gpt-4o-mini", 9_000, 812.0, 1_400.0, 200.0, 10.0, PRICE, MONTH)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    made = [f"message number {i} about {word} and more,{word},{word}" for i in range(40) for word in ("card", "money")]
    path.write_text("\n".join(["text,label,answer", *made]) + "\n")
    return path


@pytest.fixture(scope="module")
def dataset(rows: Path) -> Dataset:
    return prepare(task(rows).data)


def task(rows: Path, **flags: object) -> Task:
    return Task.of(rows, **{"input": "text", "target": "label", "reference": "column:answer", **flags})


def test_a_job_knows_its_incumbent_by_its_log(rows: Path, dataset: Dataset, tmp_path: Path) -> None:
    assert known_incumbent(task(rows, reference="finetune"), dataset, None) is None
    assert known_incumbent(task(rows), dataset, None) == Incumbent("")
    (tmp_path / INCUMBENT).write_bytes(msgspec.json.encode(LOGGED))
    assert known_incumbent(task(rows), dataset, tmp_path / INCUMBENT) == LOGGED


def test_a_named_incumbent_is_priced_by_its_tokens(rows: Path, dataset: Dataset, tmp_path: Path) -> None:
    named = task(rows, incumbent="openai:gpt-4o-mini")
    bare = known_incumbent(named, dataset, None)
    assert bare is not None
    assert bare.tokens_in == pytest.approx(sum(-(-len(s.text) // 4) for s in dataset.train) / len(dataset.train))
    assert bare.usd_per_1k is not None
    assert "the prompt around them costs more" in bare.usd_per_1k.source
    (tmp_path / INCUMBENT).write_bytes(msgspec.json.encode(LOGGED))
    logged = known_incumbent(named, dataset, tmp_path / INCUMBENT)
    assert logged is not None
    assert logged.usd_per_1k is not None
    # gpt-4o-mini: $0.15 and $0.60 for a million tokens in and out
    assert logged.usd_per_1k.value == pytest.approx(1000 * (200 * 0.15 + 10 * 0.60) / 1e6)
    assert logged.latency_p50_ms == 812.0


def test_an_unknown_price_is_unknown(rows: Path, dataset: Dataset, tmp_path: Path) -> None:
    known = known_incumbent(task(rows, incumbent="nobody:no-such-model"), dataset, None)
    assert known is not None
    assert known.usd_per_1k is None
    assert "cost_usd_per_1k" not in incumbent_figures(known)


def test_figures_say_where_they_come_from() -> None:
    found = incumbent_figures(LOGGED)
    assert {key: figure.provenance for key, figure in found.items()} == {
        "latency_p50_ms": "measured",
        "latency_p95_ms": "measured",
        "cost_usd_per_1k": "modelled",
        "energy_j_per_1k": "assumed",
    }
    assert "latency_p50_ms" not in incumbent_figures(replace(LOGGED, latency_p50_ms=None))


def test_an_incumbent_without_answers_is_refused(rows: Path) -> None:
    with pytest.raises(InputError, match="--incumbent needs its logged answers but reference is finetune"):
        task(rows, reference="finetune", incumbent="openai:gpt-4o-mini")


@pytest.mark.parametrize(
    ("given", "a_month"),
    [
        ("1M/month", 1e6),
        ("30k/day", 30_000 * 30.44),
        ("2/second", 2 * 86_400 * 30.44),
        (5000, 5000.0),
        ("1,200", 1200.0),
    ],
)
def test_a_volume_is_requests_a_month(rows: Path, given: object, a_month: float) -> None:
    found = task(rows, volume=given)
    assert found.volume == pytest.approx(a_month)
    assert Task.parse(found.to_yaml()).volume == found.volume


@pytest.mark.parametrize("given", ["lots", "1M/fortnight", 0, -5, "1..2/day", True, "k/day"])
def test_no_volume(rows: Path, given: object) -> None:
    with pytest.raises(InputError, match="--volume must be requests a month, or a rate"):
        task(rows, volume=given)


def test_the_report_opens_with_today(tmp_path: Path) -> None:
    seen = view(against(fake_study(tmp_path / "run", rows=60), LOGGED).study)
    said = today(seen)
    assert said.startswith("gpt-4o-mini today: 100.0 % on dev, 812 ms a request (measured), $29.50 a month (modelled)")
    assert "kWh a month (assumed)" in said
    assert said.endswith("Months are of 250,000 requests (a log of 9 days).")
    unknown = view(against(fake_study(tmp_path / "unknown", rows=60), Incumbent("")).study)
    assert today(unknown).startswith("the incumbent today: 100.0 % on dev, time unknown, cost unknown")
    assert today(view(fake_study(tmp_path / "own", rows=60).study)) == ""


def test_in_an_imitation_candidates_are_chosen_as_if_the_encoders_losses_were_the_incumbents(tmp_path: Path) -> None:
    models = (
        Model("encoder", 0.91, 91.6, 4.6, 431, layers=6),
        Model("student-1-int8", 0.905, 4.1, 0.7, 6000, layers=1, quirk=0.0),
        Model("static", 0.70, 3.4, 0.1, 21000, quirk=0.0),
    )
    labelled = against(fake_study(tmp_path / "labelled", None, models=models), LOGGED).study
    imitating = against(fake_study(tmp_path / "imitating", None, models=models), LOGGED, imitates=True).study
    for study in (labelled, imitating):
        for trial in study.complete:
            if trial.drop is not None and trial.candidate.name != "incumbent":
                quality = trial.scores["accuracy"].value
                study.tell(replace(trial, drop=1.0 - quality, discordance=1.0 - quality))
    margins = {study: study.aim.margin for study in (labelled, imitating)}
    lost = next(trial.drop for trial in imitating.complete if trial.candidate.name == "encoder")
    assert margins[labelled] == 0.02
    assert margins[imitating] == pytest.approx(0.02 + (lost or 0.0))
    chances = {trial.candidate.name: chance(trial, imitating.aim) for trial in imitating.complete}
    assert chances["student-1-int8"] > 0.3
    assert chances["static"] < 0.01
    # what is shown is the chance as the rows are labelled now
    assert all(imitating.chance(trial) < 0.05 for trial in imitating.complete if trial.candidate.name != "incumbent")
    encoder = next(trial for trial in imitating.complete if trial.candidate.name == "encoder")
    imitating.tell(replace(encoder, drop=0.6))
    assert imitating.aim.margin == pytest.approx(0.02 + ALLOWED)


def test_a_model_id_may_hold_a_colon_and_another_models_log_says_so(
    rows: Path, dataset: Dataset, tmp_path: Path
) -> None:
    named = task(rows, incumbent="bedrock:anthropic.claude-3-5-sonnet-20241022-v2:0")
    known = known_incumbent(named, dataset, None)
    assert known is not None
    assert known.usd_per_1k is not None
    (tmp_path / INCUMBENT).write_bytes(msgspec.json.encode(LOGGED))
    other = known_incumbent(named, dataset, tmp_path / INCUMBENT)
    assert other is not None
    assert other.model == f"gpt-4o-mini, priced as {named.incumbent}"
    (tmp_path / INCUMBENT).write_text('{"model": 3}')
    with pytest.raises(InputError, match="cannot be read"):
        known_incumbent(task(rows), dataset, tmp_path / INCUMBENT)
