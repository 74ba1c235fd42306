"""What ``pare build`` prints: steps, size, quality with its pair, and figures with what they were measured on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pare.report import sensitivity
from pare.report.built import lines, rows, show, summary
from pare.search.assess import Quality
from pare.testing.building import tiny_built
from pare.types import Score


def test_steps_say_what_was_put_in_and_what_was_known() -> None:
    assert rows(tiny_built(Path("out"))) == [
        ("drop_layers:1", "0.01 MB", "0 s", "built before"),
        ("lower", "0.01 MB", "3 s", "put in: quantize works on the graph that is served"),
    ]


def test_what_came_out_in_sentences() -> None:
    found = lines(tiny_built(Path("out")))
    assert found[1] == "size: 0.01 MB of files, 3.0x smaller than the 0.02 MB of base in fp32"
    assert found[2] == (
        "accuracy on 100 dev rows: 88.0 % (78.0 to 94.0), 90.0 % (80.0 to 95.0) before; "
        "a drop of +2.0 points on the same rows (−1.0 to +5.0); 95 % interval"
    )
    assert found[3] == "served by openvino: p50 1.50 ms, throughput 640/s (256 texts, measured)"
    assert found[4] == ("before, served by pytorch: p50 6.00 ms, throughput 160/s; now p50 / 4.00, throughput x 4.00")
    assert found[5] == "a note"


def test_the_table_of_sensitivity_is_shown_and_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"layer": "layers.0.q", "rows": 4, "columns": 1024, "loss": 0.0123, "folds": [0.01, 0.02, 0.007], "width": 8}
    (tmp_path / sensitivity.FILE).write_text(json.dumps([row] * (sensitivity.SHOWN + 3)))
    show(tiny_built(tmp_path))
    shown = capsys.readouterr().out
    assert shown.count("layers.0.q") == sensitivity.SHOWN
    assert "and 3 more in sensitivity.json" in shown
    assert sensitivity.rows([row]) == [("layers.0.q", "4 x 1,024", "+0.01230", "+0.00700 to +0.02000", "8 bits")]
    show(tiny_built(tmp_path / "none"))
    assert "sensitivity" not in capsys.readouterr().out


def test_bits_per_byte_are_no_percentage() -> None:
    after = Score("bits_per_byte", 1.25, 1.2, 1.3, 40, approximate=True)
    drop = Score("drop", 0.05, 0.01, 0.09, 40, approximate=True)
    found = lines(replace(tiny_built(Path("out")), quality=Quality(after, after, drop), measurement=None))
    assert found[2] == (
        "bits_per_byte on 40 dev rows: 1.2500 (1.2000 to 1.3000), 1.2500 (1.2000 to 1.3000) before; "
        "+0.0500 bits a byte on the same rows (+0.0100 to +0.0900); 95 % interval, approximate"
    )


def test_what_was_not_measured_is_null_never_zero() -> None:
    found = summary(replace(tiny_built(Path("out")), quality=None, measurement=None, before=None))
    assert found["quality"] == {"before": None, "after": None, "drop": None}
    assert found["figures"] == found["figures_before"] == {}
