"""The sealed side: nobody reads it but the proof, for a plan that is frozen."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from pare.types import Sample

__all__ = ["Sealed", "row_hash"]


class Sealed:
    """The sealed side. Its rows are given out by ``open`` only, to whoever names the frozen plan they are read for.

    An honest API's guard against reading by accident; it is no lock.
    """

    __slots__ = ("__rows", "answers", "classes", "hash", "ids", "n", "units")

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.__rows = tuple(samples)
        self.n = len(self.__rows)
        self.ids = tuple(sample.id for sample in self.__rows)
        self.units = len({sample.unit for sample in self.__rows})
        self.classes: Mapping[str, int] = dict(sorted(Counter(sample.label for sample in self.__rows).items()))
        self.hash = row_hash(self.ids)
        self.answers = row_hash(f"{sample.id} {sample.answer}" for sample in self.__rows)

    def open(self, plan_id: str) -> tuple[Sample, ...]:
        """The sealed rows, for the frozen plan of that id. Raises ValueError without one."""
        if not plan_id:
            raise ValueError("sealed rows are read for a frozen plan only: store the plan, then pass its id")
        return self.__rows

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[Sample]:
        raise TypeError("sealed rows are read through open(plan_id)")

    def __repr__(self) -> str:
        return f"Sealed(n={self.n}, hash={self.hash})"


def row_hash(parts: Iterable[str]) -> str:
    """A hash of texts in their order, hexadecimal, 16 digits."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return hashed.hexdigest()[:16]
