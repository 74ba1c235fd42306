"""How much each block of a model changes what it reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pare.families import Family
from pare.training.batching import TokenRows, in_order

BATCH = 16


def block_influence(
    model: nn.Module, family: Family, rows: TokenRows, *, threads: int, progress: Callable[[float, str], None]
) -> NDArray[np.float64]:
    """1 - the mean cosine of a block's input and output over tokens, (layers,): "block influence" (Men et al. 2024,
    ShortGPT, arXiv:2403.03853, equation 1).

    ``model`` is what the family's paths start from. ``progress`` is called for each batch; what it raises ends the work.
    """
    torch.set_num_threads(threads)
    model.eval()
    blocks = list(model.get_submodule(family.layers).children())
    sums = torch.zeros(len(blocks), dtype=torch.float64)
    mask: list[Any] = []
    hooks = [
        block.register_forward_hook(partial(_add, sums, i, mask), with_kwargs=True) for i, block in enumerate(blocks)
    ]
    options = {"use_cache": False} if family.decoder else {}
    try:
        with torch.inference_mode():
            for number, batch in enumerate(in_order(rows, BATCH)):
                progress(number * BATCH / len(rows), "influence of layers")
                mask[:] = [batch.mask.bool()]
                model.base_model(input_ids=batch.ids, attention_mask=batch.mask, **options)
    finally:
        for hook in hooks:
            hook.remove()
    found: NDArray[np.float64] = sums.numpy() / max(1, int(rows.lengths.sum()))
    return found


def _add(sums: Any, i: int, mask: Any, block: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
    before = args[0] if args else kwargs["hidden_states"]
    after = output[0] if isinstance(output, tuple) else output
    cosine = torch.nn.functional.cosine_similarity(before[mask[0]].double(), after[mask[0]].double(), dim=-1)
    sums[i] += (1.0 - cosine).sum()
