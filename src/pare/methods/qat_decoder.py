"""Quantisation-aware training of decoders: weights in few bits, inputs in float, taught by the unquantised parent.

The parent's next tokens at those of the answers are kept (``training/tokens.py``), as ``distil`` keeps a teacher's; word
embeddings, and a head that is tied to them, are rounded once and frozen.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pare.families import family_of, read_config
from pare.methods.base import BuildContext
from pare.methods.lineage import lineage, seal_child
from pare.methods.source import lesson, load, source_of
from pare.types import Artifact, Shape

if TYPE_CHECKING:
    from pare.methods.qat import Qat

TOP = 32
"""How many of the parent's likeliest tokens are kept of each place, as in ``distil``."""


def qat_decoder(
    method: Qat, parent: Artifact, ctx: BuildContext, out: Path, shape: Shape, temperature: float, hidden: float
) -> Artifact:
    """Trains a rounded copy of a parent of format ``decoder``, and seals it with ``shape``."""
    import torch

    from pare.training.decoder import Decoder, save_decoder
    from pare.training.qat import save_grids, settle, start_decoder
    from pare.training.tokens import LikelyTokens, likely_tokens
    from pare.training.trainer import Schedule, train

    source = source_of(parent, ctx)
    model = load(source, ctx.seed)
    assert isinstance(model, Decoder), "the parent is a decoder"
    rows, targets = lesson(source, ctx)
    likely = likely_tokens(
        parent,
        rows,
        top=TOP,
        vocabulary=model.vocabulary,
        temperature=temperature,
        states=hidden > 0,
        cache=ctx.cache,
        threads=ctx.threads,
        progress=ctx.progress,
    )
    start_decoder(model.module, family_of(read_config(parent.path)), method.width, method.group)
    train(
        model,
        rows,
        LikelyTokens(torch.from_numpy(targets), likely, alpha=method.alpha, temperature=temperature, hidden=hidden),
        Schedule(method.epochs, method.rate, head_factor=1.0, batch=method.batch),
        seed=ctx.seed,
        fidelity=ctx.fidelity,
        threads=ctx.threads,
        progress=ctx.progress,
        word=f"training in {method.width}",
    )
    settle(model.module)
    save_decoder(model.module, out, source.tokenizer)
    save_grids(model.module, out)
    made = {**lineage(method, "qat", parent, ctx), "teacher": parent.id}
    return seal_child(parent, out, shape, made, format=parent.manifest.format + method.mark)
