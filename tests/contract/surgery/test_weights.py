"""Matrices of a graph: found with their names, written in integers, scaled without changing the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from pare.methods.rounding import rtn
from pare.methods.watch import Worth
from pare.methods.weight_only import Choice, Widths, compress, width_of
from pare.methods.weights import inputs_of, rewritten, scaled, weights_of
from pare.runtimes.openvino import options
from pare.types import Part, Shape

SHAPE = Shape("", (Part("embeddings.word", 20 * 32), Part("head", 0)), width=32, vocabulary=20)
OPTIONS = options(1)
IDS = np.arange(20, dtype=np.int64)[None]


def _graph(inner: int = 64) -> Any:
    """Word embeddings that are the head too, a norm's weights, and two products between."""
    rng = np.random.default_rng(1)
    draw = lambda *size: ops.constant(rng.normal(size=size).astype(np.float32))  # noqa: E731
    ids = ops.parameter([-1, -1], np.int64, name="input_ids")
    ids.output(0).get_tensor().set_names({"input_ids"})
    words = draw(20, 32)
    normed = ops.multiply(ops.gather(words, ids, ops.constant(0)), draw(1, 1, 32))
    up = ops.relu(ops.matmul(normed, draw(inner, 32), False, True))
    down = ops.matmul(up, draw(32, inner), False, True)
    return openvino.Model([ops.matmul(down, words, False, True)], [ids], "tied")


def _answer(model: Any, **more: Any) -> Any:
    exact = {**OPTIONS, "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
    return openvino.Core().compile_model(model, "CPU", exact)([IDS])[0]


def _types(model: Any) -> list[str]:
    return sorted(
        op.get_output_element_type(0).get_type_name()
        for op in model.get_ordered_ops()
        if op.get_type_name() == "Constant" and len(op.get_output_shape(0)) > 1 and op.get_output_shape(0)[-1] > 1
    )


def test_a_table_that_is_the_head_too_is_found_once() -> None:
    found = weights_of(_graph(), SHAPE)
    assert [(w.role, w.rows, w.columns, w.tied) for w in found] == [
        ("embeddings", 20, 32, True),
        ("layers", 64, 32, False),
        ("layers", 32, 64, False),
    ]


@pytest.mark.parametrize(
    ("bits", "zero_points", "kind"), [(8, False, "i8"), (4, False, "i4"), (4, True, "u4"), (8, True, "u8")]
)
def test_integers_answer_as_their_values_do(bits: int, zero_points: bool, kind: str) -> None:
    model = _graph()
    arrays = {op.get_friendly_name(): op.get_data() for op in model.get_ops() if op.get_type_name() == "Constant"}
    packed = {w.node: rtn(arrays[w.node], bits, 32, zero_points) for w in weights_of(model, SHAPE)}
    quantised = rewritten(model, packed)
    assert _types(quantised).count(kind) >= 3
    plain = model.clone()
    for op in plain.get_ordered_ops():
        if op.get_friendly_name() in packed:
            values = ops.constant(packed[op.get_friendly_name()].matrix)
            for reader in list(op.output(0).get_target_inputs()):
                reader.replace_source_output(values.output(0))
    expected = _answer(plain)
    assert np.abs(_answer(quantised) - expected).max() < 0.01 * np.abs(expected).max()


def test_scaling_changes_no_answer_and_goes_into_the_norm_where_it_can() -> None:
    model = _graph()
    sites = {w.site: w.columns for w in weights_of(model, SHAPE) if w.site}
    scales = {site: np.linspace(0.5, 2.0, columns) for site, columns in sites.items()}
    changed = scaled(model, scales)
    assert np.allclose(_answer(changed), _answer(model), rtol=1e-4, atol=1e-3)
    count = lambda graph: sum(op.get_type_name() == "Multiply" for op in graph.get_ops())  # noqa: E731
    assert count(changed) == count(model) + 1


def test_what_enters_a_product() -> None:
    model = _graph()
    first, second = (w for w in weights_of(model, SHAPE) if w.role == "layers")
    seen = dict(inputs_of(model, [first, second], [{"input_ids": IDS[:, :7]}, {"input_ids": IDS[:, 7:]}], OPTIONS))
    arrays = [op.get_data() for op in model.get_ordered_ops() if op.get_type_name() == "Constant"]
    words, norm = (next(a for a in arrays if a.shape == shape) for shape in ((20, 32), (1, 1, 32)))
    entered = (words * norm[0]).astype(np.float64)
    assert np.allclose(seen[first.site].gram, entered.T @ entered / 20, rtol=1e-4)
    assert np.allclose(seen[first.site].magnitudes, np.abs(entered).mean(axis=0), rtol=1e-4)
    assert seen[second.site].gram.shape == (64, 64)


def test_a_matrix_that_no_group_divides_stays_at_8_bits() -> None:
    made = compress(_graph(inner=24), SHAPE, Widths(4, 8, 8, 64, False, "rtn"), [], OPTIONS, None)
    widths = {(w.rows, w.columns): width_of(form) for w, form in made.forms.items()}
    assert widths == {(20, 32): 8, (24, 32): 4, (32, 24): 8}


def test_a_tied_table_has_the_wider_width() -> None:
    made = compress(_graph(), SHAPE, Widths(4, 4, 16, 32, False, "rtn"), [], OPTIONS, None)
    assert width_of(next(form for w, form in made.forms.items() if w.tied)) == 16


def _choice(keep: float, dev: Any, harm: Mapping[int, float]) -> Choice:
    """A graph's worth falls by ``harm`` for each matrix with so many columns that is stored in 4 bits."""

    def worth(model: Any) -> Worth:
        ops4 = [op for op in model.get_ops() if op.get_output_element_type(0).get_type_name() == "i4"]
        lost = sum(harm[int(np.prod(op.get_output_shape(0)[1:]))] for op in ops4)
        return Worth(np.full(9, 1.0 - lost), np.ones(9))

    return Choice(keep, 0.01, worth, (lambda model: worth(model).mean) if dev else None)


HARM = {32: 0.02, 64: 0.2}


def test_the_most_sensitive_matrix_stays_wider_and_the_table_says_so() -> None:
    widths = Widths(4, 8, 8, 32, False, "rtn")
    made = compress(_graph(), SHAPE, widths, [], OPTIONS, _choice(0.5, False, HARM))
    assert [(row.columns, round(row.loss, 6), row.width) for row in made.table] == [(64, 0.2, 8), (32, 0.02, 4)]
    assert made.table[0].folds == pytest.approx([0.2] * 3)


def test_nothing_stays_wider_where_the_budget_is_too_small_or_dev_is_content() -> None:
    widths = Widths(4, 8, 8, 32, False, "rtn")
    for choice in (_choice(0.4, False, HARM), _choice(0.9, True, {32: 0.001, 64: 0.002})):
        made = compress(_graph(), SHAPE, widths, [], OPTIONS, choice)
        assert {row.width for row in made.table} == {4}
