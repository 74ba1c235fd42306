"""When a plan has to grow: the months until a demand that grows steadily passes what there is.

A demand d that grows by a share g each month is ``d (1 + g)^t`` after t months, so it passes a threshold D after
``log(D / d) / log(1 + g)``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, timedelta

from pare.errors import InputError
from pare.units import HOURS_PER_YEAR, MONTHS_PER_YEAR

DAYS_PER_MONTH = HOURS_PER_YEAR / 24 / MONTHS_PER_YEAR

MOST = 10.0
"""The most that a demand may grow by in the time it is stated for, as a share: 1,000 %."""

_MONTHS = {"week": 7 / DAYS_PER_MONTH, "month": 1.0, "quarter": 3.0, "year": 12.0}
_FORM = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*%\s*(?:/|per|a)\s*([a-z]+)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Growth:
    """Demand grows by this share a month, compounded; below 0 it shrinks."""

    a_month: float

    def after(self, demand: float, months: float) -> float:
        """A demand after so many months."""
        return demand * math.pow(1 + self.a_month, months)


def read_growth(text: str) -> Growth:
    """``5%/month``, ``40%/year``, ``2 % a week``: a growth by month, by compounding. Raises InputError for anything else.

    >>> read_growth("5%/month").a_month, round(read_growth("100%/year").a_month, 4)
    (0.05, 0.0595)
    """
    match = _FORM.fullmatch(text)
    if match is None or match[2].lower() not in _MONTHS:
        raise InputError(f"a growth is a percentage per {', '.join(_MONTHS)} but is {text!r}; write it as in 5%/month")
    share, months = float(match[1]) / 100, _MONTHS[match[2].lower()]
    if not -1 < share <= MOST:
        raise InputError(
            f"a demand grows by more than -100 % and up to {MOST:.0%} but the growth is {text!r}; write it as in 5%/month"
        )
    return Growth((1 + share) ** (1 / months) - 1 if months != 1 else share)


def months_until(demand: float, threshold: float, growth: Growth) -> float | None:
    """Months until a growing demand reaches a threshold: 0 where it has, None where it never does."""
    if demand >= threshold:
        return 0.0
    if growth.a_month <= 0 or demand <= 0:
        return None
    return math.log(threshold / demand) / math.log1p(growth.a_month)


@dataclass(frozen=True, slots=True)
class Milestone:
    """``what`` is needed, or reached, in so many months from now; None: at this growth never."""

    what: str
    months: float | None


def milestones(
    sessions: float,
    per_server: int,
    per_rack: int | None,
    growth: Growth,
    tokens_per_month: float | None = None,
    break_even: float | None = None,
) -> tuple[Milestone, ...]:
    """When the next server, the next rack and the break-even come.

    ``sessions`` are those of today and ``per_server`` those that one server holds; ``per_rack`` is how many servers a rack
    takes, None where that is not known. ``break_even`` is the volume, in tokens a month, from which own servers are
    cheaper than the API; None where they never are. Raises InputError where a server holds no session.
    """
    if per_server < 1:
        raise InputError(
            f"growth is planned for a server that holds a session but it holds {per_server}; choose another"
        )
    servers = max(1, math.ceil(sessions / per_server - 1e-9))

    def passes(held: int) -> float | None:  # full is not too small yet, and stays so unless the demand grows
        return months_until(sessions, held, growth) if growth.a_month > 0 else None

    found = [Milestone(f"server {servers + 1}", passes(servers * per_server))]
    if per_rack:
        racks = math.ceil(servers / per_rack)
        found.append(Milestone(f"rack {racks + 1}", passes(racks * per_rack * per_server)))
    if tokens_per_month is not None:
        months = None if break_even is None else months_until(tokens_per_month, break_even, growth)
        found.append(Milestone("break-even", months))
    return tuple(found)


def day_after(start: date, months: float) -> date:
    """The day so many months of 30.4 days from another."""
    return start + timedelta(days=round(months * DAYS_PER_MONTH))
