import numpy as np
import pytest

from pare.report.dev import coverage, differences, probabilities
from pare.types import Sample

LABELS = ("a", "b", "c")


def samples(labels):
    return [Sample(str(i), f"text {i}", label, str(i)) for i, label in enumerate(labels)]


def logits(said, sure=4.0):
    made = np.zeros((len(said), 3), np.float32)
    made[np.arange(len(said)), [LABELS.index(label) for label in said]] = sure
    return made


def test_the_worst_class_is_on_top():
    rows = samples("aaabbc")
    found = differences(rows, LABELS, logits("aaabbc"), logits("abbbba"))
    assert [(c.label, c.n, c.before, c.after) for c in found.classes] == [
        ("c", 1, 1, 0),
        ("a", 3, 3, 1),
        ("b", 2, 2, 2),
    ]
    assert found.classes[1].change == pytest.approx(-2 / 3)
    assert found.classes[1].instead == "b (2)"
    assert found.classes[2].instead == ""


def test_lost_and_won_are_where_exactly_one_is_right():
    rows = samples("abca")
    found = differences(rows, LABELS, logits("aacc"), logits("bbcb"))
    assert [(e.text, e.before, e.after) for e in found.lost] == [("text 0", "a", "b")]
    assert [(e.text, e.before, e.after) for e in found.won] == [("text 1", "a", "b")]


def test_the_surest_mistakes_come_first():
    after = logits("bb")
    after[1] *= 3
    found = differences(samples("aa"), LABELS, logits("aa"), after)
    assert [e.text for e in found.lost] == ["text 1", "text 0"]
    assert found.lost[0].sure > found.lost[1].sure


def test_a_label_that_no_model_knows_is_nobodys():
    found = differences(samples("az"), LABELS, logits("aa"), logits("aa"))
    assert [c.label for c in found.classes] == ["a"]
    assert found.lost == found.won == ()


def test_coverage_falls_and_starts_at_everything():
    answers = logits("abc")
    answers[2] /= 4
    curve = coverage(samples("abb"), LABELS, answers, 1.0)
    kept = [share for _, share, _ in curve.steps]
    assert kept[0] == 1
    assert kept == sorted(kept, reverse=True)
    assert curve.steps[0][2] == pytest.approx(2 / 3)
    assert curve.steps[90][1:] == (pytest.approx(2 / 3), 1.0)
    assert curve.steps[-1][2] is None


def test_temperature_cools_the_confidence():
    assert probabilities(logits("a"), 3.0).max() < probabilities(logits("a"), 1.0).max()
