"""A shape with its like parts put together, for plans of many models on many servers: the same sums over fewer parts."""

from __future__ import annotations

from dataclasses import replace

from pare.types import Part, Shape

APART = ("embeddings.word", "embeddings", "head")
"""Parts that a plan treats by name; whatever else there is stands together as the rest."""


def compact(shape: Shape) -> Shape:
    """The shape with one part for all that a plan need not tell apart: layers of the same bits and the same share of active
    elements. Elements, bytes, FLOPs and what a step reads stay what they were.
    """
    groups: dict[tuple[str, float, float | None], list[Part]] = {}
    for part in shape.parts:
        name = next((one for one in APART if part.name == one or part.name.startswith(f"{one}.")), "rest")
        share = None if part.active is None or not part.elements else part.active / part.elements
        groups.setdefault((name, part.bits, share), []).append(part)
    return replace(shape, parts=tuple(_together(name, parts) for (name, _, _), parts in groups.items()))


def _together(name: str, parts: list[Part]) -> Part:
    known = [part.active for part in parts if part.active is not None]
    return Part(
        name,
        sum(part.elements for part in parts),
        parts[0].bits,
        sum(part.flops_per_token for part in parts),
        sum(part.flops_per_request for part in parts),
        active=sum(known) if known else None,
    )
