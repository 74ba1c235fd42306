"""What training on grids predicts, and how it chooses steps."""

from __future__ import annotations

import numpy as np
import pytest

from pare.errors import InputError
from pare.families import family_of
from pare.methods import method
from pare.methods.lower import FLIPS, Lower, most_of_flips
from pare.methods.qat import Qat
from pare.methods.quantize import Quantize
from pare.testing.conformance import weight_bytes
from pare.types import DataFacts, Part, Shape, Step

FACTS = DataFacts(classes=3, rows=10, tokens_per_row=5.0)
CONFIG = {
    "model_type": "bert",
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 100,
    "max_position_embeddings": 10,
    "type_vocab_size": 2,
}
MATRICES = 4 * 128 * 128 + 2 * 128 * 256
ROWS = 4 * 128 + 256 + 128
VECTORS = 4 * 128 + 256 + 128 + 2 * 256 + (2 + 2) * 128
"""Biases, norms, token types."""


def _shape() -> Shape:
    return family_of(CONFIG).shape(CONFIG, 3)


def test_int8_adds_a_step_a_row_and_is_smaller_once_lowered() -> None:
    trained = Qat().reshape(_shape(), FACTS)
    steps = ROWS + 100 + 10 + 3
    assert weight_bytes(trained) == pytest.approx(weight_bytes(_shape()) + 4 * steps)
    lowered = weight_bytes(Lower().reshape(trained, FACTS))
    assert lowered == pytest.approx(MATRICES + 110 * 128 + 3 * 128 + 4 * (VECTORS + 3 + steps))


def test_4_bits_are_for_the_layers_alone() -> None:
    trained = Qat("w4", group=64).reshape(_shape(), FACTS)
    lowered = weight_bytes(Lower().reshape(trained, FACTS))
    steps = MATRICES // 64 + 100 + 10 + 3
    assert lowered == pytest.approx(MATRICES / 2 + 110 * 128 + 3 * 128 + 4 * (VECTORS + 3 + steps))


def test_a_group_that_does_not_fit_is_a_row() -> None:
    narrow = {**CONFIG, "hidden_size": 96, "intermediate_size": 200}
    shape = family_of(narrow).shape(narrow, 3)
    one = next(part for part in Qat("w4", group=64).reshape(shape, FACTS).parts if part.name == "layers.0.ffn")
    assert one.bits * one.elements == pytest.approx(32 * one.elements + 32 * (200 + 96))


def test_lowering_leaves_other_shapes_alone() -> None:
    assert Lower().reshape(_shape(), FACTS) == _shape()
    part = Part("head", 10, bits=32.5, lowered=9.0)
    assert Lower().reshape(Shape("bert", (part,)), FACTS).parts == (Part("head", 10, bits=9.0),)


def test_a_model_is_quantised_once() -> None:
    assert Qat.once == Quantize.once
    assert not {f"{form}{Qat.mark}" for form in Qat.takes} & {*Quantize().takes, *Quantize("w4").takes}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"width": "w3"}, "width must be one of int8, w8, w4 but got 'w3'"),
        ({"epochs": 0.0}, "epochs must be a number above 0"),
        ({"group": 48}, "group must be one of 32, 64, 128 but got 48"),
    ],
)
def test_a_value_out_of_range_is_refused(params: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        method(Step("qat", params))  # type: ignore[arg-type]


def test_flipped_roundings_move_less_than_is_allowed() -> None:
    """A product's inputs on a grid of step 1, against the same with a share of them at the next point."""
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(400, 300)) * 30, rng.normal(size=(300, 50))
    rounded = np.rint(x)
    flipped = rounded + np.where(rng.random(x.shape) < FLIPS, rng.choice([-1.0, 1.0], x.shape), 0.0)
    allowed = most_of_flips(float(np.std((rounded - x) @ weight)))
    assert float(np.std((flipped - rounded) @ weight)) == pytest.approx(allowed, rel=0.05)
