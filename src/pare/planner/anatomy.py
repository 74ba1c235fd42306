"""What a shape weighs, keeps and works at any widths, batch and context: parameters, bytes, keys and values, FLOPs.

FLOPs count a multiply and an add as two. A decode step reads every weight that some session of the batch needs, and the keys
and values of every session; a prompt is read in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from pare.catalog.classes import model_class
from pare.errors import InputError, nearest
from pare.families import keeps_context
from pare.planner.types import Widths
from pare.types import Part, Shape

__all__ = [
    "active_parameters",
    "at_widths",
    "flops_per_token",
    "kv_bytes",
    "kv_bytes_per_token",
    "model_class",
    "prefill_flops",
    "read_widths",
    "step_bytes",
]

WIDTHS: Mapping[str, float] = {
    "fp32": 32.0,
    "fp16": 16.0,
    "bf16": 16.0,
    "fp8": 8.0,
    "int8": 8.0,
    "int4": 4.25,
    "q8_0": 8.5,
    "q4_0": 4.5,
}
"""Bits of a weight as stored. int4: a scale of 16 bits for 64 weights, as ``quantize`` writes it; the q-formats: one for 32
(ggml). A scale for a whole row, as int8 has it, weighs nothing beside it.
"""

FIELDS: Mapping[str, str] = {"embeddings": "embeddings", "emb": "embeddings", "head": "head", "kv": "kv"}


def active_parameters(shape: Shape) -> int:
    """The parameters that one token uses: all, but of a mixture of experts only those of the experts it is sent to."""
    return sum(part.elements if part.active is None else part.active for part in shape.parts)


def at_widths(shape: Shape, widths: Widths) -> Shape:
    """The shape with its weights stored at those bits; what is not named apart has those of the weights.

    A head that is tied to the word embeddings is stored with them, once, at the embeddings' bits or else at the head's.
    Norms and biases are taken along: they are below a thousandth of a model.
    """
    tied = _tied(shape)

    def bits(part: Part) -> float:
        if part.name.startswith("embeddings"):
            found = widths.embeddings
            if found is None and tied and part.name == "embeddings.word":
                found = widths.head
        else:
            found = widths.head if part.name == "head" else None
        return widths.weights if found is None else found

    return replace(shape, parts=tuple(replace(part, bits=bits(part)) for part in shape.parts))


def read_widths(text: str) -> Widths:
    """Widths as a user writes them: those of the weights first, then others by name. Raises InputError where it is none.

    >>> read_widths("w8"), read_widths("int4,head=8,kv=8").head
    (Widths(weights=8.0, embeddings=None, head=None, kv=16.0), 8.0)
    """
    first, *rest = (word.strip() for word in text.split(","))
    found: dict[str, float] = {"weights": _bits(first, text)}
    for word in rest:
        name, equals, value = word.partition("=")
        if not equals or name.strip() not in FIELDS:
            raise InputError(
                f"widths name embeddings, head or kv after those of the weights but got {word!r} in {text!r}; write for "
                f"example int4,head=8,kv=8"
            )
        found[FIELDS[name.strip()]] = _bits(value.strip(), text)
    return Widths(**found)


def _bits(word: str, text: str) -> float:
    if word in WIDTHS:
        return WIDTHS[word]
    try:
        bits = float(word.removeprefix("w"))
    except ValueError:
        raise InputError(
            f"a width must be bits (8, w8, 4.5) or a format but got {word!r} in {text!r}; {nearest(word, WIDTHS)}"
        ) from None
    if not 1 <= bits <= 64:
        raise InputError(f"a width must lie between 1 and 64 bits but got {word!r} in {text!r}; write for example int4")
    return bits


def kv_bytes_per_token(shape: Shape, bits: float = 16.0) -> float | None:
    """Bytes that a token of context keeps in all layers together, at ``bits`` an element and while no window is full. None
    where nothing is kept, because the model does not write.
    """
    return sum(_kept(shape)) * bits / 8 if keeps_context(shape) else None


def kv_bytes(shape: Shape, context: float, bits: float = 16.0) -> float:
    """Bytes that a session of so many tokens keeps, of a layer with a window at most its window; 0 where nothing is kept."""
    if not keeps_context(shape):
        return 0.0
    kept = zip(_kept(shape), _windows(shape), strict=True)
    return sum(elements * _seen(context, window) for elements, window in kept) * bits / 8


def flops_per_token(shape: Shape, context: float) -> float:
    """The work of one more token that looks back to ``context`` tokens, itself among them."""
    return sum(part.flops_per_token for part in shape.parts) + _attention(shape, lambda window: _seen(context, window))


def prefill_flops(shape: Shape, tokens: float) -> float:
    """The work of reading a text of so many tokens at once. A decoder's token looks back to those before it only, and its
    head works on the last token alone; an encoder's looks at all of them. Latent attention is counted on widened keys and
    values, where that is less work than on the latents.
    """
    if not keeps_context(shape):
        return tokens * flops_per_token(shape, tokens) + sum(part.flops_per_request for part in shape.parts)
    head = sum(part.flops_per_token for part in shape.parts if part.name == "head")
    every = sum(part.flops_per_token for part in shape.parts) - head
    widened = 4.0 * shape.layers * shape.heads * shape.head_dim
    if shape.cache and widened < shape.attention_flops:
        shape = replace(shape, attention_flops=widened)
    return tokens * every + head + _attention(shape, lambda window: _seen_in_turn(tokens, window))


def step_bytes(shape: Shape, batch: float, context: float, kv_bits: float = 16.0) -> float:
    """Bytes that one decode step reads for ``batch`` sessions of ``context`` tokens each.

    All weights once, without tables of which only rows are read (positions; word embeddings, unless they are the head too).
    Of a mixture the experts that some session's token is sent to: each by each token with the same chance, so that of a
    share ``a`` that one token uses, ``1 - (1 - a) ** batch`` is expected to be read.
    """
    weights = sum(part.elements * part.bits / 8 * _touched(part, batch) for part in shape.parts if _read(part, shape))
    return weights + batch * kv_bytes(shape, context, kv_bits)


def _touched(part: Part, batch: float) -> float:
    if part.active is None or not part.elements:
        return 1.0
    return float(1.0 - (1.0 - part.active / part.elements) ** batch)


def _read(part: Part, shape: Shape) -> bool:
    return not part.name.startswith("embeddings") or (part.name == "embeddings.word" and _tied(shape))


def _tied(shape: Shape) -> bool:
    """Whether the head is the word embeddings: it works, and weighs nothing."""
    return any(part.name == "head" and not part.elements and part.flops_per_token for part in shape.parts)


def _kept(shape: Shape) -> tuple[int, ...]:
    """Elements that each layer keeps of a token."""
    return shape.cache or (2 * shape.kv_heads * shape.head_dim,) * shape.layers


def _windows(shape: Shape) -> tuple[int, ...]:
    return shape.windows or (0,) * shape.layers


def _attention(shape: Shape, seen: Callable[[int], float]) -> float:
    """``attention_flops`` at the tokens seen by each layer; layers with windows all have the same heads."""
    if not shape.windows:
        return shape.attention_flops * seen(0)
    return shape.attention_flops / shape.layers * sum(seen(window) for window in shape.windows)


def _seen(context: float, window: int) -> float:
    return min(context, window) if window else context


def _seen_in_turn(tokens: float, window: int) -> float:
    """The sum over a text's tokens of those that each looks back to: 1, 2, 3 … up to the window."""
    rising = _seen(tokens, window)
    return rising * (rising + 1) / 2 + (tokens - rising) * rising
