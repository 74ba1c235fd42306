"""Layers of decoders, and layers chosen by what they do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pare.errors import InputError
from pare.families import DECODERS, read_config, shape_of
from pare.families.layers import config_of_layers, layer_kinds
from pare.families.modernbert import MODERNBERT
from pare.families.qwen import QWEN2
from pare.methods.drop_layers import DropLayers, most_influential
from pare.testing.contexts import tiny_artifact, tiny_context, tiny_writing
from pare.types import DataFacts, Shape

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
FACTS = DataFacts(classes=0, rows=60, tokens_per_row=5)
IDS = torch.tensor([[0, 5, 9, 40, 80, 3]])


@pytest.mark.parametrize("family", DECODERS)
def test_the_student_computes_what_the_kept_layers_compute(family: str, tmp_path: Path) -> None:
    from pare.training.decoder import load_decoder

    ctx = tiny_writing(tmp_path, family)
    parent = tiny_artifact(ctx, tmp_path / "parent")
    method = DropLayers(layers="2, 0")
    made = method.apply(parent, ctx, tmp_path / "out")
    assert made.manifest.shape == method.reshape(parent.manifest.shape, FACTS)
    assert made.manifest.lineage["layers"] == [0, 2]
    counted = shape_of(read_config(made.path))
    assert (made.manifest.shape.windows, made.manifest.shape.cache) == (counted.windows, counted.cache)
    cut = load_decoder(parent.path).eval()
    kinds = getattr(cut.config, "layer_types", None)
    cut.model.layers = torch.nn.ModuleList([cut.model.layers[0], cut.model.layers[2]])
    cut.config.num_hidden_layers = 2
    if kinds:
        cut.config.layer_types = [kinds[0], kinds[2]]
    with torch.no_grad():
        found, expected = (
            load_decoder(made.path).eval()(input_ids=IDS).logits,
            cut(input_ids=IDS, use_cache=False).logits,
        )
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("make", "family"), [(tiny_context, "bert"), (tiny_context, "modernbert"), (tiny_writing, "llama")]
)
def test_a_layer_that_does_nothing_has_no_influence_and_goes(make: Any, family: str, tmp_path: Path) -> None:
    """A block of zero matrices hands on its input: the residual stream alone is left (up to norms behind it)."""
    from safetensors.numpy import load_file, save_file

    from pare.families import family_of

    ctx = make(tmp_path, family)
    parent = tiny_artifact(ctx, tmp_path / "parent")
    paths = family_of({"model_type": family})
    arrays = load_file(parent.path / "model.safetensors")
    for path in (paths.modules.output, paths.modules.down):
        for name in arrays:
            if name.startswith(f"{paths.layers}.1.{path}."):
                arrays[name] = np.zeros_like(arrays[name])
    save_file(arrays, parent.path / "model.safetensors", {"format": "pt"})
    method = DropLayers(keep=2, by="influence")
    made = method.apply(parent, ctx, tmp_path / "out")
    assert made.manifest.lineage["layers"] == [0, 2]
    influence = made.manifest.lineage["influence"]
    assert influence[1] < min(influence[0], influence[2])
    assert influence[1] < 1e-6 or family == "bert"
    assert made.manifest.shape == method.reshape(parent.manifest.shape, FACTS)


def test_what_layers_keep_goes_with_them() -> None:
    """The layers that are left look back as far as before; where all look back to everything, nothing is said of windows."""
    shape = Shape("gemma2", (), layers=4, windows=(8, 0, 8, 0), cache=(1, 2, 3, 4), attention_flops=8.0)
    left = DropLayers(layers="0,1,3").reshape(shape, FACTS)
    assert (left.windows, left.cache, left.attention_flops) == ((8, 0, 0), (1, 2, 4), 6.0)
    assert DropLayers(layers="1,3").reshape(shape, FACTS).windows == ()


def test_a_missing_kind_takes_the_place_of_a_layer_whose_kind_is_there_twice() -> None:
    kinds = ["full", "local", "local", "full"]
    assert most_influential([0.9, 0.1, 0.2, 0.8], 2) == [0, 3]
    assert most_influential([0.9, 0.1, 0.2, 0.8], 2, kinds) == [0, 2]
    assert most_influential([0.1, 0.9, 0.8, 0.2], 2, kinds, first=True) == [0, 1]


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ({"model_type": "gemma2"}, "lflf"),
        ({"model_type": "gemma3_text"}, "llll"),
        ({"model_type": "gemma3_text", "sliding_window_pattern": 3}, "llfl"),
        ({"model_type": "modernbert"}, "fllf"),
        ({"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}, "flll"),
        ({"model_type": "qwen3", "use_sliding_window": False, "max_window_layers": 1}, None),
        ({"model_type": "llama"}, None),
    ],
)
def test_kinds_of_layers_are_those_that_transformers_reads(config: dict[str, Any], kinds: str | None) -> None:
    from transformers import AutoConfig

    found = layer_kinds(config, 4)
    assert (None if found is None else "".join("f" if "full" in kind else "l" for kind in found)) == kinds
    read = AutoConfig.for_model(**config, num_hidden_layers=4)
    if found is not None:
        assert found == read.layer_types


def test_a_shortened_config_says_of_each_layer_what_it_was() -> None:
    old = {"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2}
    short = config_of_layers({**old, "num_hidden_layers": 4}, QWEN2, [0, 2, 3])
    assert (short["max_window_layers"], short["num_hidden_layers"]) == (1, 3)
    assert layer_kinds({**short, "layer_types": None}, 3) == short["layer_types"]
    gemma = {"model_type": "gemma3_text", "sliding_window_pattern": 2, "num_hidden_layers": 4}
    assert config_of_layers(gemma, QWEN2, [0, 1])["sliding_window_pattern"] == 2
    assert "sliding_window_pattern" not in config_of_layers(gemma, QWEN2, [1, 2])
    assert "layer_types" not in config_of_layers({"model_type": "bert", "num_hidden_layers": 2}, QWEN2, [1])
    modern = config_of_layers({"model_type": "modernbert", "num_hidden_layers": 4}, MODERNBERT, [0, 2])
    assert modern["layer_types"] == ["full_attention", "sliding_attention"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "either keep or layers"),
        ({"keep": 1, "layers": "0"}, "either keep or layers"),
        ({"layers": "0,x"}, 'different numbers like "0,2,5" but are'),
        ({"layers": "1,1"}, "different numbers"),
        ({"layers": "0", "by": "influence"}, "nothing to choose by influence"),
    ],
)
def test_what_does_not_make_sense_is_refused(params: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DropLayers(**params)


@pytest.mark.parametrize(
    ("layers", "message"), [("0,3", "must be below 3 but 3"), ("1,2", "must stay"), ("0", "at least 2")]
)
def test_layers_that_a_model_cannot_lose_are_named(layers: str, message: str, tmp_path: Path) -> None:
    ctx = tiny_context(tmp_path, "modernbert")
    parent = tiny_artifact(ctx, tmp_path / "parent")
    assert json.loads((parent.path / "config.json").read_text())["num_hidden_layers"] == 3
    with pytest.raises(InputError, match=message):
        DropLayers(layers=layers).reshape(parent.manifest.shape, FACTS)
    with pytest.raises(InputError, match=message):
        DropLayers(layers=layers).apply(parent, ctx, tmp_path / "out")
    assert not (tmp_path / "out").exists()
