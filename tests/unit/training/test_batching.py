from pathlib import Path

import numpy as np
import pytest

from pare.testing.tiny import tiny_tokenizer

pytest.importorskip("torch")
TEXTS = ["where is my card", "card", "my card is where it is and my card is there"]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    path = tmp_path / "tokenizer.json"
    tiny_tokenizer("bert", TEXTS * 3).save(str(path))
    return path


def test_tokenize_cuts_to_the_maximum_length_with_special_tokens(tokenizer: Path) -> None:
    from pare.training.batching import tokenize

    rows = tokenize(tokenizer, TEXTS, max_length=5)
    assert rows.lengths.tolist() == [5, 3, 5]
    assert len(rows) == 3


def test_an_epoch_holds_every_row_once_and_depends_on_the_seed(tokenizer: Path) -> None:
    from pare.training.batching import shuffled, tokenize

    rows = tokenize(tokenizer, TEXTS * 20, max_length=64)
    epochs = [list(shuffled(rows, 8, np.random.default_rng(seed))) for seed in (0, 0, 1)]
    orders = [np.concatenate([batch.rows for batch in epoch]).tolist() for epoch in epochs]
    assert sorted(orders[0]) == list(range(60))
    assert orders[0] == orders[1] != orders[2]


def test_rows_of_like_length_share_a_batch(tokenizer: Path) -> None:
    from pare.training.batching import shuffled, tokenize

    rows = tokenize(tokenizer, TEXTS * 40, max_length=64)
    cells = sum(batch.ids.numel() for batch in shuffled(rows, 8, np.random.default_rng(0)))
    assert cells < 1.15 * rows.ids.size


def test_padding_is_masked_and_carries_the_padding_id(tokenizer: Path) -> None:
    from pare.training.batching import pad, tokenize

    rows = tokenize(tokenizer, TEXTS, max_length=64)
    batch = pad(rows, np.array([1, 0]))
    assert batch.mask.sum(1).tolist() == [3, 6]
    assert (batch.ids[batch.mask == 0] == rows.pad).all()


def test_no_rows_make_no_batches(tokenizer: Path) -> None:
    from pare.training.batching import in_order, tokenize

    assert list(in_order(tokenize(tokenizer, [], 8), 8)) == []


def test_hidden_tokens_are_masked_but_never_special_ones(tokenizer: Path) -> None:
    from pare.training.batching import hide, pad, tokenize

    rows = tokenize(tokenizer, TEXTS, max_length=64)
    batch = pad(rows, np.array([0, 1, 2]))
    hidden = hide(rows, batch, 1.0, np.random.default_rng(0))
    kept = np.isin(batch.ids.numpy(), rows.special)
    assert (hidden.ids.numpy()[kept] == batch.ids.numpy()[kept]).all()
    assert (hidden.ids.numpy()[~kept] == rows.mask).all()
    assert (hide(rows, batch, 0.0, np.random.default_rng(0)).ids == batch.ids).all()


def test_a_batch_of_words_asks_for_each_word_at_its_first_token(tokenizer: Path) -> None:
    from pare.training.batching import only, pad, tokenize

    texts = ["where is my card", "", "card " * 9, "my"]
    rows = tokenize(tokenizer, texts, max_length=6, words=True)
    assert rows.words is not None
    assert rows.words.tolist() == [0, 4, 4, 13, 14]
    assert rows.answers == 14
    batch = pad(rows, np.array([2, 3, 0, 1]))
    assert batch.at is not None
    kept = [number for number in range(14) if rows.firsts[number] >= 0]
    assert sorted(batch.answers.tolist()) == kept
    assert len(kept) < 14
    width = batch.ids.shape[1]
    place = {0: 2, 2: 0, 3: 1}
    for number, at in zip(batch.answers.tolist(), batch.at.tolist(), strict=True):
        text = int(np.searchsorted(rows.words, number, side="right")) - 1
        assert (at // width, at % width) == (place[text], rows.firsts[number])
    asked = np.arange(14) != 1
    assert sorted(pad(only(rows, asked), np.array([0, 1, 2, 3])).answers.tolist()) == [i for i in kept if i != 1]


def test_a_batch_of_texts_asks_for_its_texts(tokenizer: Path) -> None:
    from pare.training.batching import only, pad, tokenize

    rows = tokenize(tokenizer, TEXTS, max_length=64)
    assert rows.answers == 3
    assert only(rows, np.zeros(3, dtype=bool)) is rows
    batch = pad(rows, np.array([2, 0]))
    assert batch.answers.tolist() == [2, 0]
    assert batch.at is None
