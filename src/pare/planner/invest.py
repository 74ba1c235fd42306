"""Whether a project to replace a large model pays: what it costs to build, what it saves, and when it has paid back.

A project is engineering months and money; both are inputs, and the catalogue's are assumptions with a date. It saves what
the incumbent costs, less what the replacement costs to run and to keep up (data drift: someone relabels and retrains). A
small bill cannot pay for a project, however much cheaper the small model is:

>>> from pare.types import Quantity
>>> def said(value, unit):
...     return Quantity(value, unit, "assumed", "example")
>>> two_months = Project(said(2, "months"), said(12_500, "USD/month"), said(2_000, "USD"), said(500, "USD/month"))
>>> verdict = judge(two_months, before_usd_per_month=8.70, after_usd_per_month=0.40)  # 100,000 short requests to an API
>>> verdict.payback_months is None, round(verdict.net_usd_per_month)
(True, -492)
"""

from __future__ import annotations

from dataclasses import dataclass

from pare.errors import InputError
from pare.planner.types import Figure
from pare.types import Quantity


@dataclass(frozen=True, slots=True)
class Project:
    """What building takes: engineering ``months``, what one costs, money besides (labels, compute), and the upkeep by month
    once it serves. Money is in USD.
    """

    months: Quantity
    usd_per_month: Quantity
    other_usd: Quantity
    upkeep_usd_per_month: Quantity


@dataclass(frozen=True, slots=True)
class Investment:
    """``cost_usd`` once, ``net_usd_per_month`` from then on. ``payback_months`` count from the first day of the work,
    building included; None: never. ``net_usd`` is what is left after the horizon, negative where the project loses.
    """

    cost_usd: Figure
    net_usd_per_month: float
    payback_months: float | None
    net_usd: float
    horizon_months: float

    @property
    def pays(self) -> bool:
        return self.net_usd > 0


HORIZON_MONTHS = 36.0
"""The months over which a project is judged where none are stated: models and prices do not stand still for longer."""


def project_usd(project: Project) -> Figure:
    """USD that building costs once."""
    months, a_month, other = project.months, project.usd_per_month, project.other_usd
    source = (
        f"{months.value:g} months x {a_month.value:,.0f} USD + {other.value:,.0f} USD; "
        f"months: {months.source}; a month: {a_month.source}; besides: {other.source}"
    )
    return Figure(months.value * a_month.value + other.value, "USD", "modelled", source)


def payback_months(cost_usd: float, saving_usd_per_month: float, build_months: float = 0.0) -> float | None:
    """Months from the first day of the work until a saving has paid for it; None where there is no saving.

    Raises InputError where cost or time is below 0.
    """
    if cost_usd < 0 or build_months < 0:
        raise InputError(
            f"a project costs 0 or more but has {cost_usd:g} USD and {build_months:g} months; state it again"
        )
    return build_months + cost_usd / saving_usd_per_month if saving_usd_per_month > 0 else None


def judge(
    project: Project,
    before_usd_per_month: float,
    after_usd_per_month: float,
    horizon_months: float = HORIZON_MONTHS,
) -> Investment:
    """Whether replacing an incumbent that costs ``before`` a month by a model that costs ``after`` pays for its building.

    Nothing is saved while it is built. One engineer is taken to work on it, so that it takes its engineering months.
    """
    cost = project_usd(project)
    saving = before_usd_per_month - after_usd_per_month - project.upkeep_usd_per_month.value
    serving = max(0.0, horizon_months - project.months.value)
    return Investment(
        cost_usd=cost,
        net_usd_per_month=saving,
        payback_months=payback_months(cost.value, saving, project.months.value),
        net_usd=saving * serving - cost.value,
        horizon_months=horizon_months,
    )
