"""A ``tokenizer.json`` as the vocabulary of a GGUF file, for what llama.cpp knows of tokenizers.

Two kinds are mapped: byte-level BPE (``gpt2``: tokens, merges, and the name of the expression that cuts words, ``pre``), and
SentencePiece's BPE with ▁ for spaces (``llama``: a score a token, which is the order of merging, and tokens that are bytes).
Every other tokenizer is refused: a file whose tokenizer nearly fits gives answers that are nearly right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pare.errors import InputError
from pare.runtimes.causal import Prompts

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""Types of tokens, as llama.cpp numbers them."""

_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPLITS: Mapping[str, str] = {
    _WORDS + r"\p{N}{1,3}" + _REST: "llama-bpe",
    _WORDS + r"\p{N}" + _REST: "qwen2",
}
"""The expression that cuts a text into words → llama.cpp's name for it."""

SPACE = "▁"


@dataclass(frozen=True)
class Vocabulary:
    """What a GGUF file says of its tokenizer: one token, type and score an id (scores for ``llama``, merges for ``gpt2``).

    ``begin`` is put before a text where it is not None; the first of ``ends`` ends it. ``space_prefix``: a text is read as
    if it began with a space. ``same`` is False where llama.cpp may merge some words in another order than
    ``tokenizer.json`` does, because it merges by the token that is made, not by the pair, or where it cannot read every
    character, because not all 256 bytes are tokens.
    """

    model: Literal["gpt2", "llama"]
    pre: str
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    scores: tuple[float, ...]
    merges: tuple[str, ...]
    begin: int | None
    ends: tuple[int, ...]
    unknown: int | None
    space_prefix: bool = False
    same: bool = True


def read_vocabulary(folder: Path, size: int) -> Vocabulary:
    """The vocabulary of a decoder's folder, filled with unused tokens up to ``size``, the rows of its embeddings.

    Raises InputError where llama.cpp has no equal of the tokenizer.
    """
    prompts = Prompts(folder, 1)
    file = folder / "tokenizer.json"
    raw = json.loads(file.read_bytes())
    model = raw["model"]
    if model.get("type") != "BPE":
        raise InputError(f"{file}: GGUF takes a BPE tokenizer but this one is {model.get('type')}; keep another format")
    ids: dict[str, int] = {**model["vocab"], **{token["content"]: token["id"] for token in raw["added_tokens"]}}
    if max(ids.values()) >= size:
        raise InputError(
            f"{file} has the token id {max(ids.values())}, but the model has {size} embeddings; save both again"
        )
    merges = [tuple(m.split(" ", 1)) if isinstance(m, str) else (m[0], m[1]) for m in model["merges"]]
    parts = _Parts(file, raw)
    begin = prompts.begin if prompts.begin is not None else _first(prompts, file)
    tokens = {number: text for text, number in ids.items()}
    kinds = _kinds(raw, ids, bytes_too=parts.spaces)
    listed = tuple(_spelt(tokens[i], kinds[i], parts.spaces) if i in tokens else f"[PAD{i}]" for i in range(size))
    ranks = _ranks(merges)
    return Vocabulary(
        model="llama" if parts.spaces else "gpt2",
        pre=parts.pre,
        tokens=listed,
        types=tuple(kinds.get(i, UNUSED) for i in range(size)),
        scores=tuple(-float(ranks.get(tokens.get(i, ""), len(merges))) for i in range(size)) if parts.spaces else (),
        merges=() if parts.spaces else tuple(" ".join(pair) for pair in merges),
        begin=begin,
        ends=prompts.ends,
        unknown=ids.get(model.get("unk_token") or ""),
        space_prefix=parts.prefix,
        same=not parts.spaces or (list(kinds.values()).count(BYTE) == 256 and _merges_by_token(merges, model["vocab"])),
    )


