"""A network judged while it learns: by strangers and by encounters that were kept back.

A torch module through and through: imported only inside functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resight.config import HoldOutOptions
from resight.core import Catalogue, Embeddings
from resight.train.examples import Examples
from resight.train.judging import Fold, Judged, deal, judge
from resight.train.networks.network import Network
from resight.train.networks.photos import Looks

__all__ = ["HoldOut", "shared", "vectors_of"]

Codes = npt.NDArray[np.int64]


class HoldOut:
    """Who is kept back, and what a network is worth on them.

    Args:
        photos: all labelled photos that can be read and that show real individuals.
        same: columns in which photos must agree to be alike.
        options: how many are kept back.
        seed: of the draw.

    Raises:
        NotFittedError: when too few individuals were met again to judge by.
    """

    def __init__(self, photos: Catalogue, same: tuple[str, ...], options: HoldOutOptions, seed: int) -> None:
        drawn = np.ones((len(photos), 1), np.float32)
        self._examples = Examples(photos, Embeddings(photos.image_ids, drawn, "none"), same)
        self._n_searches = options.n_searches
        self._seed = seed
        self.fold: Fold = deal(self._examples, options.n_parts, 1, seed)[0]

    def judged(self, vectors: npt.NDArray[np.float32]) -> Judged:
        """What those kept back find, by (N, D) vectors of all photos."""
        examples = self._examples.mapped(vectors, "network in training")
        return judge(examples, self.fold, n_searches=self._n_searches, seed=self._seed)


def vectors_of(network: Network, looks: Looks, rows: Codes, accelerator: Any) -> npt.NDArray[np.float32]:
    """(N, D) float32 of unit length: what a network gives photos as they are, shared among all processes.

    Args:
        network: the one that learns, or the running mean of it.
        looks: the photos.
        rows: of the catalogue.
        accelerator: of the run.
    """
    found = shared(network, network, looks, rows, accelerator)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.maximum(lengths, 1e-12), np.float32)


def shared(
    network: Network, give: Callable[[Tensor], Tensor], looks: Looks, rows: Codes, accelerator: Any
) -> npt.NDArray[np.float32]:
    """(N, D) float32: what a network, or a part of it, gives photos as they are; all processes share the work.

    Args:
        network: in evaluation for as long.
        give: (B, 3, S, S) normalised pixels → (B, D).
        looks: the photos.
        rows: of the catalogue.
        accelerator: of the run.
    """
    from accelerate.utils import gather_object

    rank, n = accelerator.process_index, accelerator.num_processes
    was_learning = network.training
    network.eval()
    found = np.zeros((len(rows), network.dimension), np.float32)
    own = np.arange(len(rows))[rank::n]
    with torch.inference_mode(), accelerator.autocast():
        done = 0
        for pixels in looks.plain(rows[own]):
            vectors = give(network.normalised(pixels.to(accelerator.device))).float().cpu().numpy()
            found[own[done : done + len(vectors)]] = vectors
            done += len(vectors)
    network.train(was_learning)
    if n > 1:
        for number, part in enumerate(gather_object([found[own]])):
            found[number::n] = part
    return found
