"""The trained decoder: a Hugging Face causal language model, as ``AutoModelForCausalLM`` reads it, and its tokenizer.

On disk it is the artifact format ``decoder``: ``config.json``, ``model.safetensors`` and ``tokenizer.json``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from torch import nn

from pare.errors import InputError
from pare.families import family_of, read_config
from pare.runtimes.modules import read_module, write_module


def load_decoder(folder: Path, *, train: bool = False) -> nn.Module:
    """Reads an artifact of format ``decoder``, or a base model in Hugging Face form. ``train``: see ``load_encoder``.

    Its call takes ``input_ids`` and ``attention_mask``, (rows, tokens), and gives ``logits``, (rows, tokens, vocabulary).
    Raises InputError where the folder holds no decoder.
    """
    family = family_of(read_config(folder))
    if not family.decoder:
        raise InputError(f"{folder} holds an encoder ({family.name}), which generates no text; give a decoder")
    return read_module(folder, decoder=True, eager=train)


def save_decoder(model: nn.Module, folder: Path, tokenizer: Path) -> None:
    """Writes the model in format ``decoder``; ``tokenizer`` is the ``tokenizer.json`` that goes with it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_module(model, folder)
    if tokenizer.resolve() != (folder / "tokenizer.json").resolve():
        shutil.copyfile(tokenizer, folder / "tokenizer.json")
