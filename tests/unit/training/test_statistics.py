"""Moments are those of the real tokens, of the modules that they are said to be of, however they are gathered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

import torch

from pare.errors import InputError
from pare.families import DECODERS, ENCODERS, family_of, read_config
from pare.testing.contexts import tiny_samples, tiny_stories
from pare.testing.tiny import tiny_decoder, tiny_encoder
from pare.training import statistics
from pare.training.decoder import load_decoder
from pare.training.model import load_encoder
from pare.training.statistics import input_moments, token_rows


def quiet(share: float, word: str) -> None:
    pass


def opened(folder: Path, name: str) -> tuple[Any, Any, Any]:
    """A tiny model, its family, and texts of different lengths."""
    if name in DECODERS:
        samples = tiny_stories(5) + tiny_stories(20)[17:]
        words = [sample.text + sample.label for sample in samples]
        model = load_decoder(tiny_decoder(folder, name, words))
        rows = token_rows(folder, samples, 64, "generate")
    else:
        samples = tiny_samples(8)
        model = load_encoder(tiny_encoder(folder, name, [s.text for s in samples]), 3).backbone
        rows = token_rows(folder, [*samples[:7], tiny_samples(90)[-1]], 64, "classify")
    return model.eval(), family_of(read_config(folder)), rows


@pytest.mark.parametrize("name", [*ENCODERS, *DECODERS])
def test_they_are_those_of_every_module_without_padding(name: str, tmp_path: Path) -> None:
    """Against each module's own inputs, one text at a time."""
    model, family, rows = opened(tmp_path, name)
    found = list(input_moments(model, family, rows, threads=1, progress=quiet))
    seen: dict[tuple[int, str], Any] = {}
    layers = model.get_submodule(family.layers)
    for number, layer in enumerate(layers):
        for path in family.modules.paths:

            def note(module: Any, given: tuple[Any], place: tuple[int, str] = (number, path)) -> None:
                inputs = given[0].flatten(0, -2).double()
                seen[place] = seen.get(place, 0.0) + inputs.T @ inputs

            layer.get_submodule(path).register_forward_pre_hook(note)
    with torch.inference_mode():
        for start, stop in zip(rows.starts, rows.starts[1:], strict=False):
            ids = torch.from_numpy(rows.ids[start:stop])[None]
            model(input_ids=ids, attention_mask=torch.ones_like(ids))
    assert len(found) == len(layers)
    assert len(seen) == len(layers) * len(family.modules.paths)
    for (number, path), expected in seen.items():
        assert np.allclose(found[number][path], expected.numpy(), rtol=1e-3, atol=1e-4)


def test_the_diagonal_alone_and_a_layer_at_a_time_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, family, rows = opened(tmp_path, "llama")
    whole = list(input_moments(model, family, rows, threads=1, progress=quiet))
    squares = list(input_moments(model, family, rows, threads=1, progress=quiet, diagonal=True))
    monkeypatch.setattr(statistics, "MOST_BYTES", 1)
    shares: list[float] = []
    single = list(input_moments(model, family, rows, threads=1, progress=lambda share, word: shares.append(share)))
    for layer, other, diagonal in zip(whole, single, squares, strict=True):
        for path, each in layer.items():
            assert np.array_equal(each, other[path])
            assert np.allclose(np.diag(each), diagonal[path], rtol=1e-5)
    assert shares == sorted(shares)
    assert len(shares) == len(single)


def test_what_progress_raises_ends_the_work_and_leaves_the_model_alone(tmp_path: Path) -> None:
    model, family, rows = opened(tmp_path, "bert")

    def stop(share: float, word: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(input_moments(model, family, rows, threads=1, progress=stop))
    assert not any(part._forward_pre_hooks for part in model.modules())


def test_no_texts_and_broken_weights_are_refused(tmp_path: Path) -> None:
    model, family, rows = opened(tmp_path, "bert")
    with pytest.raises(InputError, match="need train texts"):
        next(input_moments(model, family, token_rows(tmp_path, [], 64, "classify"), threads=1, progress=quiet))
    with torch.no_grad():
        model.get_submodule(family.layers)[0].get_submodule(family.modules.query).weight.fill_(float("nan"))
    with pytest.raises(InputError, match="not finite"):
        list(input_moments(model, family, rows, threads=1, progress=quiet))


def test_a_decoder_reads_prompt_and_answer(tmp_path: Path) -> None:
    samples = tiny_stories(3)
    tiny_decoder(tmp_path, "llama", [sample.text + sample.label for sample in samples])
    rows = token_rows(tmp_path, samples, 64, "generate")
    from pare.runtimes.causal import Prompts

    first = Prompts(tmp_path, 64).turn(samples[0].text, samples[0].label).ids
    assert rows.ids[: rows.starts[1]].tolist() == first
    assert len(rows) == 3
