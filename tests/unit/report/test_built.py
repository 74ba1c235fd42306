"""What ``pare build`` prints: steps, size, quality with its pair, and figures with what they were measured on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pare.report.built import lines, rows, summary
from pare.search.assess import Quality
from pare.testing.building import tiny_built
from pare.types import Score


def test_steps_say_what_was_put_in_and_what_was_known() -> None:
    assert rows(tiny_built(Path("out"))) == [
        ("drop_layers:1", "0.01 MB", "0 s", "built before"),
        ("lower", "0.01 MB", "3 s", "put in"),
    ]


def test_what_came_out_in_sentences() -> None:
    found = lines(tiny_built(Path("out")))
    assert found[1] == "size: 0.01 MB of files, 3.0x smaller than the 0.02 MB of base in fp32"
    assert found[2] == (
        "accuracy on 100 dev rows: 88.0 % (78.0 to 94.0), 90.0 % (80.0 to 95.0) before; "
        "a drop of +2.0 points on the same rows (−1.0 to +5.0); 95 % interval"
    )
    assert found[3] == "served by openvino: p50 1.50 ms, throughput 640/s (256 texts, measured)"
    assert found[4].startswith("lower was put in")


def test_bits_per_byte_are_no_percentage() -> None:
    after = Score("bits_per_byte", 1.25, 1.2, 1.3, 40, approximate=True)
    drop = Score("drop", 0.05, 0.01, 0.09, 40, approximate=True)
    found = lines(replace(tiny_built(Path("out")), quality=Quality(after, after, drop), measurement=None))
    assert found[2] == (
        "bits_per_byte on 40 dev rows: 1.2500 (1.2000 to 1.3000), 1.2500 (1.2000 to 1.3000) before; "
        "+0.0500 bits a byte on the same rows (+0.0100 to +0.0900); 95 % interval, approximate"
    )


def test_what_was_not_measured_is_null_never_zero() -> None:
    found = summary(replace(tiny_built(Path("out")), quality=None, measurement=None))
    assert found["quality"] == {"before": None, "after": None, "drop": None}
    assert found["figures"] == {}
