from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")


def test_the_learning_rate_rises_then_falls_to_nothing() -> None:
    from pare.training.trainer import one_cycle

    values = [one_cycle(i / 100, 0.1) for i in range(101)]
    assert values[0] < 0.05
    assert max(values) == pytest.approx(values[10])
    assert values[10] == pytest.approx(1.0)
    assert values[-1] == pytest.approx(0.0)
    assert all(a >= b for a, b in pairwise(values[10:]))


def test_predicted_words_are_those_of_their_own_text_and_unseen_ones_have_none(tmp_path: Path) -> None:
    from pare.testing.contexts import TAGS, tiny_tagging
    from pare.training.batching import tokenize
    from pare.training.model import load_encoder
    from pare.training.trainer import predict

    ctx = tiny_tagging(tmp_path)
    model = load_encoder(ctx.base, len(TAGS), pooling="none")
    texts = [ctx.train[1].text, "ada went to new york " * 9, "", ctx.train[2].text]
    rows = tokenize(ctx.base / "tokenizer.json", texts, 16, words=True)
    logits, states = predict(model, rows, threads=1)
    assert rows.words is not None
    assert logits.shape == (rows.answers, len(TAGS))
    assert (np.isnan(logits[:, 0]) == (rows.firsts < 0)).all()
    assert np.isnan(logits).any()
    assert states.dtype == np.float16
    for i, text in enumerate(texts):
        alone, _ = predict(model, tokenize(ctx.base / "tokenizer.json", [text], 16, words=True), threads=1)
        assert logits[rows.words[i] : rows.words[i + 1]] == pytest.approx(alone, abs=2e-2, nan_ok=True)


def test_what_needs_no_gradient_stays_and_what_is_beside_the_model_learns(tmp_path: Path) -> None:
    import torch

    from pare.testing.contexts import tiny_writing
    from pare.training.decoder import Decoder, load_decoder
    from pare.training.trainer import Schedule, train
    from pare.training.turns import turns_of

    model = Decoder(load_decoder(tiny_writing(tmp_path).base, train=True))
    first, last = (model.module.model.layers[i].mlp.down_proj.weight for i in (0, 2))
    first.requires_grad_(False)
    beside = torch.nn.Linear(32, 1)
    before = [weight.detach().clone() for weight in (first, last, beside.weight)]

    def loss(output, batch):  # type: ignore[no-untyped-def]
        return output.logits.square().mean() + beside(output.pooled).square().mean()

    rows, _ = turns_of([[0, 5, 6, 7]] * 4, [1] * 4)
    train(
        model,
        rows,
        loss,
        Schedule(2.0, 1e-2, head_factor=1.0, train_embeddings=True),
        seed=0,
        fidelity=1.0,
        threads=1,
        progress=lambda share, word: None,
        word="",
        beside=beside,
    )
    changed = [not torch.equal(old, new) for old, new in zip(before, (first, last, beside.weight), strict=True)]
    assert changed == [False, True, True]
