from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pare.evaluation.metrics import METRICS
from pare.search import proving
from pare.search.proving import Outcome, Sheet, judge, kind_of_test, outcome_of, plan_id
from pare.types import ProofPlan

CLASSES = ("a", "b")
PLAN = ProofPlan("ref", ("x",), ("small",), "accuracy", 0.02, None, 0.05, "exact", 0)


def sheet(n: int, units: list[str] | None = None, parts: tuple[int, ...] = ()) -> Sheet:
    ids = [f"row{i}" for i in range(n)]
    return Sheet(ids, units or ids, np.arange(n) % 2, CLASSES, parts)


def outcome(on: Sheet, wrong: range | list[int]) -> Outcome:
    values = np.ones(len(on.ids))
    values[list(wrong)] = 0.0
    return Outcome(values, np.where(values == 1, on.targets, 1 - on.targets))


def test_equal_models_pass_with_enough_rows_and_name_the_limit() -> None:
    rows = sheet(1500)
    same = outcome(rows, range(60))
    verdict = judge(PLAN, rows, same, [same], 1)
    assert (verdict.answer, verdict.winner) == ("pass", "small")
    assert verdict.alpha == pytest.approx(0.05 * 6 / np.pi**2)
    assert verdict.evidence[0].drop_high < 0.02
    assert "within 2 points" in verdict.sentence


def test_a_large_drop_fails() -> None:
    rows = sheet(1000)
    assert judge(PLAN, rows, outcome(rows, []), [outcome(rows, range(150))], 1).answer == "fail"


def test_too_few_rows_are_unproven_with_a_limit_and_a_number() -> None:
    rows = sheet(60)
    verdict = judge(PLAN, rows, outcome(rows, range(3)), [outcome(rows, range(1, 4))], 1)
    assert verdict.answer == "unproven"
    assert verdict.labels_needed is not None
    assert verdict.labels_needed > 60
    assert "tightest drop" in verdict.sentence
    assert f"label {verdict.labels_needed - 60:,} more" in verdict.sentence


def test_the_sequence_stops_at_the_first_that_is_not_proven() -> None:
    rows = sheet(1500)
    plan = replace(PLAN, artifacts=("x", "y", "z"), names=("safe", "bad", "cheap"))
    good, bad = outcome(rows, range(60)), outcome(rows, range(200))
    verdict = judge(plan, rows, good, [good, bad, good], 1)
    assert verdict.winner == "safe"
    assert [e.tested for e in verdict.evidence] == [True, True, False]
    assert [e.proven for e in verdict.evidence] == [True, False, False]


def test_later_looks_are_stricter() -> None:
    rows = sheet(800)
    model = outcome(rows, range(20, 36))
    first, third = (judge(PLAN, rows, outcome(rows, range(16)), [model], look) for look in (1, 3))
    assert third.alpha == pytest.approx(first.alpha / 9)
    assert third.evidence[0].drop_high > first.evidence[0].drop_high


def test_a_fixed_bar_needs_no_reference() -> None:
    rows = sheet(500)
    plan = replace(PLAN, within=None, at_least=0.9)
    assert judge(plan, rows, None, [outcome(rows, range(20))], 1).answer == "pass"
    assert judge(plan, rows, None, [outcome(rows, range(120))], 1).answer == "fail"
    assert "at least 90.0 %" in judge(plan, rows, None, [outcome(rows, range(20))], 1).sentence


def test_what_is_tested_how() -> None:
    assert kind_of_test(METRICS["accuracy"], True, False) == "exact"
    assert kind_of_test(METRICS["accuracy"], False, False) == "betting"
    assert kind_of_test(METRICS["accuracy"], True, True) == "betting"
    assert kind_of_test(METRICS["balanced_accuracy"], True, False) == "betting"


@pytest.mark.parametrize("metric", ["balanced_accuracy", "brier", "accuracy"])
def test_betting_passes_equal_models_and_fails_a_broken_one(metric: str) -> None:
    rows = sheet(2000)
    plan = replace(PLAN, metric=metric, test="betting", within=0.05)
    same = outcome(rows, range(80))
    assert judge(plan, rows, same, [same], 1).answer == "pass"
    assert judge(plan, rows, outcome(rows, []), [outcome(rows, range(600))], 1).answer == "fail"


def test_rows_of_a_unit_are_bet_on_together() -> None:
    units = [f"customer{i // 4}" for i in range(2000)]
    rows = sheet(2000, units)
    plan = replace(PLAN, test="betting", within=0.05, by_unit=True, unit_rows=4)
    same = outcome(rows, range(80))
    assert judge(plan, rows, same, [same], 1).answer == "pass"


