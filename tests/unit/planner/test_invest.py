from __future__ import annotations

import doctest
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare import catalog
from pare.catalog.prices import Offer, Rate, Usage
from pare.errors import InputError
from pare.planner import growth, invest
from pare.planner.invest import Project, judge, payback_months, project_usd
from pare.planner.money import api_usd_per_1k_requests
from pare.types import Quantity

ASSUMED = Project(*(
    catalog.fact("serving", name)
    for name in ("project_months", "project_usd_per_month", "project_other_usd", "upkeep_usd_per_month")
))  # fmt: skip


def test_what_a_project_costs_names_its_assumptions() -> None:
    cost = project_usd(ASSUMED)
    assert cost.value == 2 * 12_500 + 2_000
    assert cost.unit == "USD"
    assert cost.source.count("assumed: ") == 3


def test_a_case_in_which_fine_tuning_loses() -> None:
    """100,000 short requests a month to a cheap API cost less than a tenth of the upkeep of a model that replaces it."""
    rates = {"tokens_in": Rate(Decimal("0.15"), 10**6), "tokens_out": Rate(Decimal("0.60"), 10**6)}
    api = Offer("maker", "small and cheap", rates, False, "a price list")  # type: ignore[arg-type]
    before = 100 * api_usd_per_1k_requests(api, Usage(500, 20)).value
    assert before == pytest.approx(8.70)
    verdict = judge(ASSUMED, before, after_usd_per_month=0.40)
    assert not verdict.pays
    assert verdict.payback_months is None
    assert verdict.net_usd < -27_000
    # Nor does it pay if keeping it up were free: that would take centuries.
    free = Project(
        ASSUMED.months, ASSUMED.usd_per_month, ASSUMED.other_usd, Quantity(0, "USD/month", "assumed", "free")
    )
    months = judge(free, before, 0.40).payback_months
    assert months is not None
    assert months > 12 * 200


def test_a_case_in_which_it_pays() -> None:
    verdict = judge(ASSUMED, before_usd_per_month=6_000, after_usd_per_month=100)
    assert verdict.net_usd_per_month == 5_400
    assert verdict.payback_months == pytest.approx(2 + 27_000 / 5_400)
    assert verdict.net_usd == pytest.approx(5_400 * 34 - 27_000)
    assert verdict.pays
    # Not before it is built.
    assert judge(ASSUMED, 6_000, 100, horizon_months=1).net_usd == -27_000


@given(st.floats(0, 1e7), st.floats(-1e5, 0), st.floats(0, 100))
def test_no_saving_never_pays_back(cost: float, saving: float, months: float) -> None:
    assert payback_months(cost, saving, months) is None


@given(st.floats(0, 1e6), st.floats(1, 1e5), st.floats(0, 24), st.floats(0, 1e5))
def test_what_pays_within_the_horizon_has_paid_back_by_then(
    cost: float, after: float, months: float, saving: float
) -> None:
    def said(value: float) -> Quantity:
        return Quantity(value, "", "assumed", "")

    project = Project(said(months), said(0), said(cost), said(0))
    verdict = judge(project, after + saving, after, horizon_months=36)
    if verdict.pays:
        assert verdict.payback_months is not None
        assert verdict.payback_months <= 36 * (1 + 1e-9)
    elif verdict.payback_months is not None:
        assert verdict.payback_months >= 36 * (1 - 1e-9)


def test_a_negative_cost_is_refused() -> None:
    with pytest.raises(InputError, match="0 or more"):
        payback_months(-1, 10)


def test_the_examples_in_the_docstrings_hold() -> None:
    for module in (invest, growth):
        found = doctest.testmod(module)
        assert found.attempted
        assert not found.failed
