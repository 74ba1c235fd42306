"""Builds candidates step by step; a step that was built before is taken from the store."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from pare import methods
from pare.artifacts import Store
from pare.methods.base import BuildContext
from pare.methods.lineage import BUILDERS, versions_of
from pare.search.space import trunk_end
from pare.store import Ledger
from pare.types import Artifact, Candidate, Step

Progress = Callable[[float, str], None]


class Builder:
    """Runs recipes against one build context. Keys are hashes of everything that a result depends on: data, base, seed,
    recipe and fidelity, threads, and the versions of what trains and lowers.
    """

    def __init__(self, ctx: BuildContext, ledger: Ledger, store: Store, facts_key: str) -> None:
        self._ctx = ctx
        self._ledger = ledger
        self._store = store
        versions = sorted(versions_of(BUILDERS).items())
        self._facts_key = f"{facts_key}:{ctx.threads}:{versions}"

    def build(self, candidate: Candidate, fidelity: float, progress: Progress) -> tuple[Artifact, float]:
        """The artifact of a candidate and the seconds that its steps took when they were built, shared ones included.

        ``fidelity`` is the share of the work of the recipe's last training step; the steps before it are built whole.
        """
        end = trunk_end(candidate.recipe)
        key = self._facts_key
        parent: Artifact | None = None
        teacher = self._ctx.teacher
        seconds = 0.0
        for index, step in enumerate(candidate.recipe, start=1):
            share = fidelity if index == end else 1.0
            key = _key(key, step, share)
            ctx = replace(self._ctx, fidelity=share, teacher=teacher, progress=_named(progress, step.method))
            parent, spent = self._step(key, step, parent, ctx)
            seconds += spent
            if step.method == "finetune":
                teacher = teacher or parent
        assert parent is not None, "a recipe has at least one step"
        return parent, seconds

    def _step(self, key: str, step: Step, parent: Artifact | None, ctx: BuildContext) -> tuple[Artifact, float]:
        known = self._ledger.build(key)
        if known is not None and self._store.has(known[0]):
            return self._store.get(known[0]), known[1]
        start = time.perf_counter()
        with self._store.scratch() as scratch:
            out = scratch / "out"
            out.mkdir()
            built = self._store.put(methods.method(step).apply(parent, ctx, out))
        spent = time.perf_counter() - start
        self._ledger.add_build(key, built.id, spent)
        return built, spent


def _key(parent: str, step: Step, fidelity: float) -> str:
    text = msgspec.json.encode([parent, step, fidelity], order="deterministic")
    return hashlib.sha256(text).hexdigest()[:24]


def _named(progress: Progress, method: str) -> Progress:
    return lambda share, words: progress(share, f"{method}: {words}" if words else method)


def cache_folder(run: Path) -> Path:
    """Where methods keep what can be computed again."""
    folder = run / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
