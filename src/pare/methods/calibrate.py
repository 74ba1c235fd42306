"""Confidence that means what it says, and a threshold below which a deployment answers "none of these".

A temperature divides the logits before they become probabilities (Guo et al. 2017, "On Calibration of Modern Neural
Networks"): it changes no label. Both figures are fitted on the calibration side, which no other method sees, so the fits
are functions of logits, and the method only writes their results.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pare.artifacts import seal
from pare.errors import InputError
from pare.methods.base import BuildContext
from pare.types import Artifact, DataFacts, Shape

SHARPEST, BLUNTEST = 0.05, 20.0
"""Bounds of a temperature. Logits that are never wrong would else be sharpened for ever."""


@dataclass(frozen=True)
class Calibrate:
    """``temperature`` and ``threshold``, fitted with ``fit_temperature`` and ``fit_threshold``."""

    takes: ClassVar[tuple[str, ...]] = ("linear", "static", "encoder", "openvino", "onnx")
    gives: ClassVar[str] = ""

    temperature: Annotated[float, Meta(ge=SHARPEST, le=BLUNTEST)]
    threshold: Annotated[float, Meta(ge=0, le=1)]

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """The same parts: two figures in the manifest."""
        return shape

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Seals the parent's files with the two figures. Raises InputError where there is no parent."""
        if parent is None:
            raise InputError("calibrate needs an artifact but got nothing; put a training step before it")
        return calibrated(parent, self.temperature, self.threshold, out)


def calibrated(
    artifact: Artifact, temperature: float, threshold: float, out: Path, contract: Mapping[str, Any] | None = None
) -> Artifact:
    """The artifact with its decoding and contract set, in the folder ``out``. Files are linked if possible, else copied."""
    out.mkdir(parents=True, exist_ok=True)
    for name in artifact.manifest.files:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        _link(artifact.path / name, out / name)
    decoding = {"temperature": float(temperature), "threshold": float(threshold)}
    manifest, step = artifact.manifest, {"method": "calibrate", "params": decoding}
    return seal(
        out,
        format=manifest.format,
        labels=manifest.labels,
        shape=manifest.shape,
        max_length=manifest.max_length,
        decoding={**manifest.decoding, **decoding},
        lineage={**manifest.lineage, "parent": artifact.id, "step": step},
        kind=manifest.kind,
        contract=contract or manifest.contract,
    )


def fit_temperature(logits: NDArray[Any], targets: NDArray[Any]) -> float:
    """The temperature of least cross-entropy; ``logits`` (decisions, options), ``targets`` (decisions,), as the kind's
    ``choices`` give them. 1.0 where there is none.

    The cross-entropy is convex in the inverse temperature, so its slope is bisected.
    """
    if not len(logits):
        return 1.0
    scores = np.asarray(logits, np.float64)
    scores = scores - scores.max(axis=1, keepdims=True)
    right = np.take_along_axis(scores, np.asarray(targets, np.int64)[:, None], axis=1)[:, 0]

    def slope(sharpness: float) -> float:
        weights = np.exp(sharpness * scores)
        return float(((weights * scores).sum(axis=1) / weights.sum(axis=1) - right).mean())

    low, high = np.log(1 / BLUNTEST), np.log(1 / SHARPEST)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(float(np.exp(middle))) < 0 else (low, middle)
    return float(np.exp(-(low + high) / 2))


def fit_threshold(confidences: NDArray[Any], coverage: float = 0.95) -> float:
    """The highest threshold that lets at least the share ``coverage`` of the rows be answered; ``confidences`` (rows,).
    0.0 where there is no row.

    Raises InputError where ``coverage`` is not in (0, 1].
    """
    if not 0 < coverage <= 1:
        raise InputError(f"coverage must be above 0 and at most 1 but got {coverage}; 0.95 is usual")
    if not len(confidences):
        return 0.0
    confidences = np.sort(confidences)
    left_out = int(np.floor((1 - coverage) * len(confidences) + 1e-9))
    return float(confidences[left_out] * (1 - 1e-6))


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
