"""Expansion: a photo leans towards its neighbours, so that what it hides is filled in by them.

Query expansion moves a query towards the photos it finds (αQE: Radenović, Tolias and Chum, "Fine-tuning CNN image
retrieval with no human annotation", 2018); database-side augmentation does the same to the photos of a gallery
beforehand (Arandjelović and Zisserman, "Three things everyone should know to improve object retrieval", 2012).
Both change what a score means: the vectors come back under another model name, and whoever compares
them with plain ones is refused. Calibrate again after them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from resight.core import Eligibility, Embeddings
from resight.errors import ConfigError, InputError, MismatchError
from resight.rerank.neighbours import MEMORY_MB, Neighbours, nearest

__all__ = ["alongside", "augment_gallery", "expand_queries"]

_ROWS_AT_ONCE = 1024
_SHORTEST = 1e-6


def expand_queries(
    queries: Embeddings,
    gallery: Embeddings,
    *,
    k: int = 5,
    alpha: float = 3.0,
    eligibility: Eligibility | None = None,
    memory_mb: int = MEMORY_MB,
) -> Embeddings:
    """Each query plus its `k` nearest photos, weighted by their cosine to the power of `alpha`, at length 1.

    Give the rule of the search that follows: a photo that may not answer a query never expands it. So
    in a search of a gallery by its own photos none of the query's encounter lends it its looks. A photo of the
    same id never does. A photo at a right angle or beyond weighs nothing, and a query without any
    neighbour stays as it is. Other queries don't matter.

    Args:
        queries: (Q, D) one vector per query.
        gallery: (G, D) one vector per photo, of the same model.
        k: neighbours, at least 1.
        alpha: at least 0; 0 weighs all neighbours alike, a high one trusts the nearest only.
        eligibility: which photos may answer which query; by default all.
        memory_mb: working memory in megabytes, above the answer itself.

    Returns:
        (Q, D) under the name "<model>+aqe(k=…,alpha=…)": compare them with `alongside(gallery, expanded)`.

    Raises:
        InputError: when the rule speaks of other queries or photos.
        ConfigError: when a setting is out of range.
        MismatchError: when the vectors are of two models.

    Example:
        >>> vectors = np.array([[1, 0], [0.6, 0.8]], np.float32)
        >>> gallery = Embeddings(np.array(["a", "b"]), vectors, "toy")
        >>> query = Embeddings(np.array(["q"]), np.array([[0.8, 0.6]], np.float32), "toy")
        >>> expanded = expand_queries(query, gallery, k=1, alpha=1)
        >>> bool(expanded.vectors[0] @ vectors[1] > 0.97), expanded.model
        (True, 'toy+aqe(k=1,alpha=1)')
    """
    _check_alpha(alpha)
    near = nearest(queries, gallery, k, eligibility, memory_mb=memory_mb)
    model = f"{queries.model}+aqe(k={k},alpha={alpha:g})"
    return Embeddings(queries.image_ids, _leaning(queries, gallery, near, alpha), model)


def augment_gallery(
    gallery: Embeddings,
    *,
    k: int = 5,
    alpha: float = 3.0,
    identities: npt.ArrayLike | Sequence[str | None] | None = None,
    eligibility: Eligibility | None = None,
    memory_mb: int = MEMORY_MB,
) -> Embeddings:
    """Each photo plus its `k` nearest other photos, weighted by their cosine to the power of `alpha`, at length 1.

    With `identities`, a labelled photo takes only from photos of the same individual and from unlabelled
    ones, so that no name bleeds into another; an unlabelled photo takes from all. Without them, photos of
    two individuals that look alike grow more alike still.

    A search of the augmented gallery by its own photos is too good: a photo's mates have taken from
    the photo itself. Photos that are not in it meet it fairly. To calibrate on its own photos, give a
    rule by which photos take from their own encounter only (`Eligibility.of(gallery, gallery,
    differ=("image_id",), agree=("encounter",))`, every encounter known).

    Args:
        gallery: (G, D) one vector per photo.
        k: neighbours, at least 1.
        alpha: at least 0; 0 weighs all neighbours alike.
        identities: (G,) the individual on each photo, None or empty where nobody has named it.
        eligibility: which photos may lend to which photo; by default all.
        memory_mb: working memory in megabytes, above the answer itself.

    Returns:
        (G, D) under the name "<model>+dba(k=…,alpha=…)": ask it with `alongside(queries, augmented)`.

    Raises:
        InputError: when there is not one identity per photo, or the rule speaks of other photos.
        ConfigError: when a setting is out of range.

    Example:
        >>> vectors = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)
        >>> gallery = Embeddings(np.array(["a1", "a2", "b1"]), vectors, "toy")
        >>> augment_gallery(gallery, k=2, identities=["Ann", "Ann", "Bob"]).vectors[2].tolist()
        [0.0, 1.0]
    """
    _check_alpha(alpha)
    rule = _within_names(identities, len(gallery), eligibility or Eligibility())
    near = nearest(gallery, gallery, k, rule, memory_mb=memory_mb)
    named = "" if identities is None else ",named"
    model = f"{gallery.model}+dba(k={k},alpha={alpha:g}{named})"
    return Embeddings(gallery.image_ids, _leaning(gallery, gallery, near, alpha), model)


def alongside(plain: Embeddings, changed: Embeddings) -> Embeddings:
    """The same vectors as `plain`, named so that they may meet those of the other side that were changed.

    Args:
        plain: vectors as the model made them, or as they were before the other side was changed.
        changed: the other side, by `expand_queries` or `augment_gallery`.

    Raises:
        MismatchError: when the changed vectors do not descend from the model of the plain ones.

    Example:
        >>> gallery = Embeddings(np.array(["a"]), np.ones((1, 1), np.float32), "toy")
        >>> alongside(gallery, augment_gallery(gallery)).model
        'toy+dba(k=5,alpha=3)'
    """
    if changed.model != plain.model and not changed.model.startswith(f"{plain.model}+"):
        raise MismatchError(
            f"expected changed vectors of model {plain.model}, found {changed.model}: "
            "make both sides with the same model"
        )
    return Embeddings(plain.image_ids, plain.vectors, changed.model)


def _within_names(
    identities: npt.ArrayLike | Sequence[str | None] | None, n_photos: int, rule: Eligibility
) -> Eligibility:
    if identities is None:
        return rule
    names = np.asarray(identities, dtype=object)
    if names.shape != (n_photos,):
        raise InputError(f"expected one identity per photo of the gallery, found {names.shape} for {n_photos} photos")
    filled = np.array([name or "" for name in names], np.str_)
    codes = np.unique(filled, return_inverse=True)[1].reshape(-1).astype(np.int64)
    codes[filled == ""] = -1
    return Eligibility(rule.differ, (*rule.agree, (codes, codes)))


def _leaning(photos: Embeddings, lenders: Embeddings, near: Neighbours, alpha: float) -> npt.NDArray[np.float32]:
    """(N, D) each vector plus the weighted sum of its neighbours, at length 1; some rows at a time."""
    moved = np.array(photos.vectors, np.float32)
    cosine = np.where(near.rows < 0, 0, np.maximum(near.scores, 0)).astype(np.float64)
    weights = np.where(cosine > 0, cosine**alpha, 0)
    for start in range(0, len(photos), _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        total = photos.vectors[some].astype(np.float64)
        for nth in range(near.rows.shape[1]):
            weight = weights[some, nth]
            lent = np.flatnonzero(weight > 0)
            total[lent] += weight[lent, None] * lenders.vectors[near.rows[some, nth][lent]]
        length = np.linalg.norm(total, axis=1, keepdims=True)
        moved[some] = np.where(length > _SHORTEST, total / np.maximum(length, _SHORTEST), moved[some])
    moved.setflags(write=False)
    return moved


def _check_alpha(alpha: float) -> None:
    if not (math.isfinite(alpha) and alpha >= 0):
        raise ConfigError(f"expected alpha of at least 0, found {alpha}", key="alpha")
