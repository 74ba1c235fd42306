"""Every row of ENCODERS: its shape is exact, it learns, and what it learnt is served faithfully."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

from pare.families import ENCODERS, family_of, read_config
from pare.methods.finetune import Finetune
from pare.methods.lower import Lower
from pare.runtimes import load
from pare.testing.contexts import LABELS, tiny_context


@pytest.mark.parametrize("family", ENCODERS)
def test_it_learns_and_is_served_as_it_learnt(family: str, tmp_path: Path) -> None:
    from pare.training.model import load_encoder

    ctx, out = tiny_context(tmp_path, family), tmp_path / "graph"
    made = Finetune(epochs=24, rate=1e-2, batch=16, hide=0.0).apply(None, ctx, tmp_path / "encoder")
    assert made.manifest.format == "encoder"
    assert made.manifest.labels == LABELS
    assert made.manifest.lineage["step"]["method"] == "finetune"
    assert sum(part.elements for part in made.manifest.shape.parts) == sum(
        weights.numel() for weights in load_encoder(made.path).parameters()
    )

    plain = load(made, threads=1)
    assert (plain.logits([s.text for s in ctx.train]).argmax(1) == ctx.targets(ctx.train)).mean() > 0.8

    out.mkdir()
    graph = Lower().apply(made, ctx, out)
    texts = ["", "card", "please help, my phone is lost " * 9, "top up"]
    assert np.allclose(load(graph, threads=1).logits(texts), plain.logits(texts), atol=5e-3, rtol=1e-3)
    assert family_of(read_config(made.path)).name == graph.manifest.shape.family
