"""What every generator shares, over a model made of a table: the next token is one more than the last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pare.runtimes.causal import Prompts
from pare.runtimes.text import Ids, Logits
from pare.runtimes.writing import Step, Writer, left_padded, places
from pare.testing.generators import check_generator
from pare.testing.tiny import plain_bpe

BEGIN, END = 0, 1
CORPUS = ["one two three four", "where is my card", "and on"]


class Counting:
    """A model whose likeliest next token is the last plus one, and whose other logits depend on all that was read."""

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary
        self.open = 0

    @contextmanager
    def session(self) -> Iterator[Step]:
        read: list[Ids] = []
        self.open += 1

        def step(ids: Ids, mask: Ids, positions: Ids, keep: int) -> Logits:
            read.append(ids)
            every = np.concatenate(read, axis=1)
            assert mask.shape == every.shape
            assert positions.shape == ids.shape
            logits = np.zeros((len(ids), keep, self.vocabulary), np.float32)
            for column in range(keep):
                stop = every.shape[1] - keep + column + 1
                told = (every[:, :stop] * mask[:, :stop] * (places(mask)[:, :stop] + 1)).sum(axis=1)
                logits[:, column] = np.sin(np.arange(self.vocabulary) + told[:, None])
                logits[np.arange(len(ids)), column, (every[:, stop - 1] + 1) % self.vocabulary] = 4.0
            return logits

        yield step
        self.open -= 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("decoder")
    plain_bpe(CORPUS, 300).save(str(made / "tokenizer.json"))
    (made / "config.json").write_text(json.dumps({"bos_token_id": BEGIN, "eos_token_id": END}))
    return made


def _writer(folder: Path, length: int = 64) -> Writer:
    prompts = Prompts(folder, length)
    model = Counting(prompts.tokenizer.get_vocab_size())
    return Writer(prompts, model.session, model.vocabulary, {"runtime": "a table"})


def test_it_conforms(folder: Path) -> None:
    check_generator(_writer(folder), ["one two", "where is my card", "", "three four one two three"])


def test_rows_are_padded_on_the_left_and_counted_from_their_own_beginning() -> None:
    ids, mask = left_padded([[7], [4, 5, 6]])
    assert ids.tolist() == [[0, 0, 7], [4, 5, 6]]
    assert mask.tolist() == [[0, 0, 1], [1, 1, 1]]
    assert places(mask).tolist() == [[0, 0, 0], [0, 1, 2]]


def test_surprisal_is_the_bits_of_the_answers_tokens(folder: Path) -> None:
    writer = _writer(folder)
    turn = writer.prompts.turn("one", " two three")
    with writer.session() as step:
        ids, mask = left_padded([turn.ids])
        logits = step(ids, mask, places(mask), len(turn.ids))[0].astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    bits = sum(-np.log2(shares[i - 1, turn.ids[i]]) for i in range(turn.start, turn.stop))
    assert writer.surprisal([("one", " two three")])[0] == pytest.approx(bits, rel=1e-6)


def test_pieces_of_a_batch_make_the_same_bits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [("one", " two three four"), ("where is", " my card"), ("", " and on and on")]
    whole = _writer(folder).surprisal(pairs)
    monkeypatch.setattr("pare.runtimes.writing.FLOATS", 300 * 3 * 2)
    assert np.allclose(_writer(folder).surprisal(pairs), whole)


def test_a_long_answer_is_scored_to_its_end(folder: Path) -> None:
    writer = _writer(folder, 16)
    turns = writer.prompts.windows("one two", " three four" * 20)
    scored = [token for turn in turns for token in turn.ids[turn.start : turn.stop]]
    assert scored == writer.prompts.tokenizer.encode(" three four" * 20, add_special_tokens=False).ids
    assert all(len(turn.ids) <= 16 and turn.start >= 1 for turn in turns)
    assert all(turn.start == 8 for turn in turns[1:])


def test_generation_ends_with_the_end_or_with_the_room(folder: Path) -> None:
    writer = _writer(folder, 16)
    assert list(writer.generate("", 8)) == [(END, "")], "what follows the beginning is the end"
    assert len(list(writer.generate("one two three four " * 9, 100))) == 16 - 8


def test_a_character_of_several_tokens_is_given_whole(folder: Path) -> None:
    prompts = Prompts(folder, 64)
    told = prompts.tokenizer.encode("aé🙂b", add_special_tokens=False).ids

    @contextmanager
    def session() -> Iterator[Step]:
        left = iter([*told, END])

        def step(ids: Ids, mask: Ids, positions: Ids, keep: int) -> Logits:
            return np.eye(prompts.tokenizer.get_vocab_size(), dtype=np.float32)[[next(left)]][:, None]

        yield step

    tokens = list(Writer(prompts, session, prompts.tokenizer.get_vocab_size(), {}).generate("one", 20))
    assert [token.text for token in tokens if token.text] == ["a", "é", "🙂", "b"]
    assert tokens[-1] == (END, "")
    cut = list(Writer(prompts, session, prompts.tokenizer.get_vocab_size(), {}).generate("one", len(told) - 2))
    assert "".join(token.text for token in cut) == "aé\ufffd"
