"""``docs/task.md`` names every field of a task as the program has it, and what ``pare show`` prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pare.data.fields import FIELDS, check, flag
from pare.data.task import Task
from pare.errors import InputError
from pare.proof.looks import look_alpha
from pare.report.table import HEADER
from pare.search.space import ladder
from pare.testing.minilm import MINILM
from pare.types import DataFacts, DataSpec

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "task.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of a section's table, below its heading."""
    lines = re.findall(r"^\| (.*) \|$", section(title), re.MULTILINE)
    return [[cell.strip() for cell in line.split(" | ")] for line in lines[1:]]


def rule(name: str) -> str:
    """The rule of a field, as the message about a value that breaks it states it."""
    with pytest.raises(InputError) as error:
        check(name, object(), "it")
    found = re.match(r"it must be (.+) but got ", str(error.value))
    assert found is not None
    return found[1]


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) if isinstance(value, tuple) else f"{value}"


def test_every_field_is_there_in_the_order_of_task_yaml() -> None:
    assert [row[0] for row in rows("Fields")] == [f"`{name}`" for name in FIELDS]


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_has_its_flag_its_values_and_its_default(name: str) -> None:
    field = FIELDS[name]
    found = next(row for row in rows("Fields") if row[0] == f"`{name}`")
    default = "required" if field.required else "–" if field.default is None else shown(field.default)
    switch = "`DATA`" if name == "data.path" else f"`{flag(name)}`"
    assert found[1:4] == [switch, rule(name), default]
    assert len(found) == 5
    assert found[4]


def test_the_example_is_a_task() -> None:
    found = Task.parse(re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[0])
    assert found.bar.within == 0.02
    assert found.limits.size_mb == 20


def test_every_candidate_of_the_ladder_has_a_name_that_is_explained() -> None:
    parts = re.findall(r"`([^`]+)`", " ".join(row[0] for row in rows("Names of candidates")))
    endings = "|".join(part.removeprefix("…") for part in parts if part.startswith("…"))
    stems = "|".join(part.replace("N", r"\d+") for part in parts if not part.startswith("…"))
    space = ladder(Task("x", DataSpec("x.csv", "a", "b")), MINILM, DataFacts(3, 900, 12.0))
    assert len(space.entries) > 10
    for entry in space.entries:
        assert re.fullmatch(f"(?:{stems})(?:{endings})*", entry.name), f"{entry.name} is not explained"


def test_every_column_of_show_is_explained() -> None:
    assert [row[0] for row in rows("Columns of `pare show`")] == [name for name in HEADER if name != ""][1:]


def test_the_levels_of_the_looks_are_right() -> None:
    for look, spent, sure in rows("Look k"):
        alpha = look_alpha(0.05, int(look))
        assert (spent, sure) == (f"{alpha:.4f}", f"{100 * (1 - alpha):.1f} % sure")
