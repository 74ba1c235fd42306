from pathlib import Path

import pytest

from pare.errors import InputError
from pare.families import ENCODERS, family_of, read_config
from pare.testing.tiny import tiny_encoder

pytest.importorskip("transformers")


@pytest.mark.parametrize("family", ENCODERS)
def test_a_shape_counts_exactly_the_parameters_of_the_model(family: str, tmp_path: Path) -> None:
    from pare.training.model import load_encoder

    folder = tiny_encoder(tmp_path, family)
    config = read_config(folder)
    shape = family_of(config).shape(config, classes=5)
    model = load_encoder(folder, classes=5)

    assert sum(part.elements for part in shape.parts) == sum(p.numel() for p in model.parameters())
    assert shape.layers == len(model.backbone.get_submodule(family_of(config).layers))
    words = next(part.elements for part in shape.parts if part.name == "embeddings.word")
    assert words == model.backbone.get_submodule(family_of(config).words).weight.numel()


@pytest.mark.parametrize("family", ENCODERS)
def test_each_part_is_as_large_as_its_weights(family: str, tmp_path: Path) -> None:
    from pare.training.model import load_encoder

    folder = tiny_encoder(tmp_path, family)
    config = read_config(folder)
    shape = family_of(config).shape(config, classes=5)
    layers = load_encoder(folder, classes=5).backbone.get_submodule(family_of(config).layers)
    for i, layer in enumerate(layers.children()):
        parts = {part.name: part.elements for part in shape.parts}
        assert parts[f"layers.{i}.attention"] + parts[f"layers.{i}.ffn"] == sum(p.numel() for p in layer.parameters())


def test_an_unknown_architecture_is_named_with_the_nearest_known_one(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "robert"}')
    with pytest.raises(InputError, match="roberta"):
        family_of(read_config(tmp_path))


@pytest.mark.parametrize("content", [None, "{", "[1]"])
def test_a_folder_without_a_sound_config_is_refused(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=r"config\.json"):
        read_config(tmp_path)
