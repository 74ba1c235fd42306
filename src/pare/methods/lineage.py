"""What an artifact remembers of how it was made."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pare.methods.base import BuildContext
from pare.types import Artifact

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


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """The installed ones of these packages, with their versions."""
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
