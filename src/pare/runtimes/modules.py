"""Model folders as torch modules: what training and the PyTorch runtime share. Nothing else here imports torch.

Whether a folder's weights are as transformers writes them, or were changed by a method in a way that transformers cannot
load (low-rank factors, grids), is known here alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

HEAD = "head.safetensors"
GRIDS = "grids.safetensors"


def read_module(folder: Path, *, decoder: bool = False, pooler: bool = True, eager: bool = False) -> nn.Module:
    """The fp32 module of a folder in Hugging Face form: an encoder's backbone, or a decoder with its head.

    ``pooler`` is False where an encoder comes with one that nobody needs. ``eager`` picks attention as plain matrix
    products. Code that comes with a model is never run. Raises OSError or ValueError where the folder cannot be read.
    """
    import torch
    from transformers import AutoModel, AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    options: dict[str, Any] = {} if pooler else {"add_pooling_layer": False}
    if eager:
        options["attn_implementation"] = "eager"
    kind = AutoModelForCausalLM if decoder else AutoModel
    module: nn.Module = kind.from_pretrained(
        folder, local_files_only=True, dtype=torch.float32, trust_remote_code=False, **options
    )
    if grids := read_grids(folder):
        from pare.runtimes.grids import put_on_grids

        put_on_grids(module, grids, "" if decoder else "backbone.")
    return module


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
