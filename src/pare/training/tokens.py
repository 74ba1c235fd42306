"""A teacher's next tokens, for a decoder to learn: the likeliest ones with their probabilities, and one sum for the rest.

Kept once and offline: the teacher reads each text a single time, whichever student asks, and is not in memory while a
student learns. A token costs 4 bytes for each of the ``top`` entries (6 where the vocabulary has more than 65,536 tokens)
and 2 for the rest: 130 bytes for 32 of them, where a vocabulary of 32,000 in halves takes 64,000.

The rest is one more outcome: where the top's probabilities are scaled up to one instead, a student learns to be surer than
its teacher (Anshumann et al. 2025, arXiv:2503.16870, section 3). The divergence with a sum in it is a lower bound of the
whole one, and equal to it where the rest is one token.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor, nn

from pare.training.batching import Batch, TokenRows, in_order
from pare.training.decoder import Decoder, load_decoder
from pare.training.losses import distance
from pare.training.model import Output
from pare.training.outputs import write_arrays
from pare.training.trainer import REPORT_EVERY, Progress, autocast
from pare.types import Artifact

AT_ONCE = 1024
"""How many tokens a teacher's head reads at once: a vocabulary's logits for many are large."""
ROWS = 16


class Likely(NamedTuple):
    """``ids`` (answers, top) of the likeliest tokens, ``logs`` (answers, top) of their probabilities and ``rest`` (answers,)
    of what is left, float16; ``states`` (answers, width) are the teacher's, or empty.
    """

    ids: NDArray[Any]
    logs: NDArray[np.float16]
    rest: NDArray[np.float16]
    states: NDArray[np.float16]


def likely_tokens(
    teacher: Artifact,
    rows: TokenRows,
    *,
    top: int,
    vocabulary: int,
    temperature: float,
    states: bool,
    cache: Path,
    threads: int,
    progress: Progress,
    tokens: NDArray[np.int64] | None = None,
) -> Likely:
    """What an artifact of format ``decoder`` would say at each token of turns, from ``cache`` where that is known.

    ``vocabulary`` is the student's: logits beyond it are left out. ``top`` is at most one less. ``tokens``, (vocabulary,),
    are the teacher's ids of the student's tokens where they are others: it reads these, and no token but these counts.
    """
    top = min(top, vocabulary - 1)
    if tokens is not None:
        rows = replace(rows, ids=tokens[rows.ids])
    path = cache / f"tokens-{_key(teacher, rows, top, vocabulary, temperature, states, tokens)}.safetensors"
    if path.is_file():
        return Likely(**load_file(path))
    torch.set_num_threads(threads)
    model = Decoder(load_decoder(teacher.path)).eval()
    width = min(vocabulary, model.vocabulary)
    picked = slice(width) if tokens is None else torch.from_numpy(tokens)
    top = min(top, width - 1)
    kept = Likely(
        np.zeros((rows.answers, top), dtype=np.uint16 if width <= 2**16 else np.uint32),
        np.zeros((rows.answers, top), dtype=np.float16),
        np.zeros(rows.answers, dtype=np.float16),
        np.zeros((rows.answers, model.words.embedding_dim if states else 0), dtype=np.float16),
    )
    for i, batch in enumerate(in_order(rows, ROWS)):
        if i % REPORT_EVERY == 0:
            progress(i * ROWS / len(rows), "teacher")
        with torch.inference_mode(), autocast():
            found = model.states(batch)
        for at in range(0, len(batch.answers), AT_ONCE):
            with torch.inference_mode(), autocast():
                logits = model.logits(found[at : at + AT_ONCE])[:, picked]
            numbers = batch.answers[at : at + AT_ONCE]
            ids = logits.topk(top, dim=1).indices
            logs = outcomes(logits / temperature, ids).numpy()
            kept.ids[numbers], kept.logs[numbers], kept.rest[numbers] = ids.numpy(), logs[:, :-1], logs[:, -1]
        if states:
            kept.states[batch.answers] = found.float().numpy()
    write_arrays(path, kept._asdict())
    return kept


def outcomes(logits: Tensor, ids: Tensor) -> Tensor:
    """The log-probabilities of some tokens and, last, of all others together: (answers, top + 1) of logits (answers,
    vocabulary) and ids (answers, top), fewer than the vocabulary.
    """
    logs = F.log_softmax(logits, dim=-1)
    rest = logs.scatter(1, ids, -torch.inf).logsumexp(dim=1, keepdim=True)
    return torch.cat([logs.gather(1, ids), rest], dim=1)


class LikelyTokens:
    """``alpha`` x KL at ``temperature`` + cross-entropy + ``hidden`` x cosine distance of the states, a token.

    The divergence is that of the ``likely`` tokens and the rest, which are the teacher's at that temperature. ``targets``,
    (answers,), are the tokens of the answers to give.
    """

    def __init__(
        self,
        targets: Tensor,
        likely: Likely,
        *,
        alpha: float,
        temperature: float,
        hidden: float,
        projection: nn.Module | None = None,
    ) -> None:
        self.targets = targets
        self.likely = likely
        self.alpha = alpha
        self.temperature = temperature
        self.hidden = hidden
        self.projection = projection

    def __call__(self, output: Output, batch: Batch) -> Tensor:
        numbers, likely = batch.answers, self.likely
        ids = torch.from_numpy(likely.ids[numbers].astype(np.int64))
        logs = np.concatenate([likely.logs[numbers], likely.rest[numbers, None]], axis=1)
        wanted = F.softmax(torch.from_numpy(logs).float(), dim=1)
        kl = F.kl_div(outcomes(output.logits / self.temperature, ids), wanted, reduction="batchmean")
        loss = self.alpha * self.temperature**2 * kl
        loss = loss + F.cross_entropy(output.logits, self.targets[torch.from_numpy(numbers)])
        if self.hidden > 0:
            states = torch.from_numpy(likely.states[numbers]).float()
            loss = loss + self.hidden * distance(output.pooled, states, self.projection)
        return loss


def _key(teacher: Artifact, rows: TokenRows, *rest: Any) -> str:
    assert rows.words is not None, "rows of turns"
    *plain, tokens = rest
    hashed = hashlib.sha256(msgspec.json.encode([teacher.id, *plain]))
    for array in (rows.ids, rows.starts, rows.words, *([] if tokens is None else [tokens])):
        hashed.update(array.tobytes())
    return hashed.hexdigest()[:24]
