"""GGUF files of every family of decoders: what llama.cpp says of them is what PyTorch says of their parents."""

from __future__ import annotations

import json
import math
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the build extra is not installed")
pytest.importorskip("gguf", reason="the gguf extra is not installed")
pytest.importorskip("xllamacpp", reason="the gguf extra is not installed")

import gguf
import torch
import xllamacpp
from tokenizers import Regex, Tokenizer, pre_tokenizers

from pare.artifacts import seal
from pare.errors import InputError, PareError
from pare.families import family_of, read_config
from pare.methods import gguf as ours
from pare.methods import method
from pare.methods.gguf import MODEL, Width, lower_gguf, write_gguf
from pare.methods.gguf_vocab import SPLITS
from pare.methods.gguf_weights import ARCHITECTURES
from pare.runtimes import load_generator, runtime
from pare.runtimes.causal import Prompts
from pare.runtimes.modules import read_module
from pare.testing.conformance import check_runtime
from pare.testing.contexts import tiny_stories, tiny_writing
from pare.testing.tiny import marked_bpe, plain_bpe, tiny_decoder
from pare.types import Artifact, Step

LENGTH = 48
PAIRS = [("one two", " three four five six one two three four"), ("", "six"), ("five six", " ünï 🙂 two"), ("one", "")]
LOCAL, WHOLE = "sliding_attention", "full_attention"
SCALED = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


@dataclass(frozen=True)
class Case:
    family: str
    config: dict[str, Any] = field(default_factory=dict)


CASES = {
    **{family: Case(family) for family in ARCHITECTURES},
    "llama-tied": Case("llama", {"tie_word_embeddings": True, "head_dim": 16}),
    "llama-biased": Case("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama-3": Case("llama", {"rope_parameters": {**SCALED, "original_max_position_embeddings": 32}}),
    "llama-linear": Case("llama", {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0}}),
    "llama-several-ends": Case("llama", {"eos_token_id": [1, 2]}),
    "qwen3-tied": Case("qwen3", {"tie_word_embeddings": True}),
    "gemma2-scaled": Case("gemma2", {"query_pre_attn_scalar": 3, "layer_types": [LOCAL, LOCAL, WHOLE]}),
    "gemma2-bounded": Case("gemma2", {"attn_logit_softcapping": 0.5}),
    "gemma3-scaled": Case("gemma3_text", {"query_pre_attn_scalar": 3, "layer_types": [LOCAL, WHOLE, LOCAL]}),
    "gemma3-global": Case("gemma3_text", {"layer_types": [WHOLE] * 3}),
}


def _decoder(folder: Path, case: Case) -> Artifact:
    """A sealed decoder whose weights are large enough for every part to matter: norms, biases and positions among them."""
    texts = [sample.text + sample.label for sample in tiny_stories()]
    window = {"sliding_window": 6} if case.family.startswith("gemma") else {}
    tiny_decoder(folder, case.family, texts, **{**window, **case.config})
    module = read_module(folder, decoder=True)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.25)
    module.save_pretrained(folder)
    shape = family_of(read_config(folder)).shape(read_config(folder), 0)
    return seal(folder, format="decoder", labels=(), shape=shape, max_length=LENGTH, kind="generate")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Artifact]:
    root, known = tmp_path_factory.mktemp("decoders"), {}

    def made(name: str) -> Artifact:
        if name not in known:
            known[name] = _decoder(root / name, CASES[name])
        return known[name]

    return made


def _lowered(parent: Artifact, folder: Path, width: Width) -> Artifact:
    out = folder / f"gguf-{width}"
    out.mkdir()
    return method(Step("lower", {"to": "gguf", "width": width})).apply(parent, tiny_writing(folder), out)


def _expected(parent: Artifact, most: int) -> tuple[list[float], list[list[int]]]:
    """Bits of the answers and greedy continuations, by PyTorch without a cache."""
    module, prompts = read_module(parent.path, decoder=True).eval(), Prompts(parent.path, LENGTH)
    bits, said = [], []
    with torch.inference_mode():
        for prompt, answer in PAIRS:
            ids, start, stop = prompts.turn(prompt, answer)
            scores = module(torch.tensor([ids])).logits[0].double().log_softmax(-1)
            bits.append(-sum(float(scores[i - 1, ids[i]]) for i in range(start, stop)) / math.log(2))
            ids = prompts.prompt(prompt)
            begun = len(ids)
            while len(ids) - begun < most:
                best = int(module(torch.tensor([ids])).logits[0, -1].argmax())
                ids.append(best)
                if best in prompts.ends:
                    break
            said.append(ids[begun:])
    return bits, said


