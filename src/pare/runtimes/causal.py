"""What a decoder reads and is asked for: a prompt, then the answer that it should give, as token ids.

Training, scoring and serving share this, so that a model is asked in the form in which it learnt.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer

from pare.errors import InputError


class Turn(NamedTuple):
    """``ids`` are prompt, answer and, where it fits, the end; the answer's tokens are ``ids[start:stop]``."""

    ids: list[int]
    start: int
    stop: int


class Prompts:
    """A decoder's tokenizer with what its folder says of beginning and end.

    A prompt is encoded with the special tokens that the tokenizer puts before a text; where it puts none and the config
    names a ``bos_token_id``, with that. An answer is encoded for itself, without them, and is followed by ``eos_token_id``.
    Raises InputError where the folder has no tokenizer.
    """

    def __init__(self, folder: Path, max_length: int) -> None:
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise InputError(f"{file} is missing: a decoder needs its fast tokenizer; save it beside the model")
        try:
            self.tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:
            raise InputError(f"{file} is no tokenizer ({error}); save the model's tokenizer again") from None
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        config = json.loads((folder / "config.json").read_bytes())
        begin, end = config.get("bos_token_id"), config.get("eos_token_id")
        self.begin = begin if isinstance(begin, int) else None
        self.ends: tuple[int, ...] = tuple(end) if isinstance(end, list) else () if end is None else (int(end),)
        self.max_length = max_length

    def prompt(self, text: str) -> list[int]:
        """The token ids of a prompt: at least one token, for a decoder needs something to go on from."""
        ids: list[int] = self.tokenizer.encode(text).ids
        if self.begin is not None and ids[:1] != [self.begin]:
            ids = [self.begin, *ids]
        if self.ends and ids[1:] and ids[-1] in self.ends:
            ids.pop()
        return ids or [self.ends[0] if self.ends else 0]

    def turn(self, text: str, answer: str) -> Turn:
        """A prompt with its answer, cut at ``max_length`` tokens. A long prompt keeps its end, in half the room or more."""
        asked = self.prompt(text)
        said: list[int] = self.tokenizer.encode(answer, add_special_tokens=False).ids
        room = max(self.max_length - len(said) - 1, self.max_length // 2, 1)
        asked = asked[-room:]
        ids = [*asked, *said][: self.max_length]
        stop = len(ids)
        if self.ends and stop == len(asked) + len(said) and stop < self.max_length:
            ids.append(self.ends[0])
        return Turn(ids, len(asked), stop)

    def windows(self, text: str, answer: str) -> list[Turn]:
        """All of an answer: one turn where it fits ``max_length``, else more, each of which begins with as much of what was
        before as fills half of it.
        """
        first = self.turn(text, answer)
        said: list[int] = self.tokenizer.encode(answer, add_special_tokens=False).ids
        whole = [*first.ids[: first.start], *said]
        turns, done = [first], first.stop
        while done < len(whole):
            begin = done - max(1, self.max_length // 2)
            ids = whole[begin : begin + max(2, self.max_length)]
            turns.append(Turn(ids, done - begin, len(ids)))
            done = begin + len(ids)
        return turns

    def text(self, ids: Sequence[int]) -> str:
        """Generated ids as text, special tokens left out."""
        decoded: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return decoded
