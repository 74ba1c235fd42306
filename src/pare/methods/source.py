"""What a training starts from and what it leaves: an artifact or the base model, an encoder or a decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pare.artifacts import seal
from pare.errors import InputError, MissingExtra
from pare.families import family_of, read_config
from pare.methods.base import MAX_LENGTH, TURN_LENGTH, BuildContext
from pare.types import Artifact, Kind, Sample, Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pare.training.batching import TokenRows
    from pare.training.decoder import Decoder
    from pare.training.model import Encoder

SCRATCH = "student"
"""The method whose models have learnt nothing yet."""


@dataclass(frozen=True)
class Source:
    """A model to train. ``id`` is the artifact's, or the base model's name. ``pretrained``: its embeddings mean something
    already; ``fresh``: an encoder without a head.
    """

    path: Path
    id: str
    format: str
    kind: Kind
    labels: tuple[str, ...]
    shape: Shape
    max_length: int
    pretrained: bool = True
    fresh: bool = False
    contract: Mapping[str, Any] = field(default_factory=dict)

    @property
    def decoder(self) -> bool:
        return self.format == "decoder"

    @property
    def tokenizer(self) -> Path:
        return self.path / "tokenizer.json"


def needs(purpose: str, *packages: str) -> None:
    """Raises MissingExtra, which names the command, where one of the packages of the build extra is not installed."""
    for package in packages or ("torch", "transformers"):
        try:
            import_module(package)
        except ImportError as error:
            raise MissingExtra(str(error.name), "build", purpose) from None


def source_of(parent: Artifact | None, ctx: BuildContext, max_length: int | None = None) -> Source:
    """The parent, or ``ctx.base`` where there is none. ``max_length`` in tokens: None leaves the parent's, or the default.

    Raises InputError where the model cannot do the task: another kind of answers, other labels, no tokenizer.
    """
    path = parent.path if parent else ctx.base
    config = read_config(path)
    family = family_of(config)
    if family.decoder != (ctx.kind == "generate"):
        does, asks = "writes text" if family.decoder else "gives labels", "text" if ctx.kind == "generate" else "labels"
        other = "an encoder" if family.decoder else "a decoder"
        raise InputError(f"{path} {does} ({family.name}), but the task asks for {asks}; start from {other}")
    if not (path / "tokenizer.json").is_file():
        raise InputError(f"{path} has no tokenizer.json; save the base model's fast tokenizer beside it")
    if parent is None:
        shape = family.shape(config, len(ctx.labels), each_token=ctx.kind == "tag")
        length = min(max_length or (TURN_LENGTH if family.decoder else MAX_LENGTH), shape.max_length)
        form = "decoder" if family.decoder else "encoder"
        fresh = not family.decoder
        return Source(path, path.name, form, ctx.kind, ctx.labels, shape, length, fresh=fresh)
    was = parent.manifest
    if was.labels != ctx.labels or was.kind != ctx.kind:
        raise InputError(
            f"{path} answers with {len(was.labels)} labels (kind {was.kind}), the task with {len(ctx.labels)} "
            f"(kind {ctx.kind}), and both must be the same; start from the base model"
        )
    return Source(
        path,
        parent.id,
        was.format,
        was.kind,
        was.labels,
        was.shape,
        min(max_length or was.max_length, was.shape.max_length),
        pretrained=was.lineage.get("step", {}).get("method") != SCRATCH,
        contract=was.contract,
    )


def load(source: Source, seed: int) -> Encoder | Decoder:
    """The model, ready to be trained."""
    from pare.training.decoder import Decoder, load_decoder
    from pare.training.model import load_encoder

    if source.decoder:
        return Decoder(load_decoder(source.path, train=True))
    pooling: Any = "none" if source.kind == "tag" else None
    return load_encoder(source.path, len(source.labels), seed=seed, train=True, pooling=pooling)


def lesson(source: Source, ctx: BuildContext, *, logged: bool = False) -> tuple[TokenRows, NDArray[np.int64]]:
    """The train side as token rows, and what is right: a class or classes a text, a tag a word, a token a place.

    ``logged``: a decoder is to say what a large model once answered, where that is logged.
    """
    from pare.runtimes.causal import Prompts
    from pare.training.batching import tokenize
    from pare.training.turns import read_turns

    if source.decoder:
        prompts = Prompts(source.path, source.max_length)
        return read_turns(prompts, [(sample.text, _said(sample, logged)) for sample in ctx.train])
    texts = [sample.text for sample in ctx.train]
    rows = tokenize(source.tokenizer, texts, source.max_length, words=source.kind == "tag")
    return rows, ctx.answers(ctx.train)


def finish(source: Source, model: Encoder | Decoder, out: Path, lineage: Mapping[str, Any]) -> Artifact:
    """Writes the trained model and seals it."""
    from pare.training.decoder import Decoder, save_decoder
    from pare.training.model import save_encoder

    if isinstance(model, Decoder):
        save_decoder(model.module, out, source.tokenizer)
    else:
        save_encoder(model, out, source.tokenizer)
    return seal(
        out,
        format=source.format,
        labels=source.labels,
        shape=source.shape,
        max_length=source.max_length,
        kind=source.kind,
        contract=source.contract,
        lineage=lineage,
    )


def _said(sample: Sample, logged: bool) -> str:
    return sample.answer if logged and sample.answer else sample.label