def test_a_repeated_unit_among_fresh_rows_does_not_reorder_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(PLAN, test="betting", growing=True, within=0.05, by_unit=True, unit_rows=2)
    played: list[list[float]] = []
    deal = proving._rounds

    def seen(*arguments: Any) -> Any:
        played.append(deal(*arguments)[0].tolist())
        return deal(*arguments)

    monkeypatch.setattr(proving, "_rounds", seen)
    few = sheet(40)
    more = sheet(42, [*few.ids, "again", "again"], parts=(40,))
    for rows in (few, more):
        judge(plan, rows, outcome(rows, range(5)), [outcome(rows, range(3, 9))], 1)
    first, second = played[0], played[-1]
    assert second[: len(first)] == first
    assert len(second) == len(first) + 1


@pytest.mark.parametrize(("classes", "unit"), [(10, 1), (3, 1), (1, 2), (1, 5)])
def test_what_is_promised_beforehand_is_what_equal_models_prove(classes: int, unit: int) -> None:
    n, by_unit = 600, unit > 1
    ids = [f"row{i}" for i in range(n)]
    units = [f"unit{i // unit}" for i in range(n)]
    rows = Sheet(ids, units if by_unit else ids, np.arange(n) % classes, tuple("abcdefghij"[:classes]))
    measure = METRICS["balanced_accuracy" if classes > 1 else "brier"]
    counts = dict.fromkeys(rows.classes, n // classes)
    plan = replace(PLAN, metric=measure.name, test="betting", by_unit=by_unit, unit_rows=unit)
    dealt = proving.deal(measure, counts, n, n // unit, by_unit, unit)
    assert dealt == proving.dealt(measure, rows, plan)
    margins = [margin / 200 for margin in range(1, 60)]
    promised = next(m for m in margins if dealt.power(m, 0.04, plan.alpha * 6 / np.pi**2, False) >= 0.8)
    same = outcome(rows, range(0, 60, 3))
    proven = [m for m in margins if judge(replace(plan, within=m), rows, same, [same], 1).answer == "pass"]
    assert min(proven) <= promised <= 4 * min(proven)


def test_a_fixed_bar_names_the_labels_it_needs() -> None:
    rows = sheet(100)
    for metric, test in (("accuracy", "exact"), ("brier", "betting")):
        plan = replace(PLAN, within=None, at_least=0.9, metric=metric, test=test)  # type: ignore[arg-type]
        needed = judge(plan, rows, None, [outcome(rows, range(7))], 1).labels_needed
        assert needed is not None
        assert 300 < needed < 3000


def test_a_growing_plan_keeps_the_order_of_what_came_first() -> None:
    plan = replace(PLAN, test="betting", growing=True, within=0.05)
    few, more = sheet(400), sheet(1200, parts=(400,))
    model = range(10)
    before = judge(plan, few, outcome(few, range(5, 15)), [outcome(few, model)], 1)
    after = judge(plan, more, outcome(more, range(5, 15)), [outcome(more, model)], 1)
    assert after.evidence[0].p_pass <= before.evidence[0].p_pass
    assert after.n == 1200


def test_a_plan_is_known_by_what_it_tests() -> None:
    assert plan_id(PLAN) == plan_id(replace(PLAN))
    assert plan_id(PLAN) != plan_id(replace(PLAN, within=0.03))


def test_any_share_of_independent_rows_is_tested_exactly_and_other_means_by_betting() -> None:
    exact, f1 = METRICS["subset_accuracy"], METRICS["example_f1"]
    assert kind_of_test(exact, True, False) == "exact"
    assert kind_of_test(exact, False, False) == kind_of_test(exact, True, True) == "betting"
    assert kind_of_test(f1, True, False) == "betting"


def test_several_labels_are_proven_by_their_metric() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((1200, 3)) < 0.4).astype(np.int64)
    logits = np.where(targets == 1, 4.0, -4.0).astype(np.float32)
    worse = np.where(rng.random(targets.shape) < 0.01, -logits, logits)
    ids = [f"row{i}" for i in range(1200)]
    on = Sheet(ids, ids, targets, ("a", "b", "c"))
    for name, test in (("example_f1", "betting"), ("hamming", "betting"), ("subset_accuracy", "exact")):
        measure = METRICS[name]
        best, other = (outcome_of(measure, one, targets, on.classes) for one in (logits, worse))
        plan = replace(PLAN, metric=name, test=test, within=0.1)
        verdict = judge(plan, on, best, [other], 1)
        assert (verdict.answer, verdict.reference_value) == ("pass", 1.0)
        assert verdict.evidence[0].value == pytest.approx(measure.values(worse, targets, on.classes).mean())
        assert 0 < verdict.evidence[0].drop <= verdict.evidence[0].drop_high < 0.1
