"""A real decoder that lost half its layers gets most of what it lost back from its teacher."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

from pare.artifacts import seal
from pare.families import family_of, read_config
from pare.methods.base import BuildContext
from pare.methods.distil import Distil
from pare.types import Artifact, Sample

pytestmark = pytest.mark.slow


def sealed(folder: Path) -> Artifact:
    config = read_config(folder)
    shape = family_of(config).shape(config, 0)
    return seal(folder, format="decoder", labels=(), shape=shape, max_length=512, kind="generate")


def bits_per_byte(artifact: Artifact, samples: list[Sample]) -> float:
    """Of the answers with the end behind each, over the answers' UTF-8 bytes."""
    import torch

    from pare.runtimes.causal import Prompts
    from pare.training.batching import in_order
    from pare.training.decoder import Decoder, load_decoder
    from pare.training.turns import read_turns

    rows, targets = read_turns(Prompts(artifact.path, 512), [(sample.text, sample.label) for sample in samples])
    model, total = Decoder(load_decoder(artifact.path)), 0.0
    for batch in in_order(rows, 16):
        with torch.inference_mode():
            wanted = torch.from_numpy(targets[batch.answers])
            total += float(torch.nn.functional.cross_entropy(model.answers(batch).logits, wanted, reduction="sum"))
    return total / math.log(2) / sum(len(sample.label.encode()) for sample in samples)


def test_half_of_the_layers_cost_less_than_half_after_distillation(data: Path, tmp_path: Path) -> None:
    from pare.training.decoder import load_decoder, save_decoder

    texts = json.loads((data / "generate/tinystories/out/corpora/tinystories_1000.json").read_bytes())
    samples = [Sample(id=str(i), text="", label=text.strip(), unit=str(i)) for i, text in enumerate(texts)]
    held, train = samples[:150], samples[150:]
    shutil.copytree(data / "models/tinystories-656k", tmp_path / "whole", copy_function=shutil.copyfile)
    (tmp_path / "whole").chmod(0o755)
    teacher = sealed(tmp_path / "whole")
    cut = load_decoder(teacher.path)
    cut.model.layers = cut.model.layers[:1]
    cut.config.num_hidden_layers = 1
    save_decoder(cut, tmp_path / "cut", teacher.path / "tokenizer.json")
    student = sealed(tmp_path / "cut")
    ctx = BuildContext(
        train=train,
        dev=[],
        labels=(),
        base=teacher.path,
        teacher=teacher,
        seed=0,
        fidelity=1.0,
        threads=1,
        cache=tmp_path / "cache",
        progress=lambda share, word: None,
        kind="generate",
    )
    made = Distil(epochs=2, rate=2e-3, temperature=1.0, batch=16).apply(student, ctx, tmp_path / "made")
    whole, half, taught = (bits_per_byte(artifact, held) for artifact in (teacher, student, made))
    assert half - whole > 0.5
    assert np.isfinite(taught)
    assert taught < whole + 0.5 * (half - whole), f"{whole:.3f} whole, {half:.3f} cut, {taught:.3f} distilled"
