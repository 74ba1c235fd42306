"""The base encoder fine-tuned on the task: the default reference, and the teacher of every student."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pare.artifacts import seal
from pare.errors import InputError, MissingExtra
from pare.families import family_of, read_config
from pare.methods.base import BASE, MAX_LENGTH, BuildContext
from pare.methods.lineage import lineage
from pare.types import Artifact, DataFacts, Shape


@dataclass(frozen=True)
class Finetune:
    """Starts from ``ctx.base``. ``rate`` is the peak learning rate of the backbone; the head's is 30 times that.

    ``hide`` is the share of tokens replaced by the mask token in training, in place of dropout. ``max_length`` in tokens:
    longer texts are cut. Word embeddings stay as they are.
    Raises InputError where a value is out of range.
    """

    takes: ClassVar[tuple[str, ...]] = (BASE,)
    gives: ClassVar[str] = ""

    epochs: float = 5.0
    rate: float = 1.5e-4
    hide: float = 0.1
    smoothing: float = 0.0
    batch: int = 32
    max_length: int = MAX_LENGTH

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 0.1:
            raise InputError(f"finetune: rate must be above 0 and at most 0.1 but is {self.rate}; 1.5e-4 is usual")
        if not 0 <= self.smoothing < 1:
            raise InputError(f"finetune: smoothing must be in [0, 1) but is {self.smoothing}; 0 is none")
        if not 0 <= self.hide < 1:
            raise InputError(f"finetune: hide must be in [0, 1) but is {self.hide}; 0.1 is usual")
        if self.epochs <= 0:
            raise InputError(f"finetune: epochs must be above 0 but is {self.epochs}; 3 to 6 are usual")
        if self.batch < 1:
            raise InputError(f"finetune: batch must be at least 1 but is {self.batch}; 32 is usual")
        if self.max_length < 3:
            raise InputError(f"finetune: max_length must be at least 3 but is {self.max_length}; 128 is usual")

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """The base's anatomy: training changes values only. Exact."""
        return shape

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Trains and writes an artifact of format ``encoder``. Raises MissingExtra without torch and transformers."""
        try:
            import torch
            import transformers  # noqa: F401
        except ImportError as error:
            raise MissingExtra(str(error.name), "build", "fine-tuning an encoder") from None
        from pare.training.batching import tokenize
        from pare.training.losses import CrossEntropy
        from pare.training.model import load_encoder, save_encoder
        from pare.training.trainer import Schedule, train

        config = read_config(ctx.base)
        tags = ctx.kind == "tag"
        shape = family_of(config).shape(config, len(ctx.labels), each_token=tags)
        max_length = min(self.max_length, shape.max_length)
        tokenizer = ctx.base / "tokenizer.json"
        if not tokenizer.is_file():
            raise InputError(f"{ctx.base} has no tokenizer.json; save the base model's fast tokenizer beside it")
        model = load_encoder(ctx.base, len(ctx.labels), seed=ctx.seed, train=True, pooling="none" if tags else None)
        rows = tokenize(tokenizer, [sample.text for sample in ctx.train], max_length, words=tags)
        loss = CrossEntropy(torch.from_numpy(ctx.answers(ctx.train)), self.smoothing, ctx.kind)
        train(
            model,
            rows,
            loss,
            Schedule(self.epochs, self.rate, batch=self.batch, hide=self.hide),
            seed=ctx.seed,
            fidelity=ctx.fidelity,
            threads=ctx.threads,
            progress=ctx.progress,
            word="fine-tuning",
        )
        save_encoder(model, out, tokenizer)
        return seal(
            out,
            format="encoder",
            labels=ctx.labels,
            shape=shape,
            max_length=max_length,
            kind=ctx.kind,
            lineage=lineage(self, "finetune", None, ctx),
        )
