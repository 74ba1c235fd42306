"""Builds candidates step by step; a step that was built before is taken from the store."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Made:
    """A step's artifact, and the seconds that it took when it was built. ``known``: it was taken from the store."""

    step: Step
    artifact: Artifact
    seconds: float
    known: bool


class Builder:
    """Runs recipes against one build context. Keys are hashes of everything that a result depends on: data, base, seed,
    recipe and fidelity, threads, the artifact that the recipe starts from, and the versions of what trains and lowers.
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
        made = list(self.each(candidate.recipe, fidelity, progress))
        return made[-1].artifact, sum(one.seconds for one in made)

    def each(
        self, recipe: Sequence[Step], fidelity: float, progress: Progress, start: Artifact | None = None
    ) -> Iterator[Made]:
        """The artifacts of a recipe, step by step, as they are built. ``start`` is what the first step works on.

        A ``finetune`` makes the teacher of the steps behind it, unless there was one.
        """
        end, parent, teacher = trunk_end(recipe), start, self._ctx.teacher
        for index, (step, key) in enumerate(zip(recipe, self._keys(recipe, fidelity, start), strict=True), start=1):
            share = fidelity if index == end else 1.0
            ctx = replace(self._ctx, fidelity=share, teacher=teacher, progress=_named(progress, step.method))
            made = self._step(key, step, parent, ctx)
            parent = made.artifact
            if step.method == "finetune":
                teacher = teacher or parent
            yield made

    def known(self, recipe: Sequence[Step], fidelity: float, start: Artifact | None = None) -> str:
        """The id of what a recipe was built into before; empty where it was not, or is gone."""
        found = self._ledger.build(self._keys(recipe, fidelity, start)[-1])
        return found[0] if found is not None and self._store.has(found[0]) else ""

    def _keys(self, recipe: Sequence[Step], fidelity: float, start: Artifact | None) -> list[str]:
        end, key = trunk_end(recipe), self._facts_key + (f":{start.id}" if start else "")
        keys = []
        for index, step in enumerate(recipe, start=1):
            key = _key(key, step, fidelity if index == end else 1.0)
            keys.append(key)
        return keys

    def _step(self, key: str, step: Step, parent: Artifact | None, ctx: BuildContext) -> Made:
        known = self._ledger.build(key)
        if known is not None and self._store.has(known[0]):
            return Made(step, self._store.get(known[0]), known[1], known=True)
        start = time.perf_counter()
        with self._store.scratch() as scratch:
            out = scratch / "out"
            out.mkdir()
            built = self._store.put(methods.method(step).apply(parent, ctx, out))
        spent = time.perf_counter() - start
        self._ledger.add_build(key, built.id, spent)
        return Made(step, built, spent, known=False)


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
