"""Quantisation-aware training of decoders: what was trained is what is stored, and what both runtimes answer with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

import openvino
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from pare.errors import InputError, PareError
from pare.families import DECODERS
from pare.methods import method
from pare.methods.base import BuildContext
from pare.methods.lowering_decoder import check
from pare.methods.qat import Qat
from pare.runtimes import load_generator, this_device
from pare.runtimes.modules import GRIDS
from pare.runtimes.openvino import MODEL, OpenVino, options
from pare.runtimes.pytorch import PyTorch
from pare.testing.conformance import (
    check_method,
    check_runtime,
    file_bytes,
    stopping_leaves_nothing_sealed,
    weight_bytes,
)
from pare.testing.contexts import tiny_artifact, tiny_writing
from pare.types import Artifact, Step

LINEARS = 3 * 7
"""The linear layers of a tiny decoder's three layers."""
TIED = [family for family in DECODERS if family.startswith("gemma")]


class Built(NamedTuple):
    """A tiny decoder, what ``qat`` makes of it, and the graph of that, each by its check."""

    ctx: BuildContext
    parent: Artifact
    trained: Artifact
    graph: Artifact


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Built]:
    @cache
    def make(family: str, width: str) -> Built:
        folder = tmp_path_factory.mktemp(family)
        ctx = tiny_writing(folder, family)
        parent = tiny_artifact(ctx, folder / "parent")
        step = Step("qat", {"width": width, "epochs": 1.0, "rate": 1e-3, "group": 32})
        trained = check_method(method(step), parent, parent.manifest.shape, ctx, folder / "qat")
        graph = check_method(method(Step("lower")), trained, trained.manifest.shape, ctx, folder / "graph")
        return Built(ctx, parent, trained, graph)

    return make


@pytest.mark.parametrize("family", DECODERS)
@pytest.mark.parametrize("width", ["w8", "w4"])
def test_a_family_is_trained_stored_and_served(width: str, family: str, built: Callable[[str, str], Built]) -> None:
    """``check_method`` has seen that both have the bytes that were predicted, twice the same."""
    ctx, parent, trained, graph = built(family, width)
    assert (trained.manifest.format, graph.manifest.format) == ("decoder-qat", "openvino")
    assert graph.manifest.kind == "generate"
    assert trained.manifest.lineage["teacher"] == parent.id
    assert file_bytes(trained) == pytest.approx(weight_bytes(trained.manifest.shape), rel=0.001)
    assert file_bytes(graph) == pytest.approx(weight_bytes(graph.manifest.shape), rel=0.02), (
        "a tied head is stored once"
    )
    pairs = [(sample.text, sample.label) for sample in ctx.train[:8]]
    theirs, again = (load_generator(trained, threads=1).surprisal(pairs) for _ in range(2))
    assert np.array_equal(theirs, again)
    exact = OpenVino(group=0).load(graph, this_device(), 1)
    assert np.allclose(exact.surprisal(pairs), theirs, rtol=1e-4)
    served = load_generator(graph, threads=1).surprisal(pairs)
    assert abs(served.sum() - theirs.sum()) < 0.02 * theirs.sum()


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
@pytest.mark.parametrize("width", ["w8", "w4"])
def test_integers_are_stored_and_executed(width: str, family: str, built: Callable[[str, str], Built]) -> None:
    graph = built(family, width).graph
    core = openvino.Core()
    model = core.read_model(str(graph.path / MODEL))
    matrices = [op for op in model.get_ordered_ops() if op.get_type_name() == "Constant" and np.prod(op.shape) >= 512]
    stored = Counter(op.get_element_type().get_type_name() for op in matrices)
    tables = 1 if family in TIED else 2
    assert stored == ({"i4": LINEARS, "i8": tables} if width == "w4" else {"i8": LINEARS + tables})
    ran = core.compile_model(model, "CPU", options(1)).get_runtime_model().get_ordered_ops()
    facts = [op.get_rt_info() for op in ran]
    products = Counter(
        str(fact["runtimePrecision"].astype(str)) for fact in facts if fact["layerType"].astype(str) == "FullyConnected"
    )
    assert products["f32"] <= 1, "a matrix was widened when the graph was compiled"


