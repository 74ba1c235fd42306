"""Decoders, lowered and served: every family as PyTorch runs it, and what holds of the graph and of both runtimes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

import torch

from pare.errors import InputError, PareError
from pare.families import DECODERS
from pare.methods.base import BuildContext
from pare.methods.lower import Lower
from pare.runtimes import load, load_generator, runtime
from pare.runtimes.base import Generator
from pare.runtimes.writing import Writer, left_padded, places
from pare.testing.conformance import check_method, check_refusal, check_runtime, weight_bytes
from pare.testing.contexts import tiny_context, tiny_writing, tiny_written
from pare.types import Artifact

LONG = "one two three four five six " * 8
"""More tokens than the tiny families' windows of 16, fewer than their 64 positions."""


class Lowered(NamedTuple):
    """A tiny decoder, and its graph, made twice."""

    ctx: BuildContext
    decoder: Artifact
    graph: Artifact


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Lowered:
    folder = tmp_path_factory.mktemp("llama")
    ctx = tiny_writing(folder)
    decoder = tiny_written(ctx, folder / "decoder")
    graph = check_method(Lower(), decoder, decoder.manifest.shape, ctx, folder / "graphs")
    return Lowered(ctx, decoder, graph)


def _writer(artifact: Artifact) -> Writer:
    engine = load_generator(artifact, threads=1)
    assert isinstance(engine, Writer)
    return engine


@pytest.fixture(scope="module")
def lowered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Lowered]:
    @cache
    def make(family: str) -> Lowered:
        folder = tmp_path_factory.mktemp(family)
        ctx = tiny_writing(folder, family)
        decoder = tiny_written(ctx, folder / "decoder")
        (folder / "graph").mkdir()
        return Lowered(ctx, decoder, Lower().apply(decoder, ctx, folder / "graph"))

    return make


@pytest.mark.parametrize("family", DECODERS)
def test_a_family_is_served_as_pytorch_runs_it(family: str, lowered: Callable[[str], Lowered]) -> None:
    ctx, decoder, graph = lowered(family)
    assert graph.manifest.kind == "generate"
    held = (graph.path / "model.bin").stat().st_size
    assert held == pytest.approx(weight_bytes(graph.manifest.shape), rel=0.02), "tied embeddings are stored once"

    pairs = [(sample.text, sample.label) for sample in ctx.train[:5]] + [(LONG, LONG), ("", LONG), (LONG * 3, " one")]
    theirs, ours = load_generator(decoder, threads=1), load_generator(graph, threads=1)
    assert np.allclose(ours.surprisal(pairs), theirs.surprisal(pairs), rtol=1e-4)
    for prompt in ("one two", LONG):
        assert [*ours.generate(prompt, 20)] == [*theirs.generate(prompt, 20)]


def test_a_bound_on_attention_is_kept_by_every_runtime(tmp_path: Path) -> None:
    """Gemma 2 squashes what softmax reads; transformers' fused attention, which it picks by itself, does not."""
    from transformers import AutoModelForCausalLM

    ctx = tiny_writing(tmp_path, "gemma2")
    config = json.loads((ctx.base / "config.json").read_text())
    (ctx.base / "config.json").write_text(json.dumps(config | {"attn_logit_softcapping": 1.0}))
    _scale(ctx.base, "q_proj", 3000)
    decoder = tiny_written(ctx, tmp_path / "decoder")
    (tmp_path / "graph").mkdir()
    graph = Lower().apply(decoder, ctx, tmp_path / "graph")
    ids = torch.tensor([_writer(decoder).prompts.prompt(LONG)])
    with torch.inference_mode():
        eager, fused = (
            AutoModelForCausalLM.from_pretrained(decoder.path, attn_implementation=kind)(ids).logits.numpy()
            for kind in ("eager", "sdpa")
        )
    assert np.abs(eager - fused).max() > 0.01, "the bound matters here"
    for artifact in (decoder, graph):
        with _writer(artifact).session() as step:
            mask = np.ones_like(ids.numpy())
            found = step(ids.numpy(), mask, places(mask), ids.shape[1])
        assert np.abs(found - eager).max() < 1e-4


def test_paged_attention_keeps_to_the_window(lowered: Callable[[str], Lowered], tmp_path: Path) -> None:
    """OpenVINO GenAI rewrites attention for continuous batching, and knows a window by its mask's form alone."""
    genai = pytest.importorskip("openvino_genai", reason="openvino-genai is not installed")
    import openvino

    graph = lowered("gemma3_text").graph
    for suffix in ("xml", "bin"):
        shutil.copyfile(graph.path / f"model.{suffix}", tmp_path / f"openvino_model.{suffix}")
    row = np.random.default_rng(0).integers(5, 200, 40)
    exact = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    pipeline = genai.LLMPipeline(str(tmp_path), "CPU", ATTENTION_BACKEND="PA", **exact)
    settings = genai.GenerationConfig(max_new_tokens=12, do_sample=False, ignore_eos=True)
    settings.set_eos_token_id(1)
    found = pipeline.generate(openvino.Tensor(row[None]), settings).tokens[0]
    assert found == [int(chosen[0]) for chosen in _writer(graph).tokens([row.tolist()], 12)]


