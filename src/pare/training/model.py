"""The trained model: a Hugging Face backbone without its pooler, a pooling over tokens, and a linear head.

Without a pooling (``none``) the head reads every token: so words are tagged.

On disk it is the artifact format ``encoder``: the backbone as ``AutoModel.from_pretrained`` reads it, ``tokenizer.json``,
``head.safetensors`` and ``pooling.json``.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pare.errors import InputError
from pare.families import family_of, read_config
from pare.families.pooling import Pooling, read_pooling
from pare.runtimes.modules import HEAD, read_head, read_module, write_module
from pare.training.batching import Batch

POOLING = "pooling.json"


class Output(NamedTuple):
    """``logits`` (rows, classes), ``pooled`` (rows, width), ``hidden`` (rows, tokens, width): the last layer's states.

    Without a pooling logits are (rows, tokens, classes) and ``pooled`` is ``hidden``. Of a batch's answers: logits and
    ``pooled`` have one row an answer.
    """

    logits: Tensor
    pooled: Tensor
    hidden: Tensor


class Encoder(nn.Module):  # type: ignore[misc]
    """Token ids to logits. ``forward`` takes ``input_ids`` and ``attention_mask``, (rows, tokens), and gives logits."""

    def __init__(self, backbone: nn.Module, head: nn.Linear, pooling: Pooling) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.pooling = pooling

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.states(input_ids, attention_mask).logits

    def states(self, input_ids: Tensor, attention_mask: Tensor) -> Output:
        """The logits with the states that distillation compares."""
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pooled = _pool(hidden, attention_mask, self.pooling)
        return Output(self.head(pooled), pooled, hidden)

    @property
    def words(self) -> nn.Module:
        return self.backbone.get_input_embeddings()

    def answers(self, batch: Batch) -> Output:
        """The outputs of a batch's answers in fp32: those of its texts, or of its words' first tokens."""
        output = self.states(batch.ids, batch.mask)
        logits, pooled = output.logits, output.pooled
        if batch.at is not None:
            logits, pooled = (states.flatten(0, 1)[batch.at] for states in (logits, pooled))
        return Output(logits.float(), pooled.float(), output.hidden)


def load_encoder(
    folder: Path, classes: int | None = None, *, seed: int = 0, train: bool = False, pooling: Pooling | None = None
) -> Encoder:
    """Reads an artifact of format ``encoder``, or a base model in Hugging Face form with ``classes`` for a new head.

    ``pooling`` replaces the folder's.

    ``train`` picks attention as plain matrix products: on a CPU the backward pass of the fused one costs five times as
    much at the lengths of short texts.
    Raises InputError where the folder holds no model, its architecture is unknown, or there is no head and no ``classes``.
    """
    config = read_config(folder)
    family = family_of(config)
    backbone = read_module(folder, pooler=not family.has_pooler, eager=train)
    pooling = pooling or read_pooling(folder, family.pooling)
    width = int(config[family.width_key])
    if (folder / HEAD).is_file():
        head = read_head(folder)
    elif classes is not None:
        head = new_head(width, classes, seed)
    else:
        raise InputError(f"{folder} has no {HEAD}; fine-tune the model first")
    return Encoder(backbone, head, pooling)


def save_encoder(model: Encoder, folder: Path, tokenizer: Path) -> None:
    """Writes the model in format ``encoder``; ``tokenizer`` is the ``tokenizer.json`` that goes with it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_module(model.backbone, folder)
    state = model.head.to(torch.float32)
    save_file({"weight": state.weight.detach().contiguous(), "bias": state.bias.detach().contiguous()}, folder / HEAD)
    (folder / POOLING).write_text(json.dumps({"pooling": model.pooling}))
    if tokenizer.resolve() != (folder / "tokenizer.json").resolve():
        shutil.copyfile(tokenizer, folder / "tokenizer.json")


def new_head(width: int, classes: int, seed: int) -> nn.Linear:
    """A linear layer, normal weights of deviation 0.02 and zero bias, the same for the same seed."""
    head = nn.Linear(width, classes)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        head.weight.normal_(0.0, 0.02, generator=generator)
        head.bias.zero_()
    return head


def _pool(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    if pooling == "none":
        return hidden
    if pooling == "cls":
        return hidden[:, 0]
    weight = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1).clamp(min=1.0)
