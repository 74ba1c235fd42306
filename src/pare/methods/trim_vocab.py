"""The tokens a task uses, and sub-words to fall back on: half of a small encoder is rows for words it never meets.

Also cuts the position table to the artifact's maximum length. Works on the weights' file alone, without torch.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from safetensors.numpy import load_file, save_file

from pare.artifacts import seal
from pare.errors import InputError
from pare.families import Family, family_of, read_config
from pare.families.trimming import trim
from pare.methods.base import MAX_LENGTH, BuildContext
from pare.methods.lineage import lineage
from pare.types import Artifact, DataFacts, Part, Shape

WEIGHTS = "model.safetensors"
MOST_UNLABELLED = 40_000
"""Texts without a label that are looked at for their words, drawn by the seed: as many as a distillation learns from."""
_TOKEN_IDS = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "mask_token_id")


@dataclass(frozen=True)
class TrimVocab:
    """Keeps about ``tokens`` tokens, those with ``min_uses`` or more in train and the unlabelled texts first.

    Raises InputError where a value is below 1.
    """

    takes: ClassVar[tuple[str, ...]] = ("encoder",)
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
        source = parent or ctx.teacher
        if source is None:
            raise InputError("trim_vocab needs a fine-tuned model but there is none; build the reference first")
        config = read_config(source.path)
        family = family_of(config)
        unlabelled = ctx.some_unlabelled(MOST_UNLABELLED)
        texts = [*(sample.text for sample in ctx.train), *unlabelled]
        trimmed = trim(source.path / "tokenizer.json", texts, self.tokens, self.min_uses)
        shutil.copytree(source.path, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json", WEIGHTS))
        arrays = load_file(source.path / WEIGHTS)
        length = source.manifest.max_length
        save_file(_sliced(arrays, family, trimmed.kept, length), out / WEIGHTS, {"format": "pt"})
        (out / "config.json").write_text(json.dumps(_renumbered(config, family, trimmed.kept, length), indent=1))
        (out / "tokenizer.json").write_text(json.dumps(trimmed.tokenizer, ensure_ascii=False, separators=(",", ":")))
        return seal(
            out,
            format="encoder",
            labels=source.manifest.labels,
            shape=_cut(source.manifest.shape, len(trimmed.kept), length),
            max_length=length,
            kind=source.manifest.kind,
            lineage=lineage(self, "trim_vocab", source, ctx, len(unlabelled)),
        )


def _cut(shape: Shape, tokens: int, length: int) -> Shape:
    """The shape with ``tokens`` rows of word embeddings and positions for ``length`` tokens."""
    length = min(length, shape.max_length)
    lost = shape.max_length - length

    def smaller(part: Part) -> Part:
        if part.name == "embeddings.word":
            return replace(part, elements=part.elements // shape.vocabulary * tokens)
        if part.name == "embeddings.position":
            word = next(p.elements for p in shape.parts if p.name == "embeddings.word")
            return replace(part, elements=part.elements - lost * (word // shape.vocabulary))
        return part

    return replace(shape, parts=tuple(map(smaller, shape.parts)), vocabulary=tokens, max_length=length)


def _sliced(arrays: dict[str, Any], family: Family, kept: tuple[int, ...], length: int) -> dict[str, Any]:
    words = f"{family.words}.weight"
    out = {**arrays, words: arrays[words][np.array(kept)]}
    if family.positions is not None:
        positions = f"{family.positions}.weight"
        out[positions] = np.ascontiguousarray(arrays[positions][: length + family.position_offset])
    return out


def _renumbered(config: dict[str, Any], family: Family, kept: tuple[int, ...], length: int) -> dict[str, Any]:
    new = {old: i for i, old in enumerate(kept)}
    ids = {name: new.get(config[name]) for name in _TOKEN_IDS if isinstance(config.get(name), int)}
    out = {**config, **ids, "vocab_size": len(kept)}
    if family.positions is not None:
        out["max_position_embeddings"] = min(length + family.position_offset, int(config["max_position_embeddings"]))
    return out
