"""A trained decoder (TinyStories, 656 thousand weights), lowered: as good as in PyTorch, and OpenVINO GenAI reads it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pare.artifacts import seal
from pare.families import family_of, read_config
from pare.runtimes import load_generator
from pare.runtimes.writing import Writer
from pare.types import Artifact, Sample

pytestmark = pytest.mark.slow
BEGINNING = "Once upon a time, there was a little girl named"


class Trained(NamedTuple):
    decoder: Artifact
    graph: Artifact
    pairs: Sequence[tuple[str, str]]


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    pytest.importorskip("torch", reason="needs the build extra")
    from pare.methods.lower import Lower
    from pare.testing.contexts import tiny_writing

    model = data / "models" / "tinystories-656k"
    if not model.is_dir():
        pytest.skip(f"{model} is absent")
    corpus = data / "generate" / "tinystories" / "out" / "corpora" / "tinystories_1000.json"
    pairs = [(text[: len(text) // 2], text[len(text) // 2 :]) for text in json.loads(corpus.read_bytes())[:60]]
    folder = tmp_path_factory.mktemp("tinystories")
    for name in ("decoder", "graph"):
        (folder / name).mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        shutil.copyfile(model / name, folder / "decoder" / name)
    config = read_config(model)
    shape = family_of(config).shape(config, 0)
    decoder = seal(folder / "decoder", format="decoder", labels=(), shape=shape, max_length=512, kind="generate")
    rows = [Sample(str(i), *pair, str(i)) for i, pair in enumerate(pairs)]
    graph = Lower().apply(decoder, replace(tiny_writing(folder), train=rows), folder / "graph")
    return Trained(decoder, graph, pairs)


def test_it_is_as_good_as_in_pytorch(trained: Trained) -> None:
    size = sum(len(answer.encode()) for _, answer in trained.pairs)
    theirs, ours = (load_generator(artifact) for artifact in (trained.decoder, trained.graph))
    bits = theirs.surprisal(trained.pairs)
    assert bits.sum() / size < 1.25, "1.151 bits a byte when this was written"
    assert np.allclose(ours.surprisal(trained.pairs), bits, rtol=1e-5)
    assert [*ours.generate(BEGINNING, 60)] == [*theirs.generate(BEGINNING, 60)]


def test_tied_embeddings_are_stored_once(trained: Trained) -> None:
    held = (trained.graph.path / "model.bin").stat().st_size
    assert held == pytest.approx((trained.decoder.path / "model.safetensors").stat().st_size, rel=0.01)


@pytest.mark.parametrize("backend", ["SDPA", "PA"])
def test_openvino_genai_gives_the_same_tokens(backend: str, trained: Trained, tmp_path: Path) -> None:
    genai = pytest.importorskip("openvino_genai", reason="openvino-genai is not installed")
    import openvino

    engine = load_generator(trained.graph)
    assert isinstance(engine, Writer)
    for suffix in ("xml", "bin"):
        shutil.copyfile(trained.graph.path / f"model.{suffix}", tmp_path / f"openvino_model.{suffix}")
    shutil.copyfile(trained.graph.path / "config.json", tmp_path / "config.json")
    exact = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    pipeline = genai.LLMPipeline(str(tmp_path), "CPU", ATTENTION_BACKEND=backend, **exact)
    settings = genai.GenerationConfig(max_new_tokens=30, do_sample=False)
    settings.set_eos_token_id(engine.prompts.ends[0])
    row = engine.prompts.prompt(BEGINNING)
    found = pipeline.generate(openvino.Tensor(np.array([row])), settings).tokens[0]
    assert found == [token.id for token in engine.generate(BEGINNING, 30)]
