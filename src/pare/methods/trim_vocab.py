"""The tokens a task uses, and sub-words to fall back on: half of a small encoder is rows for words it never meets.

A decoder loses rows of its output head too, so it says only what is left. Of encoders the position table is also cut, to
the artifact's maximum length. Works on the weights' file alone, without torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pare.errors import InputError
from pare.families import Family, family_of, read_config
from pare.families.trimming import trim
from pare.methods.base import MAX_LENGTH, BuildContext
from pare.methods.lineage import lineage, seal_child
from pare.methods.surgery import patient, read_weights, write_model
from pare.types import Artifact, DataFacts, Part, Shape

MOST_UNLABELLED = 40_000
"""Texts without a label that are looked at for their words, drawn by the seed: as many as a distillation learns from."""
STALE = (
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
)
"""Files that hold the vocabulary a second time: they are left out, for ``tokenizer.json`` holds it."""


@dataclass(frozen=True)
class TrimVocab:
    """Keeps about ``tokens`` tokens, those with ``min_uses`` or more in train and the unlabelled texts first.

    Of a decoder's samples both prompts and answers count. Raises InputError where a value is below 1.
    """

    takes: ClassVar[tuple[str, ...]] = ("encoder", "decoder")
    gives: ClassVar[str] = ""

    tokens: int = 5000
    min_uses: int = 2

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 1:
                raise InputError(f"trim_vocab: {name} must be at least 1 but is {value}; set {name} to 1 or more")

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """Exact to a few tokens: common ones fill up what the data leave. Characters alone may be more."""
        return _cut(shape, min(self.tokens, shape.vocabulary), MAX_LENGTH)

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Trims the parent (or the teacher) to the texts of train, those without label too."""
        source = patient(parent, ctx.teacher, "trim_vocab")
        ctx.progress(0.0, "trimming the vocabulary")
        config = read_config(source.path)
        family = family_of(config)
        unlabelled = ctx.some_unlabelled(MOST_UNLABELLED)
        texts = [*(sample.text for sample in ctx.train), *unlabelled]
        if family.decoder:
            texts += [sample.label for sample in ctx.train]
        extra = {name: _json(source.path / name) for name in ("generation_config.json", "tokenizer_config.json")}
        always = {i for held in (config, extra["generation_config.json"]) for i in _named_ids(held)}
        rows = int(config["vocab_size"])
        tokenizer = source.path / "tokenizer.json"
        trimmed = trim(tokenizer, texts, self.tokens, self.min_uses, always=always, rows=rows)
        new = {old: i for i, old in enumerate(trimmed.kept)}
        shape = _cut(source.manifest.shape, len(new), source.manifest.max_length)
        arrays = _sliced(read_weights(source.path), family, trimmed.kept, shape.max_length)
        config = _renumbered(config, new) | {"vocab_size": len(new)}
        if family.positions is not None:
            length = shape.max_length + family.position_offset
            config["max_position_embeddings"] = min(length, int(config["max_position_embeddings"]))
        write_model(source, out, arrays, config, without=STALE)
        (out / "tokenizer.json").write_text(json.dumps(trimmed.tokenizer, ensure_ascii=False, separators=(",", ":")))
        for name, held in extra.items():
            if (renumbered := _renumbered(held, new)) != held:
                (out / name).write_text(json.dumps(renumbered, indent=1))
        made = lineage(self, "trim_vocab", source, ctx, len(unlabelled))
        return seal_child(source, out, shape, made, max_length=None if family.decoder else source.manifest.max_length)


def _cut(shape: Shape, tokens: int, length: int) -> Shape:
    """The shape with ``tokens`` rows of word embeddings and of a decoder's head, and an encoder's positions for ``length``
    tokens.
    """
    decoder = family_of({"model_type": shape.family}).decoder
    length = shape.max_length if decoder else min(length, shape.max_length)
    lost = shape.max_length - length

    def smaller(part: Part) -> Part:
        if part.name == "embeddings.word" or (part.name == "head" and decoder):
            flops = part.flops_per_token * tokens / shape.vocabulary
            return replace(part, elements=part.elements // shape.vocabulary * tokens, flops_per_token=flops)
        if part.name == "embeddings.position":
            word = next(p.elements for p in shape.parts if p.name == "embeddings.word")
            return replace(part, elements=part.elements - lost * (word // shape.vocabulary))
        return part

    return replace(shape, parts=tuple(map(smaller, shape.parts)), vocabulary=tokens, max_length=length)


def _sliced(arrays: dict[str, Any], family: Family, kept: tuple[int, ...], length: int) -> dict[str, Any]:
    """The arrays with the kept rows of the word embeddings and of an output head that is not tied to them."""
    out = dict(arrays)
    for path in (family.words, family.head):
        for name in (f"{path}.weight", f"{path}.bias"):
            if name in arrays:
                out[name] = arrays[name][np.array(kept)]
    if family.positions is not None:
        positions = f"{family.positions}.weight"
        out[positions] = arrays[positions][: length + family.position_offset]
    return out


def _named_ids(config: Mapping[str, Any]) -> list[int]:
    """The tokens that a config gives a role: one, or several (``eos_token_id`` may be a list)."""
    found = [value for name, value in config.items() if name.endswith("_token_id")]
    return [i for value in found for i in (value if isinstance(value, list) else [value]) if isinstance(i, int)]


def _renumbered(config: Mapping[str, Any], new: Mapping[int, int]) -> dict[str, Any]:
    """A config with the new ids of its tokens. One that names a token which the tokenizer does not have names none."""
    out = dict(config)
    for name, value in config.items():
        if name.endswith("_token_id") and isinstance(value, int):
            out[name] = new.get(value)
        elif name.endswith(("_token_id", "suppress_tokens")) and isinstance(value, list):
            out[name] = [new[i] for i in value if i in new]
        elif name == "added_tokens_decoder":
            out[name] = {str(new[int(i)]): token for i, token in value.items() if int(i) in new}
    return out


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_bytes())) if path.is_file() else {}
