"""Decoders are trained: what a family's turns teach is learnt, the same bytes twice, and what cannot be is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

from pare.errors import InputError
from pare.families import DECODERS, read_config
from pare.methods.base import BuildContext
from pare.methods.finetune import Finetune
from pare.testing.contexts import tiny_context, tiny_writing
from pare.testing.tiny import tiny_decoder
from pare.types import Artifact

LEARN = Finetune(epochs=20, rate=1e-2, batch=16)


def bits(artifact: Artifact, ctx: BuildContext) -> float:
    """The mean bits that a token of the dev side's answers costs."""
    import torch

    from pare.runtimes.causal import Prompts
    from pare.training.batching import pad
    from pare.training.decoder import Decoder, load_decoder
    from pare.training.turns import read_turns

    prompts = Prompts(artifact.path, artifact.manifest.max_length)
    rows, targets = read_turns(prompts, [(sample.text, sample.label) for sample in ctx.dev])
    batch = pad(rows, np.arange(len(rows)))
    with torch.inference_mode():
        logits = Decoder(load_decoder(artifact.path)).answers(batch).logits
    wanted = torch.from_numpy(targets[batch.answers])
    return float(torch.nn.functional.cross_entropy(logits, wanted)) / float(np.log(2))


@pytest.mark.parametrize("family", DECODERS)
def test_what_the_turns_teach_is_learnt(family: str, tmp_path: Path) -> None:
    ctx = tiny_writing(tmp_path, family)
    made = LEARN.apply(None, ctx, tmp_path / "out")
    assert made.manifest.format == "decoder"
    assert made.manifest.kind == "generate"
    assert made.manifest.shape.family == family
    assert bits(made, ctx) < 0.5
    (tmp_path / "again").mkdir()
    assert LEARN.apply(None, ctx, tmp_path / "again").manifest.files == made.manifest.files


@pytest.mark.parametrize("family", DECODERS)
def test_logits_of_answers_are_those_of_the_whole_model(family: str, tmp_path: Path) -> None:
    import torch

    from pare.training.batching import pad
    from pare.training.decoder import Decoder, load_decoder
    from pare.training.turns import turns_of

    module = load_decoder(tiny_decoder(tmp_path / "base", family)).eval()
    rows, targets = turns_of([[0, 5, 6, 7, 1], [0, 9, 8]], [2, 1])
    batch = pad(rows, np.array([0, 1]))
    with torch.inference_mode():
        found = Decoder(module).answers(batch).logits
        whole = module(input_ids=batch.ids, attention_mask=batch.mask).logits
    assert targets.tolist() == [6, 7, 1, 9, 8]
    for place, (row, position) in enumerate([(0, 1), (0, 2), (0, 3), (1, 0), (1, 1)]):
        assert torch.allclose(found[place], whole[row, position], atol=1e-5)


def test_a_training_goes_on_from_an_artifact(tmp_path: Path) -> None:
    ctx = tiny_writing(tmp_path)
    first = Finetune(epochs=2, rate=1e-2, batch=16, max_length=40).apply(None, ctx, tmp_path / "first")
    second = LEARN.apply(first, ctx, tmp_path / "second")
    assert bits(second, ctx) < bits(first, ctx)
    assert second.manifest.lineage["parent"] == first.id
    assert second.manifest.max_length == first.manifest.max_length == 40


def test_an_encoder_goes_on_with_the_head_that_it_has(tmp_path: Path) -> None:
    ctx = tiny_context(tmp_path)
    first = Finetune(epochs=1).apply(None, ctx, tmp_path / "first")
    second = Finetune(epochs=1, rate=1e-9).apply(first, ctx, tmp_path / "second")
    heads = [(made.path / "head.safetensors").read_bytes() for made in (first, second)]
    assert np.allclose(*(np.frombuffer(head[-12:], dtype=np.float32) for head in heads), atol=1e-5)
    assert second.manifest.lineage["parent"] == first.id
    with pytest.raises(InputError, match="both must be the same; start from the base model"):
        Finetune().apply(first, replace(ctx, labels=("a", "b")), tmp_path / "third")


def test_embeddings_and_heads_learn_where_a_decoder_has_them(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    ctx = tiny_writing(tmp_path)
    names = {"model.embed_tokens.weight", "lm_head.weight"}
    for tied in (False, True):
        base = tiny_decoder(
            tmp_path / f"tied-{tied}", words=[s.text + s.label for s in ctx.train], tie_word_embeddings=tied
        )
        before = load_file(base / "model.safetensors")
        for learns, out in ((None, "all"), (False, "frozen")):
            method = Finetune(epochs=1, rate=1e-2, train_embeddings=learns)
            made = method.apply(None, replace(ctx, base=base), tmp_path / f"{out}-{tied}")
            after = load_file(made.path / "model.safetensors")
            changed = {name for name in names & set(after) if not np.array_equal(before[name], after[name])}
            head = set() if tied else {"lm_head.weight"}
            assert changed == (head if learns is False else head | {"model.embed_tokens.weight"})
            assert read_config(made.path)["tie_word_embeddings"] is tied


def test_what_a_decoder_cannot_be_trained_to_is_refused(tmp_path: Path) -> None:
    writing, choosing = tiny_writing(tmp_path), tiny_context(tmp_path)
    with pytest.raises(InputError, match="hide must be 0 for a decoder"):
        Finetune(hide=0.1).apply(None, writing, tmp_path / "out")
    with pytest.raises(InputError, match="the task asks for labels; start from an encoder"):
        Finetune().apply(None, replace(choosing, base=writing.base), tmp_path / "out")
    with pytest.raises(InputError, match="the task asks for text; start from a decoder"):
        Finetune().apply(None, replace(writing, base=choosing.base), tmp_path / "out")
