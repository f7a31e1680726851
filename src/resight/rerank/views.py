"""Views: several looks at one query, such as the photo and its mirror image, become one answer.

A mirrored left flank looks like a right one. Where both flanks bear the same marks (some fins and faces do, coats
and stripes do not) a mirrored query may find photos of the other side; only a user can say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from resight.core import Catalogue, Eligibility, Matches
from resight.errors import InputError

__all__ = ["best_of_views", "mirrored"]

_OTHER_SIDE = {"left": "right", "right": "left"}
_NO_SIDE = -1


def mirrored(queries: Catalogue, gallery: Catalogue, rule: Eligibility | None = None) -> Eligibility:
    """The rule for the mirror images of some queries: only photos of the other side may answer.

    A query or a photo without a side, or with one that has no opposite (front, back), is left out: nobody
    knows what its mirror image should look like. Use it only where left matches right.

    Args:
        queries: the photos that were mirrored, with their sides as they were.
        gallery: the photos that answer.
        rule: what else must hold (another encounter, the same species), without the side.

    Raises:
        InputError: when the rule speaks of other queries or photos.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"image_id": ["l", "r"], "path": ["l.jpg", "r.jpg"], "side": ["left", "right"]})
        >>> photos = Catalogue(frame, ".")
        >>> mirrored(photos, photos).allowed(0).tolist()
        [False, True]
    """
    rule = rule or Eligibility()
    theirs = _sides(gallery)
    names = {name: code for code, name in enumerate(sorted(_OTHER_SIDE))}
    asked = [names.get(_OTHER_SIDE.get(side, ""), _NO_SIDE) for side in _sides(queries)]
    wanted = np.array(asked, np.int64)
    found = np.array([names.get(side, _NO_SIDE) for side in theirs], np.int64)
    wanted[wanted == _NO_SIDE] = len(names)  # equals no photo's
    found[found == _NO_SIDE] = len(names) + 1  # equals no query's
    return Eligibility(rule.differ, (*rule.agree, (wanted, found)))


def best_of_views(views: Sequence[Matches]) -> Matches:
    """For each query the best candidates of several views of it, each by its best score.

    The best of several looks is higher than one look, for strangers too: the answer bears another model name,
    and an operating point of a single view refuses it. Equal scores stand in the order of identity, then of photo id.

    Args:
        views: at least one, all of the same queries in the same order, of one gallery, scale, model and K.

    Returns:
        K candidates per query under the name "<model>+views(n)".

    Raises:
        InputError: when there is no view, or the views are of other queries or galleries.
        MismatchError: when their scales or models differ.
    """
    if not views:
        raise InputError("expected at least one view of the queries, found none")
    for view in views[1:]:
        view.require_same_scale(views[0].scale, views[0].model)
        _check_same(views[0], view)
    return _merged(views, views[0])


def _check_same(first: Matches, view: Matches) -> None:
    if not np.array_equal(view.query_ids, first.query_ids):
        raise InputError("expected views of the same queries in the same order, found other ones")
    here, there = ((one.n_gallery, one.distinct, one.k) for one in (first, view))
    if here != there:
        raise InputError(f"expected views of one gallery and as many candidates, found {here} and {there}")


def _merged(views: Sequence[Matches], first: Matches) -> Matches:
    photos = np.concatenate([view.gallery_ids for view in views], axis=1)
    names = np.concatenate([view.identities for view in views], axis=1)
    scores = np.concatenate([view.scores for view in views], axis=1)
    rows, columns = _in_order(photos, names, scores, distinct=first.distinct)
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    rows, columns, rank = (each[rank < first.k] for each in (rows, columns, rank))
    shape = (len(first), first.k)
    chosen = np.full(shape, np.nan, np.float32), np.full(shape, "", photos.dtype), np.full(shape, "", names.dtype)
    for target, source in zip(chosen, (scores, photos, names), strict=True):
        target[rows, rank] = source[rows, columns]
    model = f"{first.model}+views({len(views)})"
    return replace(first, scores=chosen[0], gallery_ids=chosen[1], identities=chosen[2], model=model)


def _in_order(
    photos: npt.NDArray[np.str_], names: npt.NDArray[np.str_], scores: npt.NDArray[np.float32], *, distinct: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The places that stay, by query and best first: each individual, or photo, by its best place."""
    row, column = np.nonzero(~np.isnan(scores))
    name, photo = (np.unique(each[row, column], return_inverse=True)[1].reshape(-1) for each in (names, photos))
    order = np.lexsort((photo, name, -scores[row, column], row))
    row, column, key = row[order], column[order], (name if distinct else photo)[order]
    _, first = np.unique(row * (key.max(initial=0) + 1) + key, return_index=True)
    first.sort()
    return row[first], column[first]


def _sides(catalogue: Catalogue) -> list[str]:
    return [(side or "").strip().lower() for side in catalogue.frame["side"]]
