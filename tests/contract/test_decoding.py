"""Decoders are measured in processes of their own, side by side."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

from pare.benchmark.decoding import measure_decoders
from pare.errors import InputError
from pare.runtimes import this_device
from pare.testing.contexts import tiny_writing, tiny_written
from pare.types import Artifact


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("measured")
    return tiny_written(tiny_writing(folder), folder / "decoder")


def test_figures_of_two_decoders_side_by_side(decoder: Artifact) -> None:
    served = [(decoder, "pytorch"), (decoder, "pytorch")]
    found = measure_decoders(served, this_device(), 1, ["one two", "three"], batches=(1, 3), prompt=9, new=5, rounds=2)
    assert [one.artifact for one in found] == [decoder.id] * 2
    for one in found:
        figures = {name: quantity.value for name, quantity in one.figures.items()}
        assert {quantity.provenance for quantity in one.figures.values()} == {"measured"}
        assert one.workload.startswith("9 tokens read and 5 made, batch 1, 3, 1 threads")
        assert figures["ttft_p50_ms_batch_1"] <= figures["ttft_p95_ms_batch_1"]
        assert figures["prompt_tokens_per_s_batch_3"] == pytest.approx(3 * 9 * 1000 / figures["ttft_p50_ms_batch_3"])
        assert figures["decode_tokens_per_s_batch_3"] == pytest.approx(3 * 1000 / figures["itl_p50_ms_batch_3"])
        assert figures["memory_mb"] > 10
        assert figures["load_ms"] > 0


def test_more_than_fits_is_refused(decoder: Artifact) -> None:
    with pytest.raises(InputError, match="must fit the model's 64 tokens but are 60 and 5"):
        measure_decoders([(decoder, "pytorch")], this_device(), 1, ["one"], prompt=60, new=5)
