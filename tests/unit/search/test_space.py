"""Which widths of weights the ladder proposes."""

from __future__ import annotations

from pare.data import Task
from pare.planner import estimate
from pare.search.space import PAYS, ladder
from pare.testing.minilm import MINILM
from pare.types import DataFacts

FACTS = DataFacts(classes=20, rows=8000, tokens_per_row=16.0)


def sizes(config: dict[str, object]) -> dict[str, float]:
    task = Task.of("messages.csv", input="text", target="label", candidates=("encoder", "students:1"))
    return {e.name: estimate.weight_bytes(e.shape) for e in ladder(task, config, FACTS).entries}


def test_four_bits_are_proposed_where_they_save_bytes() -> None:
    found = sizes(MINILM)
    for trunk in ("encoder", "encoder-trim", "student-1"):
        assert found[f"{trunk}-w4"] <= PAYS * found[f"{trunk}-w8"] < found[f"{trunk}-int8"]


def test_four_bits_are_left_out_where_groups_would_be_as_long_as_rows() -> None:
    narrow = sizes({**MINILM, "hidden_size": 12, "intermediate_size": 12, "num_attention_heads": 2})
    assert "student-1-w8" in narrow
    assert "student-1-int8" in narrow
    assert not [name for name in narrow if name.endswith("-w4")]
