"""What a training minimises: cross-entropy on labels, and the losses of distillation.

Distillation follows Hinton, Vinyals and Dean (2015, arXiv:1503.02531): the Kullback-Leibler divergence between teacher and
student at temperature T, times T squared, so that its gradients keep their size; beside it the mean-pooled hidden states
are compared (cosine distance), as DistilBERT does for its hidden vectors (Sanh et al. 2019, arXiv:1910.01108).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pare.training.batching import Batch
from pare.training.model import Output


class CrossEntropy:
    """Cross-entropy on ``targets`` (all answers,), with label ``smoothing``."""

    def __init__(self, targets: Tensor, smoothing: float = 0.0) -> None:
        self.targets = targets
        self.smoothing = smoothing

    def __call__(self, output: Output, batch: Batch) -> Tensor:
        wanted = self.targets[torch.from_numpy(batch.answers)]
        return F.cross_entropy(output.logits, wanted, label_smoothing=self.smoothing)


class Distillation:
    """``alpha`` x KL at ``temperature`` + cross-entropy where there is a label + ``hidden`` x cosine distance.

    ``targets`` (all answers,) holds -1 where there is no label; ``logits`` (all answers, classes) and ``pooled``
    (all answers, width) are the teacher's. An answer is a text's, or a word's where words are tagged.
    """

    def __init__(
        self, targets: Tensor, logits: Tensor, pooled: Tensor, *, alpha: float, temperature: float, hidden: float
    ) -> None:
        self.targets = targets
        self.soft = F.softmax(logits / temperature, dim=-1)
        self.pooled = pooled
        self.alpha = alpha
        self.temperature = temperature
        self.hidden = hidden

    def __call__(self, output: Output, batch: Batch) -> Tensor:
        answers = torch.from_numpy(batch.answers)
        soft = self.soft[answers]
        student = F.log_softmax(output.logits / self.temperature, dim=-1)
        loss = self.alpha * self.temperature**2 * F.kl_div(student, soft, reduction="batchmean")
        wanted = self.targets[answers]
        if bool((wanted >= 0).any()):
            loss = loss + F.cross_entropy(output.logits, wanted, ignore_index=-1)
        if self.hidden > 0:
            distance = 1.0 - F.cosine_similarity(output.pooled, self.pooled[answers].float(), dim=-1)
            loss = loss + self.hidden * distance.mean()
        return loss