@pytest.mark.parametrize("name", CASES)
def test_llama_cpp_says_what_pytorch_says(name: str, parents: Callable[[str], Artifact], tmp_path: Path) -> None:
    parent = parents(name)
    engine = load_generator(_lowered(parent, tmp_path, "f32"), "llamacpp", threads=1)
    bits, said = _expected(parent, 12)
    # ggml looks GELU up in a table of 16-bit floats.
    assert engine.surprisal(PAIRS) == pytest.approx(bits, rel=1e-3 if "gemma" in name else 1e-5, abs=1e-4)
    prompts = Prompts(parent.path, LENGTH)
    for (prompt, _), ids in zip(PAIRS, said, strict=True):
        tokens = list(engine.generate(prompt, 12))
        assert [token.id for token in tokens] == ids
        assert "".join(token.text for token in tokens) == prompts.text(ids)
    assert len({tuple(ids) for ids in said}) > 1
    engine.close()


@pytest.mark.parametrize("family", ARCHITECTURES)
@pytest.mark.parametrize("width", ["f32", "f16", "q8_0", "q4_0"])
def test_the_file_is_whole(family: str, width: Width, parents: Callable[[str], Artifact], tmp_path: Path) -> None:
    parent = parents(family)
    made = _lowered(parent, tmp_path, width)
    assert made.manifest.format == "gguf"
    read = gguf.GGUFReader(made.path / MODEL)
    module = read_module(parent.path, decoder=True)
    tied = {"lm_head.weight"} if module.config.tie_word_embeddings else set()
    sizes = sorted(tuple(reversed(w.shape)) for name, w in module.state_dict().items() if name not in tied)
    assert sorted(tuple(int(n) for n in tensor.shape) for tensor in read.tensors) == sizes
    stored = sum(tensor.n_bytes for tensor in read.tensors)
    predicted = sum(part.bits * part.elements for part in made.manifest.shape.parts) / 8
    assert predicted == pytest.approx(stored, rel=1e-6)
    up = next(tensor for tensor in read.tensors if tensor.name == "blk.1.ffn_up.weight")
    assert up.tensor_type.name == width.upper()
    weight = module.get_submodule("model.layers.1.mlp.up_proj").weight.detach().numpy()
    error = np.abs(gguf.dequantize(up.data, up.tensor_type).reshape(weight.shape) - weight).max()
    assert error <= {"f32": 0.0, "f16": 1e-3, "q8_0": 0.01, "q4_0": 0.2}[width]
    write_gguf(parent.path, tmp_path / "again", width=width)
    assert (tmp_path / "again").read_bytes() == (made.path / MODEL).read_bytes()


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
def test_conforms(family: str, parents: Callable[[str], Artifact], tmp_path: Path) -> None:
    made = _lowered(parents(family), tmp_path, "f16")
    check_runtime(runtime("llamacpp"), made, [sample.text for sample in tiny_stories()[:4]])


def test_rows_that_are_no_blocks_are_said_and_served(tmp_path: Path) -> None:
    parent = _decoder(tmp_path / "odd", Case("llama", {"intermediate_size": 40}))
    said: list[str] = []
    context = replace(tiny_writing(tmp_path), progress=lambda share, word: said.append(word))
    (tmp_path / "out").mkdir()
    made = lower_gguf(parent, context, tmp_path / "out", "q8_0", {})
    assert "3 matrices stay f16, whose rows are no multiple of 32 (blk.0.ffn_down.weight and the like)" in said[-1]
    stored = sum(tensor.n_bytes for tensor in gguf.GGUFReader(made.path / MODEL).tensors)
    assert sum(part.bits * part.elements for part in made.manifest.shape.parts) / 8 == pytest.approx(stored, rel=1e-6)
    engine = load_generator(made, "llamacpp", threads=1)
    assert engine.surprisal(PAIRS[:1]) == pytest.approx(_expected(parent, 1)[0][:1], rel=0.05)


def test_a_long_prompt_keeps_its_end_and_the_context_ends_the_answer(
    parents: Callable[[str], Artifact], tmp_path: Path
) -> None:
    engine = load_generator(_lowered(parents("llama"), tmp_path, "f32"), "llamacpp", threads=1)
    prompts = Prompts(parents("llama").path, LENGTH)
    long = "one two three " * 60
    assert len(prompts.prompt(long)) > LENGTH
    assert len(list(engine.generate(long, 500))) <= LENGTH // 2
    assert np.isfinite(engine.surprisal([(long, long)])).all()


