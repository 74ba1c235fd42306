"""A student taught by the reference: on the user's texts with their labels, on texts without a label and on disturbed
copies with the teacher's alone.

Where words are tagged, the teacher tags the words of each copy, so a copy may lose, move or misspell them like any text.
Decoders are taught on their turns, see ``methods/distil_decoder.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta

from pare.artifacts import seal
from pare.errors import InputError
from pare.families import family_of
from pare.methods.base import BuildContext
from pare.methods.distil_decoder import Mode, distil_decoder
from pare.methods.lineage import lineage
from pare.methods.source import needs
from pare.types import Artifact, DataFacts, Shape


@dataclass(frozen=True)
class Distil:
    """``alpha`` x KL at ``temperature`` + cross-entropy + ``hidden`` x cosine distance of the pooled states. Of several
    labels, divergence and entropy are those of each one's yes or no; where words are tagged, all is each word's own, and of
    decoders each token's. ``hidden`` is 1 for encoders and 0 for decoders where it is None; where student and teacher have
    other widths, a projection is learnt for it and thrown away. ``temperature`` is 2 for encoders and 1 for decoders where
    it is None: what counts of a decoder is its probabilities, of an encoder which is the largest.

    ``copies`` disturbed variants of every text join the texts (``training/augment.py``), those without a label too;
    ``epochs`` counts passes over all of these. So that unlabelled texts do not make the work explode, a pass holds ``most``
    texts at most, or as many as train and its copies alone would be: first come the texts of train, then unlabelled ones
    (drawn by the seed where they do not all fit), then copies as far as there is room, those of train first. ``rate`` is
    the peak learning rate of the layers, the head's is ``head_factor`` times that.

    Of decoders there are no copies, no unlabelled texts and no ``head_factor``. ``mode`` is what they are taught by:
    ``logits``, the teacher's ``top`` likeliest tokens, kept on disk; ``on_policy``, where ``share`` of the batches are
    answers of the student's own, which the teacher reads; ``answers``, the answers that a large model once gave (where one
    is logged, else the label), by cross-entropy alone, without a teacher and whatever its vocabulary.
    Raises InputError where a value is out of range.
    """

    takes: ClassVar[tuple[str, ...]] = ("encoder", "decoder")
    gives: ClassVar[str] = ""

    epochs: float = 2.0
    copies: int = 4
    rate: float = 3e-4
    alpha: float = 4.0
    temperature: float | None = None
    hidden: float | None = None
    head_factor: float = 10.0
    train_embeddings: bool = True
    batch: int = 32
    most: int = 40_000
    mode: Mode = "logits"
    top: Annotated[int, Meta(ge=1, le=1024)] = 32
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5

    @property
    def taught(self) -> bool:
        """Whether it needs a teacher."""
        return self.mode != "answers"

    def __post_init__(self) -> None:
        for name in ("epochs", "rate", "temperature", "head_factor", "batch", "most"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InputError(f"distil: {name} must be above 0 but is {value}; {_usual(name)}")
        for name in ("copies", "alpha", "hidden"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise InputError(f"distil: {name} must be at least 0 but is {value}; {_usual(name)}")

    def passes(self, facts: DataFacts) -> float:
        """Texts trained on, in units of the train side. To sample a row is a forward pass, a third of training on it."""
        if not facts.classes:
            return self.epochs * (1 + self.share / 3 if self.mode == "on_policy" else 1)
        rows = max(1, facts.rows)
        return self.epochs * (rows + sum(self._beside(rows, facts.unlabelled))) / rows

    def _beside(self, rows: int, unlabelled: int) -> tuple[int, int]:
        """How many unlabelled texts and how many copies join ``rows`` of train in a pass."""
        most = max(self.most, (1 + self.copies) * rows)
        taken = min(unlabelled, most - rows)
        return taken, min(self.copies * (rows + taken), most - rows - taken)

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """The parent's anatomy: training changes values only. Exact. Raises InputError where an encoder has no such mode."""
        if self.mode != "logits" and not family_of({"model_type": shape.family}).decoder:
            raise InputError(
                f"distil: mode must be logits for an encoder but is {self.mode}; the others are for decoders"
            )
        return shape

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Trains a copy of the parent towards ``ctx.teacher``. Raises MissingExtra without torch and transformers."""
        needs("distilling a student")
        if parent is None or (self.taught and ctx.teacher is None):
            raise InputError(
                "distil needs a student and a teacher; put drop_layers before it and build the reference first"
            )
        if parent.manifest.format == "decoder":
            return distil_decoder(self, parent, ctx, out)
        self.reshape(parent.manifest.shape, DataFacts(classes=0, rows=0, tokens_per_row=0.0))
        import torch

        from pare.training.augment import augment
        from pare.training.batching import only, tokenize
        from pare.training.losses import Distillation, widen
        from pare.training.model import load_encoder, save_encoder
        from pare.training.outputs import teacher_outputs
        from pare.training.trainer import Schedule, train

        assert ctx.teacher is not None, "checked above"
        texts = [sample.text for sample in ctx.train]
        taken, copies = self._beside(len(texts), len(ctx.unlabelled))
        unlabelled = ctx.some_unlabelled(taken)
        whole = -(-copies // len([*texts, *unlabelled])) if texts else 0
        extra = augment([*texts, *unlabelled], whole, ctx.seed)[:copies]
        parts = [part for part in (texts, unlabelled, extra) if part]
        known = [teacher_outputs(ctx.teacher, part, ctx.cache, ctx.threads, ctx.progress) for part in parts]
        logits = np.concatenate([outputs.logits for outputs in known])
        answers = ctx.answers(ctx.train)
        gold = np.full((len(logits), *answers.shape[1:]), -1)
        gold[: len(answers)] = answers
        every = [*texts, *unlabelled, *extra]
        tokenizer = parent.path / "tokenizer.json"
        model = load_encoder(parent.path, train=True)
        projection = widen(model.head.in_features, known[0].pooled.shape[1], ctx.seed)
        loss = Distillation(
            torch.from_numpy(gold),
            torch.from_numpy(logits),
            torch.cat([torch.from_numpy(outputs.pooled) for outputs in known]),
            alpha=self.alpha,
            temperature=self.temperature or 2.0,
            hidden=1.0 if self.hidden is None else self.hidden,
            kind=parent.manifest.kind,
            projection=projection,
        )
        rows = tokenize(tokenizer, every, parent.manifest.max_length, words=parent.manifest.kind == "tag")
        train(
            model,
            only(rows, ~np.isnan(logits[:, 0])),
            loss,
            Schedule(
                self.epochs,
                self.rate,
                head_factor=self.head_factor,
                train_embeddings=self.train_embeddings,
                batch=self.batch,
            ),
            seed=ctx.seed,
            fidelity=ctx.fidelity,
            threads=ctx.threads,
            progress=ctx.progress,
            word="distilling",
            beside=projection,
        )
        save_encoder(model, out, tokenizer)
        return seal(
            out,
            format="encoder",
            labels=parent.manifest.labels,
            shape=parent.manifest.shape,
            max_length=parent.manifest.max_length,
            kind=parent.manifest.kind,
            contract=parent.manifest.contract,
            lineage={**lineage(self, "distil", parent, ctx, len(unlabelled)), "teacher": ctx.teacher.id},
        )


def _usual(name: str) -> str:
    """What a user may do who set a value out of range."""
    usual = getattr(Distil, name)
    return f"leave {name} out" if usual is None else f"the default is {usual}"