@pytest.mark.parametrize("family", ["llama", "gemma"])
def test_weights_lie_on_their_grids(family: str, built: Callable[[str, str], Built]) -> None:
    folder = built(family, "w4").trained.path
    weights, limits = load_file(folder / "model.safetensors"), {"int8": 127, "int4": 8}
    grids = load_file(folder / GRIDS)
    assert len(grids) == LINEARS + (1 if family in TIED else 2)
    for key, step in grids.items():
        name, _, kind = key.rpartition(".")
        exact = weights[f"{name}.weight"].reshape(*step.shape[:-1], -1) / step
        assert np.abs(exact - exact.round()).max() < 1e-3, key
        assert np.abs(exact).max() <= limits[kind] + 1e-3


def test_the_parent_teaches(built: Callable[[str, str], Built], tmp_path: Path) -> None:
    """By the answers alone it learns these; a parent that counts for all keeps it where it was."""
    ctx, parent, _, _ = built("llama", "w4")
    pairs = [(sample.text, sample.label) for sample in ctx.train]
    before = load_generator(parent, threads=1).surprisal(pairs)

    def after(alpha: float) -> NDArray[np.float64]:
        out = tmp_path / f"{alpha}"
        out.mkdir()
        made = Qat("w4", epochs=10.0, rate=1e-3, alpha=alpha, group=32).apply(parent, ctx, out)
        return load_generator(made, threads=1).surprisal(pairs)

    alone, taught = after(0.0), after(1e6)
    assert alone.sum() < 0.9 * before.sum()
    assert np.abs(taught - before).mean() < 0.1 * np.abs(alone - before).mean()


def test_the_trained_model_is_a_generator(built: Callable[[str, str], Built]) -> None:
    _, _, trained, _ = built("llama", "w8")
    check_runtime(PyTorch(), trained, ["one two", "three four five", "six"])


def test_a_graph_of_other_steps_is_not_sealed(built: Callable[[str, str], Built], tmp_path: Path) -> None:
    ctx, _, trained, graph = built("qwen2", "w8")
    texts = [sample.text for sample in ctx.train[:3]]
    check(trained, graph, texts, 1)
    other = replace(trained, path=tmp_path)
    for file in trained.path.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    arrays = load_file(tmp_path / "model.safetensors")
    name = "model.layers.0.mlp.down_proj.weight"
    save_file({**arrays, name: 2 * arrays[name]}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(PareError, match="does not lower faithfully"):
        check(other, graph, texts, 1)


def test_what_cannot_be_done_is_refused(built: Callable[[str, str], Built], tmp_path: Path) -> None:
    ctx, parent, trained, _ = built("llama", "w8")
    with pytest.raises(InputError, match="use w8, whose inputs are quantised on the fly, or w4"):
        Qat().apply(parent, ctx, tmp_path)
    for form, name in (("onnx", "ONNX"), ("gguf", "GGUF")):
        with pytest.raises(InputError, match=f"has no {name} form; use lower:openvino"):
            method(Step("lower", {"to": form})).apply(trained, ctx, tmp_path)
    with pytest.raises(InputError, match="qat needs an artifact of format encoder or decoder but got decoder-qat"):
        Qat("w8").apply(trained, ctx, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_training_seals_nothing(built: Callable[[str, str], Built], tmp_path: Path) -> None:
    ctx, parent, _, _ = built("llama", "w4")
    stopping_leaves_nothing_sealed(Qat("w4", epochs=0.5), parent, ctx, tmp_path)


def test_4_bits_are_an_eighth(built: Callable[[str, str], Built]) -> None:
    """The tied table, in 8 bits, is stored once."""
    _, parent, _, graph = built("gemma2", "w4")
    assert file_bytes(graph) < 0.27 * file_bytes(parent)
