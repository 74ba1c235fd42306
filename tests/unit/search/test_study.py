"""A study's ledger gives back what was told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pare.search.study import TASK, Study
from pare.testing.studies import fake_study

ROWS = 30


@pytest.mark.parametrize(
    ("kind", "shape"), [("classify", (ROWS, 10)), ("multilabel", (ROWS, 10)), ("tag", (ROWS, 7, 10))]
)
def test_recorded_logits_have_the_form_of_the_kind(tmp_path: Path, kind: str, shape: tuple[int, ...]) -> None:
    fake_study(tmp_path / "run", rows=ROWS).study.close()
    task = tmp_path / "run" / TASK
    task.write_text(task.read_text().replace("kind: classify", f"kind: {kind}"))
    study = Study.open(tmp_path / "run")
    logits = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    study.ledger.add_output("some", "dev", logits.tobytes())
    assert np.array_equal(study.logits("some", "dev"), logits)
    assert study.logits("other", "dev") is None
    study.close()
