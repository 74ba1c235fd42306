"""A decoder taught by another: by its next tokens (offline, or on the student's own answers), or by answers as text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pare.errors import InputError
from pare.families import read_config
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
    tokens = teachers_tokens(teacher, source) if teacher is not None else None
    model = load(source, ctx.seed)
    assert isinstance(model, Decoder), "the parent is a decoder"
    rows, targets = lesson(source, ctx, logged=not method.taught)
    loss, options = _loss(method, model, rows, targets, teacher, tokens, source, ctx)
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
    tokens: NDArray[np.int64] | None,
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
    hidden, temperature = method.hidden or 0.0, method.temperature or 1.0
    projection = widen(model.words.embedding_dim, teacher.manifest.shape.width, ctx.seed) if hidden else None
    terms: dict[str, Any] = {
        "alpha": method.alpha,
        "temperature": temperature,
        "hidden": hidden,
        "projection": projection,
    }
    if method.mode == "on_policy":
        ends = Prompts(source.path, source.max_length).ends
        sampler = Sampler(model, rows, ends, source.max_length, method.share)
        other = Decoder(load_decoder(teacher.path)).eval()
        return Asked(wanted, other, tokens=tokens, **terms), {"beside": projection, "change": sampler}
    likely = likely_tokens(
        teacher,
        rows,
        top=method.top,
        vocabulary=model.vocabulary,
        temperature=temperature,
        tokens=tokens,
        states=hidden > 0,
        cache=ctx.cache,
        threads=ctx.threads,
        progress=ctx.progress,
    )
    return LikelyTokens(wanted, likely, **terms), {"beside": projection}


READING = ("normalizer", "pre_tokenizer", "decoder")
"""What of a ``tokenizer.json``, beside its vocabulary, says how a text is made of tokens."""


def teachers_tokens(teacher: Artifact, student: Source) -> NDArray[np.int64] | None:
    """The teacher's id of each of the student's tokens, (vocabulary,), where the student has some of its tokens only
    (``trim_vocab``); None where the vocabulary is one.

    The teacher then reads a text in the student's tokens, and says how likely these are among themselves. Raises InputError
    where a token of the student is none of the teacher's.
    """
    form = teacher.manifest.format
    if form != "decoder":
        raise InputError(f"distil: the teacher of a decoder must be a decoder but has format {form}; give another")
    files = [path / "tokenizer.json" for path in (teacher.path, student.path)]
    known, own = (Tokenizer.from_file(str(file)).get_vocab(with_added_tokens=True) for file in files)
    if known == own:
        return None
    taught, read = ([json.loads(file.read_bytes()).get(part) for part in READING] for file in files)
    strangers = len(set(own) - set(known))
    rows, taught_rows = (int(read_config(path)["vocab_size"]) for path in (student.path, teacher.path))
    found = [known.get(token, taught_rows) for token in sorted(own, key=lambda token: own[token])]
    if strangers or taught != read or len(found) != rows or max(found) >= taught_rows:
        raise InputError(
            "distil: the student must have the teacher's vocabulary, or what trim_vocab left of it, for their next tokens "
            f"are compared, but {strangers:,} of its {len(own):,} tokens are none of the teacher's {len(known):,}, or texts "
            "are cut otherwise; distil(mode=answers) learns from answers as text"
        )
    return np.array(found, dtype=np.int64)
