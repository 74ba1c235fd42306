"""What an artifact remembers of how it was made, and what it keeps of its parent."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pare.artifacts import seal
from pare.methods.base import BuildContext
from pare.types import Artifact, Shape

BUILDERS = (
    "pare-lm",
    "numpy",
    "scikit-learn",
    "tokenizers",
    "torch",
    "transformers",
    "peft",
    "openvino",
    "nncf",
    "onnxruntime",
    "gguf",
)
"""The packages whose version can change what a method builds."""


def lineage(method: Any, name: str, parent: Artifact | None, ctx: BuildContext, unlabelled: int = 0) -> dict[str, Any]:
    """The parent (an artifact's id, or the base model's name), the step with all its parameters, the seed, the fidelity,
    the hash of the data, the train rows by origin, and the versions of what built it.

    ``unlabelled`` is how many texts without label the step has learnt from; what its parents had learnt from counts on.
    """
    synthetic = sum(sample.origin == "synthetic" for sample in ctx.train)
    before = parent.manifest.lineage.get("rows", {}).get("unlabelled", 0) if parent else 0
    rows = {"real": len(ctx.train) - synthetic, "synthetic": synthetic, "unlabelled": max(unlabelled, before)}
    return {
        "parent": parent.id if parent else ctx.base.name,
        "step": {"method": name, "params": dataclasses.asdict(method)},
        "seed": ctx.seed,
        "fidelity": ctx.fidelity,
        "data": ctx.data,
        "rows": rows,
        "versions": versions_of(BUILDERS),
    }


def seal_child(
    parent: Artifact,
    out: Path,
    shape: Shape,
    made: Mapping[str, Any],
    *,
    format: str | None = None,
    max_length: int | None = None,
) -> Artifact:
    """Seals a model that answers as its parent does, at another size: same labels, decoding and contract with callers.

    ``made`` is its lineage; format and maximum length are the parent's where they are not given.
    """
    was = parent.manifest
    return seal(
        out,
        format=format or was.format,
        labels=was.labels,
        shape=shape,
        max_length=was.max_length if max_length is None else max_length,
        decoding=was.decoding,
        kind=was.kind,
        contract=was.contract,
        lineage=made,
    )


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """The installed ones of these packages, with their versions."""
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
