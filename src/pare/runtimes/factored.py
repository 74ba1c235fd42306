"""Linear modules as two narrower ones: W (rows, columns) becomes B A, B (rows, rank) and A (rank, columns)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

from pare.errors import InputError


class Factored(nn.Sequential):  # type: ignore[misc]
    """A linear module of ``rank``: ``reduce`` is A, ``expand`` is B with the bias, where there is one."""

    def __init__(self, columns: int, rows: int, rank: int, bias: bool) -> None:
        reduce, expand = nn.Linear(columns, rank, bias=False), nn.Linear(rank, rows, bias=bias)
        super().__init__(OrderedDict(reduce=reduce, expand=expand))


def factor(module: nn.Module, path: str, rank: int) -> Factored:
    """Puts a module of ``rank`` in the place of the linear one at ``path``. Its bias stays; its matrices are to be set.

    Raises InputError where there is no linear module, or it is too small for the rank.
    """
    try:
        dense = module.get_submodule(path)
    except AttributeError:
        raise InputError(f"{path} is to be of rank {rank} but the model has no such module; build it again") from None
    if not isinstance(dense, nn.Linear) or not 1 <= rank <= min(dense.weight.shape):
        raise InputError(f"{path} is to be of rank {rank} but is {dense}; build the artifact again")
    made = Factored(dense.in_features, dense.out_features, rank, dense.bias is not None)
    if dense.bias is not None:
        made.expand.bias = dense.bias
    module.set_submodule(path, made)
    return made


def ranks_of(module: nn.Module) -> dict[str, int]:
    """The rank of every factored module by its path, sorted by path."""
    found = {path: part for path, part in module.named_modules() if isinstance(part, Factored)}
    return {path: found[path].reduce.out_features for path in sorted(found)}


def load_factors(module: nn.Module, weights: Path, ranks: Mapping[str, int], unexpected: Sequence[str]) -> None:
    """Replaces the modules that ``ranks`` names, and reads their factors from a file of weights.

    ``unexpected`` are the file's arrays that the dense module has no place for: they must be exactly the factors.
    Raises InputError where they are not, or an array has another size.
    """
    wanted = {}
    for path, rank in ranks.items():
        for name, value in factor(module, path, rank).state_dict().items():
            wanted[f"{path}.{name}"] = value
    with safe_open(weights, "pt") as file:
        held = {name: file.get_tensor(name) for name in file.keys() if name in wanted}  # noqa: SIM118
    strangers = sorted(set(unexpected) - set(wanted))
    wrong = sorted(name for name in wanted if name not in held or held[name].shape != wanted[name].shape) or strangers
    if wrong:
        raise InputError(
            f"{weights.name} must hold the factors that factors.json names but differs in {wrong[0]}; build it again"
        )
    with torch.no_grad():
        for name, value in wanted.items():
            value.copy_(held[name])
