"""A student of a tiny encoder learns what its teacher knows."""

from dataclasses import replace
from pathlib import Path

import pytest

from pare.methods.base import BuildContext
from pare.methods.distil import Distil
from pare.methods.drop_layers import DropLayers
from pare.methods.finetune import Finetune
from pare.methods.trim_vocab import TrimVocab
from pare.testing.contexts import tiny_context, tiny_samples
from pare.types import Artifact

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")


def student(folder: Path) -> tuple[Artifact, Artifact]:
    teacher = Finetune(epochs=24, rate=1e-2, batch=16, hide=0.0).apply(None, tiny_context(folder), folder / "teacher")
    ctx = tiny_context(folder, teacher=teacher)
    dropped = DropLayers(keep=1).apply(None, ctx, folder / "dropped")
    return teacher, TrimVocab(tokens=120).apply(dropped, ctx, folder / "trimmed")


def test_a_student_learns_what_its_teacher_knows_and_runs_it_once(tmp_path: Path) -> None:
    from pare.training.batching import tokenize
    from pare.training.model import load_encoder
    from pare.training.trainer import predict

    teacher, parent = student(tmp_path)
    ctx = tiny_context(tmp_path, teacher=teacher)
    method = Distil(epochs=10, copies=2, rate=1e-2)
    made = method.apply(parent, ctx, tmp_path / "out")
    kept = {file.name: file.stat().st_mtime_ns for file in ctx.cache.iterdir()}
    again = method.apply(parent, ctx, tmp_path / "again")
    assert made.id == again.id
    assert kept == {file.name: file.stat().st_mtime_ns for file in ctx.cache.iterdir()}
    assert made.manifest.lineage["teacher"] == teacher.id
    assert made.manifest.lineage["parent"] == parent.id

    rows = tokenize(made.path / "tokenizer.json", [s.text for s in ctx.train], made.manifest.max_length)
    logits, _ = predict(load_encoder(made.path), rows, threads=1)
    assert (logits.argmax(1) == ctx.targets(ctx.train)).mean() > 0.8


def test_texts_without_a_label_teach_a_student_what_few_rows_cannot(tmp_path: Path) -> None:
    from pare.training.batching import tokenize
    from pare.training.model import load_encoder
    from pare.training.trainer import predict

    teacher, parent = student(tmp_path)
    few, rest = tiny_samples()[:6], tiny_samples()[6:]
    alone = replace(tiny_context(tmp_path, teacher=teacher), train=few)
    beside = replace(alone, unlabelled=[sample.text for sample in rest])
    method = Distil(epochs=10, copies=1, rate=1e-2)

    def right(ctx: BuildContext, out: str) -> tuple[Artifact, float]:
        made = method.apply(parent, ctx, tmp_path / out)
        rows = tokenize(made.path / "tokenizer.json", [s.text for s in rest], made.manifest.max_length)
        logits, _ = predict(load_encoder(made.path), rows, threads=1)
        return made, float((logits.argmax(1) == ctx.targets(rest)).mean())

    made, with_texts = right(beside, "beside")
    plain, without = right(alone, "alone")
    assert with_texts > max(0.8, without)
    assert made.manifest.lineage["rows"] == {"real": 6, "synthetic": 0, "unlabelled": 54}
    assert plain.manifest.lineage["rows"] == {"real": 6, "synthetic": 0, "unlabelled": 0}
