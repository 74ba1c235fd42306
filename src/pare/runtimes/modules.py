"""Model folders as torch modules: what training and the PyTorch runtime share. Nothing else here imports torch.

Whether a folder's weights are as transformers writes them, or were changed by a method in a way that transformers cannot
load (low-rank factors, grids), is known here alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pare.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

HEAD = "head.safetensors"
GRIDS = "grids.safetensors"

WEIGHTS = "model.safetensors"
FACTORS = "factors.json"
"""The ranks of the linear modules that are two factors, by path; absent where all are dense."""


def read_module(folder: Path, *, decoder: bool = False, pooler: bool = True, eager: bool = False) -> nn.Module:
    """The fp32 module of a folder in Hugging Face form: an encoder's backbone, or a decoder with its head.

    ``pooler`` is False where an encoder comes with one that nobody needs. ``eager`` picks attention as plain matrix
    products; a model that bounds its attention's logits (Gemma 2) always has it, for transformers' fused attention leaves
    the bound out. Code that comes with a model is never run. Raises OSError or ValueError where the folder cannot be read,
    and InputError where its low-rank factors are not those that ``factors.json`` names.
    """
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    options: dict[str, Any] = {} if pooler else {"add_pooling_layer": False}
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if eager or getattr(config, "attn_logit_softcapping", None):
        options["attn_implementation"] = "eager"
    kind = AutoModelForCausalLM if decoder else AutoModel
    ranks = read_ranks(folder)
    module: nn.Module
    module, info = kind.from_pretrained(
        folder,
        config=config,
        local_files_only=True,
        dtype=torch.float32,
        trust_remote_code=False,
        output_loading_info=True,
        **options,
    )
    if ranks:
        from pare.runtimes.factored import load_factors

        load_factors(module, folder / WEIGHTS, ranks, info["unexpected_keys"])
    if grids := read_grids(folder):
        from pare.runtimes.grids import put_on_grids

        put_on_grids(module, grids, "" if decoder else "backbone.")
    return module


def write_module(module: nn.Module, folder: Path) -> None:
    """Writes what ``read_module`` reads, in fp32: ``config.json``, ``model.safetensors`` and, if factored, the ranks."""
    import torch
    from transformers.utils.logging import disable_progress_bar

    from pare.runtimes.factored import ranks_of

    disable_progress_bar()
    module.to(torch.float32).save_pretrained(folder, safe_serialization=True)
    if ranks := ranks_of(module):
        (folder / FACTORS).write_text(json.dumps(ranks, indent=1))


def read_ranks(folder: Path) -> dict[str, int]:
    """The ranks of a folder's factored modules by path, none where all are dense. Raises InputError if the file is wrong."""
    path = folder / FACTORS
    if not path.is_file():
        return {}
    try:
        ranks = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); build the artifact again") from None
    if not isinstance(ranks, dict) or not all(type(rank) is int for rank in ranks.values()):
        raise InputError(f"{path} must name a rank for each path but holds something else; build the artifact again")
    return ranks


def read_head(folder: Path) -> nn.Module:
    """The linear head of a folder in format ``encoder``: ``in_features`` states in, ``out_features`` logits out.

    Raises OSError or KeyError where it cannot be read.
    """
    from safetensors.torch import load_file
    from torch import nn

    arrays = load_file(folder / HEAD)
    rows, columns = arrays["weight"].shape
    root = nn.ModuleDict({"head": nn.Linear(columns, rows)})
    root["head"].load_state_dict({name: arrays[name].float() for name in ("weight", "bias")})
    if grids := {name: grid for name, grid in read_grids(folder).items() if name.startswith("head.")}:
        from pare.runtimes.grids import put_on_grids

        put_on_grids(root, grids, "")
    return root["head"]


def read_grids(folder: Path) -> dict[str, Tensor]:
    """The grids that a model was trained on (``runtimes/grids.py``), by name; none where it was not."""
    if not (folder / GRIDS).is_file():
        return {}
    from safetensors.torch import load_file

    grids: dict[str, Tensor] = load_file(folder / GRIDS)
    return grids
