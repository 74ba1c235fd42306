"""Frees the space of what a run no longer needs."""

from __future__ import annotations

from pathlib import Path

from pare.search.study import Study, locked
from pare.search.survivors import choose
from pare.search.workplace import LEDGER, free


def tidy(run: Path) -> tuple[int, int]:
    """Removes artifacts that nothing points to: (artifacts removed, bytes freed). ``api.gc`` says which are kept."""
    if (run / LEDGER).is_file():
        return free(run)
    study = Study.open(run)
    with locked(study.path):
        kept = [*study.frontier, study.reference, study.baseline]
        if study.complete:
            kept += choose(study.complete, study.aim, study.cost, study.broken, study.reference_name)
        keep = {trial.artifact for trial in kept if trial is not None}
        for _, plan, _ in study.ledger.proofs():
            keep.update((*plan.artifacts, plan.reference))
        gone = [id for id in study.store.ids() if id not in keep]
        freed = sum(study.store.remove(id) for id in gone)
        study.store.sweep()
    study.close()
    return len(gone), freed
