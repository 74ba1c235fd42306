"""``pare prove``: which columns are read where none are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Pare = Callable[..., Any]


def test_the_words_and_tags_of_a_conll_file_need_no_names(pare: Pare, tmp_path: Path) -> None:
    sentences = [(f"a{i}", f"b{i}") for i in range(40)]
    content = "".join(f"{first}\tB-x\n{then}\tO\n\n" for first, then in sentences)
    (tmp_path / "tags.txt").write_text("B-x O\n" * 40)
    for name in ("data.conll", "data.annotated"):
        (tmp_path / name).write_text(content)
        asked = ("prove", "tags.txt", "--against", "tags.txt", "--data", name)
        said = pare(*asked, "--metric", "sentence_f1", "--within", "0.5", "--json")
        assert (said.err, said.json()["n"], said.json()["reference_value"]) == ("", 40, 1.0)
    pare(*asked[:-1], "data.conll", "--metric", "sentence_f1", "--target", "3").refused("no column 3")
    pare(*asked[:-1], "data.conll").refused("no column text", "word")


def test_other_files_have_a_text_and_a_label(pare: Pare, tmp_path: Path) -> None:
    rows = [{"text": f"a{i} b{i}", "label": "B-x O"} for i in range(40)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tags.txt").write_text("B-x O\n" * 40)
    asked = ("prove", "tags.txt", "--against", "tags.txt", "--data", "data.jsonl", "--metric", "sentence_f1")
    assert pare(*asked, "--within", "0.5", "--json").json()["n"] == 40
