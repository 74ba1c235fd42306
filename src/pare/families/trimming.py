"""A ``tokenizer.json`` with fewer tokens that still encodes every text, through sub-words and characters.

Works on the parsed JSON of the ``tokenizers`` package, for its WordPiece, BPE (byte-level, or over characters with bytes to
fall back on) and Unigram models. Tokens keep their order, so the padding id of families that count positions from it stays
what it was.
"""

from __future__ import annotations

import copy
import json
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from pare.errors import InputError

Json = dict[str, Any]
CHARACTERS = string.ascii_letters + string.digits + string.punctuation + "£€"
"""Characters that are kept whether the texts use them or not."""


@dataclass(frozen=True)
class Trimmed:
    """``tokenizer`` is the new JSON; ``kept`` holds the old ids in the order of the new ones."""

    tokenizer: Json
    kept: tuple[int, ...]


def trim(
    path: Path, texts: Sequence[str], tokens: int, min_uses: int, *, always: Iterable[int] = (), rows: int | None = None
) -> Trimmed:
    """Keeps about ``tokens`` tokens: special ones, characters, those with ``min_uses`` in ``texts``, then common others.

    Characters, bytes to fall back on, special tokens and the ids in ``always`` are kept even beyond ``tokens``. Ids from
    ``rows`` on, for which the model has no embedding, are not kept. Raises InputError where the tokenizer's model is none of
    WordPiece, BPE and Unigram.
    """
    data: Json = json.loads(path.read_bytes())
    kind = str(data["model"].get("type") or "")
    if kind not in _KINDS:
        found = kind or "unnamed"
        raise InputError(f"trim_vocab works on {', '.join(_KINDS)} tokenizers but this one is {found}; leave it out")
    reader = Tokenizer.from_file(str(path))
    reader.no_padding()
    reader.no_truncation()
    encodings = reader.encode_batch_fast(list(texts))
    uses = Counter(token for encoding in encodings for token in encoding.ids)
    vocabulary = {token: i for token, i in reader.get_vocab(with_added_tokens=True).items() if rows is None or i < rows}
    alphabet = _alphabet(reader, texts)
    required = {int(token["id"]) for token in data["added_tokens"] if token["special"] and _needed(token["content"])}
    required |= _KINDS[kind].base(data["model"], vocabulary, alphabet) | set(always)
    close = _KINDS[kind].closure(data["model"], vocabulary)
    kept = _choose(required, uses, vocabulary, tokens, min_uses, close)
    return Trimmed(_rebuild(data, kept, kind), kept)


def _choose(
    required: set[int],
    uses: Counter[int],
    vocabulary: Mapping[str, int],
    tokens: int,
    min_uses: int,
    close: Callable[[int], set[int]],
) -> tuple[int, ...]:
    """Required ids, then used ones by falling use, then the rest by id: by falling frequency, in most vocabularies."""
    known = set(vocabulary.values())
    used = sorted((i for i in known if uses[i] >= min_uses), key=lambda i: (-uses[i], i))
    seen = set(used)
    kept = set(required)
    for i in [*used, *sorted(known - seen)]:
        if len(kept) >= tokens:
            break
        kept |= close(i)
    return tuple(sorted(kept & known))


def _alphabet(reader: Tokenizer, texts: Iterable[str]) -> set[str]:
    seen = set(CHARACTERS).union(*texts)
    normalizer = reader.normalizer
    return seen if normalizer is None else seen.union(*(normalizer.normalize_str(c) for c in seen))


def _needed(content: str) -> bool:
    return not content.startswith(("[unused", "<unused", "<|reserved_special_token"))


def _rebuild(data: Json, kept: tuple[int, ...], kind: str) -> Json:
    new = {old: i for i, old in enumerate(kept)}
    out = copy.deepcopy({key: value for key, value in data.items() if key != "model"})
    out["added_tokens"] = [{**t, "id": new[int(t["id"])]} for t in data["added_tokens"] if int(t["id"]) in new]
    out["model"] = _KINDS[kind].rebuild(data["model"], new)
    if out.get("padding"):
        out["padding"]["pad_id"] = new[int(out["padding"]["pad_id"])]
    _renumber(out.get("post_processor"), new)
    return out


def _renumber(processor: Any, new: Mapping[int, int]) -> None:
    """Rewrites the special tokens' ids of a post-processor in place."""
    if not isinstance(processor, dict):
        return
    for part in processor.get("processors", []):
        _renumber(part, new)
    for token in (processor.get("special_tokens") or {}).values():
        token["ids"] = [new[int(i)] for i in token["ids"]]
    for key in ("sep", "cls"):
        if key in processor:
            processor[key] = [processor[key][0], new[int(processor[key][1])]]


