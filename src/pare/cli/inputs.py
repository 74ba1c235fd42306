"""What verbs ask of their arguments."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from pare.data.fields import DEFAULT_METRICS
from pare.errors import InputError
from pare.evaluation.metrics import metrics_of
from pare.search.study import LEDGER, TASK
from pare.types import Kind


def is_run(folder: Path) -> bool:
    """Whether a folder holds a study. Raises InputError where its task is gone, without which it cannot be read."""
    if not (folder / LEDGER).is_file():
        return False
    if not (folder / TASK).is_file():
        raise InputError(
            f"{folder / TASK} does not exist, and the study beside it cannot be read without it; "
            "run the same pare find again, which writes it anew and repeats no finished trial"
        )
    return True


def check_runs(*folders: Path | None) -> None:
    """Raises InputError where a folder holds a study that cannot be read."""
    for folder in folders:
        if folder is not None:
            is_run(folder)


def metric_help() -> str:
    """The metrics that a bar can be on, by kind of task, with the defaults."""
    known = {kind: [m.name for m in metrics_of(kind).values() if m.additive] for kind in get_args(Kind)}
    words = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in known.items() if names)
    return f"what quality is, for {words}  [default: {DEFAULT_METRICS}]"