@pytest.mark.parametrize("name", ["pytorch", "openvino"])
def test_conforms(name: str, llama: Lowered) -> None:
    artifact = llama.decoder if name == "pytorch" else llama.graph
    check_runtime(runtime(name), artifact, [*(sample.text for sample in llama.ctx.train[:9]), LONG])


def test_other_runtimes_refuse_decoders(llama: Lowered) -> None:
    for name in ("arrays", "onnx", "openvino"):
        check_refusal(runtime(name), llama.decoder)


def test_the_graph_has_the_inputs_that_pipelines_expect(llama: Lowered) -> None:
    import openvino

    model = openvino.Core().read_model(str(llama.graph.path / "model.xml"))
    assert {port.any_name: port.get_element_type().to_string() for port in model.inputs} == {
        "input_ids": "i64",
        "attention_mask": "i64",
        "position_ids": "i64",
        "beam_idx": "i32",
    }
    assert [port.any_name for port in model.outputs] == ["logits"]
    assert len(model.get_variables()) == 2 * llama.graph.manifest.shape.layers
    assert b"site-packages" not in (llama.graph.path / "model.xml").read_bytes()


def test_a_row_goes_on_from_the_row_that_it_chooses(llama: Lowered) -> None:
    import openvino

    request = openvino.Core().compile_model(str(llama.graph.path / "model.xml"), "CPU").create_infer_request()

    def step(ids: list[list[int]], read: int, rows: list[int]) -> np.ndarray:
        new = np.array(ids)
        mask, at = np.ones((len(ids), read + new.shape[1]), np.int64), np.arange(read, read + new.shape[1])
        names = ("input_ids", "attention_mask", "position_ids", "beam_idx")
        given = (new, mask, np.tile(at, (len(ids), 1)), np.array(rows, np.int32))
        return np.array(request.infer(dict(zip(names, given, strict=True)))["logits"])

    step([[5, 6, 7], [8, 9, 10]], 0, [0, 1])
    swapped = step([[11], [11]], 3, [1, 0])
    request.reset_state()
    step([[5, 6, 7], [8, 9, 10]], 0, [0, 1])
    kept = step([[11], [11]], 3, [0, 1])
    assert np.allclose(swapped, kept[::-1], atol=1e-4)
    assert not np.allclose(swapped, kept, atol=1e-4)


@pytest.mark.parametrize("name", ["decoder", "graph"])
def test_generated_tokens_are_the_largest_logits_of_the_text_read_anew(name: str, llama: Lowered) -> None:
    engine = _writer(getattr(llama, name))
    row = engine.prompts.prompt("one two three")
    tokens = [token.id for token in engine.generate("one two three", 10)]
    ids, mask = left_padded([[*row, *tokens]])
    with engine.session() as step:
        logits = step(ids, mask, places(mask), ids.shape[1])[0]
    assert logits[len(row) - 1 : -1].argmax(axis=1).tolist() == tokens


@pytest.mark.parametrize("name", ["decoder", "graph"])
def test_prompts_side_by_side_are_answered_as_alone(name: str, llama: Lowered) -> None:
    engine = _writer(getattr(llama, name))
    prompts = ["one", LONG, "", "five six one two", "three"] * 3
    alone = ["".join(token.text for token in engine.generate(prompt, 8)) for prompt in prompts]
    assert engine.generate_many(prompts, 8) == alone


def test_onnx_is_refused_with_the_reason(llama: Lowered, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ONNX has no such state: use lower:openvino"):
        Lower("onnx").apply(llama.decoder, llama.ctx, tmp_path)


def test_a_graph_that_differs_is_not_sealed_silently(llama: Lowered, tmp_path: Path) -> None:
    from pare.methods.lowering_decoder import check

    texts = [sample.text for sample in llama.ctx.train]
    shutil.copytree(llama.decoder.path, tmp_path / "changed")
    _scale(tmp_path / "changed", "norm", 1.1)
    changed = replace(llama.decoder, path=tmp_path / "changed")
    check(llama.decoder, llama.graph, texts, 1)
    with pytest.raises(PareError, match="does not lower faithfully"):
        check(changed, llama.graph, texts, 1)


def _scale(folder: Path, module: str, factor: float) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    scaled = {name: w * (factor if module in name else 1) for name, w in weights.items()}
    save_file(scaled, folder / "model.safetensors", {"format": "pt"})


def test_positions_that_grow_with_the_text_are_refused(tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    from pare.methods.lowering_decoder import to_openvino

    config = AutoConfig.for_model("llama", hidden_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=40)
    config.rope_parameters = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    with pytest.raises(InputError, match="rope_type is 'dynamic'"):
        to_openvino(AutoModelForCausalLM.from_config(config), tmp_path)


def test_what_classifies_is_no_generator(tmp_path: Path, llama: Lowered) -> None:
    from pare.methods.linear import Linear

    (tmp_path / "linear").mkdir()
    linear = Linear().apply(None, tiny_context(tmp_path), tmp_path / "linear")
    with pytest.raises(InputError, match="generates no text"):
        load_generator(linear)
    found: object = load(llama.graph, threads=1)
    assert isinstance(found, Writer)
    generator: Generator = found
    generator.close()
