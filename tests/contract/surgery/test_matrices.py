"""A layer's linear modules are where and as large as every family says; a decoder's parameters are all counted."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

from pare.families import DECODERS, ENCODERS, family_of, read_config
from pare.testing.tiny import tiny_decoder, tiny_encoder
from pare.training.decoder import load_decoder
from pare.training.model import load_encoder


@pytest.mark.parametrize("family", ENCODERS)
def test_an_encoders_matrices_are_where_it_says(family: str, tmp_path: Path) -> None:
    config = read_config(tiny_encoder(tmp_path, family))
    known = family_of(config)
    layer = load_encoder(tmp_path, 3).backbone.get_submodule(known.layers)[0]
    found = {m.path: (m.rows, m.columns) for m in known.matrices(known.shape(config, 3))}
    assert found == {path: tuple(layer.get_submodule(path).weight.shape) for path in known.modules.paths}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", DECODERS)
def test_a_decoder_is_counted_whole(family: str, tied: bool, tmp_path: Path) -> None:
    config = read_config(tiny_decoder(tmp_path, family, tie_word_embeddings=tied))
    known, model = family_of(config), load_decoder(tmp_path)
    shape = known.shape(config, 0)
    assert sum(part.elements for part in shape.parts) == sum(weights.numel() for weights in model.parameters())
    layers = model.get_submodule(known.layers)
    assert len(layers) == shape.layers
    found = {m.path: (m.rows, m.columns) for m in known.matrices(shape)}
    assert found == {path: tuple(layers[0].get_submodule(path).weight.shape) for path in known.modules.paths}
    assert model.get_submodule(known.words).weight.shape[0] == shape.vocabulary
    head = next(part for part in shape.parts if part.name == "head")
    assert (head.elements > 0) == (not tied)
    assert head.flops_per_token == 2 * model.get_submodule(known.head or "").weight.numel()
