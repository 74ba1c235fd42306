"""A decoder taught by another: by its next tokens (offline, or on the student's own answers), or by answers as text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tokenizers import Tokenizer

from pare.errors import InputError
from pare.methods.base import BuildContext
from pare.methods.lineage import lineage
from pare.methods.source import finish, lesson, load, source_of
from pare.types import Artifact

if TYPE_CHECKING:
    from pare.methods.distil import Distil
    from pare.methods.source import Source
    from pare.training.batching import TokenRows
    from pare.training.decoder import Decoder

Mode = Literal["logits", "on_policy", "answers"]


def distil_decoder(method: Distil, parent: Artifact, ctx: BuildContext, out: Path) -> Artifact:
    """Trains a copy of the parent as the method says.

    Raises InputError where the teacher's next tokens are no tokens of the student.
    """
    from pare.training.decoder import Decoder
    from pare.training.trainer import Schedule, train

    source = source_of(parent, ctx)
    teacher = ctx.teacher if method.taught else None
    if teacher is not None:
        _check(teacher, source)
    model = load(source, ctx.seed)
    assert isinstance(model, Decoder), "the parent is a decoder"
    rows, targets = lesson(source, ctx, logged=not method.taught)
    loss, options = _loss(method, model, rows, targets, teacher, source, ctx)
    train(
        model,
        rows,
        loss,
        Schedule(
            method.epochs,
            method.rate,
            head_factor=1.0,
            train_embeddings=method.train_embeddings,
            batch=method.batch,
        ),
        seed=ctx.seed,
        fidelity=ctx.fidelity,
        threads=ctx.threads,
        progress=ctx.progress,
        word="distilling",
        **options,
    )
    learnt_from = {"teacher": teacher.id} if teacher else {}
    return finish(source, model, out, {**lineage(method, "distil", parent, ctx), **learnt_from})


def _loss(
    method: Distil,
    model: Decoder,
    rows: TokenRows,
    targets: Any,
    teacher: Artifact | None,
    source: Source,
    ctx: BuildContext,
) -> tuple[Any, dict[str, Any]]:
    """The loss of a mode, and what the trainer does beside it."""
    import torch

    from pare.runtimes.causal import Prompts
    from pare.training.decoder import Decoder, load_decoder
    from pare.training.losses import CrossEntropy, widen
    from pare.training.sampling import Asked, Sampler
    from pare.training.tokens import LikelyTokens, likely_tokens

    wanted = torch.from_numpy(targets)
    if teacher is None:
        return CrossEntropy(wanted, kind="generate"), {}
    hidden = method.hidden or 0.0
    projection = widen(model.words.embedding_dim, teacher.manifest.shape.width, ctx.seed) if hidden else None
    terms: dict[str, Any] = {
        "alpha": method.alpha,
        "temperature": method.temperature,
        "hidden": hidden,
        "projection": projection,
    }
    if method.mode == "on_policy":
        ends = Prompts(source.path, source.max_length).ends
        sampler = Sampler(model, rows, ends, source.max_length, method.share)
        other = Decoder(load_decoder(teacher.path)).eval()
        return Asked(wanted, other, **terms), {"beside": projection, "change": sampler}
    likely = likely_tokens(
        teacher,
        rows,
        top=method.top,
        vocabulary=model.vocabulary,
        temperature=method.temperature,
        states=hidden > 0,
        cache=ctx.cache,
        threads=ctx.threads,
        progress=ctx.progress,
    )
    return LikelyTokens(wanted, likely, **terms), {"beside": projection}


def _check(teacher: Artifact, student: Source) -> None:
    """Raises InputError where the teacher's tokens cannot be compared with the student's."""
    form = teacher.manifest.format
    if form != "decoder":
        raise InputError(f"distil: the teacher of a decoder must be a decoder but has format {form}; give another")
    known, own = (
        Tokenizer.from_file(str(path / "tokenizer.json")).get_vocab(with_added_tokens=True)
        for path in (teacher.path, student.path)
    )
    if known != own:
        raise InputError(
            f"distil: teacher and student must have one vocabulary, for their next tokens are compared, but the teacher has "
            f"{len(known):,} tokens and the student {len(own):,}, and they differ; distil(mode=answers) learns from "
            "answers as text"
        )
