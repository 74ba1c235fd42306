"""The trained decoder: a Hugging Face causal language model, as ``AutoModelForCausalLM`` reads it, and its tokenizer.

On disk it is the artifact format ``decoder``: ``config.json``, ``model.safetensors`` and ``tokenizer.json``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import Tensor, nn

from pare.errors import InputError
from pare.families import family_of, read_config
from pare.runtimes.modules import read_module, write_module
from pare.training.batching import Batch
from pare.training.model import Output


class Decoder(nn.Module):  # type: ignore[misc]
    """A causal language model as the trainer sees it: the tokens to predict are a batch's answers (``training/turns.py``).

    Logits are made of the states that predict an answer's token alone, for a vocabulary is wide. ``vocabulary`` is how many
    logits there are.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.vocabulary = int(module.config.vocab_size)
        self.cap = getattr(module.config, "final_logit_softcapping", None)

    @property
    def words(self) -> nn.Module:
        return self.module.get_input_embeddings()

    @property
    def head(self) -> nn.Module:
        return self.module.get_output_embeddings()

    def states(self, batch: Batch) -> Tensor:
        """The last layer's states at a batch's answers, (answers, width)."""
        backbone = self.module.get_decoder()
        hidden = backbone(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).last_hidden_state
        return hidden.flatten(0, 1)[batch.at]

    def logits(self, states: Tensor) -> Tensor:
        """Of states (answers, width): (answers, vocabulary), fp32, bounded where the family bounds them (Gemma 2)."""
        logits = self.head(states).float()
        return logits if self.cap is None else self.cap * torch.tanh(logits / self.cap)

    def answers(self, batch: Batch) -> Output:
        """Logits and states of a batch's answers in fp32."""
        states = self.states(batch)
        return Output(self.logits(states), states.float(), states)


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
