"""A study as one JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pare.report.figures import FIGURES, ratio_of
from pare.report.view import View, view
from pare.search.study import REPORT, Study
from pare.types import Quantity, Sample, Trial


def summary(study: Study, dev: Sequence[Sample] = ()) -> dict[str, Any]:
    """A study as one JSON object of plain values; ``docs/json.md`` lists its keys. With ``dev``, tokens are counted.

    ``study``, ``task``, ``minimise``, ``report``: where and what. ``bar``: metric, margin or at_least. ``data``: sides,
    rows read, quarantined, notes. ``incumbent``: what is known of the large model, or null; ``volume``: requests a month.
    ``verdict``: as types.Verdict, or null. ``plan``: as types.ProofPlan, or null.
    ``winner``, ``reference``, ``baseline``: names or null; ``frontier``: names, cheapest first. ``trials``: one each, with
    ``state``, ``why``, ``rung``, ``fidelity``, ``scores``, ``drop``, ``discordance``, ``parts`` (parameters by part),
    ``figures`` and ``monthly`` (value, unit, provenance, source), and ``ratios`` (how many times better than ``pytorch``
    and than the ``reference`` as served). An unknown figure is absent or null, never zero. Raises InputError where the
    study was stopped before it had read its data.
    """
    seen = view(study, dev)
    facts, goal = seen.facts, seen.facts.goal
    return {
        "study": str(study.path),
        "task": seen.task.name,
        "minimise": seen.task.minimise,
        "report": str(study.path / REPORT),
        "bar": {"metric": goal.metric, "margin": goal.margin, "at_least": goal.at_least, "on_dev": seen.bar},
        "data": {
            "fingerprint": facts.data,
            "rows_read": facts.rows_read,
            "sides": dict(facts.sides),
            "synthetic": facts.synthetic,
            "unlabelled": facts.unlabelled,
            "quarantined": facts.quarantined,
            "labels": list(facts.labels),
            "tokens_per_row": facts.tokens_per_row,
            "notes": list(facts.notes),
        },
        "environment": {
            "started": facts.started,
            "device": _plain(facts.device),
            "threads": facts.threads,
            "versions": dict(facts.versions),
        },
        "incumbent": _plain(seen.incumbent),
        "volume": _plain(seen.volume),
        "verdict": _verdict(seen),
        "plan": _plain(seen.plan),
        "winner": _name(seen.winner),
        "reference": _name(seen.reference),
        "baseline": _name(seen.baseline),
        "frontier": [trial.candidate.name for trial in seen.frontier],
        "trials": [_trial(seen, trial) for trial in seen.trials],
        "events": [{"kind": kind, "text": text} for kind, text in seen.events],
    }


def _verdict(seen: View) -> dict[str, Any] | None:
    """As types.Verdict, but ``reference_value`` is null where no reference was read on the sealed rows."""
    if seen.verdict is None:
        return None
    return {**_plain(seen.verdict), "reference_value": seen.reference_value}


def _trial(seen: View, trial: Trial) -> dict[str, Any]:
    found = seen.figures(trial)
    return {
        "name": trial.candidate.name,
        "base": trial.candidate.base,
        "runtime": trial.candidate.runtime,
        "recipe": _plain(trial.candidate.recipe),
        "roles": seen.roles(trial),
        "state": trial.state,
        "why": trial.why,
        "rung": trial.rung,
        "fidelity": trial.fidelity,
        "artifact": trial.artifact,
        "seconds": trial.seconds,
        "scores": _plain(trial.scores),
        "drop": trial.drop,
        "discordance": trial.discordance,
        "parts": {part.name: part.elements for part in trial.shape.parts} if trial.shape else {},
        "figures": _plain(found),
        "monthly": _plain(seen.monthly(trial)),
        "ratios": {"pytorch": _ratios(seen, seen.baseline, found), "reference": _ratios(seen, seen.reference, found)},
    }


def _ratios(seen: View, other: Trial | None, found: dict[str, Quantity]) -> dict[str, float]:
    if other is None:
        return {}
    theirs = seen.figures(other)
    made = {f.key: ratio_of(theirs.get(f.key), found.get(f.key), f.better) for f in FIGURES}
    return {key: value for key, value in made.items() if value is not None}


def _name(trial: Trial | None) -> str | None:
    return None if trial is None else trial.candidate.name


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
