"""Truncation is the best in the norm of the data, and ranks are those that the rule promises."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pare.errors import InputError
from pare.families import FAMILIES, family_of
from pare.families.factors import dense, factored, is_factored
from pare.methods import method
from pare.methods.lowrank import LowRank, Truncation, budget_ranks, energy_rank, truncation, uniform_rank
from pare.planner.estimate import parameters, weight_bytes
from pare.types import DataFacts, Part, Shape, Step

FACTS = DataFacts(classes=3, rows=60, tokens_per_row=10)
Array = NDArray[np.float64]


def drawn(seed: int, rows: int, columns: int, tokens: int) -> tuple[Array, Array]:
    """A matrix, and inputs of very different size and not independent, (columns, tokens)."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(columns, columns)) * np.geomspace(1, 30, columns)[:, None]
    return rng.normal(size=(rows, columns)), mixed @ rng.normal(size=(columns, tokens))


def cut(weight: Array, rank: int, moments: Array | None = None) -> Array:
    basis = truncation(weight, moments).basis[:, :rank]
    return basis @ basis.T @ weight


def error(weight: Array, other: Array, inputs: Array) -> float:
    return float(np.square((weight - other) @ inputs).sum())


def best(weight: Array, inputs: Array, rank: int) -> float:
    """The least error that any matrix of the rank has on the inputs: what the singular values of the outputs leave."""
    return float(np.square(np.linalg.svd(weight @ inputs, compute_uv=False)[rank:]).sum())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 7), st.integers(1, 7), st.integers(1, 12), st.integers(1, 7))
def test_truncation_is_optimal_on_the_data(seed: int, rows: int, columns: int, tokens: int, rank: int) -> None:
    """Also with fewer tokens than columns, where the moments lack rank and have no Cholesky factor."""
    weight, inputs = drawn(seed, rows, columns, tokens)
    found = truncation(weight, inputs @ inputs.T)
    left, whole = error(weight, cut(weight, rank, inputs @ inputs.T), inputs), error(weight, 0 * weight, inputs)
    assert left == pytest.approx(best(weight, inputs, rank), rel=1e-6, abs=1e-9 * whole)
    assert found.energy[rank:].sum() == pytest.approx(left, rel=1e-6, abs=1e-9 * whole)
    assert found.energy.sum() == pytest.approx(whole)
    assert (np.diff(found.energy) <= 1e-9 * whole).all()
    assert np.allclose(found.basis.T @ found.basis, np.eye(min(rows, columns)))


@pytest.mark.parametrize(("rows", "columns"), [(9, 5), (5, 9), (6, 6)])
def test_it_is_what_the_cholesky_factor_gives(rows: int, columns: int) -> None:
    """SVD-LLM's own formula, where the moments are positive definite."""
    weight, inputs = drawn(1, rows, columns, 40)
    factor = np.linalg.cholesky(inputs @ inputs.T)
    left, values, right = np.linalg.svd(weight @ factor, full_matrices=False)
    theirs = left[:, :3] * values[:3] @ right[:3] @ np.linalg.inv(factor)
    assert np.allclose(cut(weight, 3, inputs @ inputs.T), theirs)
    assert np.allclose(truncation(weight, inputs @ inputs.T).energy, values**2)


def test_no_other_matrix_found_by_search_is_better() -> None:
    """Brute force: alternating least squares from many starts finds nothing below."""
    weight, inputs = drawn(3, 4, 3, 5)
    ours = error(weight, cut(weight, 1, inputs @ inputs.T), inputs)
    others = []
    for seed in range(30):
        row = np.random.default_rng(seed).normal(size=(1, 3))
        for _ in range(200):
            column = weight @ inputs @ np.linalg.pinv(row @ inputs)
            row = np.linalg.pinv(column) @ weight
        others.append(error(weight, column @ row, inputs))
    assert ours <= min(others) * (1 + 1e-9)
    assert ours == pytest.approx(min(others), rel=1e-4)