def _byte_level(*cuts: pre_tokenizers.PreTokenizer, regex: bool) -> Tokenizer:
    made = plain_bpe([sample.text + sample.label for sample in tiny_stories()], 400)
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex)
    made.pre_tokenizer = pre_tokenizers.Sequence([*cuts, level])
    return made


MERGES = [("o", "n"), ("n", "e"), ("on", "e"), ("o", "ne"), ("t", "w"), ("tw", "o"), ("▁", "one"), ("▁", "two")]
TOKENIZERS = {
    "gpt-2": lambda: _byte_level(regex=True),
    "smollm": lambda: _byte_level(pre_tokenizers.Digits(individual_digits=True), regex=True),
    **{
        name: partial(_byte_level, pre_tokenizers.Split(Regex(split), "isolated"), regex=False)
        for split, name in SPLITS.items()
    },
    "llama": partial(marked_bpe, MERGES),
    "gemma": partial(marked_bpe, MERGES, prefix=False),
}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_the_tokenizer_in_the_file_cuts_as_ours(name: str, tmp_path: Path) -> None:
    folder = tiny_decoder(tmp_path / "model", vocab_size=410)
    TOKENIZERS[name]().save(str(folder / "tokenizer.json"))
    write_gguf(folder, tmp_path / MODEL)
    params = xllamacpp.CommonParams()
    params.model.path = str(tmp_path / MODEL)
    params.n_ctx, params.n_parallel, params.warmup, params.verbosity, params.fit_params = 64, 1, False, -1, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    prompts = Prompts(folder, LENGTH)
    for text in ("", "one two  three", "it's 12345 o'CLOCK'S!!  \n\n naïve 🙂 日本語", " lost\t x\r\n y", "onetwo"):
        asked = json.dumps({"content": text, "add_special": True}).encode()
        request = urllib.request.Request(f"{server.listening_address}/tokenize", asked)
        assert json.loads(urllib.request.urlopen(request).read())["tokens"] == prompts.prompt(text)


def test_the_chat_template_goes_along(parents: Callable[[str], Artifact], tmp_path: Path) -> None:
    shutil.copytree(parents("llama").path, tmp_path / "model")
    write_gguf(tmp_path / "model", tmp_path / "without")
    assert "tokenizer.chat_template" not in gguf.GGUFReader(tmp_path / "without").fields
    (tmp_path / "model" / "chat_template.jinja").write_text("{{ messages }}")
    write_gguf(tmp_path / "model", tmp_path / "with")
    assert gguf.GGUFReader(tmp_path / "with").fields["tokenizer.chat_template"].contents() == "{{ messages }}"


REFUSED = {
    "yarn": (Case("llama", {"rope_parameters": {"rope_type": "yarn", "factor": 2.0, "rope_theta": 1e4}}), "'yarn'"),
    "activation": (Case("llama", {"hidden_act": "gelu"}), "hidden_act silu but this model has gelu"),
    "bias": (Case("qwen3", {"attention_bias": True}), "q_proj.bias has no place"),
    "window": (
        Case("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}),
        "no sliding window for qwen2",
    ),
    "pattern": (Case("gemma2", {"layer_types": [WHOLE, LOCAL, LOCAL]}), "every p-th layer"),
    "untied": (Case("gemma", {"tie_word_embeddings": False}), "tie_word_embeddings True but this model has False"),
    "uncapped": (Case("gemma2", {"final_logit_softcapping": None}), "always caps the logits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_file_could_not_say_is_refused(name: str, tmp_path: Path) -> None:
    case, message = REFUSED[name]
    tiny_decoder(tmp_path / "model", case.family, **case.config)
    with pytest.raises(InputError, match=message):
        write_gguf(tmp_path / "model", tmp_path / MODEL)


def test_an_encoder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="not for bert"):
        write_gguf(tmp_path, tmp_path / MODEL)


def test_a_file_that_differs_is_not_sealed_silently(
    parents: Callable[[str], Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pare.methods.gguf_weights.permute", lambda weight, heads: weight)
    with pytest.raises(PareError, match="does not lower to GGUF faithfully"):
        _lowered(parents("llama"), tmp_path, "f16")
    assert ours.TOLERANCE < 0.01


def test_a_damaged_file_is_one_line(parents: Callable[[str], Artifact], tmp_path: Path) -> None:
    made = _lowered(parents("llama"), tmp_path, "f16")
    (made.path / MODEL).write_bytes(b"GGUF")
    with pytest.raises(InputError, match="cannot be loaded by llama"):
        load_generator(made, "llamacpp", threads=1)
