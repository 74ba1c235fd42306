"""What verbs ask of their arguments."""

from __future__ import annotations

from pathlib import Path

from pare.errors import InputError
from pare.evaluation.metrics import known_metrics
from pare.search.study import LEDGER, TASK


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


def bar_metrics() -> list[str]:
    """The metrics that a bar can be on."""
    return [measure.name for measure in known_metrics().values() if measure.additive]
