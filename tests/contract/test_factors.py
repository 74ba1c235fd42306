"""Every family is factored and pruned once; what comes out is read, served, lowered, taught and cut further."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

import torch
from safetensors.numpy import load_file, save_file

from pare.artifacts import seal
from pare.errors import InputError
from pare.families import ENCODERS, family_of, read_config
from pare.methods import method
from pare.methods.base import BuildContext
from pare.methods.finetune import Finetune
from pare.methods.layers import Layers
from pare.planner.estimate import parameters
from pare.runtimes import load
from pare.runtimes.modules import FACTORS, read_ranks
from pare.testing.conformance import data_facts, weight_bytes
from pare.testing.contexts import tiny_context, tiny_writing
from pare.training.decoder import load_decoder, save_decoder
from pare.training.model import load_encoder
from pare.types import Artifact, Step


def start(folder: Path, family: str) -> tuple[Artifact, BuildContext]:
    """A sealed tiny model of the family, and its context."""
    if family in ENCODERS:
        ctx = tiny_context(folder, family)
        made = Finetune(epochs=0.5).apply(None, ctx, folder / "encoder")
        return made, replace(ctx, teacher=made)
    ctx, out = tiny_writing(folder, family), folder / "decoder"
    save_decoder(load_decoder(ctx.base), out, ctx.base / "tokenizer.json")
    shape = (known := family_of(config := read_config(ctx.base))).shape(config, 0)
    assert known.decoder
    return seal(out, format="decoder", labels=(), shape=shape, max_length=64, kind="generate"), ctx


def step(parent: Artifact, ctx: BuildContext, out: Path, name: str, **params: Any) -> Artifact:
    out.mkdir()
    return method(Step(name, params)).apply(parent, ctx, out)


def outputs(folder: Path, decoder: bool) -> np.ndarray[Any, Any]:
    """The logits of two padded rows of token ids."""
    ids, mask = torch.arange(12).reshape(2, 6) % 11, torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
    model = (load_decoder if decoder else load_encoder)(folder).eval()
    with torch.inference_mode():
        found = model(input_ids=ids, attention_mask=mask)
    return np.asarray((found.logits if decoder else found).numpy())


def test_the_factors_are_those_of_the_weights(tmp_path: Path) -> None:
    """At nearly the full rank that saves anything, and no whitening: B A is the truncated SVD; biases are the parent's."""
    parent, ctx = start(tmp_path, "bert")
    made = step(parent, ctx, tmp_path / "out", "lowrank", ratio=0.6, rule="uniform", whiten=False)
    before, after = (load_file(each.path / "model.safetensors") for each in (parent, made))
    path = "encoder.layer.1.intermediate.dense"
    rank = read_ranks(made.path)[path]
    left, values, right = np.linalg.svd(before[f"{path}.weight"].astype(float), full_matrices=False)
    product = after[f"{path}.expand.weight"] @ after[f"{path}.reduce.weight"]
    assert np.allclose(product, left[:, :rank] * values[:rank] @ right[:rank], atol=1e-6)
    assert np.array_equal(after[f"{path}.expand.bias"], before[f"{path}.bias"])
    assert f"{path}.weight" not in after


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_a_factored_encoder_goes_on(family: str, tmp_path: Path) -> None:
    """Taught, cut to fewer layers and tokens, lowered to a graph and quantised; each step is as large as predicted."""
    parent, ctx = start(tmp_path, family)
    made = step(parent, ctx, tmp_path / "lowrank", "lowrank", ratio=0.5, rule="budget")
    facts = data_facts(ctx)
    for name, params in (
        ("distil", {"epochs": 1.0, "copies": 0}),
        ("drop_layers", {"keep": 2}),
        ("trim_vocab", {"tokens": 300}),
        ("lower", {}),
        ("quantize", {"scheme": "w8"}),
    ):
        predicted = method(Step(name, params)).reshape(made.manifest.shape, facts)
        child = step(made, ctx, tmp_path / name, name, **params)
        assert weight_bytes(child.manifest.shape) <= 1.01 * weight_bytes(predicted)
        if name == "distil":
            assert read_ranks(child.path) == read_ranks(made.path)
            assert not np.allclose(outputs(child.path, False), outputs(made.path, False))
        if name == "drop_layers":
            layers = family_of(read_config(made.path)).layers
            assert {path.split(f"{layers}.")[1].split(".")[0] for path in read_ranks(child.path)} <= {"0", "1"}
            size = sum(weights.numel() for weights in load_encoder(child.path).parameters())
            assert size == parameters(child.manifest.shape) == parameters(predicted)
        if name == "lower":
            texts = [sample.text for sample in ctx.train[:5]]
            assert np.allclose(load(child, threads=1).logits(texts), load(made, threads=1).logits(texts), atol=1e-4)
            products = sum(part.elements for part in child.manifest.shape.parts)
            assert (child.path / "model.bin").stat().st_size == pytest.approx(4 * products, rel=0.02, abs=2000)
        made = child