class _Parts:
    """How a tokenizer prepares a text: ``spaces`` become ▁ (else bytes characters), ``pre`` cuts, ``prefix`` is a space."""

    def __init__(self, file: Path, raw: Mapping[str, Any]) -> None:
        normal = list(_steps(raw.get("normalizer"), "normalizers"))
        cuts = list(_steps(raw.get("pre_tokenizer"), "pretokenizers"))
        self.spaces = not any(cut["type"] == "ByteLevel" for cut in cuts)
        self.prefix = False
        pre = (
            self._of_spaces(normal, cuts)
            if self.spaces
            else self._of_bytes(normal, cuts, bool(raw["model"].get("ignore_merges")))
        )
        if pre is None:
            found = ", ".join(step["type"] for step in [*normal, *cuts])
            raise InputError(f"{file}: llama.cpp has no tokenizer that prepares a text by {found}; keep another format")
        self.pre = pre

    def _of_bytes(self, normal: Sequence[Any], cuts: Sequence[Any], whole: bool) -> str | None:
        """The name of the cut of a byte-level tokenizer. ``whole``: a word that is a token is not merged from its parts."""
        level = cuts[-1]
        if level["type"] != "ByteLevel" or level.get("add_prefix_space") or any(n["type"] != "NFC" for n in normal):
            return None
        before = cuts[:-1]
        name: str | None = None
        if not before:
            name = "gpt-2" if level.get("use_regex", True) else None
        elif len(before) == 1 and before[0]["type"] == "Split" and not level.get("use_regex", True):
            name = SPLITS.get(before[0]["pattern"].get("Regex", "")) if before[0]["behavior"] == "Isolated" else None
        elif len(before) == 1 and before[0]["type"] == "Digits" and before[0]["individual_digits"]:
            name = "smollm" if level.get("use_regex", True) else None
        return None if whole and name != "llama-bpe" else name

    def _of_spaces(self, normal: Sequence[Any], cuts: Sequence[Any]) -> str | None:
        """``default`` where all that happens to a text is ▁ for its spaces, and perhaps one before it."""
        marked = False
        for step in [*normal, *cuts]:
            if step["type"] == "Prepend" and step["prepend"] == SPACE:
                self.prefix = True
            elif step["type"] == "Replace" and step["pattern"] == {"String": " "} and step["content"] == SPACE:
                marked = True
            elif step["type"] == "Metaspace" and step["replacement"] == SPACE and not step.get("split"):
                marked = True
                self.prefix |= step.get("prepend_scheme", "always") != "never"
            elif step["type"] != "Split" or step["pattern"] != {"String": " "}:
                return None
        return "default" if marked else None


def _steps(part: Mapping[str, Any] | None, key: str) -> Iterator[Mapping[str, Any]]:
    if part is None:
        return
    yield from part[key] if part["type"] == "Sequence" else [part]


def _first(prompts: Prompts, file: Path) -> int | None:
    """The token that the tokenizer itself puts before a text, where the config names none."""
    put = [i for i in prompts.tokenizer.encode("").ids if i not in prompts.ends]
    if len(put) > 1:
        raise InputError(f"{file} puts {len(put)} tokens before a text; GGUF has room for one: keep another format")
    return put[0] if put else None


def _kinds(raw: Mapping[str, Any], ids: Mapping[str, int], *, bytes_too: bool) -> dict[int, int]:
    """The type of every token that there is."""
    kinds = dict.fromkeys(ids.values(), NORMAL)
    if bytes_too:
        kinds |= {number: BYTE for text, number in ids.items() if re.fullmatch(r"<0x[0-9A-F]{2}>", text)}
    kinds |= {token["id"]: CONTROL if token["special"] else USER_DEFINED for token in raw["added_tokens"]}
    unknown = raw["model"].get("unk_token")
    if bytes_too and unknown in ids:
        kinds[ids[unknown]] = UNKNOWN
    return kinds


def _spelt(text: str, kind: int, spaces: bool) -> str:
    """A token as GGUF spells it: one that users define is matched before spaces become ▁."""
    return text.replace(SPACE, " ") if spaces and kind == USER_DEFINED else text


def _ranks(merges: Sequence[tuple[str, ...]]) -> dict[str, int]:
    """For each token that is merged from others, the place of its first merge."""
    ranks: dict[str, int] = {}
    for place, pair in enumerate(merges):
        ranks.setdefault("".join(pair), place)
    return ranks


def _merges_by_token(merges: Sequence[tuple[str, ...]], vocabulary: Mapping[str, int]) -> bool:
    """Whether merging the pair whose token ranks first, as SentencePiece does, is what the merges say.

    It is where the merges of a token follow each other, and are all ways of cutting it into two tokens.
    """
    pairs = set(merges)
    made = ["".join(pair) for pair in merges]
    runs = 1 + sum(one != other for one, other in pairwise(made))
    ways = (
        (token[:cut], token[cut:])
        for token in set(made)
        for cut in range(1, len(token))
        if token[:cut] in vocabulary and token[cut:] in vocabulary
    )
    return (not made or runs == len(set(made))) and all(way in pairs for way in ways)
