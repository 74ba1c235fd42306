"""BERT's tokenizer by memory: words that were seen once cost one dictionary look-up. Where words are among tokens.

BERT's tokenizer cuts a text at white space and around punctuation and then splits each word into pieces without looking
at its neighbours, so the pieces of a word can be kept. The ``tokenizers`` package makes them the first time; the result
is the same, some four times sooner (``benchmarks/overhead.py``). Other kinds of tokenizer are left alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

WORDS = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")
"""What BERT's pre-tokenizer makes of printable ASCII in lower case: words and single punctuation marks."""

REMEMBERED = 20_000
LONGEST = 40
"""The most words that are kept, and the most characters of one."""


class Memory(dict[str, Sequence[int]]):
    """Word → token ids, asked of the tokenizer where a word is new."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, word: str) -> Sequence[int]:
        ids: Sequence[int] = self._tokenizer.encode(word, add_special_tokens=False).ids
        if len(self) < REMEMBERED and len(word) <= LONGEST:
            self[word] = ids
        return ids


class Words:
    """Token ids of a text, special tokens included, cut to ``max_length``; ``tokenizer`` neither pads nor truncates."""

    def __init__(self, tokenizer: Any, max_length: int, marks: str) -> None:
        frame: list[int] = tokenizer.encode("").ids
        whole: list[int] = tokenizer.encode("a").ids
        inner = len(tokenizer.encode("a", add_special_tokens=False).ids)
        ahead = next(
            (i for i in range(len(frame) + 1) if whole[i + inner :] == frame[i:] and whole[:i] == frame[:i]), 0
        )
        self._ahead, self._behind = frame[:ahead], frame[ahead:]
        self._room = max_length - len(frame)
        self._memory = Memory(tokenizer)
        self._marks = re.compile(f"[{re.escape(marks)}]") if marks else None

    def __call__(self, text: str) -> list[int] | None:
        """The ids, or None where the text may hold a special token written out (``[MASK]``)."""
        if self._marks is not None and self._marks.search(text):
            return None
        plain = text.isascii() and text.isprintable()
        memory = self._memory
        ids = [*self._ahead]
        for word in WORDS.findall(text.lower()) if plain else text.split(" "):
            ids += memory[word]
        del ids[self._room + len(self._ahead) :]
        ids += self._behind
        return ids

    def apart(self, words: Sequence[str]) -> tuple[list[int], list[int]] | None:
        """The ids of a text of these words, and where each word's first one is (-1: nowhere); None as for a text."""
        if self._marks is not None and any(map(self._marks.search, words)):
            return None
        ids, firsts, last = [*self._ahead], [], self._room + len(self._ahead)
        for word in words:
            pieces = self._memory[word]
            firsts.append(len(ids) if pieces and len(ids) < last else -1)
            ids += pieces
        del ids[last:]
        ids += self._behind
        return ids, firsts


def words(file: Path, tokenizer: Any, max_length: int) -> Words | None:
    """The short way for a ``tokenizer.json`` that is BERT's in lower case, else None."""
    data = json.loads(file.read_bytes())
    kinds = [(data.get(part) or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    if kinds != ["BertNormalizer", "BertPreTokenizer", "WordPiece"] or not data["normalizer"].get("lowercase"):
        return None
    if not data["normalizer"].get("clean_text") or max_length < 3:
        return None
    marks = {token["content"][0] for token in data["added_tokens"] if token["content"]}
    either = marks | {mark.lower() for mark in marks} | {mark.upper() for mark in marks}
    return Words(tokenizer, max_length, "".join(sorted(either)))


def first_tokens(offsets: Sequence[tuple[int, int]], words: Sequence[str]) -> list[int]:
    """The position of each word's first token, -1 for a word without one (it was cut off, or its characters are dropped).

    ``offsets`` are the tokens' characters (start, end) in the words joined by single blanks. A token that begins with the
    blank in front of a word is the word's.
    """
    found = [-1] * len(words)
    ends = list(accumulate(len(word) + 1 for word in words))
    at = 0
    for position, (start, end) in enumerate(offsets):
        if end <= start:
            continue
        while at < len(words) and end >= ends[at]:
            at += 1
        if at < len(words) and found[at] < 0 and end > ends[at] - len(words[at]) - 1:
            found[at] = position
    return found