def test_whitened_beats_plain_on_the_data_and_plain_beats_it_in_the_weights() -> None:
    weight, inputs = drawn(2, 8, 8, 50)
    white, plain = cut(weight, 3, inputs @ inputs.T), cut(weight, 3)
    assert error(weight, white, inputs) < 0.8 * error(weight, plain, inputs)
    assert error(weight, plain, np.eye(8)) < error(weight, white, np.eye(8))


@given(st.integers(1, 200), st.integers(1, 200), st.floats(0.01, 0.99))
def test_a_uniform_rank_keeps_its_share_and_always_saves(rows: int, columns: int, ratio: float) -> None:
    rank = uniform_rank(rows, columns, ratio)
    held = rank * (rows + columns)
    assert held < rows * columns
    if rank > 1:
        assert held <= ratio * rows * columns < held + rows + columns


@pytest.mark.parametrize(("share", "rank"), [(0.49, 1), (0.6, 2), (0.89, 2), (0.91, 3), (0.999, 0)])
def test_an_energy_rank_is_the_least_that_keeps_the_share(share: float, rank: int) -> None:
    energy = np.array([5.0, 4.0, 0.9, 0.05, 0.05, 0, 0, 0])
    assert energy_rank(Truncation(8, 8, energy, np.eye(8)), share) == rank


def lost(matrices: list[Truncation], ranks: list[int]) -> float:
    return sum(m.energy[k:].sum() / m.energy.sum() for m, k in zip(matrices, ranks, strict=True) if k)


def held(matrices: list[Truncation], ranks: list[int]) -> int:
    sizes = zip(matrices, ranks, strict=True)
    return sum(k * (m.rows + m.columns) if k else m.rows * m.columns for m, k in sizes)


def matrix(rng: np.random.Generator, rows: int, columns: int) -> Truncation:
    energy = np.sort(rng.exponential(size=min(rows, columns)) ** 3)[::-1]
    return Truncation(rows, columns, energy, np.eye(rows))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**16), st.floats(0.3, 0.95))
def test_a_budget_is_kept_and_used_well(seed: int, ratio: float) -> None:
    """Against every choice of ranks: none that saves a matrix more loses less."""
    rng = np.random.default_rng(seed)
    matrices = [matrix(rng, 6, 6), matrix(rng, 12, 6), matrix(rng, 6, 9)]
    ranks = budget_ranks(matrices, ratio)
    budget = ratio * sum(m.rows * m.columns for m in matrices)
    assert held(matrices, ranks) <= budget
    every = [list(each) for each in itertools.product(*(range(m.most + 1) for m in matrices))]
    spare = max(m.rows * m.columns for m in matrices)
    cheaper = [lost(matrices, each) for each in every if held(matrices, each) <= budget - spare]
    assert lost(matrices, ranks) <= min(cheaper, default=3.0) + 1e-9


def test_a_budget_leaves_dense_what_cannot_be_cut_and_cuts_what_can() -> None:
    flat, steep = np.ones(16), np.geomspace(1, 1e-9, 16)
    ranks = budget_ranks([Truncation(16, 16, flat, np.eye(16)), Truncation(16, 16, steep, np.eye(16))], 0.75)
    assert ranks[0] == 0
    assert 1 <= ranks[1] <= 4


UNIFORM = LowRank(ratio=0.5, rule="uniform")
SHAPE = Shape(
    family="llama",
    parts=(
        Part("embeddings.word", 3000),
        Part("layers.0.attention", 64 * 64 * 4 + 64, flops_per_token=2.0 * 64 * 64 * 4),
        Part("layers.0.ffn", 64 * 96 * 3 + 64, flops_per_token=2.0 * 64 * 96 * 3),
        Part("head", 0, flops_per_token=5.0),
    ),
    layers=1,
    width=64,
    inner=96,
    heads=4,
    kv_heads=4,
    head_dim=16,
)


