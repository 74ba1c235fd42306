"""One trainer for every method that trains, encoders and decoders.

What makes it quick on a CPU: rows of like length in a batch, bf16 matrix products where the CPU has them (fp32 weights
beside them), a fused AdamW, frozen embeddings by default, no checkpoint within a training (it takes minutes; a killed
one is repeated), and no evaluation inside the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pare.training.batching import Batch, TokenRows, hide, in_order, shuffled
from pare.training.model import Encoder, Output

Loss = Callable[[Output, Batch], Tensor]
Progress = Callable[[float, str], None]
Change = Callable[[Batch, np.random.Generator], Batch]
REPORT_EVERY = 8
"""Steps between two calls of ``progress``; a cancelled training stops within that many steps."""


class Trainee(Protocol):
    """What can be trained: an ``Encoder`` or a ``Decoder``."""

    @property
    def words(self) -> nn.Module:
        """The word embeddings."""
        ...

    @property
    def head(self) -> nn.Module:
        """What makes logits of states; of some decoders it shares its matrix with the word embeddings."""
        ...

    def answers(self, batch: Batch) -> Output:
        """Logits and states, in fp32, of the answers that a batch asks for."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...

    def eval(self) -> Any: ...


@dataclass(frozen=True)
class Schedule:
    """AdamW with a one-cycle learning rate (Smith 2018): linear warm-up, then a cosine to zero.

    ``rate`` is the peak for the backbone; the head learns at ``rate * head_factor`` and the word embeddings, if
    ``train_embeddings``, at ``rate * embedding_factor``; so does a head that is tied to them. ``epochs`` counts passes over
    the rows. ``hide`` is the share of tokens that are hidden from the model, others each time.
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
    model: Trainee,
    rows: TokenRows,
    loss: Loss,
    schedule: Schedule,
    *,
    seed: int,
    fidelity: float,
    threads: int,
    progress: Progress,
    word: str,
    beside: nn.Module | None = None,
    change: Change | None = None,
) -> None:
    """Trains ``model`` in place for ``schedule.epochs * fidelity`` passes over ``rows``, without dropout.

    Dropout costs a sixth of a step on a CPU, where drawing random numbers is slow; hidden tokens regularise for nothing.

    ``loss`` takes the outputs of a batch and the batch. ``progress`` is called every few steps with the share done and
    ``word``; what it raises ends the training. The same seed and threads give the same weights on one machine.

    A parameter that needs no gradient (``requires_grad`` is False) stays as it is. ``beside`` is a module of the loss that
    learns with the model, at the head's rate, and is thrown away. ``change`` makes another batch of each one before the
    model reads it.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    per_epoch = -(-len(rows) // schedule.batch)
    steps = max(1, round(schedule.epochs * fidelity * per_epoch))
    optimizer = _optimizer(model, schedule, beside)
    peaks = [group["lr"] for group in optimizer.param_groups]
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    model.eval()
    for step, batch in enumerate(_endless(rows, schedule, seed, change)):
        if step == steps:
            break
        if step % REPORT_EVERY == 0:
            progress(step / steps, word)
        factor = one_cycle(step / steps, schedule.warmup)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * factor
        if not len(batch.answers):  # tagged words of which none has a token
            continue
        with autocast():
            output = model.answers(batch)
        value = loss(output, batch)
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
            output = model.answers(part)
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


def _endless(rows: TokenRows, schedule: Schedule, seed: int, change: Change | None) -> Iterator[Batch]:
    rng = np.random.default_rng(seed)
    while True:
        for batch in shuffled(rows, schedule.batch, rng):
            shown = hide(rows, batch, schedule.hide, rng) if schedule.hide > 0 else batch
            yield change(shown, rng) if change else shown


def _optimizer(model: Trainee, schedule: Schedule, beside: nn.Module | None) -> torch.optim.Optimizer:
    """Groups of parameters by their part: matrices decay, whatever has one dimension, head and embeddings do not."""
    tables = list(model.words.parameters())
    for table in tables:
        table.requires_grad_(schedule.train_embeddings)
    words, heads = ({id(p) for p in part.parameters()} for part in (model.words, model.head))
    body, head, plain = [], [], []
    for name, parameter in model.named_parameters():
        if id(parameter) in words:
            continue
        if "embeddings." in name:
            parameter.requires_grad_(parameter.requires_grad and schedule.train_embeddings)
        if not parameter.requires_grad:
            continue
        if id(parameter) in heads:
            head.append(parameter)
        elif "embeddings." in name or parameter.ndim < 2:
            plain.append(parameter)
        else:
            body.append(parameter)
    if beside is not None:
        head.extend(beside.parameters())
    groups = [
        {"params": body, "lr": schedule.rate, "weight_decay": schedule.weight_decay},
        {"params": plain, "lr": schedule.rate, "weight_decay": 0.0},
        {"params": head, "lr": schedule.rate * schedule.head_factor, "weight_decay": 0.0},
    ]
    if schedule.train_embeddings:
        groups.append({"params": tables, "lr": schedule.rate * schedule.embedding_factor, "weight_decay": 0.0})
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)
