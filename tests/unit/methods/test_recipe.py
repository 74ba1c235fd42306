"""Recipes: text and back, what is refused and where, and what a recipe implies."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare import methods
from pare.errors import InputError
from pare.families import family_of
from pare.methods import METHODS
from pare.methods.base import BASE
from pare.methods.recipe import Start, parse, plan, written
from pare.types import DataFacts, Part, Shape, Step

FACTS = DataFacts(classes=3, rows=900, tokens_per_row=12.0)
SHAPE = Shape(
    "bert",
    (
        Part("embeddings.word", 16_000),
        *(Part(f"layers.{i}.{part}", 900) for i in range(3) for part in ("attention", "ffn")),
    ),
    layers=3,
    width=16,
    vocabulary=1000,
    max_length=64,
)
ENCODER = Start("encoder", SHAPE, taught=True)
BARE = Start(BASE, SHAPE)
SIZES = {
    "vocab_size": 1000,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
}
WHOLE = Start("encoder", family_of({"model_type": "bert"}).shape(SIZES, 3), taught=True)
DECODER = Start("decoder", family_of({"model_type": "llama"}).shape(SIZES | {"model_type": "llama"}, 0), taught=True)


@dataclass(frozen=True)
class Said:
    """A method with parameters of every type."""

    takes: ClassVar[tuple[str, ...]] = ("encoder",)
    gives: ClassVar[str] = ""

    words: str = ""
    share: float = 0.5
    count: int = 1
    on: bool = False
    most: int | None = None

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        return shape


@pytest.fixture(autouse=True, scope="module")
def _said() -> Iterator[None]:
    module = ModuleType("pare_said")
    module.Said = Said  # type: ignore[attr-defined]
    sys.modules["pare_said"] = module
    METHODS["said"] = "pare_said:Said"
    methods.methods.cache_clear()
    yield
    del METHODS["said"], sys.modules["pare_said"]
    methods.methods.cache_clear()


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "words": st.text(),
    "share": st.floats(allow_nan=False, allow_infinity=False),
    "count": st.integers(-(10**17), 10**17),
    "on": st.booleans(),
    "most": st.none() | st.integers(0, 99),
}
STEPS = st.one_of(
    st.fixed_dictionaries({}, optional=FIELDS).map(lambda params: Step("said", params)),
    st.builds(lambda keep: Step("drop_layers", {"keep": keep}), st.integers(1, 99)),
    st.sampled_from([Step("lower", {"to": "onnx"}), Step("lower"), Step("quantize", {"scheme": "w4", "ranges": 16})]),
)


# -- text -------------------------------------------------------------------------------------------------------------


@given(st.lists(STEPS, min_size=1, max_size=5).map(tuple))
def test_a_recipe_is_read_as_it_was_written(steps: tuple[Step, ...]) -> None:
    found = parse(written(steps))
    assert found == steps
    assert [[type(value) for value in step.params.values()] for step in found] == [
        [type(step.params[key]) for key in other.params] for step, other in zip(steps, found, strict=True)
    ]


@given(st.text(alphabet='lowerdistilsaid:(),=> "\\\n0123456789.-e', max_size=60) | st.text())
def test_any_text_is_a_recipe_or_refused_in_one_line(text: str) -> None:
    found: tuple[Step, ...] | str
    try:
        found = parse(text)
    except InputError as error:
        found = str(error)
    if isinstance(found, str):
        assert re.match(r"recipe, character \d+: ", found)
    else:
        assert parse(written(found)) == found


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("drop_layers:3 > distil", (Step("drop_layers", {"keep": 3}), Step("distil"))),
        ("drop_layers(keep=3)", (Step("drop_layers", {"keep": 3}),)),
        ("\n lower : onnx\n", (Step("lower", {"to": "onnx"}),)),
        ("lower()", (Step("lower"),)),
        ("distil:4(copies=1, rate=2e-4)", (Step("distil", {"epochs": 4.0, "copies": 1, "rate": 2e-4}),)),
        ("said:2:4", (Step("said", {"words": "2:4"}),)),
        ("said:8", (Step("said", {"words": "8"}),)),
        ("said:0,2(most=none, on=true)", (Step("said", {"words": "0,2", "most": None, "on": True}),)),
        ('said:"a > b, \\"c\\""', (Step("said", {"words": 'a > b, "c"'}),)),
    ],
)
def test_forms(text: str, steps: tuple[Step, ...]) -> None:
    assert parse(text) == steps


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("", 1, "the name of a method here but got its end"),
        ("lower > ", 9, "the name of a method here but got its end"),
        ("lower lower", 7, "'>' between steps here but got 'lower'"),
        ("lower > quantise:full", 9, "did you mean quantize"),
        ("lower > distil(epoch=1)", 16, "did you mean epochs"),
        ("distil(epochs=1, epochs=2)", 18, "epochs is there twice"),
        ("drop_layers:3(keep=2)", 15, "keep is there twice"),
        ("distil(epochs 1)", 15, "'=' and a value after epochs"),
        ("distil(epochs=1", 16, "',' or ')' after the value of epochs"),
        ("lower > drop_layers:three", 9, "keep must be an integer or nothing but got 'three'"),
        ("drop_layers", 1, "drop_layers takes either keep or layers"),
        ("quantize(tolerance=2)", 1, "tolerance must be a number above 0 and below 1 but got 2"),
        ("distil:1e999", 1, "epochs must be a number"),
        ('said:"a', 6, "a value here but got"),
        ('said:"\\x"', 6, "is no JSON string"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, at: int, words: str) -> None:
    with pytest.raises(InputError) as error:
        parse(text)
    assert str(error.value).startswith(f"recipe, character {at}: ")
    assert words in str(error.value)


# -- plan -------------------------------------------------------------------------------------------------------------


def names(text: str, start: Start) -> list[str]:
    return [step.method for step in plan(parse(text), start, FACTS).steps]


def test_what_a_recipe_implies_is_put_in_and_told() -> None:
    found = plan(parse("drop_layers:1 > distil > quantize"), BARE, FACTS)
    assert [step.method for step in found.steps] == ["finetune", "drop_layers", "distil", "lower", "quantize"]
    assert [one.format for one in found.planned] == ["encoder", "encoder", "encoder", "openvino", "openvino"]
    assert found.notes == (
        "finetune was put in: drop_layers needs a model that has learnt the task",
        "lower was put in: quantize works on the graph that is served",
    )


def test_what_is_named_is_not_put_in_again() -> None:
    assert names("finetune > lower > quantize", BARE) == ["finetune", "lower", "quantize"]
    assert names("lower > quantize", ENCODER) == ["lower", "quantize"]
    assert names("quantize", Start("openvino", SHAPE)) == ["quantize"]
    assert names("linear", BARE) == ["linear"]
    assert names("quantize", Start("onnx", SHAPE)) == ["quantize"]


def test_a_step_gets_the_graph_that_it_takes() -> None:
    found = plan(parse("quantize:int8_dynamic"), ENCODER, FACTS)
    assert [(one.step.method, one.format) for one in found.planned] == [("lower", "onnx"), ("quantize", "onnx")]


def test_shapes_are_predicted_step_by_step() -> None:
    found = plan(parse("drop_layers:1 > trim_vocab:500"), ENCODER, FACTS)
    assert [one.shape.layers for one in found.planned] == [1, 1]
    assert [one.shape.vocabulary for one in found.planned] == [1000, 500]


@pytest.mark.parametrize(
    ("text", "start", "words"),
    [
        ("quantize > quantize", ENCODER, ("step 2 (quantize)", "quantisation was done by quantize")),
        ("quantize", Start("openvino", SHAPE, done=("quantisation",)), ("done by the model that it starts from",)),
        ("lower > drop_layers:1", ENCODER, ("step 2", "but is given format openvino by lower", "put it before lower")),
        ("lower:onnx > quantize:w4", ENCODER, ("takes format openvino but is given format onnx by lower",)),
        ("lower > quantize:int8_dynamic", ENCODER, ("takes format onnx but is given format openvino by lower",)),
        ("quantize", DECODER, ("scheme int8 takes a fixed range", "use w8")),
        ("lower:onnx", DECODER, ("takes format encoder but is given format decoder; write lower alone",)),
        ("qat", DECODER, ("qat: width int8 takes a fixed range", "use w8")),
        ("qat:w4 > lower > quantize:w4", DECODER, ("step 3 (quantize)", "quantisation was done by qat")),
        ("lowrank > qat:w4", DECODER, ("w4 needs dense matrices but lowrank has factored them", "use w8")),
        ("qat:w4 > quantize:w4", DECODER, ("step 2 (quantize)", "quantisation was done by qat")),
        ("qat:w4 > distil", DECODER, ("takes format encoder or format decoder but is given format decoder-qat by qat",)),
        ("qat:w4 > lower:gguf", DECODER, ("takes format decoder but is given format decoder-qat by qat",)),
        ("qat > lower > quantize", WHOLE, ("step 3 (quantize)", "quantisation was done by qat")),
        ("lowrank > sparsify", WHOLE, ("sparsify needs dense matrices but lowrank has factored them",)),
        ("lowrank > prune", WHOLE, ("put prune before lowrank",)),
        ("lowrank > lower:gguf", DECODER, ("GGUF has no place for low-rank factors",)),
        ("drop_layers:1", Start("openvino", SHAPE), ("methods that take format openvino: ",)),
        ("finetune > linear", BARE, ("step 2 (linear): takes a base model but is given format encoder by finetune",)),
        ("distil", Start("encoder", SHAPE), ("needs a teacher and there is none", "--teacher")),
        ("drop_layers:9", ENCODER, ("step 1 (drop_layers)", "keep must be between 1 and the model's 3 layers but is 9")),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_before_anything_runs(text: str, start: Start, words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as error:
        plan(parse(text), start, FACTS)
    for word in words:
        assert word in str(error.value)


def test_a_step_is_needed() -> None:
    with pytest.raises(InputError, match="must have a step"):
        plan((), ENCODER, FACTS)
