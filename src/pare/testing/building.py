"""A result of ``pare build`` that nobody built, and texts to build from."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from pare.search.assess import Quality
from pare.search.compress import Built, BuiltStep
from pare.types import Measurement, Part, Quantity, Score, Shape

WORDS = {"card": "card plastic chip pin", "money": "money cash transfer fee", "phone": "phone mobile handset sim"}
FILLER = "please could you tell me what happens when anybody wants this today or tomorrow maybe later".split()  # noqa: SIM905


def tiny_built(out: Path) -> Built:
    """A drop of layers and a lowering that was put in, scored and measured."""
    shape = Shape("bert", (Part("embeddings.word", 1000), Part("layers.0.ffn", 500), Part("head", 30)), 1, 16, 100, 64)
    before = Score("accuracy", 0.9, 0.8, 0.95, 100)
    after = Score("accuracy", 0.88, 0.78, 0.94, 100)
    drop = Score("drop", 0.02, -0.01, 0.05, 100, approximate=True)
    clock = Quantity(1.5, "ms", "measured", "monotonic clock inside the serving process")
    figures = {"latency_p50_ms": clock, "throughput_per_s": Quantity(640.0, "1/s", "measured", "the same")}
    slower = {"latency_p50_ms": replace(clock, value=6.0), "throughput_per_s": replace(clock, value=160.0, unit="1/s")}
    return Built(
        path=out,
        artifact="0123456789abcdef",
        model="base",
        recipe="drop_layers:1 > lower",
        steps=(
            BuiltStep("drop_layers:1", "", "aaaa", 0.2, 6200, known=True),
            BuiltStep("lower", "quantize works on the graph that is served", "bbbb", 3.0, 6400, known=False),
        ),
        format="openvino",
        runtime="openvino",
        shape=shape,
        size_bytes=6400,
        fp32_bytes=19_200,
        quality=Quality(before, after, drop),
        measurement=Measurement("0123456789abcdef", "openvino", "a processor", "process", "256 texts", figures),
        before=Measurement("fedcba", "pytorch", "a processor", "process", "256 texts", slower),
        notes=("a note",),
    )


def texts(rows: int) -> list[tuple[str, str]]:
    """(text, label) pairs of three classes, a word of which names the class."""
    rng = random.Random(0)
    made = []
    for i in range(rows):
        label = list(WORDS)[i % 3]
        words = [rng.choice(WORDS[label].split()), *rng.sample(FILLER, 6), str(rng.randrange(10**6))]
        rng.shuffle(words)
        made.append((" ".join(words), label))
    return made
