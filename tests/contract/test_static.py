"""What static vectors learn: from labels, from a teacher, and from texts without a label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

from pare.methods import method
from pare.methods.base import BuildContext
from pare.methods.static import Static
from pare.runtimes import load
from pare.testing.contexts import tiny_context, tiny_samples
from pare.types import Artifact, Step

SMALL = Static(tokens=300, width=8, epochs=40.0, batch=8, rate=0.02, dropout=0.1)


def _build(context: BuildContext, out: Path) -> Artifact:
    out.mkdir()
    return SMALL.apply(None, context, out)


def test_it_learns_what_can_be_learnt(tmp_path: Path) -> None:
    engine = load(_build(tiny_context(tmp_path), tmp_path / "out"))
    rows = tiny_samples()
    right = [p.label == row.label for p, row in zip(engine.classify([r.text for r in rows]), rows, strict=True)]
    assert np.mean(right) >= 0.95


def test_a_teacher_is_listened_to(tmp_path: Path) -> None:
    context = tiny_context(tmp_path)
    (tmp_path / "teacher").mkdir()
    teacher = method(Step("finetune", {"epochs": 1.0})).apply(None, context, tmp_path / "teacher")
    alone, taught = _build(context, tmp_path / "a"), _build(replace(context, teacher=teacher), tmp_path / "b")
    assert alone.manifest.files["arrays.safetensors"] != taught.manifest.files["arrays.safetensors"]


def test_less_fidelity_is_less_work(tmp_path: Path) -> None:
    calls: list[float] = []
    context = tiny_context(tmp_path, fidelity=0.1, progress=lambda share, word: calls.append(share))
    _build(context, tmp_path / "out")
    assert len(calls) < 20


def test_texts_without_a_label_are_learnt_from_where_there_is_a_teacher(tmp_path: Path) -> None:
    context = tiny_context(tmp_path)
    (tmp_path / "teacher").mkdir()
    finetune = method(Step("finetune", {"epochs": 24.0, "rate": 1e-2, "batch": 16, "hide": 0.0}))
    teacher = finetune.apply(None, context, tmp_path / "teacher")
    few, rest = tiny_samples()[:6], tiny_samples()[6:]
    alone = replace(context, teacher=teacher, train=few)
    beside = replace(alone, unlabelled=[row.text for row in rest])
    untaught = _build(replace(beside, teacher=None), tmp_path / "untaught")

    def right(artifact: Artifact) -> float:
        found = load(artifact).classify([row.text for row in rest])
        return float(np.mean([answer.label == row.label for answer, row in zip(found, rest, strict=True)]))

    taught, plain = _build(beside, tmp_path / "beside"), _build(alone, tmp_path / "alone")
    assert right(taught) > max(0.8, right(plain))
    assert taught.manifest.lineage["rows"] == {"real": 6, "synthetic": 0, "unlabelled": 54}
    assert untaught.manifest.lineage["rows"]["unlabelled"] == 0
