from pathlib import Path

import pytest

from pare.errors import InputError
from pare.families import ENCODERS
from pare.methods.drop_layers import DropLayers, spaced
from pare.methods.finetune import Finetune
from pare.testing.contexts import tiny_context
from pare.types import Artifact, DataFacts

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
FACTS = DataFacts(classes=3, rows=60, tokens_per_row=10)


def teacher(folder: Path, family: str) -> Artifact:
    return Finetune(epochs=1).apply(None, tiny_context(folder, family), folder / "teacher")


CASES = [(family, keep) for family in ENCODERS for keep in (1, 2, 3) if (family, keep) != ("modernbert", 1)]


@pytest.mark.parametrize(("family", "keep"), CASES)
def test_the_student_has_the_teachers_layers_and_the_predicted_shape(family: str, keep: int, tmp_path: Path) -> None:
    from pare.families import family_of, read_config
    from pare.training.model import load_encoder

    parent = teacher(tmp_path, family)
    method = DropLayers(keep=keep)
    made = method.apply(None, tiny_context(tmp_path, family, teacher=parent), tmp_path / "out")
    assert made.manifest.shape == method.reshape(parent.manifest.shape, FACTS)

    student, full = load_encoder(made.path), load_encoder(parent.path)
    assert sum(part.elements for part in made.manifest.shape.parts) == sum(p.numel() for p in student.parameters())
    path = family_of(read_config(made.path)).layers
    kept = list(student.backbone.get_submodule(path).children())
    layers = list(full.backbone.get_submodule(path).children())
    for layer, old in zip(kept, spaced(3, keep), strict=True):
        for name, value in layer.state_dict().items():
            assert torch.equal(value, layers[old].state_dict()[name])


@pytest.mark.parametrize(("layers", "keep"), [(6, 0), (6, 7)])
def test_an_impossible_number_of_layers_is_refused(layers: int, keep: int) -> None:
    with pytest.raises(InputError, match="keep must be"):
        spaced(layers, keep)


def test_modernbert_keeps_both_kinds_of_layers(tmp_path: Path) -> None:
    parent = teacher(tmp_path, "modernbert")
    ctx = tiny_context(tmp_path, "modernbert", teacher=parent)
    with pytest.raises(InputError, match="at least 2 layers but keep is 1"):
        DropLayers(keep=1).apply(None, ctx, tmp_path / "out")
    with pytest.raises(InputError, match="at least 2 layers"):
        DropLayers(keep=1).reshape(parent.manifest.shape, FACTS)


def test_keep_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1 but is 0"):
        DropLayers(keep=0)


def test_without_a_teacher_it_says_what_to_build(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="build the reference first"):
        DropLayers(keep=1).apply(None, tiny_context(tmp_path), tmp_path / "out")
