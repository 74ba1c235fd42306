"""A model without layers: token embeddings, a weight a token, a sum, a dense head. NumPy serves it.

Embeddings start as model2vec makes them (Minish Lab): each kept token alone through the base encoder, then principal
components; weights start as a / (a + p), p the token's frequency (Arora et al. 2017, "A Simple but Tough-to-Beat Baseline
for Sentence Embeddings"). All of it is then trained end to end on the task, with tokens left out at random, and towards
the teacher's probabilities where there is a teacher. The vocabulary is that of the train texts, labelled or not, with
sub-words to fall back on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pare.artifacts import seal
from pare.errors import MissingExtra
from pare.families.trimming import trim
from pare.methods.base import BASE, BuildContext
from pare.methods.lineage import lineage
from pare.methods.linear import eight_bits
from pare.runtimes.arrays import ARRAYS, TOKENIZER
from pare.runtimes.text import Tokens
from pare.types import Artifact, DataFacts, Part, Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

Rows = list[list[int]]
RARE = 1e-3
"""The constant a of the initial weights: tokens rarer than this share of all tokens count nearly in full."""


@dataclass(frozen=True)
class Static:
    """``tokens`` kept, vectors of ``width``; ``rate`` is the peak learning rate.

    ``dropout``: the share of a text's tokens left out at a training step; ``teaching``: the weight of the teacher's
    probabilities (at temperature ``SOFT``) beside the labels. Where there is a teacher, texts without a label are learnt
    from too, as many as make ``most`` texts with those of train, drawn by the seed.
    """

    takes: ClassVar[tuple[str, ...]] = (BASE, "encoder")
    gives: ClassVar[str] = "static"

    tokens: Annotated[int, Meta(ge=100)] = 6000
    width: Annotated[int, Meta(ge=8, le=4096)] = 128
    epochs: Annotated[float, Meta(gt=0)] = 12.0
    rate: Annotated[float, Meta(gt=0, le=1)] = 5e-3
    batch: Annotated[int, Meta(ge=1)] = 64
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.5
    teaching: Annotated[float, Meta(ge=0)] = 2.0
    max_length: Annotated[int, Meta(ge=1)] = 128
    most: Annotated[int, Meta(ge=1)] = 40_000

    def passes(self, facts: DataFacts) -> float:
        """Texts trained on, in units of the train side."""
        rows = max(1, facts.rows)
        return self.epochs * (rows + min(facts.unlabelled, max(0, self.most - rows))) / rows

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """Exact to a few tokens, as for ``trim_vocab``."""
        tokens = min(self.tokens, shape.vocabulary or self.tokens)
        width = min(self.width, shape.width or self.width)
        return anatomy(tokens, width, facts.classes, facts.tokens_per_row)

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Trains on the train side and seals format ``static``. Raises MissingExtra without torch and transformers."""
        try:
            import torch
            import transformers  # noqa: F401
        except ImportError as error:
            raise MissingExtra(str(error.name), "build", "training a static model") from None
        torch.set_num_threads(ctx.threads)
        unlabelled = ctx.some_unlabelled(max(0, self.most - len(ctx.train))) if self._taught(ctx) else []
        texts = [*(sample.text for sample in ctx.train), *unlabelled]
        ctx.progress(0.0, "choosing tokens")
        trimmed = trim(ctx.base / "tokenizer.json", texts, self.tokens, 2)
        tokenizer = {**trimmed.tokenizer, "post_processor": None, "truncation": None, "padding": None}
        (out / TOKENIZER).write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")))
        rows = Tokens(out / TOKENIZER, self.max_length).many(texts)
        vectors = _first_vectors(ctx, trimmed.kept, self.width)
        weights = _first_weights(rows, len(vectors))
        embeddings, head = self._train(rows, vectors * weights[:, None], unlabelled, ctx)
        _write(out, embeddings.detach().numpy(), head)
        tokens = float(np.mean([len(row) for row in rows]))
        return seal(
            out,
            format="static",
            labels=ctx.labels,
            shape=anatomy(len(vectors), vectors.shape[1], len(ctx.labels), tokens),
            max_length=self.max_length,
            kind=ctx.kind,
            lineage=lineage(self, "static", parent, ctx, len(unlabelled)),
        )

    def _train(
        self, rows: Rows, vectors: NDArray[np.float32], unlabelled: list[str], ctx: BuildContext
    ) -> tuple[Tensor, nn.Linear]:
        """Trained embeddings, (tokens, width), with their weights multiplied in, and the head."""
        import torch

        from pare.training.losses import TERMS

        torch.manual_seed(ctx.seed)
        embeddings = torch.nn.Parameter(torch.from_numpy(vectors.astype(np.float32)))
        head = torch.nn.Linear(vectors.shape[1], len(ctx.labels))
        terms = TERMS[ctx.kind]
        gold = ctx.targets(ctx.train)
        known = np.concatenate([gold, np.full((len(unlabelled), *gold.shape[1:]), -1)])
        targets, soft = torch.from_numpy(known), self._soft(unlabelled, ctx)
        per_epoch = -(-len(rows) // self.batch)
        steps = max(1, round(self.epochs * ctx.fidelity * per_epoch))
        optimizer = torch.optim.Adam(
            [{"params": [embeddings]}, {"params": head.parameters()}], lr=self.rate, fused=True
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.rate, total_steps=steps + 1, pct_start=0.1)
        rng = np.random.default_rng(ctx.seed)
        for step in range(steps):
            if step % per_epoch == 0:
                order = rng.permutation(len(rows))
            if step % 16 == 0:
                ctx.progress(step / steps, "training embeddings")
            batch = order[step % per_epoch * self.batch :][: self.batch]
            logits = head(_pooled(embeddings, [rows[i] for i in batch], self.dropout, rng))
            loss = torch.zeros(())
            if bool((targets[batch] >= 0).any()):
                loss = terms.gold(logits, targets[batch], 0.0)
            if soft is not None:
                loss = loss + self.teaching * SOFT**2 * terms.taught(logits, soft[batch], SOFT)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        return embeddings, head

    def _taught(self, ctx: BuildContext) -> bool:
        return ctx.teacher is not None and ctx.teacher.manifest.format == "encoder" and self.teaching > 0

    def _soft(self, unlabelled: list[str], ctx: BuildContext) -> Tensor | None:
        """The teacher's probabilities of the train texts, then the unlabelled, at temperature ``SOFT``, (texts, labels)."""
        if ctx.teacher is None or not self._taught(ctx):
            return None
        import torch

        from pare.training.losses import TERMS
        from pare.training.outputs import teacher_outputs

        parts = [part for part in ([sample.text for sample in ctx.train], unlabelled) if part]
        known = [teacher_outputs(ctx.teacher, part, ctx.cache, ctx.threads, ctx.progress).logits for part in parts]
        return TERMS[ctx.kind].soften(torch.from_numpy(np.concatenate(known)), SOFT)


SOFT = 2.0
"""The temperature at which the teacher's probabilities are taught."""
SCALE = 16.0
"""The pooled vector's length in training; the head's weights carry it when served, where the length is 1."""


def anatomy(tokens: int, width: int, classes: int, tokens_per_row: float) -> Shape:
    """The parts of a static model."""
    parts = (
        Part("embeddings.word", tokens * width, bits=8, flops_per_token=2.0 * width),
        Part("scales", tokens, flops_per_token=1.0),
        Part("head", (width + 1) * classes, flops_per_request=2.0 * width * classes),
    )
    return Shape(family="static", parts=parts, width=width, vocabulary=tokens)


def _pooled(embeddings: Tensor, rows: Rows, dropout: float, rng: np.random.Generator) -> Tensor:
    """Sums of each row's embeddings, some tokens left out, scaled to one length, (rows, width)."""
    import torch

    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    ids = np.fromiter((token for row in rows for token in row), np.int64, int(lengths.sum()))
    kept = (rng.random(len(ids)) >= dropout).astype(np.float32)
    sums = torch.nn.functional.embedding_bag(
        torch.from_numpy(ids),
        embeddings,
        torch.from_numpy(np.cumsum(lengths) - lengths),
        mode="sum",
        per_sample_weights=torch.from_numpy(kept),
    )
    return SCALE * torch.nn.functional.normalize(sums, dim=1)


def _first_vectors(ctx: BuildContext, kept: tuple[int, ...], width: int) -> NDArray[np.float32]:
    """Each kept token through the base encoder on its own, (tokens, at most ``width``): centred principal components."""
    import torch

    from pare.training.model import load_encoder

    frame = Tokens(ctx.base / "tokenizer.json", 8).one("")
    ahead, behind = frame[: len(frame) // 2], frame[len(frame) // 2 :]
    ids = torch.tensor([[*ahead, token, *behind] for token in kept])
    model = load_encoder(ctx.base, 1)
    pooled: list[Tensor] = []
    with torch.inference_mode():
        for part in ids.split(512):
            ctx.progress(len(pooled) * 512 / len(ids), "embedding tokens")
            pooled.append(model.states(part, torch.ones_like(part)).pooled.float())
    vectors: NDArray[Any] = torch.cat(pooled).numpy().astype(np.float64)
    vectors -= vectors.mean(axis=0)
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    components = vectors @ axes[:, ::-1][:, :width]
    found: NDArray[np.float32] = (components / np.sqrt((components**2).sum(axis=1).mean())).astype(np.float32)
    return found


def _first_weights(rows: Rows, tokens: int) -> NDArray[np.float32]:
    counts = np.bincount(np.fromiter((token for row in rows for token in row), np.int64), minlength=tokens)
    weights: NDArray[np.float32] = (RARE / (RARE + counts / max(1, counts.sum()))).astype(np.float32)
    return weights


def _write(out: Path, embeddings: NDArray[np.float32], head: nn.Linear) -> None:
    from safetensors.numpy import save_file

    quantised, scale = eight_bits(embeddings)
    weight = np.ascontiguousarray(head.weight.detach().numpy() * np.float32(SCALE))
    arrays = {"embeddings": quantised, "scale": scale, "weight": weight, "bias": head.bias.detach().numpy()}
    save_file(arrays, out / ARRAYS)
