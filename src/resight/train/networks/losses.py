"""The losses of a network as modules: their centres learn with it and lie in its checkpoints.

A torch module through and through: imported only inside functions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from resight.config import ClassLoss, CosFaceLoss, LossOptions, SoftmaxLoss, SubCentreLoss
from resight.config.loss_options import MarginLoss
from resight.train.losses import MarginSoftmax, class_margins, library_loss

__all__ = ["Criterion"]


class Criterion(nn.Module):
    """A loss: vectors and classes in, a number out. A class of -1 says nothing of its photo.

    Args:
        options: which loss, and its settings.
        counts: (C,) photos of each class.
        dimension: of the vectors.
        weights: (C,) how much the photos of each class count.
    """

    def __init__(
        self, options: LossOptions, counts: npt.NDArray[np.int64], dimension: int, weights: npt.NDArray[np.float32]
    ) -> None:
        super().__init__()
        self.options = options
        self.register_buffer("weights", torch.from_numpy(weights), persistent=False)
        centres = _random_centres(options, len(counts), dimension)
        if isinstance(options, ClassLoss):
            self.centres = nn.Parameter(centres)
        else:  # nothing of it learns
            self.register_buffer("centres", centres, persistent=False)
        self.bias = nn.Parameter(torch.zeros(len(counts))) if isinstance(options, SoftmaxLoss) else None
        self.register_buffer("margins", _margins(options, counts), persistent=False)

    def forward(self, vectors: Tensor, classes: Tensor) -> Tensor:
        """The mean loss of (B, D) vectors, of any length, and (B,) classes; always in 32 bits."""
        with torch.autocast(vectors.device.type, enabled=False):  # margins are finer than what 16 bits can tell
            if isinstance(self.options, ClassLoss) or not _is_several():
                return self._of_known(vectors, classes)
            return self._of_known(*_of_all_processes(vectors, classes))

    @property
    def has_scores(self) -> bool:
        """Whether it knows how much each class is favoured."""
        return isinstance(self.options, ClassLoss)

    def scores(self, vectors: Tensor) -> Tensor:
        """(B, C) how much each class is favoured; of losses with centres alone."""
        if isinstance(self.options, SoftmaxLoss):
            return functional.linear(vectors, self.centres, self.bias)
        near = functional.normalize(vectors) @ functional.normalize(self.centres).T
        return near.unflatten(1, (len(self.weights), -1)).amax(2)

    def put_centres(self, means: Tensor) -> None:
        """Put the centres where the (C, D) mean vectors of the classes are; a row of zeros changes nothing."""
        if not isinstance(self.options, ClassLoss) or isinstance(self.options, SoftmaxLoss):
            return
        n_each = len(self.centres) // len(means)
        unit = functional.normalize(means).repeat_interleave(n_each, 0)
        noise = functional.normalize(self.centres.detach()) * (0.5 if n_each > 1 else 0.0)
        there = unit.norm(dim=1, keepdim=True) > 0
        with torch.no_grad():
            self.centres.copy_(torch.where(there, unit + noise, self.centres))

    def _of_known(self, vectors: Tensor, classes: Tensor) -> Tensor:
        known = classes >= 0
        if not bool(known.any()):
            learned = list(self.parameters())  # all of them: several processes wait for each one's slope
            return vectors.float().sum() * 0 + sum(one.sum() * 0 for one in learned)
        vectors, classes = vectors[known].float(), classes[known]
        if isinstance(self.options, SoftmaxLoss):
            scores = functional.linear(vectors, self.centres, self.bias)
            of_each = functional.cross_entropy(
                scores, classes, reduction="none", label_smoothing=self.options.smoothing
            )
            return (of_each * self.weights[classes]).mean()
        unit = functional.normalize(vectors)
        if isinstance(self.options, MarginLoss):
            return self._margin_softmax(self.options)(unit, classes)
        return library_loss(self.options, self.centres)(unit, classes)

    def _margin_softmax(self, options: MarginLoss) -> MarginSoftmax:
        return MarginSoftmax(
            self.centres,
            options.n_centres if isinstance(options, SubCentreLoss) else 1,
            self.margins,
            options.scale,
            not isinstance(options, CosFaceLoss),
            options.n_classes_per_batch,
            weights=self.weights,
            is_sparse=False,
        )


def _random_centres(options: LossOptions, n_classes: int, dimension: int) -> Tensor:
    if not isinstance(options, ClassLoss):
        return torch.zeros(0, dimension)
    n_each = options.n_centres if isinstance(options, SubCentreLoss) else 1
    return torch.randn(n_classes * n_each, dimension) * dimension**-0.5


def _margins(options: LossOptions, counts: npt.NDArray[np.int64]) -> Tensor:
    if isinstance(options, MarginLoss):
        return torch.from_numpy(class_margins(options, np.maximum(counts, 1)))
    return torch.zeros(0)


def _is_several() -> bool:
    return bool(torch.distributed.is_available() and torch.distributed.is_initialized())


def _of_all_processes(vectors: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """What a batch holds in all processes; slopes flow back to each one's own part."""
    from torch.distributed.nn.functional import all_gather

    others = [torch.empty_like(classes) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(others, classes)
    return torch.cat(all_gather(vectors.contiguous())), torch.cat(others)
