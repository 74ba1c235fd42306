"""A plan as a table and a page: every figure marked, nothing unknown shown as zero, the plots as high as the figures say."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pare.capacity.asked import Asked
from pare.capacity.gather import plan
from pare.planner.types import Figure, Language, Plan, TextPrice, Tokenized
from pare.report import plan as tables
from pare.report.figures import count
from pare.report.plan_page import page, write
from pare.report.plan_plots import MOST, Bar, Curve, bars, costs, crossings, curves, energy_bars, rack_bars
from pare.report.svg import Axes
from pare.testing.studies import fake_study

pytest.importorskip("genai_prices", reason="the plan extra is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    run = fake_study(tmp_path_factory.mktemp("plan") / "<run>", rows=60).study.path
    names = ("llama-3.2-1b", "llama-3.1-70b", "gpt-4o-mini", str(run))
    return plan(Asked(models=names, sessions=300, price={"": 90_000.0}, growth="5%/month"))


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (1234.0, "USD/year", "$1,234"),
        (0.0123, "USD", "$0.012"),
        (8.03e9, "bytes", "8.03 GB"),
        (4.13e6, "bytes", "4.13 MB"),
        (0.25, "kWh", "250 Wh"),
        (3.1, "kW", "3.1 kW"),
        (19.0, "", "19"),
        (1.56, "", "1.56"),
        (0.0123, "s", "12.3 ms"),
        (3.7e7, "requests/year", "37.0 M"),
    ],
)
def test_values_are_shown_with_their_unit(value: float, unit: str, words: str) -> None:
    assert tables.plain(value, unit) == words


def test_a_mark_tells_the_provenance() -> None:
    assert tables.text(None) == "–"
    assert tables.text(Figure(2.0, "kW", "measured", "a meter")) == "2 kW"
    assert tables.text(Figure(2.0, "kW", "modelled", "a formula")) == "~2 kW"
    assert tables.text(Figure(2.0, "kW", "assumed", "a guess")) == "?2 kW"
    assert tables.bracketed(Figure(200.0, "tokens/s", "modelled", "x", 100.0, 300.0)) == "~200 tokens/s (100 to 300)"


def test_the_comparison_has_each_model_once_hosted_and_each_offer(found: Plan) -> None:
    rows = [tables.choice_row(choice) for choice in tables.choices(found)]
    assert all(len(row) == len(tables.CHOICES) for row in rows)
    hosted = [row for row in rows if "server" in row[1]]
    assert len(hosted) == 3
    assert [row[tables.CHOICES.index("leaves the house")] for row in hosted] == ["nothing"] * 3
    assert all(row[10].endswith("tokens") for row in rows if row[1].startswith("API"))
    own = next(choice for choice in tables.choices(found) if "<run>" in choice.name)
    assert tables.choice_row(own)[2].endswith("%")
    assert "texts/s" in tables.choice_row(own)[4]


def test_users_of_what_answers_in_one_step_are_told_as_such(found: Plan) -> None:
    assert "tokens/s" in tables.asked(found)
    alone = replace(found, subjects=tuple(one for one in found.subjects if one.texts_per_s), bought=())
    assert "tokens/s" not in tables.asked(alone)
    assert "300 sessions; each asks every 30 s at the peak" in tables.asked(alone)


def test_what_building_takes_and_when_it_is_paid_back(found: Plan) -> None:
    (name,) = tables.made(found)  # published models need no building
    figures = tables.made(found)[name]
    money, energy = tables.paid_back(found)
    assert tables.text(figures["project_usd"]) in money
    assert ("never" in money) == ("project_payback_months" not in figures)
    assert tables.text(figures["making_kwh"]) in energy
    assert f"{tables.text(figures['payback_requests'])} requests" in energy
    text = page(found)
    assert "What building takes" in text
    assert figures["project_usd"].source.split(";")[0] in text
    assert not tables.paid_back(replace(found, hosted=()))


def test_tokens_and_prices_by_language(found: Plan) -> None:
    assert "Tokens and prices by language" not in page(found)
    words = tuple(
        Language(name, share, 20.0, 8.0, per, times)
        for name, share, per, times in (("Latin", 0.75, 4.0, 1.0), ("Arabic", 0.25, 2.0, 2.0))
    )
    made = Tokenized("/a/very/long/path/to/some/tokenizer.json", 40, "modelled", "a rule", words)
    price = TextPrice(
        "gpt-4o-mini", "openai", "Arabic", {"usd_per_1k_tokens": Figure(0.5, "USD", "modelled", "a page")}
    )
    plan = replace(found, tokens=(made,), text_prices=(price,))
    assert tables.token_rows(plan)[1][0] == "…th/to/some/tokenizer.json"
    assert tables.token_rows(plan)[1][1:] == ("Arabic", "25 %", "~20.0", "~8.00", "~2.00", "~2.00")
    assert all(len(row) == len(tables.TOKENS) for row in tables.token_rows(plan))
    assert tables.price_rows(plan) == [("gpt-4o-mini of openai", "Arabic", "~$0.50", "–", "–")]
    text = page(plan)
    assert "Tokens and prices by language" in text
    assert "a rule" in text
    summed = tables.summary(plan)
    assert summed["tokens"][0]["languages"][1]["dearer"] == 2.0
    assert summed["text_prices"][0]["language"] == "Arabic"


def test_servers_that_hold_nothing_say_why(found: Plan) -> None:
    refused = [one for one in found.hosted if not one.capacity.sessions]
    assert refused
    assert all(tables.server_row(one)[2] == "n/a" for one in refused)
    assert any("too slow" in line or "does not fit" in line for line in tables.refusals(found))


def test_co2_of_hardware_stands_beside_that_of_running_it(found: Plan) -> None:
    column = tables.CHOICES.index("of hardware")
    assert tables.CHOICES[column - 1] == "CO2 a year"
    for choice in tables.choices(found):
        row = tables.choice_row(choice)
        if choice.hosted is None or choice.name == found.subjects[-1].name:  # an API's, and the machine of a study
            assert row[column] == "–"
            continue
        made, servers = choice.figures["embodied_kg_per_year"], choice.hosted.servers
        assert servers is not None
        assert 300 * servers <= made.value <= 1_000 * servers, "a server's kg over four years"
        assert row[column].startswith("~")
        assert "/ 4 years" in made.source
        assert "R740" in made.source
        assert row[column] != row[column - 1]
    assert "CO2 of hardware" in page(found)


def test_measured_joules_have_a_column_of_their_own(found: Plan) -> None:
    heading, rows = tables.server_table(found.hosted)
    assert heading == tables.SERVERS
    assert tables.JOULES not in page(found)
    one, *others = found.hosted
    joules = Figure(0.42, "J/token", "modelled", "a + p / 8: a meter")
    metered = replace(found, hosted=(replace(one, figures={**one.figures, "j_per_token": joules}), *others))
    heading, rows = tables.server_table(metered.hosted)
    assert heading[-1] == tables.JOULES
    assert [row[-1] for row in rows] == ["~0.420", *["–"] * len(others)]
    assert tables.JOULES in page(metered)
    assert "a meter" in page(metered)


def test_a_speed_keeps_its_interval(found: Plan) -> None:
    choice = tables.choices(found)[0]
    speed = tables.speed(choice)
    assert choice.hosted is not None
    assert speed is not None
    assert speed.low is not None
    assert speed.high is not None
    assert speed.low < speed.value < speed.high
    assert speed.value >= found.demand.min_tps - 1e-9


def test_the_page_marks_figures_and_escapes_names(found: Plan, tmp_path: Path) -> None:
    text = write(found, tmp_path / "plan.html").read_text(encoding="utf-8")
    assert "<run>" not in text
    assert "&lt;run&gt;" in text
    numbered = {int(number) for number in re.findall(r'href="#source-(\d+)"', text)}
    assert numbered <= {int(number) for number in re.findall(r'id="source-(\d+)"', text)}
    assert "None" not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", text, flags=re.DOTALL)


def test_a_page_without_prices_says_what_is_missing(found: Plan) -> None:
    bare = plan(Asked(models=("qwen3-0.6b",), sessions=5))
    text = page(replace(bare, bought=()))
    assert "give --price" in text
    assert "Needs a server&#x27;s price" in text or "Needs a server" in text


# -- plots ----------------------------------------------------------------------------------------------------------------


def test_bars_are_as_long_as_their_figures() -> None:
    rows = [Bar("a", Figure(50.0, "", "modelled", "x"), "own"), Bar("b", Figure(100.0, "", "modelled", "x"), "own")]
    widths = [float(width) for width in re.findall(r'<rect[^>]* width="([\d.]+)"', bars(rows, Axes(520, 300), "title"))]
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.01)


def test_sessions_of_a_rack_stand_beside_the_vendors(found: Plan) -> None:
    made = {bar.name: bar.figure.value for bar in rack_bars(found)}
    assert made["llama-3.2-1b on AmpereOne A192-32X, as its vendor says"] == 19 * 64
    one = next(one for one in found.hosted if one.server.startswith("Ampere") and one.subject == "llama-3.2-1b")
    assert made["llama-3.2-1b on AmpereOne A192-32X"] == one.rack_sessions


def test_energy_bars_are_of_models_that_write(found: Plan) -> None:
    names = [bar.name for bar in energy_bars(found)]
    assert any(name.startswith("gpt-4o-mini, API") for name in names)
    assert not any("<run>" in name for name in names)


def test_every_hosting_and_every_offer_has_a_line(found: Plan) -> None:
    names = [curve.name for curve in curves(found)]
    assert len(names) == len(set(names)) == len([one for one in tables.choices(found) if "usd_per_year" in one.figures])
    assert any(name.startswith("gpt-4o-mini, API") for name in names)
    many = replace(found, bought=tuple(replace(found.bought[0], subject=f"model {i}") for i in range(9)))
    assert sum("API" in curve.name for curve in curves(many)) == 9


def test_a_ring_stands_where_hosting_begins_to_cost_less() -> None:
    xs = [10.0**i for i in range(7)]
    own = Curve("own", "own", "", [(x, 100.0) for x in xs])
    offer = Curve("offer", "stated", "", [(x, x / 20) for x in xs])
    dear = Curve("dear", "own", "", [(x, 1e7) for x in xs])
    (one,) = crossings([own, dear, offer])
    assert (one.own, one.offer) == ("own", "offer")
    assert one.requests == pytest.approx(2000)
    assert one.usd == pytest.approx(100)
    svg = costs([own, dear, offer], 1e3, Axes(640, 340, left=64))
    assert svg.count("<circle") == 1
    assert f"own costs less than offer from {count(one.requests)} requests a month on, at $100" in svg


def test_rings_stay_few_where_lines_are_many() -> None:
    own = [Curve(f"own {i}", "own", "", [(1.0, 5.0), (1e3, 5.0)]) for i in range(MOST)]
    offers = [Curve(f"offer {i}", "stated", "", [(1.0, 1.0), (1e3, 1e3)]) for i in range(3)]
    assert {one.offer for one in crossings([*own, *offers])} == {"offer 0"}
    assert len(crossings([*own[:2], *offers])) == 6


def test_cost_lines_cross_where_the_plan_breaks_even(found: Plan) -> None:
    made = {curve.name: dict(curve.points) for curve in curves(found)}
    bought = next(points for name, points in made.items() if "API" in name)
    own = next(points for name, points in made.items() if "API" not in name)
    assert sorted(own) == sorted(bought)
    least = min(own)
    assert own[least] > bought[least]  # at a small volume the servers stand idle
    slope = [bought[x] / x for x in bought]
    assert max(slope) == pytest.approx(min(slope))
    svg = costs(curves(found), found.figures["requests_per_year"].value / 12, Axes(640, 340, left=64))
    assert svg.count("<path") == len(made)
    assert "nan" not in svg


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_page_in_a_browser(found: Plan, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    path = write(found, tmp_path / "plan.html")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,900", "--dump-dom")
    done = subprocess.run([CHROMIUM, *flags, path.as_uri()], capture_output=True, text=True, check=False, timeout=60)
    if "</main>" not in done.stdout:
        pytest.skip(f"chromium shows no page here: {done.stderr[-200:]}")
    assert 'class="box clipped more"' in done.stdout
    assert done.stdout.count("<svg") >= 6
