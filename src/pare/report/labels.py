"""Where names go in a plot, so that they cover neither each other nor the points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CHARACTER = 6.4
"""Width of a character of a label, in the plot's units, on the safe side."""
HEIGHT = 13.0
HARD = 1000.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: left, top, right, bottom."""

    x0: float
    y0: float
    x1: float
    y1: float

    def overlap(self, other: Box) -> float:
        """The area that two boxes share."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(0.0, width) * max(0.0, height)

    def outside(self, frame: Box) -> bool:
        return self.x0 < frame.x0 or self.y0 < frame.y0 or self.x1 > frame.x1 or self.y1 > frame.y1


@dataclass(frozen=True, slots=True)
class Anchor:
    """A point that wants a name. ``must`` names are placed in any case, as well as it goes."""

    name: str
    x: float
    y: float
    radius: float
    must: bool


@dataclass(frozen=True, slots=True)
class Label:
    """A placed name: its box, and whether it is so far from its point that a line must lead to it."""

    name: str
    box: Box
    far: bool


def place(anchors: Sequence[Anchor], frame: Box, hard: Sequence[Box], soft: Sequence[Box]) -> list[Label | None]:
    """A label for each anchor, in order; None where an optional one finds no free place.

    Greedy: the names that must be there first, each at the cheapest of its places. ``hard`` boxes must not be covered,
    ``soft`` ones (error bars, lines) rather not.
    """
    taken = [*hard, *(Box(a.x - a.radius, a.y - a.radius, a.x + a.radius, a.y + a.radius) for a in anchors)]
    found: dict[int, Label] = {}
    for index in sorted(range(len(anchors)), key=lambda i: (not anchors[i].must, anchors[i].x)):
        anchor = anchors[index]
        options = [(_cost(box, order, frame, taken, soft), order, box) for order, box in enumerate(_places(anchor))]
        cost, order, box = min(options, key=lambda option: option[:2])
        if cost < HARD or anchor.must:
            taken.append(box)
            found[index] = Label(anchor.name, box, far=order >= len(_NEAR))
    return [found.get(index) for index in range(len(anchors))]


# Places of a label around its point: (side, rise). A side is -1 left, 0 centred, 1 right; a rise is in label heights.
_NEAR = ((1, 0.0), (-1, 0.0), (0, -1.0), (0, 1.0), (1, -0.8), (-1, -0.8), (1, 0.8), (-1, 0.8))
_FAR = tuple((side, rise) for rise in (-1.8, 1.8, -2.8, 2.8, -3.8, 3.8, -5.0, 5.0) for side in (1, -1, 0))


def _places(anchor: Anchor) -> list[Box]:
    width = CHARACTER * len(anchor.name)
    gap = anchor.radius + 4
    boxes = []
    for side, rise in (*_NEAR, *_FAR):
        lift = rise * HEIGHT + (gap - 4 if side == 0 and rise > 0 else 4 - gap if side == 0 and rise < 0 else 0)
        left = anchor.x + gap if side > 0 else anchor.x - gap - width if side < 0 else anchor.x - width / 2
        top = anchor.y + lift - HEIGHT / 2
        boxes.append(Box(left, top, left + width, top + HEIGHT))
    return boxes


def _cost(box: Box, order: int, frame: Box, taken: Sequence[Box], soft: Sequence[Box]) -> float:
    covered = sum(box.overlap(other) for other in taken)
    touched = sum(box.overlap(other) for other in soft)
    beyond = 100 * HARD if box.outside(frame) else 0.0
    return beyond + (HARD + 10 * covered if covered else 0.0) + 0.4 * touched + 3.0 * order
