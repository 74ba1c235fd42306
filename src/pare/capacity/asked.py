"""What a user asks of a plan, and the rules that the numbers must keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from pare.catalog.types import Terms
from pare.errors import InputError, nearest
from pare.level import DEFAULT_MIN_TPS
from pare.planner.rack import DEFAULT as DEFAULT_RACK
from pare.planner.rack import Rack

TERMS: tuple[str, ...] = get_args(Terms)
"""Licence terms, the freest first."""
EVERY_SERVER, EVERYTHING = "servers", "all"
"""``--devices``: the machines whose power is known, or all of the catalogue; and ``--compare all``, its models."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of ``pare plan``. None or empty: not given, and then taken from the log, the run or the catalogue.

    ``price`` is in US dollars by a device's name; the empty name stands for every device that has no other. ``operation``
    and ``staff`` are US dollars a server and year, ``project_usd`` once and in all, ``upkeep`` a month. ``tokenizer``:
    paths, or ``MODEL=PATH`` for a compared model's. ``batch``: offers at batch rates, where there are some. Raises
    InputError where a number breaks its rule.
    """

    models: tuple[str, ...] = ()
    sessions: int | None = None
    min_tps: float = DEFAULT_MIN_TPS
    prompt: float | None = None
    answer: float | None = None
    every: float | None = None
    region: str = ""
    devices: tuple[str, ...] = (EVERY_SERVER,)
    rack: Rack = DEFAULT_RACK
    usage: Path | None = None
    tokenizer: tuple[str, ...] = ()
    growth: str = ""
    licence: str = ""
    width: str = ""
    utilisation: float | None = None
    pue: float | None = None
    energy_price: float | None = None
    price: Mapping[str, float] = field(default_factory=dict)
    operation: float | None = None
    staff: float | None = None
    years: float | None = None
    project_months: float | None = None
    project_usd: float | None = None
    upkeep: float | None = None
    batch: bool = False

    def __post_init__(self) -> None:
        for name, (least, most) in LIMITS.items():
            value = getattr(self, name)
            if value is not None:
                check(name, value, least, most)
        for device, value in self.price.items():
            check(f"price{f' of {device}' if device else ''}", value, 0.0, 1e9)
        if self.licence and self.licence not in TERMS:
            raise InputError(f"licence must be one of {', '.join(TERMS)} but got {self.licence!r}")


LIMITS: Mapping[str, tuple[float, float]] = {
    "sessions": (1, 1e9),
    "min_tps": (0.01, 1e5),
    "prompt": (1, 1e7),
    "answer": (1, 1e7),
    "every": (0.01, 1e9),
    "utilisation": (0.001, 1.0),
    "pue": (1.0, 5.0),
    "energy_price": (0.0, 100.0),
    "operation": (0.0, 1e9),
    "staff": (0.0, 1e9),
    "years": (0.1, 100.0),
    "project_months": (0.0, 1e3),
    "project_usd": (0.0, 1e12),
    "upkeep": (0.0, 1e9),
}
"""The least and the most that an option may be."""


def check(name: str, value: float, least: float, most: float) -> None:
    """Raises InputError where a number is none, or out of its range."""
    if not least <= value <= most:  # nor is nan
        got = value if isinstance(value, int) else f"{value:g}"
        raise InputError(f"{name.replace('_', '-')} must be from {least:g} to {most:g} but got {got}")


def read_prices(texts: tuple[str, ...]) -> dict[str, float]:
    """Hardware prices as users write them: ``12000`` for every device, ``l40s-8=90000`` for one.

    >>> read_prices(("12000", "ampere = 8_500"))
    {'': 12000.0, 'ampere': 8500.0}
    """
    found = {}
    for text in texts:
        name, _, value = text.rpartition("=")
        try:
            found[name.strip()] = float(value.strip().lstrip("$"))
        except ValueError:
            raise InputError(f"price must be US dollars, or DEVICE=DOLLARS, but got {text!r}; write 12000") from None
    return found


def freer(terms: str, least: str) -> bool:
    """Whether licence terms are at least as free as those asked for; a model of one's own has none and always is."""
    return not terms or not least or TERMS.index(terms) <= TERMS.index(least)


def unknown_model(name: str, known: list[str]) -> InputError:
    """The refusal of a name that is nothing here."""
    close = nearest(name.lower(), known)
    hint = "pare plan --compare all lists the catalogue"
    if close.startswith("did you mean"):
        hint = f"{close.partition('?')[0]}?"
    return InputError(
        f"{name!r} is no run, artifact, model folder, catalogue entry or priced API model; {hint}; "
        "or give the folder of its config.json"
    )
