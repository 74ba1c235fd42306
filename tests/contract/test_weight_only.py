"""Weight-only schemes on built models: an encoder's table of sensitivity, and a decoder that is served."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import openvino
import pytest
from safetensors.numpy import load_file, save_file

from pare.errors import InputError
from pare.families import family_of, read_config
from pare.methods import method
from pare.methods.base import BuildContext
from pare.testing.conformance import check_method
from pare.types import Artifact, Scalar, Step


def test_the_table_of_sensitivity_is_sealed(
    context: BuildContext, made: Callable[[str], Artifact], tmp_path: Path
) -> None:
    step = Step("quantize", {"scheme": "w4", "keep": 0.3, "rollback": False})
    fewer = replace(context, train=context.train[:12])
    artifact = check_method(method(step), made("openvino"), made("openvino").manifest.shape, fewer, tmp_path)
    rows = json.loads((artifact.path / "sensitivity.json").read_text())
    assert "sensitivity.json" in artifact.manifest.files
    assert {"layer", "rows", "columns", "loss", "folds", "width"} == set(rows[0])
    assert len(rows) == 6 * 3  # matrices of a layer, layers
    wider = {row["layer"] for row in rows if row["width"] == 8}
    assert wider == set(artifact.manifest.lineage["wider"])
    kept = sum(row["rows"] * row["columns"] for row in rows if row["width"] == 8)
    assert kept <= 0.3 * sum(row["rows"] * row["columns"] for row in rows)


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> tuple[BuildContext, Artifact]:
    pytest.importorskip("torch", reason="the build extra is not installed")
    import shutil

    from pare.artifacts import seal
    from pare.testing.contexts import tiny_writing

    root = tmp_path_factory.mktemp("decoder")
    ctx = tiny_writing(root)
    shutil.copytree(ctx.base, root / "decoder")
    weights = root / "decoder" / "model.safetensors"
    # Norms of ones alone, as a random model has them, would be left out of the graph.
    arrays = {name: array * 1.5 if "norm" in name else array for name, array in load_file(weights).items()}
    save_file(arrays, weights, {"format": "pt"})
    config = read_config(ctx.base)
    shape = family_of(config).shape(config, 0)
    parent = seal(root / "decoder", format="decoder", labels=(), shape=shape, max_length=32, kind="generate")
    (root / "graph").mkdir()
    return ctx, method(Step("lower")).apply(parent, ctx, root / "graph")


@pytest.mark.parametrize(
    "params",
    [{"scheme": "w8"}, {"scheme": "w4", "algorithm": "gptq"}, {"scheme": "w4", "algorithm": "awq", "group": -1}],
    ids=str,
)
def test_decoders(params: dict[str, Scalar], decoder: tuple[BuildContext, Artifact], tmp_path: Path) -> None:
    from pare.runtimes import load_generator

    ctx, parent = decoder
    made = check_method(method(Step("quantize", {**params, "ranges": 8})), parent, parent.manifest.shape, ctx, tmp_path)
    model = openvino.Core().read_model(str(made.path / "model.xml"))
    types = [op.get_output_element_type(0).get_type_name() for op in model.get_ops()]
    assert types.count("i4") == (21 if params["scheme"] == "w4" else 0)
    engine, again = (load_generator(made, threads=1) for _ in range(2))
    pairs = [(sample.text, sample.label) for sample in ctx.dev]
    bits, before = engine.surprisal(pairs), load_generator(parent, threads=1).surprisal(pairs)
    assert (bits == again.surprisal(pairs)).all()
    assert abs(bits.sum() - before.sum()) < 0.05 * before.sum()


def test_static_int8_of_a_decoder_is_refused(decoder: tuple[BuildContext, Artifact], tmp_path: Path) -> None:
    ctx, parent = decoder
    with pytest.raises(InputError, match="outliers of decoders' activations"):
        method(Step("quantize")).apply(parent, ctx, tmp_path)


@pytest.mark.parametrize(("form", "scheme"), [("onnx", "w4"), ("openvino", "int8_dynamic")])
def test_a_scheme_of_the_other_format_is_refused(
    form: str, scheme: str, context: BuildContext, made: Callable[[str], Artifact], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"quantize: scheme {scheme} takes format"):
        method(Step("quantize", {"scheme": scheme})).apply(made(form), context, tmp_path)


def test_weight_only_parameters_need_a_weight_only_scheme() -> None:
    with pytest.raises(InputError, match="algorithm is for weight-only schemes but scheme is int8"):
        method(Step("quantize", {"algorithm": "gptq"}))
