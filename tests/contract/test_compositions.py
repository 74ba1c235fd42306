"""Steps that different methods make go together: each is as large as the plan says, or is refused before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

from pare.errors import InputError
from pare.methods import method
from pare.methods.base import BuildContext
from pare.methods.recipe import Start, parse, plan
from pare.runtimes import load, load_generator
from pare.testing.conformance import data_facts, weight_bytes
from pare.testing.contexts import tiny_artifact, tiny_context, tiny_writing
from pare.types import Artifact

Begun = tuple[Artifact, BuildContext]
TRIM = "trim_vocab(tokens=275, min_uses=1)"

GO = {
    "encoder": (
        "drop_layers:2 > trim_vocab:300 > distil(epochs=0.2, copies=0) > lowrank:0.5 > quantize:w8",
        "prune:0.5 > distil(epochs=0.2, copies=0) > qat(epochs=0.1, ranges=8) > lower",
        "lora(epochs=0.2) > lowrank:0.5 > distil(epochs=0.2, copies=0) > drop_layers:2 > lower",
        "lowrank:0.5 > student:2(width=8) > distil(epochs=0.2, copies=0) > sparsify > lower",
    ),
    "decoder": (
        f"drop_layers:2 > {TRIM} > distil(epochs=0.2) > lowrank:0.5 > quantize:w4",
        f"{TRIM} > prune:0.5 > distil(epochs=0.2, mode=on_policy) > lower",
        "lora(epochs=0.2) > lowrank:0.5 > distil(epochs=0.2) > drop_layers:2 > quantize:w8",
        "lowrank:0.8(rule=energy) > student:2(width=16) > distil(epochs=0.2) > sparsify > lower",
    ),
}
REFUSED = {
    "encoder": {
        "distil(mode=answers)": "mode must be logits for an encoder",
        "lowrank > sparsify": "leave one of the two out",
        "sparsify > drop_layers:2 > distil": "would undo sparsify.*put sparsify after distil",
        "lowrank > lowrank": "leave one of the two out",
    },
    "decoder": {
        "finetune(hide=0.1)": "hide must be 0 for a decoder",
        "lowrank:0.9(rule=energy) > prune": "put prune before lowrank",
        "lowrank > lower:gguf": "use lower:openvino",
        "sparsify > finetune": "put sparsify after finetune",
        "qat": "use w8, whose inputs are quantised on the fly, or w4",
        "qat:w4 > quantize:w4": "quantisation was done by qat",
    },
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Begun]:
    known: dict[str, Begun] = {}

    def begin(kind: str) -> Begun:
        if kind not in known:
            folder = tmp_path_factory.mktemp(kind)
            ctx = (tiny_context if kind == "encoder" else tiny_writing)(folder)
            made = tiny_artifact(ctx, folder / "parent")
            known[kind] = made, replace(ctx, teacher=made)
        return known[kind]

    return begin


@pytest.mark.parametrize(("kind", "recipe"), [(kind, recipe) for kind in GO for recipe in GO[kind]])
def test_it_is_as_large_as_planned_and_answers(
    kind: str, recipe: str, begun: Callable[[str], Begun], tmp_path: Path
) -> None:
    made, ctx = begun(kind)
    planned = plan(parse(recipe), Start(kind, made.manifest.shape, taught=True), data_facts(ctx))
    for number, one in enumerate(planned.planned):
        (out := tmp_path / str(number)).mkdir()
        made = method(one.step).apply(made, ctx, out)
        assert made.manifest.format == one.format
        predicted, built = weight_bytes(one.shape), weight_bytes(made.manifest.shape)
        assert built <= 1.01 * predicted, one.step
        assert not one.shape.exact or built >= 0.99 * predicted, one.step
    if kind == "encoder":
        assert len(load(made, threads=1).logits(["my card is lost"])) == 1
    else:
        assert load_generator(made, threads=1).surprisal([("one two", " three")])[0] > 0


@pytest.mark.parametrize(
    ("kind", "recipe", "says"), [(kind, *each) for kind in REFUSED for each in REFUSED[kind].items()]
)
def test_what_does_not_go_together_is_refused_before_anything_runs(
    kind: str, recipe: str, says: str, begun: Callable[[str], Begun]
) -> None:
    start, ctx = begun(kind)
    with pytest.raises(InputError, match=says):
        plan(parse(recipe), Start(kind, start.manifest.shape, taught=True), data_facts(ctx))
