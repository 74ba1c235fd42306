"""What every engine that generates shares: batches of token ids in front of the model, bits and tokens behind it.

A runtime adds a session: one text or batch that is read from its beginning, whose past the model keeps. Rows of a batch are
padded on the left, so that all end at the same column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pare.runtimes.base import Token
from pare.runtimes.causal import Prompts, Turn
from pare.runtimes.text import Ids, Logits, by_length

FLOATS = 1 << 25
"""The most logits that scoring asks for at once: 128 MB."""

HALF = "\ufffd"
"""What a tokenizer gives for bytes that are no whole character yet."""


class Step(Protocol):
    """A model's call that goes on from what the session has read.

    ``ids`` and ``positions`` (rows, tokens) are the new tokens, ``mask`` (rows, tokens read before and now) is 0 where a row
    is padded. Gives the logits of the last ``keep`` tokens, (rows, keep, vocabulary).
    """

    def __call__(self, ids: Ids, mask: Ids, positions: Ids, keep: int) -> Logits: ...


Session = Callable[[], AbstractContextManager[Step]]


def left_padded(rows: Sequence[Sequence[int]]) -> tuple[Ids, Ids]:
    """Token ids and mask, (rows, longest): each row at the right, zeros before it."""
    longest = max(map(len, rows))
    ids = np.zeros((len(rows), longest), np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, longest - len(row) :] = row
        mask[i, longest - len(row) :] = 1
    return ids, mask


def places(mask: Ids) -> Ids:
    """The position of each token in its own text, (rows, tokens); 0 for padding."""
    counted: Ids = np.maximum(mask.cumsum(axis=1) - 1, 0)
    return counted


class Writer:
    """A generator (``runtimes.base.Generator``) made of a runtime's sessions and a decoder's prompts.

    A text is at most ``prompts.max_length`` tokens: of a longer prompt the end is read, a longer answer is scored in windows
    that overlap by half, and generation ends there.
    """

    def __init__(
        self,
        prompts: Prompts,
        session: Session,
        vocabulary: int,
        facts: Mapping[str, str],
        close: Callable[[], None] | None = None,
    ) -> None:
        self.prompts, self.session = prompts, session
        self.facts: Mapping[str, str] = dict(facts)
        self._vocabulary, self._close = vocabulary, close

    def surprisal(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """How many bits each answer costs after its prompt, (pairs,), its end not counted."""
        turns: list[Turn] = []
        owners: list[int] = []
        for number, (prompt, answer) in enumerate(pairs):
            windows = [turn for turn in self.prompts.windows(prompt, answer) if turn.stop > turn.start]
            turns += windows
            owners += [number] * len(windows)
        bits = np.zeros(len(pairs))
        for batch in by_length([turn.ids for turn in turns]):
            found = self._bits([turns[i] for i in batch])
            for i, one in zip(batch, found.tolist(), strict=True):
                bits[owners[i]] += one
        return bits

    def _bits(self, turns: Sequence[Turn]) -> NDArray[np.float64]:
        """The bits of each turn's answer: what each token predicts is the token behind it."""
        ids, mask = left_padded([turn.ids[: turn.stop - 1] for turn in turns])
        next_ids, _ = left_padded([turn.ids[1 : turn.stop] for turn in turns])
        at, total = places(mask), ids.shape[1]
        answers = np.array([turn.stop - turn.start for turn in turns])
        size = max(1, FLOATS // (self._vocabulary * len(turns)))
        bits = np.zeros(len(turns))
        read = 0
        with self.session() as step:
            for first in range(total - int(answers.max()), total, size):
                stop = min(first + size, total)
                logits = step(ids[:, read:stop], mask[:, :stop], at[:, read:stop], stop - first)
                nats = _surprise(logits, next_ids[:, first:stop])
                counted = np.arange(first, stop) >= total - answers[:, None]
                bits += np.where(counted, nats, 0.0).sum(axis=1) / np.log(2)
                read = stop
        return bits

    def generate(self, prompt: str, most: int) -> Iterator[Token]:
        """The likeliest continuation, token by token. The end token, where the model gives it, is the last one.

        The texts joined are the answer; bytes that never became a character are in the last token's text.
        """
        row = self._room(self.prompts.prompt(prompt), most)
        most = min(most, self.prompts.max_length - len(row))
        ids: list[int] = []
        told, whole = 0, 0
        for number, chosen in enumerate(self.tokens([row], most)):
            ids.append(int(chosen[0]))
            last = number + 1 == most or ids[-1] in self.prompts.ends
            before, now = self.prompts.text(ids[told:whole]), self.prompts.text(ids[told:])
            if now.endswith(HALF) and not last:
                yield Token(ids[-1], "")
                continue
            told, whole = (whole, len(ids)) if now != before else (told, whole)
            yield Token(ids[-1], now[len(before) :])
            if last:
                return

    def generate_many(self, prompts: Sequence[str], most: int) -> list[str]:
        """The answers to several prompts, read and continued side by side."""
        rows = [self._room(self.prompts.prompt(prompt), most) for prompt in prompts]
        answers = [""] * len(rows)
        for batch in by_length(rows):
            for i, ids in zip(batch, self._answers([rows[i] for i in batch], most), strict=True):
                answers[i] = self.prompts.text(ids)
        return answers

    def _answers(self, rows: Sequence[Sequence[int]], most: int) -> list[list[int]]:
        """The tokens that each row goes on with, up to its end."""
        room = [min(most, self.prompts.max_length - len(row)) for row in rows]
        answers: list[list[int]] = [[] for _ in rows]
        going = {i for i, size in enumerate(room) if size > 0}
        for chosen in self.tokens(rows, max(room)):
            for i in sorted(going):
                answers[i].append(int(chosen[i]))
                if answers[i][-1] in self.prompts.ends or len(answers[i]) == room[i]:
                    going.discard(i)
            if not going:
                break
        return answers

    def tokens(self, rows: Sequence[Sequence[int]], most: int) -> Iterator[NDArray[np.int64]]:
        """The likeliest next token of each row, (rows,), ``most`` times, whatever the model thinks of an end."""
        if most < 1:
            return
        ids, given = left_padded(rows)
        total = ids.shape[1]
        mask = np.pad(given, ((0, 0), (0, most)), constant_values=1)
        at = places(given)
        with self.session() as step:
            for stop in range(total, total + most):
                chosen = step(ids, mask[:, :stop], at, 1)[:, -1].argmax(axis=1)
                yield chosen
                ids, at = chosen[:, None], at[:, -1:] + 1

    def _room(self, row: list[int], most: int) -> list[int]:
        """The end of a prompt that leaves room for its answer, as in ``Prompts.turn``."""
        return row[-max(self.prompts.max_length - most, self.prompts.max_length // 2, 1) :]

    def close(self) -> None:
        """Frees what the engine holds."""
        if self._close is not None:
            self._close()


def _surprise(logits: Logits, ids: Ids) -> NDArray[np.float64]:
    """-ln of the softmax at ``ids``, (rows, tokens), of logits (rows, tokens, vocabulary)."""
    top = logits.max(axis=-1, keepdims=True)
    total = np.exp(logits - top).sum(axis=-1, dtype=np.float64)
    at_ids = np.take_along_axis(logits, ids[..., None], axis=-1)
    nats: NDArray[np.float64] = np.log(total) - (at_ids - top)[..., 0].astype(np.float64)
    return nats
