"""What names stand for, what a log says of demand, and how the options of a plan come together."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare import api, catalog
from pare.benchmark import machine
from pare.capacity.asked import LIMITS, Asked, read_prices
from pare.capacity.gather import SESSIONS, TOKENS, plan
from pare.capacity.runs import of_run, widths_of
from pare.capacity.usage import read_usage
from pare.errors import InputError
from pare.families import shape_of
from pare.logs.incumbent import Incumbent
from pare.planner import anatomy, estimate
from pare.planner.types import Widths
from pare.runtimes import this_device
from pare.search.study import KNOWN_INCUMBENT
from pare.testing.logs import write_log
from pare.testing.studies import FakeStudy, against, fake_study
from pare.types import Quantity

pytest.importorskip("genai_prices", reason="the plan extra is not installed")

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> FakeStudy:
    return fake_study(tmp_path_factory.mktemp("plan") / "run", rows=80)


@pytest.fixture(scope="module")
def run(study: FakeStudy) -> str:
    return str(study.study.path)


# -- names ---------------------------------------------------------------------------------------------


def test_a_run_is_its_winner_with_what_the_study_measured(study: FakeStudy, run: str) -> None:
    winner = study.study.winner
    assert winner is not None
    assert winner.measurement is not None
    found = of_run("mine", study.study.path)
    assert found.subject.quality == winner.scores["accuracy"]
    assert found.subject.weight_bytes == winner.size_bytes
    assert found.subject.texts_per_s is not None
    assert found.subject.texts_per_s.value == winner.measurement.figures["throughput_per_s"].value
    joules = winner.measurement.figures["energy_j_per_1k"]
    assert found.subject.measured_j is not None
    assert found.subject.measured_j.value == pytest.approx(joules.value / 1000)
    assert found.making.seconds.value == sum(trial.seconds for trial in study.study.trials)
    assert found.making.kwh.value == pytest.approx(found.making.seconds.value * 2 * 6 / 3.6e6)
    assert found.server.name == found.subject.measured_on
    assert "winner" in found.notes[0]


def test_a_run_without_a_winner_says_so(tmp_path: Path) -> None:
    found = fake_study(tmp_path / "run", None, rows=60)
    assert "no proven winner" in of_run("mine", found.study.path).notes[0]


def test_a_run_where_nothing_was_measured_is_refused(tmp_path: Path) -> None:
    fake_study(tmp_path / "run", rows=60, measured=False)
    with pytest.raises(InputError, match="throughput"):
        plan(Asked(models=(str(tmp_path / "run"),)))


def test_own_stands_before_a_path(run: str) -> None:
    assert plan(Asked(models=(f"own:{run}",))).subjects[0].name == run
    with pytest.raises(InputError, match="own:"):
        plan(Asked(models=("own:nowhere",)))


@pytest.mark.parametrize("name", ["meta-llama/Llama-3.1-8B", "llama-3.1-8b", "LLAMA-3.1-8B"])
def test_catalogue_entries_go_by_name_and_hub_id(name: str) -> None:
    found = plan(Asked(models=(name,)))
    assert found.subjects[0].name == "llama-3.1-8b"
    assert found.subjects[0].parameters == 8_030_261_248
    assert any(one.capacity.sessions for one in found.hosted)


@pytest.mark.parametrize("bare", [True, False])
def test_a_config_is_enough(tmp_path: Path, bare: bool) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    found = plan(Asked(models=(str(tmp_path / "config.json") if bare else str(tmp_path),)))
    assert found.subjects[0].parameters == estimate.parameters(shape_of(CONFIG))


def test_an_encoders_config_is_refused_with_what_to_give(tmp_path: Path) -> None:
    bert = {**CONFIG, "model_type": "bert", "type_vocab_size": 2}
    (tmp_path / "config.json").write_text(json.dumps(bert))
    with pytest.raises(InputError, match="pare find"):
        plan(Asked(models=(str(tmp_path),)))


def test_an_api_model_is_bought_and_may_name_its_seller() -> None:
    found = plan(Asked(models=("openai:gpt-4o-mini",)))
    assert [(one.subject, one.provider) for one in found.bought] == [("gpt-4o-mini", "openai")]
    usd = (512 * 0.15 + 128 * 0.6) / 1e6 * found.figures["requests_per_year"].value
    assert found.bought[0].figures["usd_per_year"].value == pytest.approx(usd)
    assert found.hosted == ()


def test_batch_rates_stand_in_for_the_usual_ones_where_there_are_some() -> None:
    names = ("openai:gpt-4o-mini", "llama-3.1-8b")
    usual, batched = (plan(Asked(models=names, batch=batch)) for batch in (False, True))
    assert [one.provider for one in batched.bought] == ["openai (batch)", usual.bought[1].provider]
    paid, less = (found.bought[0].figures["usd_per_year"] for found in (usual, batched))
    assert less.value == pytest.approx(paid.value / 2)
    assert "openai (batch)" in less.source
    assert batched.bought[1].figures == usual.bought[1].figures
    said = " ".join(batched.notes)
    assert "(batch): answered within hours" in said
    assert f"no batch rate is known, so the usual one is told: llama-3.1-8b at {usual.bought[1].provider}" in said
    assert "batch" not in " ".join(usual.notes)


def test_a_catalogue_model_comes_with_its_cheapest_seller() -> None:
    assert len(plan(Asked(models=("llama-3.1-8b",))).bought) == 1


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"llama-3\.1-8b"):
        plan(Asked(models=("lama-3.1-8b",)))


def test_a_licence_leaves_models_out_and_says_which() -> None:
    found = plan(Asked(models=("llama-3.1-8b", "qwen2.5-7b"), licence="permissive"))
    assert [subject.name for subject in found.subjects] == ["qwen2.5-7b"]
    assert any("llama-3.1-8b is left out" in note for note in found.notes)
    with pytest.raises(InputError, match="permissive"):
        plan(Asked(models=("llama-3.1-8b",), licence="permissive"))
    assert all(subject.terms == "permissive" for subject in plan(Asked(models=("all",), licence="permissive")).subjects)


def test_widths_of_a_built_model_are_those_it_is_stored_at() -> None:
    stored = anatomy.at_widths(shape_of(CONFIG), Widths(4.5, embeddings=8.0, head=8.0))
    assert widths_of(stored).weights == pytest.approx(4.5)
    assert widths_of(stored).embeddings == 8.0


# -- demand ---------------------------------------------------------------------------------------------


def test_sessions_nobody_states_are_told_as_assumed() -> None:
    found = plan(Asked(models=("llama-3.2-1b",)))
    assert found.demand.sessions == SESSIONS
    assert any("--sessions" in note for note in found.notes)
    assert TOKENS in found.notes
    assert TOKENS not in plan(Asked(models=("llama-3.2-1b",), prompt=100, answer=10)).notes
    assert not any("assumed: give" in note for note in plan(Asked(models=("llama-3.2-1b",), sessions=3)).notes)


def test_a_runs_own_volume_is_its_demand(tmp_path: Path) -> None:
    month = Quantity(9e4, "requests", "measured", "a log")
    known = Incumbent("gpt-4o-mini", 900, tokens_in=210.0, tokens_out=9.0, requests_per_month=month)
    made = against(fake_study(tmp_path / "run", rows=60), known)
    assert made.study.ledger.fact(KNOWN_INCUMBENT, Incumbent) == known
    found = plan(Asked(models=(str(tmp_path / "run"),), utilisation=0.5))
    assert found.figures["requests_per_year"].value == 12 * 9e4
    assert found.figures["requests_per_year"].provenance == "measured"
    assert (found.demand.prompt_tokens, found.demand.answer_tokens) == (210.0, 9.0)
    peak = 9e4 / (8766 / 12 * 3600) / 0.5
    assert found.demand.sessions == -(-peak * found.demand.every_s // 1)


def log_of(path: Path, times: list[int], prompts: list[str], tokens: tuple[int, int] | None = (100, 20)) -> Path:
    rows = []
    for moment, prompt in zip(times, prompts, strict=True):
        usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]} if tokens else {}
        answer = {"choices": [{"message": {"role": "assistant", "content": "an answer here"}}], "usage": usage}
        request = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]}
        rows.append({"request": request, "response": {"created": 1_780_000_000 + moment, **answer}})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_log_gives_tokens_rates_and_scripts(tmp_path: Path) -> None:
    # An hour at 60 requests, evenly, then nine hours at 6.
    times = [60 * i for i in range(60)] + [3600 + 600 * i for i in range(54)]
    prompts = ["where is my card" if i % 2 else "أين بطاقتي" for i in range(len(times))]
    found = read_usage(log_of(tmp_path / "log.jsonl", times, prompts))
    assert found.requests == 114
    assert (found.prompt.mean, found.answer.mean, found.counted) == (100, 20, "measured")
    assert found.peak_per_s == pytest.approx(60 / 3600)
    assert found.mean_per_s == pytest.approx(113 / times[-1])
    assert found.burstiness < 0.01 or found.burstiness == 1.0
    scripts = {script.name: script for script in found.scripts}
    assert set(scripts) == {"Latin", "Arabic"}
    assert scripts["Latin"].share == 0.5


def test_tokens_that_a_log_does_not_count_are_modelled(tmp_path: Path) -> None:
    found = read_usage(log_of(tmp_path / "log.jsonl", [0, 60, 9000], ["a" * 400] * 3, None))
    assert found.counted == "modelled"
    assert found.prompt.mean == 100


def test_a_log_sets_the_demand_the_volume_and_the_utilisation(tmp_path: Path) -> None:
    times = [6 * i for i in range(600)] + [3600 + 60 * i for i in range(540)]
    log = log_of(tmp_path / "log.jsonl", times, ["where is my card"] * len(times), (300, 40))
    found = plan(Asked(models=("gpt-4o-mini",), usage=log, min_tps=10))
    mean = (len(times) - 1) / times[-1]
    assert found.demand.every_s == pytest.approx(4.0)  # 40 tokens at 10 a second
    assert found.demand.sessions == 1  # one request every 6 s, answered in 4 (Little 1961)
    assert (found.demand.prompt_tokens, found.demand.answer_tokens) == (300, 40)
    assert found.figures["requests_per_year"].value == pytest.approx(mean * 8766 * 3600)
    assert found.site.utilisation.value == pytest.approx(mean * 6)
    assert found.site.utilisation.provenance == "measured"
    assert "600 in the busiest" in found.notes[0]
    stated = plan(Asked(models=("gpt-4o-mini",), usage=log, sessions=7, utilisation=0.2))
    assert (stated.demand.sessions, stated.site.utilisation.value) == (7, 0.2)


def test_a_log_alone_is_planned_with_its_own_model(tmp_path: Path) -> None:
    found = plan(Asked(usage=write_log(tmp_path / "log.jsonl", 90)))
    assert {one.subject for one in found.bought} == {"gpt-4o-mini"}


# -- the place ---------------------------------------------------------------------------------------------


def test_what_is_given_is_taken_and_the_rest_is_assumed_with_its_source() -> None:
    site = plan(Asked(models=("llama-3.2-1b",), pue=1.2, years=5, energy_price=0.05)).site
    assert (site.pue.value, site.years.value, site.energy_price.value) == (1.2, 5, 0.05)
    assert site.pue.source == "given by the user"
    assert site.staff.provenance == "assumed"
    assert site.staff.source != "given by the user"


def test_prices_go_to_their_devices() -> None:
    asked = Asked(models=("llama-3.2-1b",), price=read_prices(("10000", "8x-L40S=90000")), sessions=1)
    found = {one.server: one.figures["usd_per_year"].value for one in plan(asked).hosted}
    assert found["8x NVIDIA L40S"] - found["AmpereOne A192-32X"] > (90_000 - 10_000) / 4
    with pytest.raises(InputError, match="not among the devices"):
        plan(replace(asked, price={"8x-l4": 1.0}))


def test_devices_are_chosen_by_name() -> None:
    found = plan(Asked(models=("llama-3.2-1b",), devices=("l40s", "8x-l40s")))
    assert [one.server for one in found.hosted] == ["NVIDIA L40S", "8x NVIDIA L40S"]
    assert len(plan(Asked(models=("llama-3.2-1b",), devices=("all",))).hosted) > 10


def test_this_machine_is_there_once_it_was_measured(
    monkeypatch: pytest.MonkeyPatch, study: FakeStudy, run: str
) -> None:
    with pytest.raises(InputError, match="doctor --measure"):
        plan(Asked(models=("llama-3.2-1b",), devices=("here",)))
    server = of_run("mine", study.study.path).server
    measured = replace(server, power=Quantity(55.0, "W", "measured", "a meter"))
    monkeypatch.setattr("pare.capacity.site.this_machine", lambda: measured)
    found = plan(Asked(models=(run,), devices=("here",), sessions=10)).hosted
    assert [one.server for one in found] == [server.name]
    assert found[0].figures["kw"].value == pytest.approx(0.055)
    monkeypatch.setattr("pare.capacity.site.this_machine", lambda: replace(server, power=None))
    (unread,) = plan(Asked(models=(run,), devices=("here",), sessions=10)).hosted
    assert unread.figures["kw"].value == pytest.approx(0.006 * this_device().cores)
    assert "W a core" in unread.figures["kwh_per_year"].source
    assert machine.this_machine() is None


# -- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIMITS)
@given(value=st.floats())
def test_a_number_out_of_its_range_is_refused_in_one_line(name: str, value: float) -> None:
    least, most = LIMITS[name]
    if least <= value <= most:
        Asked(**{name: value})  # type: ignore[arg-type]
        return
    with pytest.raises(InputError, match=name.replace("_", "-")) as error:
        Asked(**{name: value})  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


@given(st.text(max_size=20))
def test_prices_are_read_or_refused(text: str) -> None:
    try:
        found = read_prices((text,))
    except InputError:
        return
    assert len(found) == 1


@given(st.text(min_size=1, max_size=12))
def test_names_are_found_or_refused(name: str) -> None:
    with suppress(InputError):
        assert plan(Asked(models=(name.replace("/", "-"),))).figures


@pytest.mark.parametrize("text", ["", "[]", "{", '{"model_type": "llama"}', '{"model_type": 3}', "[" * 100_000])
def test_broken_configs_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    for name in (tmp_path, tmp_path / "config.json"):
        with pytest.raises(InputError):
            plan(Asked(models=(str(name),)))


def test_a_plan_never_loads_torch() -> None:
    code = "from pare import api; api.plan('llama-3.2-1b', sessions=5)\nimport sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_python_users_ask_by_keyword(run: str) -> None:
    assert api.plan(run, sessions=12).demand.sessions == 12
    with pytest.raises(TypeError):
        api.plan(run, session=12)


def test_sessions_too_many_for_a_float_are_refused() -> None:
    with pytest.raises(InputError, match="sessions must be from 1"):
        Asked(sessions=10**400)


def test_a_thousand_requests_of_an_api_take_a_thousand_prompts_of_energy() -> None:
    found = plan(Asked(models=("gpt-4o-mini",), sessions=3))
    prompt = catalog.fact("serving", "energy_per_prompt_wh")
    each = found.bought[0].figures["kwh_per_1k_requests"]
    assert prompt.unit == "Wh"
    assert each.value == pytest.approx(prompt.value)  # Wh a prompt is kWh for 1,000
    assert each.provenance == "assumed"


def test_a_session_asks_again_once_it_is_answered_and_a_classifiers_user_pauses(run: str) -> None:
    writes = plan(Asked(models=("llama-3.2-1b",), answer=200, min_tps=20.0, sessions=10))
    assert writes.demand.every_s == 200 / 20
    assert writes.figures["requests_per_year"].value == pytest.approx(
        10 / 10.0 * writes.site.utilisation.value * 8766 * 3600
    )
    assert plan(Asked(models=(run,), sessions=10)).demand.every_s == 30.0
    assert plan(Asked(models=(run,), sessions=10, every=5.0)).demand.every_s == 5.0
