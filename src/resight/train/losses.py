"""The losses that heads and networks learn by: margins between classes, proxies, and pairs.

Margin softmax (ArcFace, its sub-centres, CosFace) is computed here and not by pytorch-metric-learning, since
it takes a margin per class, touches the photo's own class alone, and may hold a batch against a draw of the
classes: with thousands of individuals most of the work. The others are that library's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.config import CosFaceOptions, LearnedOptions, PairOptions, SubCentreOptions
from resight.config.loss_options import (
    ArcFaceMargin,
    ContrastivePull,
    Margin,
    ProxyAnchorPull,
    Pull,
    SubCentreMargin,
    SupConPull,
)

__all__ = ["HeadLoss", "MarginSoftmax", "class_margins", "library_loss", "loss_of"]

Tensor = Any
"""A torch tensor: torch is imported where it is used, so that all else works without it."""

_SMALLEST = 1e-7  # under a root, so that its slope stays finite


@dataclass(frozen=True)
class HeadLoss:
    """A loss and what of it is learned.

    Args:
        of: takes vectors (B, E) and their classes (B,), gives a number.
        centres: what is learned beside the head, a tensor; None for pairs.
        is_sparse: whether a step changes few of its rows.
    """

    of: Callable[[Tensor, Tensor], Tensor]
    centres: Tensor | None = None
    is_sparse: bool = False


@dataclass(frozen=True, eq=False)
class MarginSoftmax:
    """Softmax over the cosines to the classes' centres, the photo's own made worse by a margin.

    With the angle t between a photo and the nearest centre of its own class, ArcFace puts cos(t + margin)
    in place of cos(t), CosFace cos(t) - margin. Beyond t = pi - margin ArcFace goes on falling as
    cos(t) - margin * sin(margin). (Deng et al., 2019 and 2020; Wang et al., 2018.)

    Args:
        centres: (C * K, E) tensor, the K centres of a class one after the other.
        n_centres: K.
        margins: (C,) tensor: in rad, or of the cosine.
        scale: of the cosines.
        is_angle: whether the margins are angles.
        n_classes: that a batch is held against: its own, and others drawn anew (An et al., 2021); above 1.
        generator: draws them; None for torch's own.
        weights: (C,) tensor, how much the photos of each class count; None for all alike.
        is_sparse: whether a step may change the centres of the drawn classes alone.
    """

    centres: Tensor
    n_centres: int
    margins: Tensor
    scale: float
    is_angle: bool
    n_classes: int
    generator: Any = None
    weights: Tensor | None = None
    is_sparse: bool = True

    def __call__(self, vectors: Tensor, classes: Tensor) -> Tensor:
        """The mean loss of (B, E) vectors of unit length, of (B,) classes."""
        from torch.nn import functional

        cosines, place = self._cosines(vectors, classes)
        own = cosines.gather(1, place[:, None])
        changed = self._with_margin(own, self.margins[classes][:, None])
        scores = self.scale * cosines.scatter(1, place[:, None], changed)
        if self.weights is None:
            return functional.cross_entropy(scores, place)
        return (functional.cross_entropy(scores, place, reduction="none") * self.weights[classes]).mean()

    def _cosines(self, vectors: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """(B, n) the cosine to the nearest centre of each class held against, and (B,) which of these is the own."""
        import torch
        from torch.nn import functional

        centres, place = self.centres, classes
        if not self.holds_all:
            drawn = self._drawn(classes)
            rows = (drawn[:, None] * self.n_centres + torch.arange(self.n_centres, device=drawn.device)).flatten()
            centres = functional.embedding(rows, self.centres, sparse=self.is_sparse)
            place = torch.searchsorted(drawn, classes)
        near = functional.normalize(centres, dim=1)
        return (vectors @ near.T).unflatten(1, (-1, self.n_centres)).amax(2), place

    @property
    def holds_all(self) -> bool:
        """Whether each batch is held against all classes."""
        return self.n_classes >= len(self.margins)

    def _drawn(self, classes: Tensor) -> Tensor:
        """The classes of a batch and others up to `n_classes`, rising."""
        import torch

        n_all = len(self.margins)
        own = torch.unique(classes)
        is_other = torch.ones(n_all, dtype=torch.bool, device=own.device)
        is_other[own] = False
        mixed = torch.randperm(n_all, generator=self.generator, device=own.device)
        others = mixed[is_other[mixed]][: max(self.n_classes - len(own), 0)]
        return torch.cat([own, others]).sort().values

    def _with_margin(self, cosine: Tensor, margin: Tensor) -> Tensor:
        if not self.is_angle:
            return cosine - margin
        sine = (1 - cosine * cosine).clamp_min(_SMALLEST).sqrt()
        turned = cosine * margin.cos() - sine * margin.sin()
        return turned.where(cosine >= -margin.cos(), cosine - margin * margin.sin())


def class_margins(options: Margin, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """(C,) the margin of each class by its number of photos; with sub-centres it falls with them.

    Example:
        >>> class_margins(SubCentreMargin(), np.array([1, 16])).round(2).astype(str).tolist()
        ['0.55', '0.3']
    """
    if isinstance(options, SubCentreMargin):
        extra = options.margin_extra_rad * counts.astype(np.float64) ** -options.margin_power
        return (options.margin_rad + extra).astype(np.float32)
    margin = options.margin_rad if isinstance(options, ArcFaceMargin) else options.margin
    return np.full(len(counts), margin, np.float32)


def loss_of(options: LearnedOptions, means: Tensor, counts: npt.NDArray[np.int64], generator: Any) -> HeadLoss:
    """The loss that some options ask for, its centres put where the classes are.

    Args:
        options: which loss, and its settings.
        means: (C, E) tensor, the mean vector of each class where learning starts.
        counts: (C,) photos of each class.
        generator: torch's, of all that is drawn.
    """
    import torch

    if isinstance(options, PairOptions):
        proxies = torch.nn.Parameter(torch.nn.functional.normalize(means, dim=1))
        has_centres = isinstance(options, ProxyAnchorPull)
        return HeadLoss(library_loss(options, proxies), proxies if has_centres else None)
    n_centres = options.n_centres if isinstance(options, SubCentreOptions) else 1
    centres = torch.nn.functional.normalize(means, dim=1).repeat_interleave(n_centres, 0)
    if n_centres > 1:  # several in one place would stay together
        noise = torch.randn(centres.shape, generator=generator) * (0.5 / centres.shape[1] ** 0.5)
        centres = centres + noise
    centres.requires_grad_()
    margins = torch.from_numpy(class_margins(options, counts))
    is_angle = not isinstance(options, CosFaceOptions)
    softmax = MarginSoftmax(
        centres, n_centres, margins, options.scale, is_angle, options.n_classes_per_batch, generator
    )
    return HeadLoss(softmax, centres, is_sparse=not softmax.holds_all)


def library_loss(options: Pull, centres: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss of pytorch-metric-learning with its miner.

    Args:
        options: which one.
        centres: (C, D) tensor that learns, of proxy-anchor; the others leave it alone.
    """
    import torch
    from pytorch_metric_learning import losses, miners

    if isinstance(options, SupConPull):
        return losses.SupConLoss(temperature=options.temperature)  # type: ignore[no-any-return]
    if isinstance(options, ProxyAnchorPull):
        with torch.random.fork_rng(devices=[]):  # it draws proxies, which are put aside
            proxy = losses.ProxyAnchorLoss(*centres.shape, margin=options.margin, alpha=options.alpha)
        del proxy.proxies
        proxy.proxies = centres
        return proxy  # type: ignore[no-any-return]
    if isinstance(options, ContrastivePull):
        loss = losses.ContrastiveLoss(pos_margin=0, neg_margin=options.margin)
        mining = None if options.mining == "all" else miners.BatchHardMiner()
    else:
        loss = losses.TripletMarginLoss(margin=options.margin)
        mining = miners.TripletMarginMiner(margin=options.margin, type_of_triplets=options.mining)
    return lambda vectors, classes: loss(vectors, classes, mining and mining(vectors, classes))
