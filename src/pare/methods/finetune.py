"""A model trained on the task's labels. The fine-tuned base is the default reference, and the teacher of every student.

Of a decoder the labels are the answers to give, and the loss is that of their tokens and the end behind them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pare.errors import InputError
from pare.families import family_of
from pare.methods.base import BASE, BuildContext
from pare.methods.lineage import lineage
from pare.methods.source import finish, lesson, load, needs, source_of
from pare.types import Artifact, DataFacts, Shape

HIDE = 0.1
"""The share of tokens that is hidden from an encoder where nothing else is said."""


@dataclass(frozen=True)
class Finetune:
    """Starts from ``ctx.base``, or goes on from an encoder or a decoder. ``rate`` is the peak learning rate of the layers;
    an encoder's head learns at 30 times that.

    ``hide`` is the share of an encoder's tokens replaced by the mask token in training, in place of dropout: 0.1 where it is
    None. ``max_length`` in tokens: longer texts are cut; None is what the parent has, 128 for a base encoder and 1,024 for a
    base decoder. ``train_embeddings``: word embeddings learn too; None means those of decoders and of models that have
    learnt nothing yet (``student``), while a pretrained encoder's stay as they are.
    Raises InputError where a value is out of range, and where a decoder is to have tokens hidden.
    """

    takes: ClassVar[tuple[str, ...]] = (BASE, "encoder", "decoder")
    gives: ClassVar[str] = ""

    epochs: float = 5.0
    rate: float = 1.5e-4
    hide: float | None = None
    smoothing: float = 0.0
    batch: int = 32
    max_length: int | None = None
    train_embeddings: bool | None = None

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 0.1:
            raise InputError(f"finetune: rate must be above 0 and at most 0.1 but is {self.rate}; 1.5e-4 is usual")
        if not 0 <= self.smoothing < 1:
            raise InputError(f"finetune: smoothing must be in [0, 1) but is {self.smoothing}; 0 is none")
        if self.hide is not None and not 0 <= self.hide < 1:
            raise InputError(f"finetune: hide must be in [0, 1) but is {self.hide}; 0.1 is usual")
        if self.epochs <= 0:
            raise InputError(f"finetune: epochs must be above 0 but is {self.epochs}; 3 to 6 are usual")
        if self.batch < 1:
            raise InputError(f"finetune: batch must be at least 1 but is {self.batch}; 32 is usual")
        if self.max_length is not None and self.max_length < 3:
            raise InputError(f"finetune: max_length must be at least 3 but is {self.max_length}; 128 is usual")

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """The parent's anatomy: training changes values only. Exact. Raises InputError where a decoder is to have tokens
        hidden.
        """
        if self.hide and family_of({"model_type": shape.family}).decoder:
            raise InputError(
                f"finetune: hide must be 0 for a decoder, which reads from the left, but is {self.hide}; leave it out"
            )
        return shape

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Trains and writes an encoder or a decoder. Raises MissingExtra without torch and transformers."""
        needs("fine-tuning a model")
        import torch

        from pare.training.losses import CrossEntropy
        from pare.training.trainer import Schedule, train

        source = source_of(parent, ctx, self.max_length)
        self.reshape(source.shape, DataFacts(classes=0, rows=0, tokens_per_row=0.0))
        model = load(source, ctx.seed)
        rows, targets = lesson(source, ctx)
        learns = self.train_embeddings
        train(
            model,
            rows,
            CrossEntropy(torch.from_numpy(targets), self.smoothing, ctx.kind),
            Schedule(
                self.epochs,
                self.rate,
                head_factor=1.0 if source.decoder else 30.0,
                train_embeddings=source.decoder or not source.pretrained if learns is None else learns,
                batch=self.batch,
                hide=0.0 if source.decoder else HIDE if self.hide is None else self.hide,
            ),
            seed=ctx.seed,
            fidelity=ctx.fidelity,
            threads=ctx.threads,
            progress=ctx.progress,
            word="fine-tuning",
        )
        return finish(source, model, out, lineage(self, "finetune", parent, ctx))
