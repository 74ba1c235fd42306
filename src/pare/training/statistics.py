"""What the linear modules of a model read: the second moments of their inputs over the tokens of some texts.

Low-rank truncation weighs its error with them (Wang et al. 2024, SVD-LLM, arXiv:2403.07378), and pruning its weights with
their diagonal (Sun et al. 2023, Wanda, arXiv:2306.11695). All are those of the model as it is: no layer has been changed
when a later one is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pare.errors import InputError
from pare.families import Family
from pare.runtimes.causal import Prompts
from pare.training.batching import TokenRows, in_order, tokenize
from pare.types import Kind, Sample

Moments = NDArray[np.float64]
MOST_BYTES = 2 << 30
"""The most memory that sums may take; where all layers' take more, the texts are run again for further layers."""
BATCH = 16


def token_rows(folder: Path, samples: Sequence[Sample], max_length: int, kind: Kind) -> TokenRows:
    """The samples as the model of ``folder`` learns from them: texts for an encoder, prompts with answers for a decoder."""
    if kind != "generate":
        return tokenize(folder / "tokenizer.json", [s.text for s in samples], max_length, words=kind == "tag")
    prompts = Prompts(folder, max_length)
    ids = [prompts.turn(sample.text, sample.label).ids for sample in samples]
    starts = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    return TokenRows(np.array([token for row in ids for token in row], dtype=np.int64), starts, pad=0)


def input_moments(
    model: nn.Module,
    family: Family,
    rows: TokenRows,
    *,
    threads: int,
    progress: Callable[[float, str], None],
    diagonal: bool = False,
) -> Iterator[dict[str, Moments]]:
    """For each layer in turn, the sum of x x^T over all tokens, (columns, columns), of every linear module by its path.

    ``model`` is what the family's paths start from; ``diagonal`` asks for the sums of squares alone, (columns,). Modules
    that read the same input share one array. Products of a batch are fp32, sums fp64. ``progress`` is called for each batch
    with the share done; what it raises ends the work. Raises InputError where there is no token, or sums are not finite.
    """
    if not rows.lengths.any():
        raise InputError("statistics of a model's inputs need train texts but there are none; add rows to the data")
    torch.set_num_threads(threads)
    model.eval()
    layers = list(model.get_submodule(family.layers))
    groups = family.modules.by_input
    together = _together(layers[0], groups, diagonal)
    for first in range(0, len(layers), together):
        chunk = layers[first : first + together]
        start, part = first / len(layers), len(chunk) / len(layers)

        def report(done: float, start: float = start, part: float = part) -> None:
            progress(start + part * done, "reading inputs")

        for found in _run(model, family, rows, chunk, diagonal, report):
            yield {path: found[group[0]] for group in groups for path in group}


def _together(layer: nn.Module, groups: Sequence[Sequence[str]], diagonal: bool) -> int:
    """How many layers' sums fit into memory at a time."""
    columns = [layer.get_submodule(group[0]).in_features for group in groups]
    size = sum(8 * width if diagonal else 8 * width * width for width in columns)
    return int(max(1, MOST_BYTES // size))


def _run(
    model: nn.Module,
    family: Family,
    rows: TokenRows,
    layers: Sequence[nn.Module],
    diagonal: bool,
    progress: Callable[[float], None],
) -> list[dict[str, Moments]]:
    """One pass of the texts: the sums of some layers."""
    sums: list[dict[str, Tensor]] = [{} for _ in layers]
    kept: list[Tensor] = []
    hooks = [
        layer.get_submodule(group[0]).register_forward_pre_hook(partial(_add, found, group[0], kept, diagonal))
        for layer, found in zip(layers, sums, strict=True)
        for group in family.modules.by_input
    ]
    options = {"use_cache": False} if family.decoder else {}
    try:
        with torch.inference_mode():
            for number, batch in enumerate(in_order(rows, BATCH)):
                progress(number * BATCH / len(rows))
                kept[:] = [batch.mask.bool()]
                model.base_model(input_ids=batch.ids, attention_mask=batch.mask, **options)
    finally:
        for hook in hooks:
            hook.remove()
    if not all(torch.isfinite(each).all() for found in sums for each in found.values()):
        raise InputError("the model's states are not finite on the train texts; build or download the model again")
    return [{path: each.numpy() for path, each in found.items()} for found in sums]


def _add(
    sums: dict[str, Tensor], path: str, kept: Sequence[Tensor], diagonal: bool, module: nn.Module, given: tuple[Tensor]
) -> None:
    """Adds the tokens of a batch to a module's sum; ``kept`` says which are no padding."""
    inputs = given[0][kept[0]]
    added = (inputs.square().sum(0) if diagonal else inputs.T @ inputs).double()
    sums[path] = sums[path] + added if path in sums else added
