"""Near-duplicates: texts whose character 5-grams overlap by four fifths or more.

MinHash signatures (Broder, "On the resemblance and containment of documents", 1997) of 120 values are cut into 24 bands
of 5; texts that agree on a band are candidates (a pair at Jaccard 0.8 is missed with probability (1 - 0.8^5)^24 = 7e-5)
and are verified on the exact sets. Work is bounded for any input: within a band a text is compared with its 16 neighbours
only, and never with one that it is already joined to, so that 50,000 copies of one template cost no more than other rows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["THRESHOLD", "near_form", "near_groups"]

THRESHOLD = 0.8
GRAM = 5
BANDS, DEPTH = 24, 5
NEIGHBOURS = 16
END_CHARS = 1_000
"""Longer texts are compared on so many characters of their beginning and of their end."""

_BLOCK_CHARS = 1 << 18
_BLOCK_PAIRS = 1 << 15
_HINT = THRESHOLD - 0.25
"""Pairs whose signatures agree on a smaller share are not verified: at Jaccard 0.8 that is seven deviations away."""

_SYMBOLS = re.compile(r"[\W_]+")


def near_form(text: str) -> str:
    """A text as near-duplicates compare it: no case, accents, punctuation or runs of white space.

    >>> near_form("Where's my CARD?!")
    'where s my card'
    """
    if len(text) > 16 * END_CHARS:
        text = text[: 8 * END_CHARS] + text[-8 * END_CHARS :]
    plain = text if text.isascii() else unicodedata.normalize("NFKD", text)
    if not plain.isascii():
        plain = "".join(c for c in plain if not unicodedata.combining(c))
    form = _SYMBOLS.sub(" ", plain.casefold()).strip() or text.strip()
    return form if len(form) <= 2 * END_CHARS else form[:END_CHARS] + form[-END_CHARS:]


def near_groups(texts: Sequence[str], threshold: float = THRESHOLD) -> NDArray[np.int64]:
    """Groups of texts that are near-duplicates, directly or through others: one group number a text, (texts,).

    The groups do not depend on the order of the texts; the numbers do not carry meaning.
    """
    if not texts:
        return np.zeros(0, dtype=np.int64)
    forms, index = np.unique(np.array([near_form(text) for text in texts], dtype=object), return_inverse=True)
    sets, offsets = _gram_sets(forms.tolist())
    signatures = _signatures(sets, offsets)
    group = np.arange(len(forms), dtype=np.int64)
    for band in range(BANDS):
        for left, right in _candidates(signatures, band):
            group = _join(group, left, right, signatures, sets, offsets, threshold)
    return group[index.reshape(-1)]


def _join(
    group: NDArray[np.int64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    signatures: NDArray[np.uint32],
    sets: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    threshold: float,
) -> NDArray[np.int64]:
    """The groups after joining those candidate pairs that are not joined yet and are near-duplicates."""
    for start in range(0, len(left), _BLOCK_PAIRS):
        a, b = left[start : start + _BLOCK_PAIRS], right[start : start + _BLOCK_PAIRS]
        apart = group[a] != group[b]
        a, b = a[apart], b[apart]
        alike = (signatures[a] == signatures[b]).mean(axis=1) >= _HINT if len(a) else np.zeros(0, dtype=bool)
        a, b = a[alike], b[alike]
        near = _jaccard(sets, offsets, a, b) >= threshold
        if near.any():
            group = _union(group, a[near], b[near])
    return group


def _union(group: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Groups after joining pairs; a group's number is its smallest member."""
    parent = group.copy()

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = int(parent[node])
        return node

    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    while not np.array_equal(flat := parent[parent], parent):
        parent = flat
    return parent


