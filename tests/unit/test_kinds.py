"""The arrays of each kind of task: cells become targets, decisions become cells again."""

from __future__ import annotations

import numpy as np
import pytest

from pare.kinds import KINDS, NOTHING, classes_of

CELLS = {
    "classify": ["b", "a", "c"],
    "multilabel": ["a|b", NOTHING, "c"],
    "tag": ["O B-x I-x", "B-x", "O O B-y I-y"],
}


def logits_for(name: str, targets: np.ndarray, classes: int, size: float = 4.0) -> np.ndarray:
    """Logits that are sure of the targets."""
    if name == "multilabel":
        return ((2 * targets - 1) * size).astype(np.float32)
    found = np.where(targets[..., None] == np.arange(classes), size, 0.0).astype(np.float32)
    found[targets < 0] = np.nan
    return found


@pytest.mark.parametrize("name", sorted(KINDS))
def test_what_is_decided_is_said_as_the_cell_it_was(name: str) -> None:
    kind, cells = KINDS[name], CELLS[name]
    classes = classes_of(kind, cells)
    targets = kind.targets(cells, classes)
    decided = kind.decide(logits_for(name, targets, len(classes)))
    assert (decided == targets).all()
    assert [kind.say(row, classes) for row in decided] == cells


@pytest.mark.parametrize("name", sorted(KINDS))
def test_choices_are_right_where_the_answer_is(name: str) -> None:
    kind, cells = KINDS[name], CELLS[name]
    classes = classes_of(kind, cells)
    targets = kind.targets(cells, classes)
    options, right = kind.choices(logits_for(name, targets, len(classes)), targets)
    assert (options.argmax(axis=1) == right).all()
    assert len(right) == {"classify": 3, "multilabel": 9, "tag": 8}[name]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_confidence_is_that_of_the_least_sure_decision(name: str) -> None:
    kind, cells = KINDS[name], CELLS[name]
    classes = classes_of(kind, cells)
    logits = logits_for(name, kind.targets(cells, classes), len(classes))
    sure = kind.confidence(logits, 1.0)
    assert sure.shape == (3,)
    assert (sure > 0.9).all()
    logits[2] *= 0.01
    doubtful = kind.confidence(logits, 1.0)
    assert doubtful[2] < 0.6
    assert (doubtful[:2] == sure[:2]).all()


@pytest.mark.parametrize("name", sorted(KINDS))
def test_an_unknown_class_is_no_target(name: str) -> None:
    with pytest.raises(KeyError, match="z"):
        KINDS[name].targets(["z"], ("a",))
