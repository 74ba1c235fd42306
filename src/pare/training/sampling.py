"""A decoder that learns from its own mistakes: it answers, and the teacher says what it would have said at each token.

On-policy distillation, Generalized Knowledge Distillation (Agarwal et al. 2024, arXiv:2306.13649, algorithm 1): a share of
the batches are answers that the student samples while it learns, so that it is taught where it will be once it is served.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pare.training.batching import Batch, TokenRows, pad
from pare.training.decoder import Decoder
from pare.training.losses import distance
from pare.training.model import Output
from pare.training.trainer import autocast
from pare.training.turns import PAD, asked, turns_of


class Sampler:
    """Replaces ``share`` of the batches by the student's own answers to their prompts, drawn at temperature 1, as long as
    the batch's longest answer at most. Nobody gave these: the numbers of their tokens are -1.

    ``ends`` are the tokens that end an answer, ``max_length`` is what a row may hold.
    """

    def __init__(self, model: Decoder, rows: TokenRows, ends: tuple[int, ...], max_length: int, share: float) -> None:
        self.model = model
        self.rows = rows
        self.ends = ends
        self.max_length = max_length
        self.share = share

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        if rng.random() >= self.share or not len(batch.answers):
            return batch
        prompts = asked(self.rows, batch.rows)
        assert self.rows.words is not None, "rows of turns"
        most = int((self.rows.words[batch.rows + 1] - self.rows.words[batch.rows]).max())
        said = sample(self.model, prompts, most, self.ends)
        ids = [[*prompt, *answer][: self.max_length] for prompt, answer in zip(prompts, said, strict=True)]
        made = turns_of(ids, [len(prompt) for prompt in prompts]).rows
        fresh = pad(made, np.arange(len(made)))
        return Batch(batch.rows, fresh.ids, fresh.mask, np.full(len(fresh.answers), -1), fresh.at)


def sample(model: Decoder, prompts: list[list[int]], most: int, ends: tuple[int, ...]) -> list[list[int]]:
    """An answer to each prompt, up to its end or ``most`` tokens, drawn by torch's generator: the same after one seed."""
    from transformers import GenerationConfig

    width = max(map(len, prompts))
    ids = torch.tensor([[PAD] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    options: dict[str, Any] = {"eos_token_id": list(ends)} if ends else {}
    config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=most,
        pad_token_id=ends[0] if ends else PAD,
        **options,
    )
    with torch.no_grad(), autocast():
        found = model.module.generate(ids, attention_mask=mask, generation_config=config)[:, width:].tolist()
    return [_ended(row, ends) for row in found]


def _ended(row: list[int], ends: tuple[int, ...]) -> list[int]:
    """A row up to its first end, which stays."""
    stop = next((i + 1 for i, token in enumerate(row) if token in ends), len(row))
    return row[:stop]


class Asked:
    """``alpha`` x KL at ``temperature`` from a ``teacher`` that reads every batch, + cross-entropy of the tokens that have a
    target + ``hidden`` x cosine distance of the states. ``tokens``: see ``likely_tokens``.
    """

    def __init__(
        self,
        targets: Tensor,
        teacher: Decoder,
        *,
        alpha: float,
        temperature: float,
        hidden: float,
        projection: nn.Module | None = None,
        tokens: NDArray[np.int64] | None = None,
    ) -> None:
        self.targets = targets
        self.teacher = teacher
        self.tokens = None if tokens is None else torch.from_numpy(tokens)
        self.alpha = alpha
        self.temperature = temperature
        self.hidden = hidden
        self.projection = projection

    def __call__(self, output: Output, batch: Batch) -> Tensor:
        with torch.no_grad(), autocast():
            told = self.teacher.answers(batch if self.tokens is None else replace(batch, ids=self.tokens[batch.ids]))
        known = told.logits if self.tokens is None else told.logits[:, self.tokens]
        width = min(output.logits.shape[1], known.shape[1])
        found, soft = (logits[:, :width] / self.temperature for logits in (output.logits, known))
        kl = F.kl_div(F.log_softmax(found, dim=1), F.softmax(soft, dim=1), reduction="batchmean")
        loss = self.alpha * self.temperature**2 * kl
        numbers = torch.from_numpy(batch.answers)
        if bool((given := numbers >= 0).any()):
            loss = loss + F.cross_entropy(output.logits[given], self.targets[numbers[given]])
        if self.hidden > 0:
            loss = loss + self.hidden * distance(output.pooled, told.pooled, self.projection)
        return loss
