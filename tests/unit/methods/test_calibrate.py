from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pare.artifacts import seal
from pare.errors import InputError
from pare.kinds import kind_of
from pare.methods.calibrate import BLUNTEST, SHARPEST, calibrated, fit_temperature, fit_threshold
from pare.types import Shape


def _drawn(seed: int, rows: int = 4000, labels: int = 5) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Logits, and targets drawn from their softmax: their temperature is 1."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(rows, labels))
    return logits, (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_a_factor(factor: float) -> None:
    logits, targets = _drawn(0)
    assert fit_temperature(factor * logits, targets) == pytest.approx(factor, rel=0.08)


def test_the_temperature_stays_in_its_bounds() -> None:
    logits = 5 * np.eye(4)
    assert fit_temperature(logits, np.arange(4)) == pytest.approx(SHARPEST)
    assert fit_temperature(logits, np.arange(4)[::-1]) == pytest.approx(BLUNTEST)
    assert fit_temperature(np.empty((0, 4)), np.empty(0)) == 1.0


@settings(deadline=None)
@given(st.integers(1, 300), st.floats(0.01, 1.0), st.integers(0, 9))
def test_the_threshold_holds_its_coverage_and_no_more(rows: int, coverage: float, seed: int) -> None:
    logits, _ = _drawn(seed, rows)
    confidences = kind_of("classify").confidence(logits, 1.3)
    threshold = fit_threshold(confidences, coverage)
    answered = (confidences >= threshold).mean()
    assert coverage - 1e-9 <= answered <= coverage + 1 / rows + 1e-9


def test_coverage_must_be_a_share() -> None:
    with pytest.raises(InputError, match="coverage must be above 0"):
        fit_threshold(np.ones(2), 0.0)


def test_the_sealed_files_stay_what_they_are(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "weights").write_bytes(b"12")
    (source / "inner" / "more").write_bytes(b"3")
    parent = seal(source, format="linear", labels=("a", "b"), shape=Shape("linear", ()), lineage={"seed": 7})
    child = calibrated(parent, 1.5, 0.25, tmp_path / "child")
    assert child.manifest.files == parent.manifest.files
    assert child.manifest.decoding == {"temperature": 1.5, "threshold": 0.25}
    assert child.manifest.lineage["parent"] == parent.id
    assert child.manifest.lineage["seed"] == 7
    assert child.id != parent.id
