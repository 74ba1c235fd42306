"""What every runtime and every method must hold: the suites that each row of their tables passes.

An outside package runs them on its own rows::

    check_runtime(MyRuntime(), artifact, texts)
    check_method(MyMethod(), parent, parent.manifest.shape, context, tmp_path)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from pare import artifacts
from pare.kinds import TaskKind, kind_of
from pare.methods.base import BuildContext, Method
from pare.runtimes.base import Engine, Generator, Runtime
from pare.runtimes.device import this_device
from pare.testing.generators import check_generator
from pare.types import Artifact, DataFacts, Shape

ODD = (
    "",
    " ",
    "\n\t",
    "\x00",
    "[MASK] [SEP]",
    "ünïcødé – «naïve» Straße",
    "أين بطاقتي؟",
    "我的卡在哪里",
    "🙂🙂👩‍👩‍👧",
    "a" * 500,
    "_ - ' \"",
)
"""Texts that nobody trains on and somebody sends."""

TOLERANCE = 2e-2
"""The largest difference of a logit between one text alone and the same in a batch, relative to the largest logit.

Kernels for one row and for many round differently; where 8-bit inputs lie on a rounding border that is a step of 1/127.
"""

CONTAINER = 40_000
"""Bytes of a weights file that are no weights: headers, and the small constants of a graph."""


# -- runtimes ---------------------------------------------------------------------------------------------------------


def logits_have_a_row_a_text(engine: Engine, texts: Sequence[str]) -> None:
    for size in (0, 1, 2, len(texts)):
        found = engine.logits(texts[:size])
        assert (found.shape[0], found.shape[-1]) == (size, len(engine.labels)), found.shape
        assert found.dtype == np.float32
        if found.ndim == 2:
            assert np.isfinite(found).all()
            continue
        words = np.array([len(text.split()) for text in texts[:size]], dtype=np.int64)
        assert found.shape[1] == words.max(initial=0), found.shape
        assert (np.isfinite(found) == (np.arange(found.shape[1]) < words[:, None])[..., None]).all()


def order_is_kept(engine: Engine, texts: Sequence[str]) -> None:
    forwards, backwards = _each(engine, texts), _each(engine, list(reversed(texts)))
    _near(forwards, backwards[::-1])


def single_equals_batch(engine: Engine, texts: Sequence[str]) -> None:
    _near(_each(engine, texts), [_each(engine, [text])[0] for text in texts])


def long_lists_equal_short_ones(engine: Engine, texts: Sequence[str]) -> None:
    many = [texts[i % len(texts)] + " again" * (i % 7) for i in range(100)]
    _near(_each(engine, many), [row for i in range(0, 100, 5) for row in _each(engine, many[i : i + 5])])


def repeated_calls_agree(engine: Engine, texts: Sequence[str]) -> None:
    assert np.array_equal(engine.logits(texts), engine.logits(texts), equal_nan=True)
    assert np.array_equal(engine.logits(texts[:1]), engine.logits(texts[:1]))


def results_are_not_overwritten(engine: Engine, texts: Sequence[str]) -> None:
    first = engine.logits(texts[:1])
    before = first.copy()
    engine.logits([texts[1]])
    assert np.array_equal(first, before)


def odd_texts_are_answered(engine: Engine, texts: Sequence[str]) -> None:
    odd = [*ODD, " ".join(texts) * 200]
    _near(_each(engine, odd), [_each(engine, [text])[0] for text in odd])
    assert all(np.isfinite(engine.logits([text])).all() for text in odd)
    assert len(engine.classify(odd)) == len(odd)


def classify_says_what_is_decided(engine: Engine, texts: Sequence[str], kind: TaskKind) -> None:
    decided = kind.decide(engine.logits(texts))
    least = 1 / max(2, len(engine.labels)) if kind.name != "multilabel" else 0.5
    for prediction, row in zip(engine.classify(texts), decided, strict=True):
        assert prediction.label == kind.say(row, engine.labels)
        assert least - 1e-6 <= prediction.confidence <= 1


EngineCheck = Callable[[Engine, Sequence[str]], None]
ENGINE_CHECKS: tuple[EngineCheck, ...] = (
    logits_have_a_row_a_text,
    order_is_kept,
    single_equals_batch,
    long_lists_equal_short_ones,
    repeated_calls_agree,
    results_are_not_overwritten,
    odd_texts_are_answered,
)


def check_runtime(runtime: Runtime, artifact: Artifact, texts: Sequence[str], threads: int = 1) -> None:
    """Runs every check of an engine on an artifact that the runtime supports; ``texts`` are at least three."""
    device = this_device()
    assert runtime.supports(artifact, device).ok
    loaded = runtime.load(artifact, device, threads)
    try:
        if artifact.manifest.kind == "generate":
            check_generator(cast(Generator, loaded), texts)
            return
        engine = cast(Engine, loaded)
        assert engine.labels == artifact.manifest.labels
        for check in ENGINE_CHECKS:
            check(engine, texts)
        classify_says_what_is_decided(engine, texts, kind_of(artifact.manifest.kind))
    finally:
        loaded.close()


def check_refusal(runtime: Runtime, artifact: Artifact) -> None:
    """An artifact of another format is refused with a reason."""
    support = runtime.supports(artifact, this_device())
    assert not support.ok
    assert support.why


# -- methods ----------------------------------------------------------------------------------------------------------


def check_method(method: Method, parent: Artifact | None, base: Shape, ctx: BuildContext, scratch: Path) -> Artifact:
    """Builds twice. The artifact is sealed, weighs what ``reshape`` said, and the second has the bytes of the first.

    ``base`` is the shape to predict from: the parent's, or the base model's where there is no parent.
    """
    facts = data_facts(ctx)
    predicted = method.reshape(base, facts)
    assert method.reshape(base, facts) == predicted, "reshape is not pure"
    made = []
    for name in ("first", "second"):
        out = scratch / name
        out.mkdir(parents=True)
        made.append(method.apply(parent, ctx, out))
    first, second = made
    artifacts.read(first.path, verify=True)
    assert first.manifest.files == second.manifest.files, "the same seed gave other bytes"
    assert first.manifest.labels == ctx.labels
    assert first.manifest.kind == ctx.kind, "the manifest must carry the kind of the task"
    assert {"parent", "step", "seed", "fidelity"} <= set(first.manifest.lineage)
    assert first.manifest.shape.exact
    _weighs(weight_bytes(predicted), weight_bytes(first.manifest.shape), exact=predicted.exact)
    held = file_bytes(first)
    stated = weight_bytes(first.manifest.shape)
    assert abs(held - stated) <= 0.01 * stated + CONTAINER, (
        f"files hold {held:,} bytes, the manifest says {stated:,.0f}"
    )
    return first


def data_facts(ctx: BuildContext) -> DataFacts:
    """The facts of a context's train side; tokens are counted as words."""
    words = [len(sample.text.split()) for sample in ctx.train]
    return DataFacts(classes=len(ctx.labels), rows=len(ctx.train), tokens_per_row=float(np.mean(words)))


