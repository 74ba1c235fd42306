"""Model folders as torch modules: what training and the PyTorch runtime share. Nothing else here imports torch.

Whether a folder's weights are as transformers writes them, or were changed by a method in a way that transformers cannot
load (low-rank factors), is known here alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


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
    return module