def test_the_shape_counts_factors() -> None:
    made = UNIFORM.reshape(SHAPE, FACTS)
    attention, ffn = made.parts[1:3]
    assert made.exact
    assert (attention.elements, attention.flops_per_token) == (4 * 16 * 128 + 64, 2.0 * 4 * 16 * 128)
    assert (ffn.elements, ffn.flops_per_token) == (3 * 19 * 160 + 64, 2.0 * 3 * 19 * 160)
    assert (attention.rows, ffn.rows) == (4 * (64 + 16), 2 * (96 + 19) + 64 + 19)
    assert (made.parts[0], made.parts[3]) == (SHAPE.parts[0], SHAPE.parts[3])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16), st.floats(0.02, 0.98))
def test_a_budget_is_bounded_and_filled(seed: int, ratio: float) -> None:
    """Whatever the data: the bound holds for elements and rows, and one more direction would break it."""
    rng, family = np.random.default_rng(seed), family_of({"model_type": "llama"})
    matrices = [matrix(rng, m.rows, m.columns) for m in family.matrices(SHAPE)]
    ranks = budget_ranks(matrices, ratio)
    places = [(0, m.path) for m in family.matrices(SHAPE)]
    built = factored(SHAPE, family, dict(zip(places, ranks, strict=True)))
    predicted = LowRank(ratio=ratio, rule="budget").reshape(SHAPE, FACTS)
    assert not predicted.exact
    spare = parameters(predicted) - parameters(built)
    whole = all(k in (0, m.most) for k, m in zip(ranks, matrices, strict=True))
    assert spare >= -1
    assert whole or spare < 160 + 2
    assert sum(part.rows for part in built.parts) <= sum(part.rows for part in predicted.parts) + 2


def test_what_energy_keeps_is_bounded_by_what_there_was() -> None:
    made = LowRank(ratio=0.5, rule="energy").reshape(SHAPE, FACTS)
    assert not made.exact
    assert weight_bytes(made) == weight_bytes(SHAPE)
    assert is_factored(made)


def test_factors_become_whole_again() -> None:
    family = family_of({"model_type": "llama"})
    for rule in ("uniform", "budget", "energy"):
        made = method(Step("lowrank", {"ratio": 0.3, "rule": rule})).reshape(SHAPE, FACTS)
        assert replace(dense(made, family), exact=True) == SHAPE


@pytest.mark.parametrize("rule", ["uniform", "budget", "energy"])
def test_what_needs_whole_matrices_is_refused_before_anything_runs(rule: str) -> None:
    made = method(Step("lowrank", {"rule": rule})).reshape(SHAPE, FACTS)
    for step, says in (
        (Step("lowrank"), "leave one of the two out"),
        (Step("sparsify"), "leave one of the two out"),
        (Step("prune"), "put prune before lowrank"),
        (Step("lower", {"to": "gguf"}), "use lower:openvino"),
    ):
        with pytest.raises(InputError, match=says):
            method(step).reshape(made, FACTS)


def test_layers_of_an_unknown_budget_are_bounded_by_dense_ones() -> None:
    two = replace(
        SHAPE,
        layers=2,
        parts=(*SHAPE.parts, *(replace(part, name=part.name.replace("0", "1")) for part in SHAPE.parts[1:3])),
    )
    made = LowRank(ratio=0.5, rule="budget").reshape(two, FACTS)
    one = method(Step("drop_layers", {"keep": 1})).reshape(made, FACTS)
    assert weight_bytes(one) == weight_bytes(SHAPE)
    assert not one.exact
    exact = method(Step("drop_layers", {"keep": 1})).reshape(UNIFORM.reshape(two, FACTS), FACTS)
    assert exact == UNIFORM.reshape(SHAPE, FACTS)


@pytest.mark.parametrize("ratio", [0, 1, 1.5, "half"])
def test_a_share_that_is_none_is_refused(ratio: object) -> None:
    with pytest.raises(InputError, match="ratio must be a number above 0 and below 1"):
        method(Step("lowrank", {"ratio": ratio}))  # type: ignore[dict-item]


def test_every_family_groups_its_modules_by_input() -> None:
    for name in FAMILIES:
        modules = family_of({"model_type": name}).modules
        assert tuple(path for group in modules.by_input for path in group) == modules.paths
