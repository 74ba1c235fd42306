import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from pare.errors import InputError
from pare.report.page import page, write
from pare.report.view import view
from pare.report.words import ASSUMES, STATISTICS
from pare.search.halving import FULL
from pare.search.study import UNREAD, Study
from pare.store import Ledger
from pare.testing.studies import MODELS, fake_study
from pare.types import Candidate, Step, Trial, Verdict

VOID = {"meta", "br", "hr", "wbr", "line", "rect", "circle", "path"}
HOSTILE = '</td><script>alert("x")</script><img src=x onerror=alert(1)> \x00 \u202e &amp; \'"'


class Reader(HTMLParser):
    """Checks that tags close in order, and gathers text by section, attributes and tags."""

    def __init__(self):
        super().__init__()
        self.open, self.sections, self.tags, self.attributes = [], {}, [], []
        self.current = "top"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "section":
            self.current = dict(attrs)["id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.sections[self.current] = self.sections.get(self.current, "") + data + " "


def unread_verdict(sentence):
    return Verdict("fail", sentence, "", (), 930, 0, 0.03, "none: the sealed rows were not read", "accuracy", 0.0, 0.02)


def read(study):
    reader = Reader()
    reader.html = write(study.study, study.dev, study.calibration).read_text(encoding="utf-8")
    reader.feed(reader.html)
    assert reader.open == []
    return reader


def heads(reader, section):
    """The column headings of a section's first table."""
    inside = reader.html.partition(f'<section id="{section}">')[2].partition("</thead>")[0]
    return re.findall(r"<th\b[^>]*>(.*?)</th>", inside)


@pytest.fixture(scope="module")
def passing(passed):
    return read(passed)


@pytest.fixture(scope="module")
def failing(failed):
    return read(failed)


@pytest.fixture(scope="module")
def undecided(unproven):
    return read(unproven)


def test_nothing_is_loaded_and_only_its_own_script_may_run(passing):
    assert "default-src 'none'" in passing.html
    assert passing.tags.count("script") == 1
    assert not {"link", "img", "iframe", "object"} & set(passing.tags)
    outside = [
        value for key, value in passing.attributes if key in ("src", "href", "xlink:href") and not value.startswith("#")
    ]
    assert outside == []
    assert "url(" not in passing.html
    assert "@import" not in passing.html


def test_every_link_has_its_target(passing):
    targets = {value for key, value in passing.attributes if key == "id"}
    links = {value[1:] for key, value in passing.attributes if key == "href"}
    assert links
    assert links <= targets


def test_sections_come_in_order(passing):
    order = ["top", "comparison", "frontier", "classes", "examples", "abstention", "trials", "proof", "run", "data"]
    assert list(passing.sections) == [*order, "environment", "sources"]


def test_the_verdict_leads(passing, failing, undecided):
    for reader, answer in ((passing, "pass"), (failing, "fail"), (undecided, "unproven")):
        assert f'class="verdict {answer}"' in reader.html
        assert f"<h1><b>{answer}</b>: " in reader.html
        assert ASSUMES in reader.sections["top"]
    assert "You can switch to student-1-int8" in passing.sections["top"]
    assert "Do not switch." in failing.sections["top"]
    assert "Do not switch yet" in undecided.sections["top"]
    assert "910 more labelled rows" in undecided.sections["top"]


def test_warnings_name_what_must_be_known(passing, undecided):
    assert 'role="note"' not in passing.html
    top = undecided.sections["top"]
    assert "no winner" in top
    assert "look 2" in top
    assert "1 other plan read" in top
    assert "truncated: the budget of 4 minutes" in top


def test_reference_against_winner(passing):
    text = passing.sections["comparison"]
    for words in ("93.9 %", "93.2 %", "−0.7 points", "4.13 MB", "91.6 MB", "90.9 MB", "22x", "0.66 ms", "6,010/s"):
        assert words in text
    for words in ("machine cost a month", "energy a month", "CO2 a month", "1,000,000 requests"):
        assert words in text


def test_the_winner_is_the_first_column_of_figures(passing):
    titles = heads(passing, "comparison")
    assert titles[:4] == ["", "winner: student-1-int8", "reference (openvino)", "PyTorch fp32"]
    assert titles[4:] == ["times better than reference (openvino)", "times better than PyTorch fp32"]
    row = re.search(r"size of the served files</th>(.*?)</tr>", passing.html)[1]
    cells = [re.sub("<.*?>", " ", cell).split()[0] for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
    assert cells == ["4.13", "91.6", "90.9", "22x", "22x"]


def test_each_figure_has_its_provenance(passing):
    titles = [value for key, value in passing.attributes if key == "title"]
    for kind in ("measured: monotonic clock", "modelled: cost per 1,000 x", "assumed: assumed: a round volume"):
        assert any(title.startswith(kind) for title in titles)
    assert passing.sections["sources"].count("modelled") > 3


def test_the_frontier_plots_show_bar_and_figures(passing):
    assert passing.html.count("<svg") == 6  # two plots and coverage, each for wide and narrow
    assert "bar: reference − 2 points" in passing.html
    tips = [value for key, value in passing.attributes if key == "data-tip"]
    assert len(tips) == 4 * len(MODELS)
    assert any("student-1-int8 · winner" in tip and "p50 0.66 ms" in tip for tip in tips)


def test_classes_and_examples_come_from_dev(passed, passing):
    shown = set(re.findall(r'<td class="t"><bdi dir="auto">(.*?)</bdi>', passing.html))
    assert shown
    assert "Lost:" in passing.sections["examples"]
    assert "Won:" in passing.sections["examples"]
    assert len(shown) <= 40
    assert heads(passing, "classes")[:2] == ["label", "change, points"]
    assert heads(passing, "classes")[-1] == "when wrong, mostly"


def test_labels_may_be_broken_and_stacked_cells_name_their_column(passing):
    assert '<bdi class="label">card_<wbr>not_<wbr>arrived</bdi>' in passing.html
    columns = [value for key, value in passing.attributes if key == "data-k"]
    assert columns[:4] == ["truth", "reference said", "student-1-int8 said", "sure"]


def test_coverage_marks_the_deployed_threshold(passing):
    assert "deployed: 0.62" in passing.sections["abstention"]
    assert "accuracy among the answered" in passing.sections["abstention"]


def test_the_trial_table_is_whole(passed, passing):
    text = passing.sections["trials"]
    for trial in passed.study.trials:
        assert trial.candidate.name in text
        assert trial.why in text
    for words in (
        "embeddings",
        "attention",
        "ffn",
        "FLOPs a request",
        "p99",
        "load",
        "peak memory",
        "energy per 1,000",
    ):
        assert words in text
    metrics = re.findall(r"<th title=\"value, and its interval below\"[^>]*>(.*?)</th>", passing.html)
    assert metrics == ["accuracy", "balanced accuracy", "brier", "macro f1"]
    assert "throughput, to PyTorch" in text
    assert "throughput, to served" in text


def test_full_work_is_called_full_and_no_number(tmp_path):
    made = fake_study(tmp_path / "full", models=MODELS[:4], rows=40)
    candidate = Candidate("student-4", "all-MiniLM-L6-v2", (Step("distil"),), "openvino")
    made.study.tell(Trial(candidate, FULL, 1.0, "dropped", why="the rung keeps its cheapest"))
    row = re.search(
        r"student-4</th>((?:<td[^>]*>[^<]*</td>)+)(?=<td[^>]*>the rung keeps its cheapest)", read(made).html
    )
    assert re.sub("<.*?>", " ", row[1]).split()[0] == "full"


def test_limits_that_are_broken_are_named(tmp_path, passing):
    assert "breaks" not in heads(passing, "trials")
    made = fake_study(tmp_path / "limits", models=MODELS[:4], rows=40)
    task = made.study.path / "task.yaml"
    task.write_text(task.read_text() + "limits: {size_mb: 50}\n")
    reader = read(replace(made, study=Study.open(made.study.path)))
    assert "breaks" in heads(reader, "trials")
    assert "size 91.6 MB (limit 50 MB)" in reader.sections["trials"]


def test_the_proof_is_explained(passing):
    text = passing.sections["proof"]
    for words in ("student-2 → student-2-int8 → student-1-int8 → linear", "930", "0.0304", "fixed sequence", "0.0252"):
        assert words in text
    for name, sentence in STATISTICS:
        assert name in text
        assert sentence in text


def test_it_says_how_to_run_the_winner(passed, passing, undecided):
    assert f'pare run {passed.study.path} "where' in passing.sections["run"]
    assert "pare.load(" in passing.sections["run"]
    assert "nothing to put to work" in undecided.sections["run"]


def test_data_and_environment(passing):
    assert "930 sealed rows can prove" in passing.sections["data"]
    assert "quarantine.csv" in passing.sections["data"]
    assert "2026-05-04" in passing.sections["environment"]
    assert "openvino 2026.4.1" in passing.sections["environment"]


def test_sections_that_lack_their_data_say_so(failing):
    assert "not recorded" in failing.sections["classes"]
    assert "No answers on the calibration rows are recorded" in failing.sections["abstention"]
    assert "No model was timed" in failing.sections["frontier"]
    assert "not measured" in failing.sections["top"]
    assert "examples" not in failing.sections


def test_logits_of_other_samples_are_not_shown(passed):
    seen = view(passed.study, passed.dev[:-1], passed.calibration)
    assert "not recorded" in page(seen)


def test_the_same_study_gives_the_same_page(passed, passing):
    assert write(passed.study, passed.dev, passed.calibration).read_text(encoding="utf-8") == passing.html


def test_hostile_texts_stay_texts(tmp_path):
    labels = ("<b>x</b>", 'y" onclick="z', HOSTILE)
    made = fake_study(
        tmp_path / 'a"<i>b',
        "pass",
        models=[replace(model, name=model.name) for model in MODELS[:5]],
        labels=labels,
        texts=[HOSTILE] * 200,
        notes=(HOSTILE,),
        rows=200,
    )
    ledger = Ledger(made.study.path / "study.db")
    ledger.add_event(HOSTILE, HOSTILE)
    ledger.close()
    reader = read(made)
    assert reader.tags.count("script") == 1
    assert "img" not in reader.tags
    assert not [key for key, _ in reader.attributes if key.startswith("on")]
    assert "<script>alert" not in reader.html
    assert "\x00" not in reader.html
    assert "&lt;script&gt;alert" in reader.html
    assert "&amp;amp;" in reader.html


def test_a_study_of_the_linear_model_only(tmp_path):
    reader = read(fake_study(tmp_path / "linear", "pass", models=MODELS[:1], at_least=0.88, rows=100))
    assert "The winner in figures" in reader.sections["comparison"]
    assert "at least 88.0 %" in reader.sections["top"]
    assert "no reference" in reader.sections["classes"]
    assert "no ratios" in reader.sections["trials"]
    assert "bar: 88.0 %" in reader.html


def test_a_study_without_any_trial(tmp_path):
    reader = read(fake_study(tmp_path / "empty", None, models=(), rows=20))
    assert "no verdict yet" in reader.html
    assert "nothing to compare" in reader.sections["comparison"]
    assert "nothing to plot" in reader.sections["frontier"]
    assert "not read" in reader.sections["proof"]


def test_a_verdict_without_survivors(tmp_path):
    made = fake_study(tmp_path / "none", "fail", models=MODELS[1:3], rows=60)
    reader = read(made)
    assert "nothing that was tried meets the limits" in reader.sections["top"]


def test_a_proof_of_another_bar_is_not_shown(tmp_path):
    made = fake_study(tmp_path / "two", "pass", rows=40)
    plan = replace(made.study.proof[1], within=0.001, names=("static",), artifacts=("x",))
    made.study.ledger.freeze("other", plan)
    made.study.ledger.set_verdict(
        "other", replace(made.study.verdict, answer="fail", sentence="fail: other", winner="")
    )
    reader = read(made)
    assert 'class="verdict pass"' in reader.html
    assert "student-2 → student-2-int8" in reader.sections["proof"]
    assert "fail: other" not in reader.html


def test_a_verdict_that_needed_no_sealed_row_shows_no_plan(tmp_path):
    made = fake_study(tmp_path / "unread", "pass", rows=40)
    sentence = "fail: nothing meets the limits; nearest: linear: size 1.62 MB (limit 1 MB)"
    made.study.ledger.set_fact(UNREAD, [unread_verdict(sentence)])
    reader = read(made)
    assert 'class="verdict fail"' in reader.html
    assert "nothing that was tried meets the limits" in reader.sections["top"]
    assert "This verdict needed no sealed row" in reader.sections["proof"]
    assert "→" not in reader.sections["proof"]
    assert "accuracy, sealed" not in reader.sections["comparison"]
    assert "accuracy on the dev rows" in reader.sections["top"]


def test_a_study_that_has_not_read_its_data(tmp_path):
    (tmp_path / "task.yaml").write_text("data: {path: x.csv, input: a, target: b}\n")
    Ledger(tmp_path / "study.db").close()
    with pytest.raises(InputError):
        write(Study.open(tmp_path))
    assert not (tmp_path / "report.html").exists()
