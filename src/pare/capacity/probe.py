"""Llama-shaped decoders with random weights, made on the spot to time engines with: speed does not depend on what is learnt.

They go the way of every decoder (``lower``, ``quantize:w8``; ``lower:gguf``), so that what is timed is what pare serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pare.artifacts import seal
from pare.errors import MissingExtra
from pare.families import family_of, read_config
from pare.methods import method
from pare.methods.base import BuildContext
from pare.methods.lineage import BUILDERS, versions_of
from pare.runtimes import this_device
from pare.types import Artifact, Sample, Step

TEXTS = ("where is my card", "i lost my phone", "top up failed again", "exchange rates please")
"""What a lowered graph is compared on, and prompts are made of."""
RECIPES: Mapping[str, tuple[Step, ...]] = {
    "w8": (Step("lower"), Step("quantize", {"scheme": "w8"})),
    "q8_0": (Step("lower", {"to": "gguf", "width": "q8_0"}),),
}
"""Width as served → the steps that give it: OpenVINO's graph and llama.cpp's file, both of 8 bits."""


@dataclass(frozen=True, slots=True)
class Llama:
    """The sizes of a Llama: embeddings and head are one matrix, every head has keys and values of its own."""

    width: int
    inner: int
    layers: int
    heads: int
    vocabulary: int
    length: int = 1024

    @property
    def parameters(self) -> int:
        """Elements of all matrices and norms."""
        layer = 4 * self.width**2 + 3 * self.width * self.inner + 2 * self.width
        return self.vocabulary * self.width + self.layers * layer + self.width

    @property
    def name(self) -> str:
        """For example ``llama-29m-random``."""
        count = self.parameters
        return f"llama-{count / 1e6:.0f}m-random" if count >= 1e6 else f"llama-{count / 1e3:.0f}k-random"


LLAMA_29M = Llama(width=512, inner=1376, layers=8, heads=8, vocabulary=8192)
LLAMA_110M = Llama(width=768, inner=2048, layers=12, heads=12, vocabulary=32000)


def random_llama(size: Llama, folder: Path, seed: int = 0) -> Artifact:
    """An untrained Llama as an artifact of format ``decoder`` in ``folder``; its tokens are bytes, all but one.

    Raises MissingExtra without torch and transformers.
    """
    try:
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        from pare.training.decoder import save_decoder
    except ImportError as error:
        raise MissingExtra(str(error.name), "build", "making a model to time engines with") from None
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        max_position_embeddings=size.length,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    save_decoder(LlamaForCausalLM(config), folder, _tokenizer(folder))
    held = read_config(folder)
    return seal(
        folder,
        format="decoder",
        labels=(),
        shape=family_of(held).shape(held, 0),
        max_length=size.length,
        kind="generate",
        lineage={"parent": size.name, "seed": seed, "versions": versions_of(BUILDERS)},
    )


def served(decoder: Artifact, width: str, folder: Path) -> Artifact:
    """A decoder as it is served at one of the widths of ``RECIPES``. Raises what the steps raise."""
    ctx = BuildContext(
        train=[Sample(id=str(i), text=text, label=text, unit=str(i)) for i, text in enumerate(TEXTS)],
        dev=[],
        labels=(),
        base=decoder.path,
        teacher=None,
        seed=0,
        fidelity=1.0,
        threads=this_device().cores,
        cache=folder / "cache",
        progress=lambda share, words: None,
        kind="generate",
    )
    made = decoder
    for number, step in enumerate(RECIPES[width]):
        out = folder / f"{width}-{number}"
        out.mkdir(parents=True)
        made = method(step).apply(made, ctx, out)
    return made


def _tokenizer(folder: Path) -> Path:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    listed = {token: number for number, token in enumerate(["<s>", "</s>", *letters, "th"])}
    made = Tokenizer(models.BPE(vocab=listed, merges=[("t", "h")]))  # llama.cpp reads no file without a merge
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<s>", "</s>"])
    path = folder / "tokenizer.json"
    made.save(str(path))
    return path
