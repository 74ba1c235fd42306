"""What a training minimises: cross-entropy on labels, and the losses of distillation, for each kind of task.

Distillation follows Hinton, Vinyals and Dean (2015, arXiv:1503.02531): the Kullback-Leibler divergence between teacher and
student at temperature T, times T squared, so that its gradients keep their size; beside it the hidden states that the
head reads (a text's pooled ones, or a word's) are compared (cosine distance), as DistilBERT does for its hidden vectors
(Sanh et al. 2019, arXiv:1910.01108).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pare.training.batching import Batch
from pare.training.model import Output
from pare.types import Kind


@dataclass(frozen=True)
class Terms:
    """What one kind of task minimises, each the mean over rows of the negative log-likelihood of a row's whole answer.

    ``gold``    (logits, targets, smoothing) → the loss on labels. A row whose targets are -1 has none; at least one has.
    ``soften``  (a teacher's logits, temperature) → its probabilities.
    ``taught``  (logits, a teacher's probabilities, temperature) → their Kullback-Leibler divergence.
    """

    gold: Callable[[Tensor, Tensor, float], Tensor]
    soften: Callable[[Tensor, float], Tensor]
    taught: Callable[[Tensor, Tensor, float], Tensor]


def _one_label(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy; logits (rows, labels), targets (rows,)."""
    return F.cross_entropy(logits, targets, ignore_index=-1, label_smoothing=smoothing)


def _one_taught(logits: Tensor, soft: Tensor, temperature: float) -> Tensor:
    return F.kl_div(F.log_softmax(logits / temperature, dim=-1), soft, reduction="batchmean")


def _several_labels(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Binary cross-entropy of each label, summed over labels; logits and 0/1 targets (rows, labels)."""
    labelled = targets[:, 0] >= 0
    wanted = targets[labelled].to(logits.dtype) * (1.0 - smoothing) + smoothing / 2
    return F.binary_cross_entropy_with_logits(logits[labelled], wanted, reduction="none").sum(dim=1).mean()


def _several_taught(logits: Tensor, soft: Tensor, temperature: float) -> Tensor:
    """The divergence of each label's yes or no, summed over labels."""
    cross = F.binary_cross_entropy_with_logits(logits / temperature, soft, reduction="none")
    return (cross - torch.special.entr(soft) - torch.special.entr(1.0 - soft)).sum(dim=1).mean()


_ONE = Terms(_one_label, lambda logits, t: F.softmax(logits / t, dim=-1), _one_taught)
TERMS: Mapping[Kind, Terms] = {
    "classify": _ONE,
    "tag": _ONE,
    "generate": _ONE,
    "multilabel": Terms(_several_labels, lambda logits, t: torch.sigmoid(logits / t), _several_taught),
}


class CrossEntropy:
    """Cross-entropy of a kind's answers with ``targets``, one for each answer in the form of the kind, with label
    ``smoothing``. An answer is a text's, or a word's where words are tagged.
    """

    def __init__(self, targets: Tensor, smoothing: float = 0.0, kind: Kind = "classify") -> None:
        self.targets = targets
        self.smoothing = smoothing
        self.terms = TERMS[kind]

    def __call__(self, output: Output, batch: Batch) -> Tensor:
        return self.terms.gold(output.logits, self.targets[torch.from_numpy(batch.answers)], self.smoothing)


class Distillation:
    """``alpha`` x KL at ``temperature`` + cross-entropy where there is a label + ``hidden`` x cosine distance.

    ``targets``, in the form of the kind, are -1 where an answer has no label; ``logits`` (all answers, classes) and
    ``pooled`` (all answers, width) are the teacher's. ``projection`` is for a student of another width (``widen``).
    """

    def __init__(
        self,
        targets: Tensor,
        logits: Tensor,
        pooled: Tensor,
        *,
        alpha: float,
        temperature: float,
        hidden: float,
        kind: Kind = "classify",
        projection: nn.Module | None = None,
    ) -> None:
        self.targets = targets
        self.projection = projection
        self.terms = TERMS[kind]
        self.soft = self.terms.soften(logits, temperature)
        self.pooled = pooled
        self.alpha = alpha
        self.temperature = temperature
        self.hidden = hidden

    def __call__(self, output: Output, batch: Batch) -> Tensor:
        answers = torch.from_numpy(batch.answers)
        taught = self.terms.taught(output.logits, self.soft[answers], self.temperature)
        loss = self.alpha * self.temperature**2 * taught
        wanted = self.targets[answers]
        if bool((wanted >= 0).any()):
            loss = loss + self.terms.gold(output.logits, wanted, 0.0)
        if self.hidden > 0:
            loss = loss + self.hidden * distance(output.pooled, self.pooled[answers].float(), self.projection)
        return loss


def widen(student: int, teacher: int, seed: int) -> nn.Module | None:
    """What makes a student's states comparable with a teacher's of another width: a linear map that is learnt with the
    student and then thrown away (Jiao et al. 2020, TinyBERT, equation 8). None where the widths are one.
    """
    if student == teacher:
        return None
    made = nn.Linear(student, teacher, bias=False)
    with torch.no_grad():
        made.weight.normal_(0.0, student**-0.5, generator=torch.Generator().manual_seed(seed))
    return made


def distance(states: Tensor, wanted: Tensor, projection: nn.Module | None = None) -> Tensor:
    """The mean cosine distance of states (answers, width) from a teacher's (answers, its width)."""
    found = states if projection is None else projection(states)
    return (1.0 - F.cosine_similarity(found, wanted, dim=-1)).mean()
