import numpy as np
import pytest

from pare.kinds import KINDS
from pare.report.dev import coverage, differences
from pare.types import Sample

LABELS = ("a", "b", "c")
KIND = KINDS["classify"]


def samples(labels):
    return [Sample(str(i), f"text {i}", label, str(i)) for i, label in enumerate(labels)]


def logits(said, sure=4.0):
    made = np.zeros((len(said), 3), np.float32)
    made[np.arange(len(said)), [LABELS.index(label) for label in said]] = sure
    return made


def test_the_worst_class_is_on_top():
    rows = samples("aaabbc")
    found = differences(rows, LABELS, logits("aaabbc"), logits("abbbba"), KIND)
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
    found = differences(rows, LABELS, logits("aacc"), logits("bbcb"), KIND)
    assert [(e.text, e.before, e.after) for e in found.lost] == [("text 0", "a", "b")]
    assert [(e.text, e.before, e.after) for e in found.won] == [("text 1", "a", "b")]


def test_the_surest_mistakes_come_first():
    after = logits("bb")
    after[1] *= 3
    found = differences(samples("aa"), LABELS, logits("aa"), after, KIND)
    assert [e.text for e in found.lost] == ["text 1", "text 0"]
    assert found.lost[0].sure > found.lost[1].sure


def test_a_label_that_no_model_knows_is_nobodys():
    found = differences(samples("az"), LABELS, logits("aa"), logits("aa"), KIND)
    assert [c.label for c in found.classes] == ["a"]
    assert found.lost == found.won == ()


def test_coverage_falls_and_starts_at_everything():
    answers = logits("abc")
    answers[2] /= 4
    curve = coverage(samples("abb"), LABELS, answers, 1.0, KIND)
    kept = [share for _, share, _ in curve.steps]
    assert kept[0] == 1
    assert kept == sorted(kept, reverse=True)
    assert curve.steps[0][2] == pytest.approx(2 / 3)
    assert curve.steps[90][1:] == (pytest.approx(2 / 3), 1.0)
    assert curve.steps[-1][2] is None


def test_temperature_cools_the_confidence():
    hot, cool = (coverage(samples("a"), LABELS, logits("a"), t, KIND) for t in (1.0, 3.0))
    assert sum(share for _, share, _ in cool.steps) < sum(share for _, share, _ in hot.steps)


def several(cells):
    """Logits that give these labels, the surer the later the row."""
    kind = KINDS["multilabel"]
    sure = np.arange(1, len(cells) + 1, dtype=np.float32)[:, None]
    return (2 * kind.targets(cells, LABELS) - 1).astype(np.float32) * sure


def test_of_several_labels_each_is_recognised_by_itself():
    rows = samples(["a|b", "a", "[]", "b|c"])
    before, after = several(["a|b", "a", "[]", "b|c"]), several(["a", "a", "c", "b|c"])
    found = differences(rows, LABELS, before, after, KINDS["multilabel"])
    assert [(c.label, c.n, c.before, c.after, c.instead) for c in found.classes] == [
        ("b", 2, 2, 1, ""),
        ("a", 2, 2, 2, ""),
        ("c", 1, 1, 1, ""),
    ]
    assert [(e.text, e.truth, e.before, e.after) for e in found.lost] == [
        ("text 2", "[]", "[]", "c"),
        ("text 0", "a|b", "a|b", "a"),
    ]
    assert found.won == ()


def test_of_several_labels_an_answer_is_right_as_a_whole():
    curve = coverage(samples(["a|b", "a"]), LABELS, several(["a", "a"]), 1.0, KINDS["multilabel"])
    assert curve.steps[0] == (0.0, 1.0, 0.5)
    assert curve.steps[80][1:] == (0.5, 1.0)


def test_of_tags_words_are_counted():
    kind, cells = KINDS["tag"], ["a b b", "c"]
    targets = kind.targets(cells, LABELS)
    before = np.where(targets[..., None] == np.arange(3), 4.0, 0.0)
    before[targets < 0] = np.nan
    after = before.copy()
    after[0, 1] = [0.0, 0.0, 9.0]
    found = differences(samples(cells), LABELS, before, after, kind)
    assert next((c.label, c.n, c.before, c.after, c.instead) for c in found.classes) == ("b", 2, 2, 1, "c (1)")
    assert [(e.truth, e.after) for e in found.lost] == [("a b b", "a c b")]
