from pathlib import Path

import pytest

from pare.errors import InputError
from pare.methods.distil import Distil
from pare.methods.drop_layers import DropLayers
from pare.methods.finetune import Finetune
from pare.methods.trim_vocab import TrimVocab
from pare.testing.contexts import tiny_context
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


def test_without_a_teacher_it_says_what_to_build(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="build the reference first"):
        Distil().apply(None, tiny_context(tmp_path), tmp_path / "out")


@pytest.mark.parametrize(
    ("field", "value"), [("epochs", 0), ("rate", -1), ("temperature", 0), ("copies", -1), ("alpha", -1), ("hidden", -1)]
)
def test_a_value_out_of_range_is_named_with_its_rule(field: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{field} must be"):
        Distil(**{field: value})
