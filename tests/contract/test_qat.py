"""Quantisation-aware training: what was trained is what is stored, executed and answered."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

import openvino
import torch
from safetensors.numpy import load_file, save_file

from pare.errors import InputError, PareError
from pare.methods import METHODS, method, method_type
from pare.methods.base import BuildContext
from pare.methods.graphs import grid_conversion
from pare.methods.lower import _check
from pare.methods.qat import Qat
from pare.runtimes import load
from pare.runtimes.grids import Grid, GridLinear, input_grid, rounded
from pare.runtimes.modules import GRIDS
from pare.runtimes.openvino import MODEL, options
from pare.testing.contexts import tiny_context, tiny_tagging
from pare.types import Artifact, Step

LINEARS = 3 * 6 + 1
"""The linear layers of the tiny BERT: six in each of three layers, and the head."""
STORED = {"int8": {"i8": LINEARS + 2}, "w4": {"i4": LINEARS - 1, "i8": 3}}
"""Matrices by the type that they are stored in: embeddings (words, positions) are int8 in both."""
EXECUTED = {"int8": {"i8": LINEARS}, "w4": {"f32": LINEARS}}
"""Products by the type of their kernel."""

Made = Callable[[str], Artifact]


def _built(folder: Path, ctx: BuildContext, step: Step) -> tuple[Artifact, Artifact]:
    """What ``step`` makes of a tiny encoder, and the graph of that."""
    made: list[Artifact] = []
    for number, each in enumerate([Step("finetune", {"epochs": 2.0, "max_length": 32}), step, Step("lower")]):
        (folder / str(number)).mkdir()
        made.append(method(each).apply(made[-1] if made else None, ctx, folder / str(number)))
    return made[1], made[2]


@pytest.mark.parametrize("width", ["int8", "w4"])
def test_integers_are_stored_and_executed(width: str, made: Made, context: BuildContext, tmp_path: Path) -> None:
    graph = method(Step("lower")).apply(made(f"encoder-{width}"), context, tmp_path)
    core = openvino.Core()
    model = core.read_model(str(graph.path / MODEL))
    matrices = [op for op in model.get_ordered_ops() if op.get_type_name() == "Constant" and math.prod(op.shape) >= 48]
    stored = Counter(op.get_element_type().get_type_name() for op in matrices)
    assert {name: stored[name] for name in STORED[width]} == STORED[width]
    assert "f16" not in stored
    ran = core.compile_model(model, "CPU", options(1)).get_runtime_model().get_ordered_ops()
    facts = [op.get_rt_info() for op in ran]
    products = [fact for fact in facts if fact["layerType"].astype(str) == "FullyConnected"]
    kernels = Counter(str(fact["primitiveType"].astype(str)).lower().rpartition("_")[2] for fact in products)
    assert kernels == EXECUTED[width]
    if width == "w4":
        assert sum(fact["runtimePrecision"].astype(str) == "i4" for fact in products) == LINEARS - 1


@pytest.mark.parametrize(
    ("kind", "step"),
    [("int8", (2.0**-6, 2.0**-7, 2.0**-6)), ("int4", (((0.25,), (0.5,)), ((0.25,), (0.25,)), ((0.5,), (0.5,))))],
)
def test_openvino_rounds_as_we_do(kind: str, step: tuple[object, ...]) -> None:
    torch.manual_seed(0)
    steps = torch.tensor(step).reshape(3, -1, 1) if kind == "int4" else torch.tensor(step).reshape(3, 1)
    linear = GridLinear(
        torch.nn.Linear(64, 3), Grid(steps, torch.zeros_like(steps), kind), input_grid(*torch.tensor([2.0**-5, 97.0]))
    )
    linear = linear.eval().requires_grad_(False)
    linear.weight.data = rounded(linear)
    x = 4 * torch.randn(50, 64)
    program = torch.export.export(linear, (x,))
    model = openvino.convert_model(program, extension=[grid_conversion()])
    found = openvino.Core().compile_model(model, "CPU", options(1))([x.numpy()])[0]
    assert {op.get_type_name() for op in model.get_ordered_ops()} >= {"FakeQuantize", "Convert"}
    assert np.abs(found - linear(x).numpy()).max() < 1e-4


@pytest.mark.parametrize("family", ["electra", "modernbert"])
def test_pytorch_answers_as_the_graph_does(family: str, tmp_path: Path) -> None:
    ctx = tiny_context(tmp_path, family)
    trained, graph = _built(tmp_path, ctx, Step("qat", {"epochs": 0.5, "ranges": 8}))
    texts = [sample.text for sample in ctx.train[:30]]
    expected, found = (
        load(artifact, name, 1).logits(texts) for artifact, name in ((trained, "pytorch"), (graph, "openvino"))
    )
    assert np.abs(expected - found).mean() <= 0.01 * np.abs(expected).max()


@pytest.mark.parametrize("width", ["int8", "w4"])
def test_weights_lie_on_their_grids(width: str, made: Made) -> None:
    folder = made(f"encoder-{width}").path
    weights = {f"backbone.{name}": array for name, array in load_file(folder / "model.safetensors").items()}
    weights |= {f"head.{name}": array for name, array in load_file(folder / "head.safetensors").items()}
    limits = {"int8": (-127, 127), "int4": (-8, 7)}
    checked = 0
    for key, step in load_file(folder / "grids.safetensors").items():
        name, _, kind = key.rpartition(".")
        if kind == "uint8":
            continue
        weight = weights[f"{name}.weight"]
        exact = weight.reshape(*step.shape[:-1], -1) / step
        points = exact.round()
        assert np.abs(exact - points).max() < 1e-3, key
        assert limits[kind][0] <= points.min() <= points.max() <= limits[kind][1]
        checked += 1
    assert checked == LINEARS + 2


def test_taggers_are_trained_too(tmp_path: Path) -> None:
    ctx = tiny_tagging(tmp_path)
    trained, graph = _built(tmp_path, ctx, Step("qat", {"epochs": 0.5, "ranges": 8}))
    assert trained.manifest.kind == graph.manifest.kind == "tag"
    assert graph.manifest.shape.parts[0].bits < 12


def test_a_graph_that_rounds_otherwise_is_not_sealed(made: Made, context: BuildContext, tmp_path: Path) -> None:
    trained = made("encoder-int8")
    (tmp_path / "graph").mkdir()
    graph = method(Step("lower")).apply(trained, context, tmp_path / "graph")
    shutil.copytree(trained.path, tmp_path / "coarser")
    grids = load_file(trained.path / GRIDS)
    scale = np.float32([2, 1])
    save_file({k: a * scale if k.endswith("uint8") else a for k, a in grids.items()}, tmp_path / "coarser" / GRIDS)
    texts = [sample.text for sample in context.train[:24]]
    _check(trained, graph, texts, 1)
    with pytest.raises(PareError, match="does not lower faithfully"):
        _check(replace(trained, path=tmp_path / "coarser"), graph, texts, 1)


def _takes(name: str) -> Collection[str]:
    try:
        return method(Step(name)).takes
    except InputError:  # it has parameters without a default
        return method_type(name).takes


def test_nothing_else_builds_on_grids() -> None:
    for form in ("encoder-qat", "decoder-qat"):
        assert {name for name in METHODS if form in _takes(name)} == {"lower"}


def test_what_cannot_be_done_is_refused(made: Made, context: BuildContext, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="qat needs an artifact of format encoder or decoder but got nothing"):
        Qat().apply(None, context, tmp_path)
    with pytest.raises(InputError, match="has no ONNX form; use lower:openvino"):
        method(Step("lower", {"to": "onnx"})).apply(made("encoder-int8"), context, tmp_path)


def test_an_interrupted_training_seals_nothing(made: Made, context: BuildContext, tmp_path: Path) -> None:
    def stop(share: float, word: str) -> None:
        if "training" in word:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Qat().apply(made("encoder"), replace(context, progress=stop), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not torch.is_inference_mode_enabled()
