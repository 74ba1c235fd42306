"""A pruned model is the parent with some channels and heads never used, their outputs made up for by the rest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pare.errors import InputError
from pare.families import DECODERS, ENCODERS, family_of
from pare.methods import channels
from pare.methods.prune import Prune, rounded
from pare.testing.contexts import tiny_artifact, tiny_context, tiny_writing
from pare.types import Artifact, DataFacts

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
FACTS = DataFacts(classes=3, rows=60, tokens_per_row=5)
IDS = torch.tensor([[0, 5, 9, 40, 35, 3], [7, 8, 30, 31, 32, 2]])


def parent_of(family: str, folder: Path) -> tuple[Artifact, Any]:
    ctx = tiny_writing(folder, family) if family in DECODERS else tiny_context(folder, family)
    return tiny_artifact(ctx, folder / "parent"), ctx


def logits(folder: Path, decoder: bool) -> Any:
    from pare.training.decoder import load_decoder
    from pare.training.model import load_encoder

    with torch.no_grad():
        if decoder:
            return load_decoder(folder).eval()(input_ids=IDS).logits.numpy()
        return load_encoder(folder).eval()(IDS, torch.ones_like(IDS)).numpy()


def masked(parent: Artifact, kept: dict[str, np.ndarray], folder: Path) -> Path:
    """The parent with zeros for the columns that do not stay, by the module's path."""
    import shutil

    shutil.copytree(parent.path, folder)
    arrays = load_file(folder / "model.safetensors")
    for path, columns in kept.items():
        array = arrays[f"{path}.weight"]
        gone = np.setdiff1d(np.arange(array.shape[1]), columns)
        array[:, gone] = 0.0
    save_file(arrays, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.parametrize("name", [*ENCODERS, *DECODERS])
def test_without_a_refit_it_is_the_parent_with_channels_masked(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent, ctx = parent_of(name, tmp_path)
    seen: dict[str, np.ndarray] = {}
    cut = channels.cut_layer

    def watched(arrays: Any, prefix: str, family: Any, shape: Any, kept: Any, moments: Any) -> None:
        seen[f"{prefix}.{family.modules.down}"] = kept.channels
        seen[f"{prefix}.{family.modules.output}"] = channels.spread(kept.heads, shape.head_dim)
        cut(arrays, prefix, family, shape, kept, moments)

    monkeypatch.setattr("pare.methods.prune.cut_layer", watched)
    monkeypatch.setattr(channels, "refitted", lambda weight, moments, kept: weight[:, kept])
    decoder = name in DECODERS
    method = Prune(ffn=0.5, heads=0.5 if decoder else 1.0)
    made = method.apply(parent, ctx, tmp_path / "out")
    assert made.manifest.shape == method.reshape(parent.manifest.shape, FACTS)
    assert len(seen) == 6
    expected = logits(masked(parent, seen, tmp_path / "masked"), decoder)
    np.testing.assert_allclose(logits(made.path, decoder), expected, atol=1e-4)
    assert not np.allclose(expected, logits(parent.path, decoder), atol=1e-3), "the masked channels did nothing"


@pytest.mark.parametrize("family", ENCODERS)
def test_an_encoders_heads_go_with_as_much_of_its_width(family: str, tmp_path: Path) -> None:
    from pare.training.model import load_encoder

    parent, ctx = parent_of(family, tmp_path)
    method = Prune(ffn=1.0, heads=0.5)
    made = method.apply(parent, ctx, tmp_path / "out")
    shape = made.manifest.shape
    assert shape == method.reshape(parent.manifest.shape, FACTS)
    assert (shape.width, shape.heads, shape.head_dim, shape.inner) == (8, 1, 8, parent.manifest.shape.inner)
    assert sum(p.elements for p in shape.parts) == sum(p.numel() for p in load_encoder(made.path).parameters())
    assert np.isfinite(logits(made.path, decoder=False)).all()


@pytest.mark.parametrize("family", ["bert", "modernbert", "electra", "mpnet"])
def test_width_that_carries_nothing_goes_without_a_trace(family: str, tmp_path: Path) -> None:
    """Half the model, doubled: a head and half of the width that nobody reads and that hold copies of nothing."""
    parent, ctx = parent_of(family, tmp_path)
    shape, of = parent.manifest.shape, family_of({"model_type": family})
    arrays = load_file(parent.path / "model.safetensors")
    readers = {of.modules.query, of.modules.key, of.modules.value, *of.modules.up}
    dead = np.array([1, 3, 4, 6, 8, 11, 12, 15])
    for name, array in arrays.items():
        inside = name.removeprefix(f"{of.layers}.").partition(".")[2].rpartition(".")[0]
        if name.startswith(of.layers) and inside in readers and name.endswith("weight"):
            array[:, dead] = 0.0
    save_file(arrays, parent.path / "model.safetensors", {"format": "pt"})
    before = {name: array.copy() for name, array in arrays.items()}
    made = Prune(ffn=1.0, heads=0.5).apply(parent, ctx, tmp_path / "out")
    words = f"{of.words}.weight"
    after = load_file(made.path / "model.safetensors")[words]
    if before[words].shape[1] == shape.width:
        np.testing.assert_array_equal(after, np.delete(before[words], dead, axis=1))
    head = load_file(made.path / "head.safetensors")["weight"]
    np.testing.assert_array_equal(head, np.delete(load_file(parent.path / "head.safetensors")["weight"], dead, axis=1))


def test_the_refit_makes_up_for_channels_that_others_say() -> None:
    rng = np.random.default_rng(0)
    free = rng.normal(size=(500, 6))
    inputs = np.hstack([free, free[:, :3] @ rng.normal(size=(3, 2))])
    weight = rng.normal(size=(4, 8)).astype(np.float32)
    moments, kept = inputs.T @ inputs, np.arange(6)

    def loss(columns: np.ndarray) -> float:
        return float(np.square(inputs @ weight.T - inputs[:, kept] @ columns.T).mean())

    assert loss(channels.refitted(weight, moments, kept)) < 0.01 * loss(weight[:, kept])
    np.testing.assert_array_equal(channels.refitted(weight, np.zeros((8, 8)), kept), weight[:, kept])


def test_importance_is_what_a_channel_adds_to_the_output() -> None:
    rng = np.random.default_rng(1)
    inputs, weight = rng.normal(size=(50, 6)), rng.normal(size=(4, 6)).astype(np.float32)
    moments = inputs.T @ inputs
    alone = [np.square(np.outer(inputs[:, j], weight[:, j])).sum() for j in range(6)]
    np.testing.assert_allclose(channels.channel_importance(weight, moments), alone, rtol=1e-6)
    pairs = [np.square(inputs[:, j : j + 2] @ weight[:, j : j + 2].T).sum() for j in (0, 2, 4)]
    np.testing.assert_allclose(channels.group_importance(weight, moments, 3), pairs, rtol=1e-6)


@pytest.mark.parametrize(
    ("size", "share", "multiple", "kept"), [(384, 0.5, 16, 192), (100, 0.5, 8, 48), (32, 0.01, 8, 8), (6, 0.9, 8, 6)]
)
def test_sizes_are_multiples(size: int, share: float, multiple: int, kept: int) -> None:
    assert rounded(size, share, multiple) == kept


@pytest.mark.parametrize(("share", "heads"), [(0.75, 8), (0.6, 4), (0.5, 4), (0.25, 2), (0.01, 2)])
def test_a_decoder_keeps_as_many_heads_as_divide_its_width(share: float, heads: int) -> None:
    config = {"model_type": "llama", "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 2}
    config |= {"num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 100, "max_position_embeddings": 64}
    shape = family_of(config).shape(config, 0)
    assert Prune(heads=share).reshape(shape, FACTS).heads == heads


def test_what_cannot_be_pruned_is_refused(tmp_path: Path) -> None:
    parent, ctx = parent_of("llama", tmp_path)
    shape = parent.manifest.shape
    with pytest.raises(InputError, match="keep everything"):
        Prune(ffn=0.99).reshape(shape, FACTS)
    thin = tuple(replace(p, elements=p.elements // 2) if p.name.endswith("ffn") else p for p in shape.parts)
    with pytest.raises(InputError, match="has other weights in its layers"):
        Prune().reshape(replace(shape, parts=thin), FACTS)
    with pytest.raises(InputError, match="needs train texts"):
        Prune().apply(parent, replace(ctx, train=[]), tmp_path / "out")
    with pytest.raises(InputError, match="ffn must be above 0"):
        Prune(ffn=0.0)
    assert json.loads((parent.path / "config.json").read_text())["intermediate_size"] == shape.inner
