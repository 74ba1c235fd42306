"""Published models: the file's form, their counts against the formula, and what their licences say."""

from __future__ import annotations

import datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest
import yaml

from pare.catalog import models as catalogue
from pare.catalog.models import find_model, licences, models
from pare.families import FAMILIES, family_of, shape_of
from pare.planner.anatomy import active_parameters, kv_bytes_per_token, model_class
from pare.planner.estimate import parameters

RAW: dict[str, list[dict[str, Any]]] = yaml.safe_load(files("pare.catalog").joinpath("models.yaml").read_text())
COUNTABLE = [name for name, entry in models().items() if entry.config is not None]


def _counted(config: Any) -> int:
    """What the formula says of the published weights: an encoder has its pooler there, and no head of ours."""
    shape = shape_of(config)
    total = parameters(shape)
    if config["model_type"] in FAMILIES and not family_of(config).decoder:
        head = next(part.elements for part in shape.parts if part.name == "head")
        return total - head + (shape.width * (shape.width + 1) if family_of(config).has_pooler else 0)
    return total


@pytest.mark.parametrize("name", models())
def test_every_entry_is_dated_and_has_a_source(name: str) -> None:
    entry = models()[name]
    for date in (entry.date, *(score.date for score in entry.scores)):
        assert datetime.date(2018, 1, 1) < datetime.date.fromisoformat(date) <= datetime.date.today()
    assert entry.source
    assert all(score.source and score.benchmark and 0 < score.value < 100 for score in entry.scores)
    assert entry.model_class == (None if entry.parameters is None else model_class(entry.parameters))


@pytest.mark.parametrize("name", COUNTABLE)
def test_the_formula_gives_the_published_count(name: str) -> None:
    """Exactly; where a publisher only gives a rounded figure, that figure."""
    entry, published = models()[name], RAW[name][-1]["parameters"]
    counted = _counted(entry.config)
    if isinstance(published, int):
        assert counted == published == entry.parameters
    else:
        number, unit = published.split(" ")
        step = Decimal(1).scaleb(Decimal(number).as_tuple().exponent)  # type: ignore[arg-type]
        assert (Decimal(counted) / {"M": 10**6, "B": 10**9}[unit]).quantize(step) == Decimal(number)


@pytest.mark.parametrize("name", [name for name in COUNTABLE if models()[name].active])
def test_a_mixture_uses_what_its_publisher_says(name: str) -> None:
    """Publishers round, and some leave out a table of embeddings: within 2 %."""
    entry = models()[name]
    assert entry.config is not None
    assert active_parameters(shape_of(entry.config)) == pytest.approx(entry.active, rel=0.02)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("llama-3.2-1b", 32_768),
        ("llama-3.2-3b", 114_688),
        ("llama-3.1-8b", 131_072),
        ("llama-3.1-70b", 327_680),
        ("llama-3.1-405b", 516_096),
        ("deepseek-v3", 70_272),
    ],
)
def test_keys_and_values_are_those_of_the_papers(name: str, kept: int) -> None:
    config = models()[name].config
    assert config is not None
    assert kv_bytes_per_token(shape_of(config)) == kept


def test_models_that_users_ask_for_are_there() -> None:
    """Undisclosed sizes are None, never a guess; a class may be known without a config."""
    assert {find_model(f"llama-3.{name}") is None for name in ("2-1b", "2-3b", "1-8b", "1-70b", "1-405b")} == {False}
    classes = {"gpt2": 0, "gpt-neox-20b": 2, "palm-540b": 3, "falcon-180b": 3, "orca-2-7b": 1, "orca-2-13b": 2}
    classes |= {"deepseek-coder-1.3b": 0, "gemini-nano-1": 0, "gemini-nano-2": 1, "mixtral-8x7b": 2}
    assert {name: models()[name].model_class for name in classes} == classes
    mini = models()["gpt-4o-mini"]
    assert (mini.parameters, mini.active, mini.model_class, mini.config) == (None, None, None, None)
    assert (mini.terms, mini.teaches) == ("proprietary", False)
    assert models()["gemini-nano-2"].parameters == 3_250_000_000


def test_a_model_is_found_by_name_and_by_hub_id_in_any_case() -> None:
    by_name = find_model("Llama-3.1-8B")
    assert by_name is not None
    assert find_model("META-LLAMA/llama-3.1-8b") is by_name
    assert find_model("meta-llama/Llama-3.1-8B-Instruct") is find_model("llama-3.1-8b-instruct") is by_name
    assert find_model("gemma-3-4b-it") is models()["gemma-3-4b"]
    assert find_model("llama-3.1-9b") is None
    assert find_model("") is None
    hubs = [hub for rows in RAW.values() for hub in (rows[-1].get("hub"), *rows[-1].get("also", ())) if hub]
    tails = [hub.casefold().partition("/")[2] for hub in hubs]
    assert len(tails) == len(set(tails))
    assert all(find_model(hub) is find_model(hub.partition("/")[2]) for hub in hubs)


def test_licences_say_what_may_be_learnt_from_answers() -> None:
    teaches = {name: licence.teaches for name, licence in licences().items()}
    assert (teaches["apache-2.0"], teaches["llama3"], teaches["llama3.1"], teaches["openai"]) == (
        True,
        False,
        True,
        False,
    )
    assert "Llama" in licences()["llama3.1"].teaches_if
    assert all(licence.source and licence.date for licence in licences().values())
    assert not any(licence.teaches_if for licence in licences().values() if not licence.teaches)
    assert {entry.licence for entry in models().values()} == set(licences()), "a licence that no model names"
    assert models()["mistral-7b"].terms == "permissive"


GOOD = "m:\n  - {date: 2026-01-01, licence: mit, source: s, parameters: 5}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("source: s, ", ""), "models.yaml, m: .*source"),
        (GOOD.replace("source: s", "source: ''"), "models.yaml, m: .*length >= 1"),
        (GOOD.replace("2026-01-01", "soon"), "models.yaml, m: .*date"),
        (GOOD.replace("5}", "5, teaches: true}"), "unknown field `teaches`"),
        (GOOD.replace("5}", "0}"), "int. > 0|>= 1"),
        (GOOD.replace("5}", "5 billion}"), "regex"),
        (GOOD.replace("5}", "5, model_class: 4}"), "<= 3"),
        (GOOD.replace("mit", "mti"), "licence mti is not in licences.yaml"),
        (GOOD.replace("m:", "M:"), "lower-case"),
    ],
)
def test_a_file_that_breaks_its_form_is_refused(text: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = catalogue._newest.__wrapped__
    rows = yaml.safe_load(text)

    def newest(table: str, row: Any) -> Any:
        if table == "licences":
            return read(table, row)
        monkeypatch.setattr(yaml, "load", lambda *given, **named: rows)
        return read(table, row)

    licences()
    monkeypatch.setattr(catalogue, "_newest", newest)
    with pytest.raises(ValueError, match=message):
        catalogue.models.__wrapped__()


def test_the_newest_entry_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = {"m": [*yaml.safe_load(GOOD)["m"], {**yaml.safe_load(GOOD)["m"][0], "parameters": 7}]}
    newer["m"][0]["date"] = datetime.date(2026, 2, 1)
    monkeypatch.setattr(yaml, "load", lambda *given, **named: newer)
    assert catalogue._newest.__wrapped__("models", catalogue._Model)["m"].parameters == 5