def _candidates(signatures: NDArray[np.uint32], band: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of texts that agree on a band, by distance in an order that only depends on the texts."""
    part = signatures[:, band * DEPTH : (band + 1) * DEPTH].astype(np.uint64)
    key = np.zeros(len(part), dtype=np.uint64)
    for column in part.T:
        key = _mixed(key ^ column) + np.uint64(0x9E3779B97F4A7C15)
    shuffle = signatures[:, (band * DEPTH + DEPTH) % signatures.shape[1]]
    order = np.lexsort((shuffle, key))
    ordered = key[order]
    for distance in range(1, NEIGHBOURS + 1):
        same = np.flatnonzero(ordered[distance:] == ordered[:-distance])
        if not len(same):
            return
        yield order[same], order[same + distance]


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A well-mixed 64-bit hash (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _blocks(lengths: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of rows that together hold about ``_BLOCK_CHARS`` elements."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        reached = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, reached + _BLOCK_CHARS, side="right")))
        yield start, stop
        start = stop


def _gram_sets(forms: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Each text's set of hashed 5-grams, sorted, in one array with offsets (texts + 1,). Short texts are one gram."""
    padded = [form.ljust(GRAM) for form in forms]
    lengths = np.array([len(form) for form in padded], dtype=np.int64)
    sets: list[NDArray[np.uint32]] = []
    counts = np.zeros(len(padded) + 1, dtype=np.int64)
    for start, stop in _blocks(lengths):
        keys = _grams(padded[start:stop], lengths[start:stop])
        keys.sort()
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
        sets.append((keys & np.uint64(0xFFFFFFFF)).astype(np.uint32))
        counts[start + 1 : stop + 1] = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=stop - start)
    return np.concatenate(sets), np.cumsum(counts)


def _grams(forms: Sequence[str], lengths: NDArray[np.int64]) -> NDArray[np.uint64]:
    """All 5-grams of some texts, as the text's number in the upper and the gram's hash in the lower 32 bits."""
    codes = np.frombuffer("".join(forms).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    windows = len(codes) - GRAM + 1
    rolled = np.zeros(windows, dtype=np.uint64)
    for step in range(GRAM):
        rolled = rolled * np.uint64(0x100000001B3) + codes[step : step + windows]
    starts = np.cumsum(lengths) - lengths
    counts = lengths - GRAM + 1
    owner = np.repeat(np.arange(len(forms), dtype=np.int64), counts)
    inner = np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    hashes = _mixed(rolled[starts[owner] + inner]) >> np.uint64(32)
    result: NDArray[np.uint64] = (owner.astype(np.uint64) << np.uint64(32)) | hashes
    return result


def _signatures(sets: NDArray[np.uint32], offsets: NDArray[np.int64]) -> NDArray[np.uint32]:
    """MinHash signatures, (texts, BANDS * DEPTH), from constants that never change."""
    rng = np.random.Generator(np.random.PCG64(20240229))
    width = BANDS * DEPTH
    salts = rng.integers(0, 2**32, width, dtype=np.uint32)
    factors = rng.integers(0, 2**32, width, dtype=np.uint32) | np.uint32(1)
    result = np.empty((len(offsets) - 1, width), dtype=np.uint32)
    for start, stop in _blocks(np.diff(offsets)):
        part = sets[offsets[start] : offsets[stop]]
        at = offsets[start:stop] - offsets[start]
        for k in range(width):
            value = (part ^ salts[k]) * factors[k]
            value ^= value >> np.uint32(15)
            value *= np.uint32(0x2C1B3C6D)
            result[start:stop, k] = np.minimum.reduceat(value, at)
    return result


def _jaccard(
    sets: NDArray[np.uint32], offsets: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The exact overlap of pairs of sets, (pairs,)."""
    counts = np.diff(offsets)
    shared = np.zeros(len(left), dtype=np.int64)
    for start, stop in _blocks(counts[left] + counts[right]):
        pairs = np.concatenate([_keyed(sets, offsets, side[start:stop]) for side in (left, right)])
        pairs.sort()
        twice = pairs[1:][pairs[1:] == pairs[:-1]] >> np.uint64(32)
        shared[start:stop] = np.bincount(twice.astype(np.int64), minlength=stop - start)
    overlap: NDArray[np.float64] = shared / np.maximum(counts[left] + counts[right] - shared, 1)
    return overlap


def _keyed(sets: NDArray[np.uint32], offsets: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The elements of some rows' sets, with the row's place in the upper 32 bits."""
    counts = offsets[rows + 1] - offsets[rows]
    owner = np.repeat(np.arange(len(rows), dtype=np.int64), counts)
    inner = np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    values = sets[offsets[rows][owner] + inner].astype(np.uint64)
    result: NDArray[np.uint64] = (owner.astype(np.uint64) << np.uint64(32)) | values
    return result