@dataclass(frozen=True)
class _Kind:
    """How one tokenizer model is trimmed.

    ``base``: ids that let any text of the alphabet be encoded. ``closure``: a token with all it is made through.
    ``rebuild``: the model's JSON with new ids.
    """

    base: Callable[[Json, Mapping[str, int], set[str]], set[int]]
    closure: Callable[[Json, Mapping[str, int]], Callable[[int], set[int]]]
    rebuild: Callable[[Json, Mapping[int, int]], Json]


def _alone(model: Json, vocabulary: Mapping[str, int]) -> Callable[[int], set[int]]:
    return lambda token: {token}


def _wordpiece_base(model: Json, vocabulary: Mapping[str, int], alphabet: set[str]) -> set[int]:
    prefix = str(model["continuing_subword_prefix"])
    names = [model["unk_token"], *alphabet, *(prefix + c for c in alphabet)]
    return {vocabulary[name] for name in names if name in vocabulary}


def _table(model: Json, new: Mapping[int, int]) -> Json:
    vocabulary = sorted((new[i], token) for token, i in model["vocab"].items() if i in new)
    return {**model, "vocab": {token: i for i, token in vocabulary}}


def _bpe_base(model: Json, vocabulary: Mapping[str, int], alphabet: set[str]) -> set[int]:
    unknown = {vocabulary[model["unk_token"]]} if model.get("unk_token") else set()
    fallback = _bytes(model, vocabulary)
    singles = {i for token, i in vocabulary.items() if len(token) == 1 and (not fallback or token in alphabet)}
    return unknown | fallback | singles


def _bytes(model: Json, vocabulary: Mapping[str, int]) -> set[int]:
    """The tokens of the 256 bytes, into which what is not in the vocabulary falls; none where one of them is missing, for
    then the tokenizer uses none.
    """
    names = [f"<0x{byte:02X}>" for byte in range(256)] if model.get("byte_fallback") else []
    return {vocabulary[name] for name in names} if all(name in vocabulary for name in names) else set()


def _merges(model: Json) -> list[tuple[str, str]]:
    pairs = (m.split(" ", 1) if isinstance(m, str) else m for m in model["merges"])
    return [(left, right) for left, right in pairs]


def _bpe_closure(model: Json, vocabulary: Mapping[str, int]) -> Callable[[int], set[int]]:
    """A merged token's characters, and what they merge into on the way to it. Tokens that no merge makes are alone."""
    rank = {pair: i for i, pair in enumerate(_merges(model))}
    merged = {left + right for left, right in rank}
    names = {i: token for token, i in vocabulary.items()}

    def close(token: int) -> set[int]:
        if names[token] not in merged:
            return {token}
        parts = list(names[token])
        kept = {token, *(vocabulary[part] for part in parts if part in vocabulary)}
        while len(parts) > 1:
            best = min(range(len(parts) - 1), key=lambda i: rank.get((parts[i], parts[i + 1]), len(rank)))
            if (parts[best], parts[best + 1]) not in rank:
                break
            parts[best : best + 2] = [parts[best] + parts[best + 1]]
            kept.add(vocabulary[parts[best]])
        return kept

    return close


def _bpe_rebuild(model: Json, new: Mapping[int, int]) -> Json:
    out = _table(model, new)
    kept = out["vocab"]
    pairs = [pair for pair in _merges(model) if pair[0] in kept and pair[1] in kept and pair[0] + pair[1] in kept]
    return {**out, "merges": [list(pair) for pair in pairs]}


def _unigram_base(model: Json, vocabulary: Mapping[str, int], alphabet: set[str]) -> set[int]:
    singles = {vocabulary[c] for c in (*alphabet, "▁") if c in vocabulary}
    unknown = {int(model["unk_id"])} if model.get("unk_id") is not None else set()
    return singles | unknown | _bytes(model, vocabulary)


def _unigram_rebuild(model: Json, new: Mapping[int, int]) -> Json:
    pieces = [piece for i, piece in enumerate(model["vocab"]) if i in new]
    unknown = model.get("unk_id")
    return {**model, "vocab": pieces, "unk_id": None if unknown is None else new[int(unknown)]}


_KINDS: Mapping[str, _Kind] = {
    "WordPiece": _Kind(_wordpiece_base, _alone, _table),
    "BPE": _Kind(_bpe_base, _bpe_closure, _bpe_rebuild),
    "Unigram": _Kind(_unigram_base, _alone, _unigram_rebuild),
}
