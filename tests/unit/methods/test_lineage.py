"""What a child keeps of its parent."""

from __future__ import annotations

from pathlib import Path

from pare.artifacts import seal
from pare.methods.lineage import seal_child
from pare.types import Part, Shape

WAS, SMALLER = Shape("bert", (Part("head", 10),)), Shape("bert", (Part("head", 5),))


def test_a_child_answers_callers_as_its_parent_does(tmp_path: Path) -> None:
    (tmp_path / "parent").mkdir()
    (tmp_path / "same").mkdir()
    (tmp_path / "other").mkdir()
    parent = seal(
        tmp_path / "parent",
        format="encoder",
        labels=("yes", "no"),
        shape=WAS,
        max_length=64,
        decoding={"threshold": 0.4},
        kind="multilabel",
        contract={"field": "intent"},
    )
    was = parent.manifest
    same = seal_child(parent, tmp_path / "same", SMALLER, {"step": "cut"}).manifest
    assert (same.labels, same.max_length, same.decoding, same.kind) == (was.labels, 64, was.decoding, was.kind)
    assert (same.contract, same.format, same.shape) == ({"field": "intent"}, "encoder", SMALLER)
    assert same.lineage == {"step": "cut"}
    other = seal_child(parent, tmp_path / "other", WAS, {}, format="onnx", max_length=32).manifest
    assert (other.format, other.max_length, other.contract) == ("onnx", 32, {"field": "intent"})
