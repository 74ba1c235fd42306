"""What a base model's tokenizer makes of the user's texts: read before anything is trained, without torch."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from pare.errors import InputError

MULTILINGUAL_BASE = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
"""The multilingual base that is named to users whose script the chosen base does not know (50 languages)."""

MIN_SHARE = 0.05
"""A script is reported where it has at least this share of all letters."""

UNKNOWN_AT = 0.5
"""A script is unknown to a tokenizer where this share of its words turns into unknown tokens or single characters."""


@dataclass(frozen=True)
class TokenFacts:
    """``tokens_per_row``: mean with special tokens, after the cut. ``unknown_share``: of tokens, special ones apart, before
    the cut. ``truncated_share``: of rows that are longer than the maximum length. ``tokens_in_use``: distinct ids.
    """

    tokens_per_row: float
    unknown_share: float
    truncated_share: float
    tokens_in_use: int


def open_tokenizer(folder: Path) -> Tokenizer:
    """A folder's fast tokenizer, or that of a tokenizer.json itself, without padding and truncation. Raises InputError where
    there is none.
    """
    path = folder if folder.is_file() else folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"{folder} has no tokenizer.json; save the model's fast tokenizer there (save_pretrained)")
    try:
        reader = Tokenizer.from_file(str(path))
    except Exception as error:  # the binding raises bare Exception
        raise InputError(f"{path} cannot be read ({error}); download the model again") from None
    reader.no_padding()
    reader.no_truncation()
    return reader


def counter(folder: Path) -> Callable[[str], int]:
    """Text → its number of tokens without special ones, by a folder's tokenizer, which is read once.

    A script that the tokenizer does not know counts too few, since a whole word of it may be one unknown token:
    ``scripts_unknown`` tells. Raises InputError where there is no tokenizer.
    """
    reader = open_tokenizer(folder)
    return lambda text: len(reader.encode(text, add_special_tokens=False).ids)


def token_facts(folder: Path, texts: Sequence[str], max_length: int) -> TokenFacts:
    """How the texts encode with a folder's tokenizer. All figures are 0 where there are no texts."""
    reader = open_tokenizer(folder)
    unknown = _unknown_id(reader)
    lengths, unknowns, tokens, used = 0, 0, 0, set[int]()
    truncated = 0
    for encoding in reader.encode_batch(list(texts)):
        ids = encoding.ids
        lengths += min(len(ids), max_length)
        truncated += len(ids) > max_length
        plain = [i for i, special in zip(ids, encoding.special_tokens_mask, strict=True) if not special or i == unknown]
        tokens += len(plain)
        unknowns += plain.count(unknown) if unknown is not None else 0
        used.update(ids)
    rows = len(texts) or 1
    return TokenFacts(lengths / rows, unknowns / (tokens or 1), truncated / rows, len(used))


def scripts_unknown(folder: Path, texts: Sequence[str]) -> tuple[str, ...]:
    """Scripts of the texts (``Arabic``, ``Cyrillic``, ``CJK`` …) that the tokenizer turns into unknown or single characters.

    Commonest first; scripts with less than ``MIN_SHARE`` of the letters are passed over.
    """
    reader = open_tokenizer(folder)
    words: dict[str, Counter[str]] = {}
    letters: Counter[str] = Counter()
    for text in texts:
        for word in text.split():
            script = script_of(word)
            if script:
                words.setdefault(script, Counter())[word] += 1
                letters[script] += len(word)
    total = sum(letters.values())
    common = [script for script, count in letters.most_common() if count >= MIN_SHARE * total]
    return tuple(script for script in common if _lost(reader, words[script]) >= UNKNOWN_AT)


def script_advice(scripts: Sequence[str]) -> str:
    """One line for the user about scripts that the base does not know; empty where there are none."""
    if not scripts:
        return ""
    names = " and ".join(scripts)
    return f"the base encoder does not know {names} script; try --base {MULTILINGUAL_BASE}, or keep to the character n-grams"


def script_of(word: str) -> str:
    """The script of most of a word's letters, from their Unicode names; empty where it has no letters.

    >>> script_of("card"), script_of("карта"), script_of("بطاقة"), script_of("42")
    ('Latin', 'Cyrillic', 'Arabic', '')
    """
    counts = Counter(unicodedata.name(c, "").split(" ")[0] for c in word if c.isalpha())
    return counts.most_common(1)[0][0].capitalize().replace("Cjk", "CJK") if counts else ""


def _lost(reader: Tokenizer, words: Counter[str], sample: int = 500) -> float:
    """The share of words of two or more letters, weighted by use, with no token longer than one character.

    Ideographs stand for words themselves: there a single character is known, and only unknown tokens count.
    """
    unknown = _unknown_id(reader)
    lost = total = 0
    for word, count in words.most_common(sample):
        encoding = reader.encode(word, add_special_tokens=False)
        spans = [end - start for start, end in encoding.offsets]
        ideographs = script_of(word) == "CJK"
        single = len(word) > 1 and not ideographs and max(spans, default=0) <= 1
        total += count
        lost += count if single or (unknown is not None and unknown in encoding.ids) else 0
    return lost / total if total else 0.0


def _unknown_id(reader: Tokenizer) -> int | None:
    for name in ("[UNK]", "<unk>"):
        found = reader.token_to_id(name)
        if found is not None:
            return int(found)
    return None