def weight_bytes(shape: Shape) -> float:
    """The bytes of a shape's weights."""
    return sum(part.elements * part.bits / 8 for part in shape.parts)


def file_bytes(artifact: Artifact) -> int:
    """The bytes of an artifact's weights files: arrays without their headers, and graphs' weights."""
    total = 0
    for file in artifact.path.iterdir():
        if file.suffix == ".safetensors":
            header = file.read_bytes()
            size = int.from_bytes(header[:8], "little")
            json.loads(header[8 : 8 + size])
            total += len(header) - 8 - size
        elif file.suffix in (".bin", ".onnx"):
            total += file.stat().st_size
    return total


def _weighs(predicted: float, built: float, *, exact: bool) -> None:
    if exact:
        assert abs(predicted - built) <= 0.01 * built, f"reshape said {predicted:,.0f} bytes, built {built:,.0f}"
    else:
        assert built <= 1.01 * predicted, f"reshape bounds it by {predicted:,.0f} bytes, built {built:,.0f}"


def _each(engine: Engine, texts: Sequence[str]) -> list[NDArray[np.float32]]:
    """The logits of each text, without what pads texts of fewer words."""
    return [row[~np.isnan(row).all(axis=-1)] if row.ndim == 2 else row for row in engine.logits(texts)]


def _near(rows: Sequence[NDArray[np.float32]], other: Sequence[NDArray[np.float32]]) -> None:
    assert [row.shape for row in rows] == [row.shape for row in other]
    found, expected = (np.concatenate([row.ravel() for row in each]) for each in (rows, other))
    worst = float(np.abs(found - expected).max())
    assert worst <= TOLERANCE * max(1.0, float(np.abs(expected).max())), f"logits differ by {worst:.3g}"
