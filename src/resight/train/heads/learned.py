"""Heads that are learned step by step on stored vectors.

Learning starts from a whitening or an LDA and changes it by a square matrix, which is zero at first: so
photos are projected once and not in every step, and a weight decay pulls towards the start and not towards
nothing. The result is still one linear head.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from resight.config import CentreOptions, LearnedOptions
from resight.embed import LinearHead
from resight.train.batches import Codes
from resight.train.examples import Examples
from resight.train.heads.batches import balanced_batches, class_batches
from resight.train.heads.closed import lda, whitening
from resight.train.losses import HeadLoss, Tensor, loss_of

__all__ = ["learned_heads"]


def learned_heads(options: LearnedOptions, examples: Examples, seed: int) -> Iterator[tuple[str, LinearHead]]:
    """The head after each number of epochs that the options try, called by it.

    The same seed gives the same heads on one machine.

    Args:
        options: which loss, and its settings.
        examples: what to learn from.
        seed: of batches and of what a loss draws.

    Raises:
        NotFittedError: when the start cannot be fitted.
    """
    import torch

    start = _start(options, examples)
    places = torch.from_numpy(np.asarray(examples.vectors @ start.weight + start.bias))
    classes = torch.from_numpy(examples.classes)
    counts = np.bincount(examples.classes)
    means = torch.zeros(len(counts), start.dimension).index_add_(0, classes, places)
    means /= torch.from_numpy(counts).float()[:, None]
    loss = loss_of(options, means, counts, torch.Generator().manual_seed(seed))
    change = torch.zeros(start.dimension, start.dimension, requires_grad=True)
    optimisers = _optimisers(options, change, loss)
    rng = np.random.default_rng(seed)
    for epoch in range(1, max(options.n_epochs) + 1):
        for rows in _batches(options, examples, rng):
            _step(places, classes, torch.from_numpy(rows), change, loss, optimisers)
        if epoch in options.n_epochs:
            yield f"n_epochs={epoch}", _joined(start, change)


def _start(options: LearnedOptions, examples: Examples) -> LinearHead:
    fit = lda if options.start == "lda" else whitening
    return fit(examples.spread, options.start_shrinkage, options.n_dimensions)


def _batches(options: LearnedOptions, examples: Examples, rng: np.random.Generator) -> Iterator[Codes]:
    if isinstance(options, CentreOptions):
        return balanced_batches(examples.classes, options.n_photos_per_batch, options.balance, rng)
    return class_batches(examples.classes, examples.encounters, options.n_photos_per_batch, options.n_photos_each, rng)


def _optimisers(options: LearnedOptions, change: Tensor, loss: HeadLoss) -> list[Any]:
    import torch

    found: list[Any] = [torch.optim.AdamW([change], lr=options.learning_rate, weight_decay=options.pull)]
    if loss.centres is not None:
        kind = torch.optim.SparseAdam if loss.is_sparse else partial(torch.optim.Adam, fused=True)
        rate = options.centre_learning_rate  # type: ignore[union-attr]  # whoever has centres has it
        found.append(kind([loss.centres], lr=rate))
    return found


def _step(places: Tensor, classes: Tensor, rows: Tensor, change: Tensor, loss: HeadLoss, optimisers: list[Any]) -> None:
    from torch.nn import functional

    batch = places[rows]
    found = loss.of(functional.normalize(batch + batch @ change, dim=1), classes[rows])
    for one in optimisers:
        one.zero_grad()
    found.backward()
    for one in optimisers:
        one.step()


def _joined(start: LinearHead, change: Tensor) -> LinearHead:
    turn = np.eye(start.dimension, dtype=np.float32) + change.detach().numpy()
    return LinearHead(start.weight @ turn, start.bias @ turn)
