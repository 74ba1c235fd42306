from __future__ import annotations

import numpy as np
import pytest

from pare.errors import InputError
from pare.evaluation.metrics import METRICS, bar_metric, metric, value
from pare.evaluation.score import paired, score, scores

TARGETS = np.array([0, 0, 0, 1])
LOGITS = np.array([[2, 0], [2, 0], [0, 2], [0, 2]], dtype=np.float32)


def figure(name: str, logits: np.ndarray = LOGITS, targets: np.ndarray = TARGETS) -> float:
    found = METRICS[name]
    return value(found, found.values(logits, targets), logits.argmax(axis=1), targets, logits.shape[1])


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
    assert METRICS["brier"].values(sure, np.array([0, 1])) == pytest.approx([1.0, 0.0])


def test_macro_f1_is_refused_as_a_bar_with_the_alternative() -> None:
    with pytest.raises(InputError, match="balanced_accuracy"):
        bar_metric("macro_f1")


def test_an_unknown_metric_names_near_ones() -> None:
    with pytest.raises(InputError, match="did you mean accuracy"):
        metric("acuracy")


def test_intervals_hold_the_value_and_mark_the_bootstrap() -> None:
    for name, found in scores(np.tile(LOGITS, (50, 1)), np.tile(TARGETS, 50)).items():
        assert found.low <= found.value <= found.high
        assert found.approximate == (name != "accuracy")
        assert found.n == 200


def test_the_paired_difference_counts_what_differs() -> None:
    better = LOGITS.copy()
    better[2] = [2, 0]
    drop, discordance = paired(METRICS["accuracy"], better, LOGITS, TARGETS)
    assert (drop, discordance) == (pytest.approx(0.25), pytest.approx(0.25))
    assert score(METRICS["accuracy"], better, TARGETS).value == 1.0