def test_a_quantised_factor_has_the_scales_that_the_shape_says(tmp_path: Path) -> None:
    """Against the graph's constants: a narrow factor's scales weigh more than a hundredth of its weights."""
    import openvino

    parent, ctx = start(tmp_path, "bert")
    made = step(parent, ctx, tmp_path / "lowrank", "lowrank", rule="uniform")
    graph = step(made, ctx, tmp_path / "lower", "lower")
    small = step(graph, ctx, tmp_path / "quantize", "quantize", scheme="w8")
    ops = openvino.Core().read_model(str(small.path / "model.xml")).get_ordered_ops()
    held = [op for op in ops if op.get_type_name() == "Constant" and op.get_element_type() == openvino.Type.f16]
    others = made.manifest.shape.vocabulary + 64 + len(made.manifest.labels)
    scales = sum(int(np.prod(list(op.shape))) for op in held) - others
    layers = [part for part in small.manifest.shape.parts if part.name.startswith("layers.")]
    assert scales == sum(part.rows for part in layers)
    products = sum(part.flops_per_token for part in layers) / 2
    vectors = sum(part.elements for part in layers) - products
    assert sum(part.elements * part.bits for part in layers) == pytest.approx(8 * products + 16 * scales + 32 * vectors)


def test_what_is_factored_is_not_factored_or_pruned_again(tmp_path: Path) -> None:
    parent, ctx = start(tmp_path, "bert")
    made = step(parent, ctx, tmp_path / "lowrank", "lowrank", rule="uniform")
    for name in ("lowrank", "sparsify"):
        with pytest.raises(InputError, match=f"{name} needs dense matrices.*leave one"):
            step(made, ctx, tmp_path / f"again-{name}", name)
    with pytest.raises(InputError, match="needs a trained model"):
        Layers.read("lowrank", None, replace(ctx, teacher=None))


def broken(parent: Artifact, change: Any) -> Path:
    """The folder with its ranks and arrays changed."""
    ranks, arrays = read_ranks(parent.path), load_file(parent.path / "model.safetensors")
    change(ranks, arrays)
    (parent.path / FACTORS).write_text(json.dumps(ranks))
    save_file(arrays, parent.path / "model.safetensors", {"format": "pt"})
    return parent.path


PATH = "encoder.layer.0.output.dense"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda ranks, arrays: ranks.update({PATH: ranks[PATH] + 1}), f"differs in {PATH}"),
        (lambda ranks, arrays: ranks.pop(PATH), f"differs in {PATH}"),
        (lambda ranks, arrays: arrays.pop(f"{PATH}.reduce.weight"), f"differs in {PATH}.reduce.weight"),
        (lambda ranks, arrays: ranks.update({PATH: 0}), "is to be of rank 0"),
        (lambda ranks, arrays: ranks.update({PATH: "3"}), "must name a rank"),
        (lambda ranks, arrays: ranks.update({"encoder.layer.9.output": 1}), "has no such module"),
        (lambda ranks, arrays: ranks.update({"encoder.layer.0": 1}), "is to be of rank 1 but is BertLayer"),
    ],
)
def test_ranks_and_weights_that_differ_are_refused(change: Any, says: str, tmp_path: Path) -> None:
    parent, ctx = start(tmp_path, "bert")
    folder = broken(step(parent, ctx, tmp_path / "lowrank", "lowrank", rule="uniform"), change)
    with pytest.raises(InputError, match=says):
        load_encoder(folder)
