from __future__ import annotations

import json
import random

import pytest

from pare.logs.forms import Form, form_of
from pare.logs.types import Logged, ToolCall
from pare.types import Message

RNG = random.Random(0)
LABELS = ["refund", "lost_card", "other"]


def answered(answers: list[str], **fields: object) -> list[Logged]:
    return [Logged(i, (Message("user", f"text {i}"),), answer, **fields) for i, answer in enumerate(answers)]  # type: ignore[arg-type]


def drawn(form: str, n: int = 120) -> list[str]:
    return [form % RNG.choice(LABELS) for _ in range(n)]


@pytest.mark.parametrize(
    ("shape", "field"),
    [
        ("%s", ""),
        ("Intent: %s", ""),
        ('"%s"', ""),
        ('{"intent": "%s"}', "intent"),
        ('{"intent": "%s", "version": 2, "ok": true}', "intent"),
        ('```json\n{"intent": "%s"}\n```', "intent"),
        ('{\n  "intent" : "%s"\n}', "intent"),
    ],
)
def test_labels_are_read_and_written_in_the_callers_form(shape: str, field: str) -> None:
    answers = drawn(shape)
    form = form_of(answered(answers))
    assert (form.kind, form.labels, form.field) == ("label", tuple(sorted(LABELS)), field)
    for answer in answers:
        label = form.read(answer)
        assert label in LABELS
        written = form.write(label, 0.93)
        assert form.read(written) == label
        if not field:
            assert written == answer


def test_a_stated_confidence_is_the_small_models_own() -> None:
    answers = [json.dumps({"label": RNG.choice(LABELS), "confidence": round(RNG.random(), 2)}) for _ in range(100)]
    form = form_of(answered(answers))
    assert form.confidence == "confidence"
    assert json.loads(form.write("refund", 0.8765)) == {"label": "refund", "confidence": 0.88}


def test_other_kinds_are_no_labels() -> None:
    texts = [
        f"Dear customer {i}, we are sorry about order {i * 7} and will write again soon, truly yours" for i in range(99)
    ]
    objects = [json.dumps({"name": f"n{i}", "city": f"c{i}"}) for i in range(99)]
    assert form_of(answered(texts)).kind == "long text"
    assert form_of(answered([f"order {i}" for i in range(99)])).kind == "short text"
    assert form_of(answered(objects)).kind == "json"
    assert form_of(answered(["" for _ in range(9)])).kind == "empty"
    assert form_of(answered(["x"] * 9, tool_calls=(ToolCall("f", "{}"),))).kind == "tool call"


def test_one_odd_answer_in_a_hundred_does_not_hide_the_labels() -> None:
    answers = [*drawn("Intent: %s", 200), "I am sorry, I cannot help with that."]
    form = form_of(answered(answers))
    assert form.kind == "label"
    assert form.read(answers[-1]) is None


def test_an_answer_of_another_form_has_no_label() -> None:
    form = Form("label", ("a",), field="intent", keys=("intent",))
    for answer in ("a", "{}", "[1]", '{"intent": null}', '{"intent": ["a"]}', "{", "\ud800"):
        assert form.read(answer) is None
