from __future__ import annotations

import numpy as np
import pytest

from pare.errors import InputError
from pare.evaluation.metrics import METRICS, bar_metric, metric, value
from pare.evaluation.score import paired, score, scores
from pare.kinds import kind_of

CLASSES = ("a", "b")
TARGETS = np.array([0, 0, 0, 1])
LOGITS = np.array([[2, 0], [2, 0], [0, 2], [0, 2]], dtype=np.float32)


def figure(name: str, logits: np.ndarray = LOGITS, targets: np.ndarray = TARGETS) -> float:
    found = METRICS[name]
    classes = [str(i) for i in range(logits.shape[1])]
    return value(found, found.values(logits, targets, classes), kind_of(found.kind).decide(logits), targets, classes)


def test_metrics_by_hand() -> None:
    assert figure("accuracy") == pytest.approx(3 / 4)
    assert figure("balanced_accuracy") == pytest.approx((2 / 3 + 1) / 2)
    assert figure("macro_f1") == pytest.approx((2 * 2 / (3 + 2) + 2 * 1 / (1 + 2)) / 2)


def test_macro_f1_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import balanced_accuracy_score, f1_score

    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(500, 5)).astype(np.float32), rng.integers(0, 5, 500)
    assert figure("macro_f1", logits, targets) == pytest.approx(f1_score(targets, logits.argmax(1), average="macro"))
    assert figure("balanced_accuracy", logits, targets) == pytest.approx(
        balanced_accuracy_score(targets, logits.argmax(1))
    )


def test_brier_is_one_when_certain_and_right_and_zero_when_certain_and_wrong() -> None:
    sure = np.array([[100, 0], [100, 0]], dtype=np.float32)
    assert METRICS["brier"].values(sure, np.array([0, 1]), CLASSES) == pytest.approx([1.0, 0.0])


def test_macro_f1_is_refused_as_a_bar_with_the_alternative() -> None:
    with pytest.raises(InputError, match="balanced_accuracy"):
        bar_metric("macro_f1", "classify")


def test_an_unknown_metric_names_near_ones() -> None:
    with pytest.raises(InputError, match="did you mean accuracy"):
        metric("acuracy")


def test_intervals_hold_the_value_and_mark_the_bootstrap() -> None:
    for name, found in scores("classify", np.tile(LOGITS, (50, 1)), np.tile(TARGETS, 50), CLASSES).items():
        assert found.low <= found.value <= found.high
        assert found.approximate == (name != "accuracy")
        assert found.n == 200


def test_the_paired_difference_counts_what_differs() -> None:
    better = LOGITS.copy()
    better[2] = [2, 0]
    drop, discordance = paired(METRICS["accuracy"], better, LOGITS, TARGETS, CLASSES)
    assert (drop, discordance) == (pytest.approx(0.25), pytest.approx(0.25))
    assert score(METRICS["accuracy"], better, TARGETS, CLASSES).value == 1.0


def several(rows: int = 400, labels: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Logits and targets of several labels, among them rows where nothing is expected, given, or both."""
    rng = np.random.default_rng(1)
    targets = (rng.random((rows, labels)) < 0.2).astype(np.int64)
    logits = rng.normal(size=(rows, labels)).astype(np.float32) + 2 * targets.astype(np.float32) - 1
    targets[:3] = 0
    logits[:2] = -5.0
    return logits, targets


def test_metrics_of_several_labels_agree_with_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, f1_score, hamming_loss

    logits, targets = several()
    given = (logits > 0).astype(int)
    assert figure("example_f1", logits, targets) == pytest.approx(
        f1_score(targets, given, average="samples", zero_division=1)
    )
    assert figure("hamming", logits, targets) == pytest.approx(1 - hamming_loss(targets, given))
    assert figure("subset_accuracy", logits, targets) == pytest.approx(accuracy_score(targets, given))
    assert figure("label_f1", logits, targets) == pytest.approx(f1_score(targets, given, average="macro"))


def test_nothing_expected_and_nothing_given_is_right() -> None:
    logits, targets = np.full((1, 3), -1.0, dtype=np.float32), np.zeros((1, 3), dtype=np.int64)
    for name in ("example_f1", "hamming", "subset_accuracy", "label_f1"):
        assert figure(name, logits, targets) == 1.0
    assert METRICS["example_f1"].values(-logits, targets, "abc") == pytest.approx([0.0])


def test_a_kind_is_scored_by_its_own_metrics() -> None:
    logits, targets = several()
    found = scores("multilabel", logits, targets, "abcdef")
    assert set(found) == {"example_f1", "hamming", "subset_accuracy", "label_f1"}
    assert not found["subset_accuracy"].approximate
    for name, one in found.items():
        assert one.low < figure(name, logits, targets) < one.high
    with pytest.raises(InputError, match="accuracy is of kind classify; use example_f1, hamming, subset_accuracy"):
        bar_metric("accuracy", "multilabel")
    with pytest.raises(InputError, match="use example_f1"):
        bar_metric("label_f1", "multilabel")


def test_paired_differences_of_several_labels_are_means_of_squares() -> None:
    logits, targets = several()
    measure = METRICS["example_f1"]
    before, after = (measure.values(one, targets, "abcdef") for one in (logits, logits - 1))
    drop, discordance = paired(measure, logits, logits - 1, targets, "abcdef")
    assert drop == pytest.approx((before - after).mean())
    assert discordance == pytest.approx(((before - after) ** 2).mean())
