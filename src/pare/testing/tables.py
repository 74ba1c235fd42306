"""Made-up tables of messages, written as files and split as a task would split them."""

from __future__ import annotations

import csv
import random
import re
from pathlib import Path
from typing import Any

from pare.data import Dataset, prepare
from pare.types import DataSpec, Sample

WORDS = re.findall(
    r"\w+",
    """card order refund payment invoice parcel password login account fee limit transfer statement top balance currency
    exchange branch teller pin mobile update cancel change close lost late wrong twice missing broken blocked delayed
    unknown yesterday today morning monday holiday abroad home work shop online bank phone letter mail agent support
    robot human""",
)

Record = dict[str, Any]


def records(n: int, seed: int = 0, classes: int = 3, units: int = 0) -> list[Record]:
    """Random messages over so many classes (and units, where there are any), spread over a year."""
    rng = random.Random(seed)
    return [
        {
            "text": " ".join(rng.choices(WORDS, k=rng.randint(5, 12))),
            "label": f"c{rng.randrange(classes)}",
            "unit": f"u{rng.randrange(units)}" if units else "",
            "time": f"2024-{1 + k * 12 // n:02d}-{1 + k % 28:02d}",
        }
        for k in range(n)
    ]


def save(path: Path, rows: list[Record]) -> str:
    """Writes the rows as CSV and returns the path."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["text", "label", "unit", "time"])
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def split(folder: Path, rows: list[Record], recorded: Any = None, **spec: Any) -> Dataset:
    """The rows as a task would split them; ``spec`` are further fields of its data."""
    return prepare(DataSpec(save(folder / "rows.csv", rows), "text", "label", **spec), recorded)


def everything(data: Dataset) -> list[tuple[Sample, str]]:
    """Every sample with its side, the sealed ones too."""
    sides = {"train": data.train, "dev": data.dev, "calibration": data.calibration, "test": data.test.open("tests")}
    return [(sample, side) for side, samples in sides.items() for sample in samples]


def with_near(rows: list[Record], copies: int) -> list[Record]:
    """The rows, each followed by near-duplicates of it."""
    return [row | {"text": row["text"] + "!" * n} for row in rows for n in range(copies)]
