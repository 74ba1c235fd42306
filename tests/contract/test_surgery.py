"""Every method that cuts a model's weights, on every architecture: what it says it makes is what it makes, and it loads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

from pare.errors import InputError
from pare.families import DECODERS, ENCODERS
from pare.methods import method
from pare.methods.base import BuildContext, Method
from pare.runtimes.modules import read_ranks
from pare.testing.conformance import check_surgery, data_facts
from pare.testing.contexts import tiny_artifact, tiny_context, tiny_writing
from pare.types import Artifact, Step

Patient = tuple[Artifact, BuildContext]

PRIMITIVES: dict[str, Step] = {
    "drop_layers": Step("drop_layers", {"keep": 2}),
    "drop_layers-listed": Step("drop_layers", {"layers": "0,1"}),
    "drop_layers-influence": Step("drop_layers", {"keep": 2, "by": "influence"}),
    "trim_vocab": Step("trim_vocab", {"min_uses": 1}),
    "prune-ffn": Step("prune", {"ffn": 0.5}),
    "prune-heads": Step("prune", {"ffn": 0.75, "heads": 0.5}),
    "lowrank": Step("lowrank", {"ratio": 0.5}),
    "sparsify": Step("sparsify"),
}
"""A step for each way to cut. Vocabularies are cut to ``FEWER`` tokens than there are."""
FEWER = 5

FACTORED = frozenset({"lowrank"})
"""Steps whose result transformers does not read."""


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Patient]:
    root, known = tmp_path_factory.mktemp("patients"), dict[str, Patient]()

    def build(family: str) -> Patient:
        if family not in known:
            ctx = (tiny_writing if family in DECODERS else tiny_context)(root / family, family)
            known[family] = tiny_artifact(ctx, root / family / "parent"), ctx
        return known[family]

    return build


@pytest.mark.parametrize("family", [*ENCODERS, *DECODERS])
@pytest.mark.parametrize("name", PRIMITIVES)
def test_it_makes_what_it_says(name: str, family: str, patients: Callable[[str], Patient], tmp_path: Path) -> None:
    parent, ctx = patients(family)
    made = check_surgery(_method(name, parent), parent, ctx, tmp_path, plain=name not in FACTORED)
    size, was = (sum(part.elements for part in each.manifest.shape.parts) for each in (made, parent))
    assert size == was if name == "sparsify" else size < was
    if name == "lowrank":
        lost = made.manifest.lineage["lost"]
        assert 0 < lost["mean"] <= lost["most"] < 1
        assert len(read_ranks(made.path)) > 0
    if name == "sparsify":
        held = made.manifest.lineage["sparsity"]
        assert held["zeros"] == pytest.approx(0.5)
        assert held["compressed_bytes"] < held["bytes"] == (made.path / "model.safetensors").stat().st_size


def test_steps_compose(patients: Callable[[str], Patient], tmp_path: Path) -> None:
    for family in ("bert", "gemma3_text"):
        made, ctx = patients(family)
        for name in ("drop_layers", "trim_vocab", "prune-heads"):
            made = check_surgery(_method(name, made), made, ctx, tmp_path / family / name)


def test_layers_of_factors_can_go_and_are_not_pruned(patients: Callable[[str], Patient], tmp_path: Path) -> None:
    for family in ("bert", "llama"):
        parent, ctx = patients(family)
        (tmp_path / family).mkdir()
        thin = method(Step("lowrank", {"ratio": 0.5, "rule": "uniform"})).apply(parent, ctx, tmp_path / family)
        made = check_surgery(_method("drop_layers-listed", thin), thin, ctx, tmp_path / f"{family}-cut", plain=False)
        assert 0 < len(read_ranks(made.path)) < len(read_ranks(thin.path))
        with pytest.raises(InputError, match="put prune before lowrank"):
            _method("prune-ffn", thin).reshape(thin.manifest.shape, data_facts(ctx))


def _method(name: str, parent: Artifact) -> Method:
    step = PRIMITIVES[name]
    if step.method == "trim_vocab":
        step = replace(step, params={**step.params, "tokens": parent.manifest.shape.vocabulary - FEWER})
    return method(step)
