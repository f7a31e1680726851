"""Whom a network takes photos without a name for, as far as it may be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from resight.core import Catalogue, Embeddings, Matches
from resight.pipeline.self_search import who_may_answer
from resight.search import choose

__all__ = ["pseudo_labels"]

Codes = npt.NDArray[np.int64]


def pseudo_labels(
    photos: Catalogue,
    vectors: npt.NDArray[np.float32],
    *,
    gallery: Codes,
    strangers: Codes,
    unlabelled: Codes,
    same: Sequence[str],
    fpir: float,
) -> dict[int, str]:
    """The names of photos whose best candidate scores above what strangers reach.

    Args:
        photos: of the catalogue.
        vectors: (N, D) of unit length, one for each photo.
        gallery: rows that are learned from.
        strangers: rows of individuals that are not among these.
        unlabelled: rows to name.
        same: columns in which a candidate must agree.
        fpir: share of the strangers that may score as high.

    Returns:
        By row the name; rows below the threshold are left out.
    """
    if not len(unlabelled) or not len(strangers):
        return {}

    def best(asking: Codes) -> Matches:
        names = photos.select(gallery).column("identity").astype(np.str_)
        searcher, _ = choose(_of(photos, vectors, gallery), names)
        rule = who_may_answer(photos.select(asking), photos.select(gallery), same=same)
        return searcher.search(_of(photos, vectors, asking), 1, rule)

    scores = best(strangers).scores[:, 0]
    threshold = float(np.quantile(np.nan_to_num(scores, nan=-1.0), 1 - fpir, method="higher"))
    found = best(unlabelled)
    sure = found.scores[:, 0] > threshold  # false where there is no candidate
    return {int(row): str(name) for row, name in zip(unlabelled[sure], found.identities[sure, 0], strict=True)}


def _of(photos: Catalogue, vectors: npt.NDArray[np.float32], rows: Codes) -> Embeddings:
    return Embeddings(photos.image_ids[rows], vectors[rows], "network in training")
