"""One trainer for fine-tuning and distillation.

What makes it quick on a CPU: rows of like length in a batch, bf16 matrix products where the CPU has them (fp32 weights
beside them), a fused AdamW, frozen embeddings by default, no checkpoint within a training (it takes minutes; a killed
one is repeated), and no evaluation inside the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pare.training.batching import Batch, TokenRows, hide, in_order, shuffled
from pare.training.model import Encoder, Output

Loss = Callable[[Output, Batch], Tensor]
Progress = Callable[[float, str], None]
REPORT_EVERY = 8
"""Steps between two calls of ``progress``; a cancelled training stops within that many steps."""


@dataclass(frozen=True)
class Schedule:
    """AdamW with a one-cycle learning rate (Smith 2018): linear warm-up, then a cosine to zero.

    ``rate`` is the peak for the backbone; the head learns at ``rate * head_factor`` and the word embeddings, if
    ``train_embeddings``, at ``rate * embedding_factor``. ``epochs`` counts passes over the rows. ``hide`` is the share of
    tokens that are hidden from the model, others each time.
    """

    epochs: float
    rate: float
    head_factor: float = 30.0
    embedding_factor: float = 1.0
    train_embeddings: bool = False
    batch: int = 32
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    hide: float = 0.0


def train(
    model: Encoder,
    rows: TokenRows,
    loss: Loss,
    schedule: Schedule,
    *,
    seed: int,
    fidelity: float,
    threads: int,
    progress: Progress,
    word: str,
) -> None:
    """Trains ``model`` in place for ``schedule.epochs * fidelity`` passes over ``rows``, without dropout.

    Dropout costs a sixth of a step on a CPU, where drawing random numbers is slow; hidden tokens regularise for nothing.

    ``loss`` takes the outputs of a batch and the batch. ``progress`` is called every few steps with the share done and
    ``word``; what it raises ends the training. The same seed and threads give the same weights on one machine.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    per_epoch = -(-len(rows) // schedule.batch)
    steps = max(1, round(schedule.epochs * fidelity * per_epoch))
    optimizer = _optimizer(model, schedule)
    peaks = [group["lr"] for group in optimizer.param_groups]
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    model.eval()
    for step, batch in enumerate(_endless(rows, schedule, seed)):
        if step == steps:
            break
        if step % REPORT_EVERY == 0:
            progress(step / steps, word)
        factor = one_cycle(step / steps, schedule.warmup)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * factor
        with autocast():
            output = model.states(batch.ids, batch.mask)
        if not len(batch.answers):  # tagged words of which none has a token
            continue
        value = loss(_answers(output, batch), batch)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(trained, schedule.clip)
        optimizer.step()
    progress(1.0, word)


def predict(
    model: Encoder,
    rows: TokenRows,
    *,
    threads: int,
    batch: int = 64,
    progress: Progress = lambda share, word: None,
    word: str = "",
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Logits (answers, classes) and pooled states (answers, width): of the rows, in their order, or of their words.

    Words' states are halves, for there are many; a word that the model never saw has NaN for logits.
    """
    torch.set_num_threads(threads)
    model.eval()
    logits = np.full((rows.answers, model.head.out_features), np.nan, dtype=np.float32)
    pooled = np.zeros((rows.answers, model.head.in_features), dtype=np.float32 if rows.words is None else np.float16)
    for i, part in enumerate(in_order(rows, batch)):
        if i % REPORT_EVERY == 0:
            progress(i * batch / len(rows), word)
        with torch.inference_mode(), autocast():
            output = _answers(model.states(part.ids, part.mask), part)
        logits[part.answers] = output.logits.numpy()
        pooled[part.answers] = output.pooled.numpy()
    return logits, pooled


def one_cycle(share: float, warmup: float) -> float:
    """The learning rate's factor in [0, 1] after ``share`` of the steps."""
    if share < warmup:
        return (share + 1e-3) / (warmup + 1e-3)
    return float(0.5 * (1.0 + np.cos(np.pi * (share - warmup) / (1.0 - warmup))))


def autocast() -> AbstractContextManager[Any]:
    """bf16 matrix products where the CPU multiplies bf16 in hardware, else fp32."""
    context: AbstractContextManager[Any] = torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bf16())
    return context


def has_bf16() -> bool:
    """Whether the CPU has AVX-512 BF16 or AMX."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(check()) for name in names if (check := getattr(torch.cpu, name, None)))


def _answers(output: Output, batch: Batch) -> Output:
    """The outputs of a batch's answers in fp32: those of its texts, or of its words' first tokens."""
    logits, pooled = output.logits, output.pooled
    if batch.at is not None:
        logits, pooled = (states.flatten(0, 1)[batch.at] for states in (logits, pooled))
    return Output(logits.float(), pooled.float(), output.hidden)


def _endless(rows: TokenRows, schedule: Schedule, seed: int) -> Iterator[Batch]:
    rng = np.random.default_rng(seed)
    while True:
        for batch in shuffled(rows, schedule.batch, rng):
            yield hide(rows, batch, schedule.hide, rng) if schedule.hide > 0 else batch


def _optimizer(model: Encoder, schedule: Schedule) -> torch.optim.Optimizer:
    words = model.backbone.get_input_embeddings().weight
    words.requires_grad_(schedule.train_embeddings)
    body, head, plain = [], [], []
    for name, parameter in model.named_parameters():
        if parameter is words:
            continue
        if name.startswith("head."):
            head.append(parameter)
        elif "embeddings." in name:
            parameter.requires_grad_(schedule.train_embeddings)
            if schedule.train_embeddings:
                plain.append(parameter)
        elif parameter.ndim < 2:
            plain.append(parameter)
        else:
            body.append(parameter)
    groups = [
        {"params": body, "lr": schedule.rate, "weight_decay": schedule.weight_decay},
        {"params": plain, "lr": schedule.rate, "weight_decay": 0.0},
        {"params": head, "lr": schedule.rate * schedule.head_factor, "weight_decay": 0.0},
    ]
    if schedule.train_embeddings:
        groups.append({"params": [words], "lr": schedule.rate * schedule.embedding_factor, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, fused=True)
