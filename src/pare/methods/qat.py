"""Quantisation-aware training: a model learns to answer with the rounding of the kernel that will serve it.

Quantising afterwards (``quantize``) rounds weights that were never meant to be rounded. Here the unquantised model teaches
a copy of itself whose weights, and inputs of layers in int8, are rounded in every step as OpenVINO's integer kernels
round. The result is still a PyTorch model in fp32 files, as large as before; ``lower`` stores the integers. Decoders are
trained in ``methods/qat_decoder.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from msgspec import Meta

from pare.errors import InputError, MissingExtra
from pare.families import DECODERS, family_of, read_config
from pare.families.factors import is_factored
from pare.methods.base import NO_FACTS, BuildContext
from pare.methods.lineage import lineage, seal_child
from pare.types import Artifact, DataFacts, Part, Shape

STEP_BITS = 32


@dataclass(frozen=True)
class Qat:
    """``width``: ``int8`` multiplies integers, weights by output row and inputs by tensor, and is for encoders; ``w8``
    stores weights in 8 bits by output row; ``w4`` the layers' weights in 4 bits by groups of ``group`` columns (a row where
    it does not divide them) and the rest in 8.

    The loss is that of ``distil``, with the unquantised parent for a teacher: ``alpha`` x KL at ``temperature`` +
    cross-entropy where there is a label + ``hidden`` x cosine distance of the pooled states; None is 2 and 1 for encoders,
    1 and 0 for decoders. ``epochs`` passes over the texts of train and, of encoders, at most ``most`` unlabelled ones;
    ``rate`` is the peak learning rate; ``ranges`` texts give the ranges of inputs in int8 to begin with.
    """

    takes: ClassVar[tuple[str, ...]] = ("encoder", "decoder")
    gives: ClassVar[str] = ""
    mark: ClassVar[str] = "-qat"
    once: ClassVar[str] = "quantisation"

    width: Literal["int8", "w8", "w4"] = "int8"
    epochs: Annotated[float, Meta(gt=0)] = 2.0
    rate: Annotated[float, Meta(gt=0)] = 1e-4
    alpha: Annotated[float, Meta(ge=0)] = 4.0
    temperature: Annotated[float, Meta(gt=0)] | None = None
    hidden: Annotated[float, Meta(ge=0)] | None = None
    group: Literal[32, 64, 128] = 64
    ranges: Annotated[int, Meta(ge=8)] = 256
    batch: Annotated[int, Meta(ge=1)] = 32
    most: Annotated[int, Meta(ge=0)] = 40_000

    def passes(self, facts: DataFacts) -> float:
        """Texts trained on, in units of the train side."""
        if not facts.classes:
            return self.epochs
        rows = max(1, facts.rows)
        return self.epochs * (rows + min(facts.unlabelled, self.most)) / rows

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """fp32 with a step a row or group beside it; ``lowered`` is what ``lower`` makes of it. Exact.

        Raises InputError where a decoder is to have fixed ranges of activations, or factors in 4 bits.
        """
        if self.width == "int8" and shape.family in DECODERS:
            raise InputError(
                "qat: width int8 takes a fixed range for each activation, which the outliers of decoders' activations "
                "break; use w8, whose inputs are quantised on the fly, or w4"
            )
        if self.width == "w4" and shape.family in DECODERS and is_factored(shape):
            raise InputError(
                "qat: width w4 needs dense matrices but lowrank has factored them, whose groups are not known before; use w8"
            )
        return replace(shape, parts=tuple(self._part(part, shape) for part in shape.parts))

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Trains a rounded copy of the parent. Raises MissingExtra without torch and transformers."""
        try:
            import torch
            import transformers  # noqa: F401
        except ImportError as error:
            raise MissingExtra(str(error.name), "build", "quantisation-aware training") from None
        from pare.training.batching import only, tokenize
        from pare.training.losses import Distillation
        from pare.training.model import load_encoder, save_encoder
        from pare.training.outputs import teacher_outputs
        from pare.training.qat import save_grids, settle, start
        from pare.training.trainer import Schedule, train

        if parent is None or parent.manifest.format not in self.takes:
            found = parent.manifest.format if parent else "nothing"
            wanted = " or ".join(self.takes)
            raise InputError(
                f"qat needs an artifact of format {wanted} but got {found}; put it after finetune or distil"
            )
        shape = self.reshape(parent.manifest.shape, NO_FACTS)
        decoder = parent.manifest.format == "decoder"
        temperature = self.temperature or (1.0 if decoder else 2.0)
        hidden = (0.0 if decoder else 1.0) if self.hidden is None else self.hidden
        said = replace(self, temperature=temperature, hidden=hidden)
        if decoder:
            from pare.methods.qat_decoder import qat_decoder

            return qat_decoder(said, parent, ctx, out, shape, temperature, hidden)
        manifest, tokenizer = parent.manifest, parent.path / "tokenizer.json"
        unlabelled = ctx.some_unlabelled(self.most)
        texts = [*(sample.text for sample in ctx.train), *unlabelled]
        known = teacher_outputs(parent, texts, ctx.cache, ctx.threads, ctx.progress)
        answers = ctx.answers(ctx.train)
        gold = np.full((len(known.logits), *answers.shape[1:]), -1)
        gold[: len(answers)] = answers
        loss = Distillation(
            torch.from_numpy(gold),
            torch.from_numpy(known.logits),
            torch.from_numpy(known.pooled),
            alpha=self.alpha,
            temperature=temperature,
            hidden=hidden,
            kind=manifest.kind,
        )
        torch.set_num_threads(ctx.threads)
        model = load_encoder(parent.path, train=True)
        drawn = np.random.default_rng(ctx.seed).permutation(len(ctx.train))[: self.ranges]
        seen = tokenize(tokenizer, [ctx.train[i].text for i in sorted(drawn.tolist())], manifest.max_length)
        start(model, family_of(read_config(parent.path)), self.width, self.group, seen)
        rows = tokenize(tokenizer, texts, manifest.max_length, words=manifest.kind == "tag")
        train(
            model,
            only(rows, ~np.isnan(known.logits[:, 0])),
            loss,
            Schedule(self.epochs, self.rate, head_factor=1.0, batch=self.batch),
            seed=ctx.seed,
            fidelity=ctx.fidelity,
            threads=ctx.threads,
            progress=ctx.progress,
            word=f"training in {self.width}",
        )
        settle(model)
        save_encoder(model, out, tokenizer)
        save_grids(model, out)
        made = {**lineage(said, "qat", parent, ctx, len(unlabelled)), "teacher": parent.id}
        return seal_child(parent, out, shape, made, format=manifest.format + self.mark)

    def _part(self, part: Part, shape: Shape) -> Part:
        """The part with what its steps weigh, now and once it is lowered."""
        if not part.elements:
            return part
        sizes = _matrices(part, shape)
        four = self.width == "w4" and part.name.startswith("layers.")
        steps = sum(
            rows * (columns // self.group if four and columns % self.group == 0 else 1) for rows, columns in sizes
        )
        products = sum(rows * columns for rows, columns in sizes)
        weights = (4 if four else 8) * products + 32 * (part.elements - products)
        return replace(
            part,
            bits=part.bits + STEP_BITS * steps / part.elements,
            lowered=(weights + STEP_BITS * steps) / part.elements,
        )


def _matrices(part: Part, shape: Shape) -> list[tuple[int, int]]:
    """The rows and columns of a part's matrices that lie on grids; those of unknown sizes count as one of the width."""
    word = next((each.elements for each in shape.parts if each.name == "embeddings.word"), 0)
    columns = word // max(1, shape.vocabulary)
    if part.name in ("embeddings.word", "embeddings.position"):
        return [(part.elements // columns, columns)]
    products = int((part.flops_per_token or part.flops_per_request) / 2)
    if part.rows and shape.family in DECODERS:
        return [(part.rows, products // part.rows)]
    if match := re.fullmatch(r"layers\.\d+\.(attention|ffn)", part.name):
        matrices = family_of({"model_type": shape.family}).matrices(shape)
        sizes = [(matrix.rows, matrix.columns) for matrix in matrices if matrix.part == match[1]]
        if sum(rows * columns for rows, columns in sizes) == products:
            return sizes
    width = max(1, shape.width)
    return [(products // width, width)] if products else []
