"""What a graph is worth on some samples while it is quantised: smoother than a metric, so that few samples tell a broken
layer from chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pare.kinds import kind_of
from pare.methods.base import BuildContext
from pare.runtimes.causal import Prompts
from pare.runtimes.openvino import TOKENIZER, options
from pare.runtimes.tagging import scorer
from pare.runtimes.text import Tokens, padded
from pare.types import Artifact, Sample

Feed = dict[str, NDArray[Any]]


class Worth(NamedTuple):
    """A graph's worth on each sample, and how much the sample counts, both (samples,)."""

    values: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def mean(self) -> float:
        return float((self.values * self.weights).sum() / max(self.weights.sum(), 1e-12))

    def folds(self, count: int) -> list[float]:
        """The mean of every ``count``-th sample, from the first, the second and so on."""
        return [Worth(self.values[i::count], self.weights[i::count]).mean for i in range(min(count, len(self.values)))]


class Watch:
    """The mean over some texts of the probability that a graph gives to its least right decision: of one label the
    label's, of several labels or tags the lowest of them, so that many easy ones hide no broken one. Of a decoder minus the
    bits that a byte of the answers costs.
    """

    def __init__(self, tokens: Tokens | Prompts, samples: Sequence[Sample], ctx: BuildContext) -> None:
        self._samples, self._tokens, self._ctx = samples, tokens, ctx

    def __call__(self, model: Any) -> float:
        return self.worth(model).mean

    def worth(self, model: Any) -> Worth:
        """A graph's worth on each of the samples."""
        import openvino

        request = openvino.Core().compile_model(model, "CPU", options(self._ctx.threads)).create_infer_request()
        if isinstance(self._tokens, Prompts):
            return self._decoder(model, request, self._tokens)
        return self._encoder(request, self._tokens)

    def _encoder(self, request: Any, tokens: Tokens) -> Worth:
        ctx = self._ctx
        texts, targets = [sample.text for sample in self._samples], ctx.targets(self._samples)
        score = scorer(ctx.kind, ctx.labels, tokens, lambda ids, mask: request.infer([ids, mask])[0])
        logits, right = kind_of(ctx.kind).choices(score(texts), targets)
        probabilities = 1.0 / np.exp(logits - np.take_along_axis(logits, right[:, None], axis=1)).sum(axis=1)
        decisions = (targets.reshape(len(texts), -1) >= 0).sum(axis=1)
        least = np.minimum.reduceat(probabilities, np.cumsum(decisions) - decisions)
        return Worth(least.astype(np.float64), np.ones(len(least)))

    def _decoder(self, model: Any, request: Any, prompts: Prompts) -> Worth:
        values, weights = [], []
        for sample in self._samples:
            turn = prompts.turn(sample.text, sample.label)
            if turn.stop <= max(1, turn.start):
                continue
            request.reset_state()
            first = max(1, turn.start)
            logits = request.infer(feed(names_of(model), turn.ids[: turn.stop]))[0][
                0, first - 1 : turn.stop - 1
            ].astype(np.float64)
            logits -= logits.max(axis=1, keepdims=True)
            said = np.array(turn.ids[first : turn.stop])
            nats = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(said)), said]
            size = max(1, len(prompts.text(said.tolist()).encode()))
            values.append(-float(nats.sum()) / np.log(2) / size)
            weights.append(float(size))
        return Worth(np.array(values), np.array(weights))


def tokens_of(artifact: Artifact) -> Tokens | Prompts:
    """How an artifact's texts become token ids."""
    manifest = artifact.manifest
    if manifest.kind == "generate":
        return Prompts(artifact.path, manifest.max_length)
    return Tokens(artifact.path / TOKENIZER, manifest.max_length)


def feeds(model: Any, tokens: Tokens | Prompts, samples: Sequence[Sample]) -> list[Feed]:
    """One sample a feed: no padding, so that ranges are those of real tokens. A decoder reads prompt and answer."""
    if isinstance(tokens, Prompts):
        return [feed(names_of(model), tokens.turn(sample.text, sample.label).ids) for sample in samples]
    return [feed(names_of(model), tokens.one(sample.text) or [0]) for sample in samples]


def names_of(model: Any) -> list[str]:
    """The names of an OpenVINO graph's inputs."""
    return [port.get_any_name() for port in model.inputs]


def feed(names: Sequence[str], ids: Sequence[int]) -> Feed:
    """What a graph with inputs of these names is given to read one text from its beginning."""
    row, mask = padded([list(ids)])
    known: Feed = {
        "input_ids": row,
        "attention_mask": mask,
        "position_ids": np.arange(len(ids))[None],
        "beam_idx": np.zeros(1, np.int32),
    }
    return {name: known[name] for name in names}


def drawn(samples: Sequence[Sample], most: int, seed: int) -> list[Sample]:
    """At most so many samples, drawn by ``seed``."""
    order = np.random.default_rng(seed).permutation(len(samples))[:most]
    return [samples[i] for i in sorted(order.tolist())]
