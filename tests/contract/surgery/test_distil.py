from dataclasses import replace
from pathlib import Path

import pytest

from pare.errors import InputError
from pare.methods.distil import Distil
from pare.methods.finetune import Finetune
from pare.testing.contexts import tiny_context
from pare.types import DataFacts

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")


def test_without_a_teacher_it_says_what_to_build(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="build the reference first"):
        Distil().apply(None, tiny_context(tmp_path), tmp_path / "out")


@pytest.mark.parametrize(
    ("field", "value"), [("epochs", 0), ("rate", -1), ("temperature", 0), ("copies", -1), ("alpha", -1), ("hidden", -1)]
)
def test_a_value_out_of_range_is_named_with_its_rule(field: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{field} must be"):
        Distil(**{field: value})


def test_unlabelled_texts_displace_copies_and_do_not_make_the_work_explode() -> None:
    method = Distil(epochs=1, copies=4, most=1000)
    for rows, unlabelled, texts in (
        (100, 0, 500),  # train and its copies
        (100, 50, 750),  # all of them with their copies
        (100, 300, 1000),  # fewer copies
        (100, 10**6, 1000),  # a part of the texts, no copies
        (400, 10, 2000),  # as many as train and its copies alone
        (400, 0, 2000),
    ):
        assert method.passes(DataFacts(3, rows, 9.0, unlabelled=unlabelled)) == pytest.approx(texts / rows)


def test_a_part_of_the_unlabelled_texts_is_drawn_by_the_seed(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(50)]
    ctx = replace(tiny_context(tmp_path), unlabelled=texts)
    drawn = ctx.some_unlabelled(10)
    assert len(drawn) == 10
    assert drawn == sorted(drawn, key=texts.index)
    assert drawn == ctx.some_unlabelled(10) != replace(ctx, seed=1).some_unlabelled(10)
    assert ctx.some_unlabelled(50) == texts
    assert ctx.some_unlabelled(0) == ctx.some_unlabelled(-5) == []


def test_a_decoder_has_no_copies_and_pays_for_what_it_samples() -> None:
    facts = DataFacts(classes=0, rows=100, tokens_per_row=9.0, unlabelled=50)
    assert Distil(epochs=2).passes(facts) == 2
    assert Distil(epochs=2, mode="answers").passes(facts) == 2
    assert Distil(epochs=2, mode="on_policy", share=0.6).passes(facts) == pytest.approx(2.4)
    assert [Distil(mode=mode).taught for mode in ("logits", "on_policy", "answers")] == [True, True, False]


def test_an_encoder_is_distilled_by_logits_alone(tmp_path: Path) -> None:
    ctx = tiny_context(tmp_path)
    parent = Finetune(epochs=0.1).apply(None, ctx, tmp_path / "parent")
    with pytest.raises(InputError, match="mode must be logits for an encoder but is answers"):
        Distil(mode="answers").apply(parent, ctx, tmp_path / "out")
