"""What an artifact remembers of how it was made."""

from __future__ import annotations

import dataclasses
from typing import Any

from pare.methods.base import BuildContext
from pare.types import Artifact


def lineage(method: Any, name: str, parent: Artifact | None, ctx: BuildContext) -> dict[str, Any]:
    """The parent (an artifact's id, or the base model's name), the step with all its parameters, the seed, the fidelity."""
    return {
        "parent": parent.id if parent else ctx.base.name,
        "step": {"method": name, "params": dataclasses.asdict(method)},
        "seed": ctx.seed,
        "fidelity": ctx.fidelity,
    }
