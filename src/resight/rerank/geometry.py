"""Whether the matches of two photos agree on how the one lies in the other.

Four models: a `similarity` turns, scales and moves; an `affine` one also shears; a `homography` is
a plane seen from two places; a `fundamental` matrix is any rigid scene seen from two places. The
first is found by `resight.rerank.consensus` for many pairs at once. The others are found by OpenCV's
MAGSAC (D. Barath et al., "MAGSAC++, a fast, reliable and accurate robust estimator", CVPR 2020),
which has no form for similarities, pair after pair. All give the same answer each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from resight.errors import ConfigError
from resight.rerank.consensus import MatchedPoints, agree
from resight.rerank.features import PhotoFeatures
from resight.rerank.matching import KeypointMatches

__all__ = ["GeometryModel", "Verified", "check_geometry", "verify"]

GeometryModel = Literal["similarity", "affine", "homography", "fundamental"]
Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_TOLERANCE = 0.03
"""Of the longer side of the larger working photo: skin and clothes bend."""
_N_AT_ONCE = 1_000_000
"""Distances that are weighed at once: about 30 MB."""
_FEWEST_PLACES = 4


@dataclass(frozen=True, eq=False)
class Verified:
    """What the matches of one query with P photos agree on.

    Args:
        matches: the distinct matches: where several keypoints of one side belong to one place of
            the other, the surest alone is left.
        inliers: (M,) bool, which of them follow their pair's model.
        models: (P, 3, 3) float64, from points (x, y, 1) of the query to those of the photo; for
            `fundamental` the matrix F of `second · F · first = 0`. NaN where no model is believed.
        places: (M, 2, 2) float32, x and y in px of each match on the query and on the photo.
    """

    matches: KeypointMatches
    inliers: Mask
    models: npt.NDArray[np.float64]
    places: Floats

    @property
    def n_inliers(self) -> Rows:
        """(P,) the number of matches that follow the model."""
        return np.bincount(self.matches.photos[self.inliers], minlength=self.matches.n_photos)

    @property
    def scores(self) -> Floats:
        """(P,) the score of each pair: log(1 + the sum of the confidences of its inliers).

        A match that is hardly nearer than the second nearest counts little; the logarithm keeps two
        copies of one photo from drowning all differences. It starts at 0, where nothing agrees.
        """
        sums = np.bincount(
            self.matches.photos[self.inliers],
            self.matches.confidences[self.inliers].astype(np.float64),
            self.matches.n_photos,
        )
        return np.log1p(sums).astype(np.float32)


def verify(
    query: PhotoFeatures,
    photos: Sequence[PhotoFeatures],
    matches: KeypointMatches,
    *,
    model: GeometryModel = "similarity",
    tolerance_px: float | None = None,
) -> Verified:
    """Find the model of each pair, and which matches follow it.

    Refused are models that mirror, that scale by more than 5 or less than 1/5 anywhere among their
    inliers, and those that no match beyond the fewest that they are made of supports. One match of
    keypoints with a size and an angle makes a similarity, and counts as an inlier of its own.

    Args:
        query: the photo that was matched.
        photos: those that it was matched with.
        matches: what `resight.rerank.matching.match` found.
        model: the kind of model.
        tolerance_px: how far a match may lie from where the model puts it: the geometric mean of
            both photos' distances, or the Sampson distance of `fundamental`. By default 3 % of the
            longest side of both photos.

    Raises:
        ConfigError: when there is no such model, or the tolerance is not above 0.
    """
    check_geometry(model, tolerance_px)
    matches, places = _distinct(matches, query, photos)
    tolerances = np.array([tolerance_px or _TOLERANCE * max(*query.size, *photo.size) for photo in photos], np.float32)
    inliers = np.zeros(len(matches), np.bool_)
    models = np.full((len(photos), 3, 3), np.nan)
    if model == "similarity":
        turns = _turns(matches, query, photos)
        for pairs, rows in _alike(matches, np.isnan(turns)):
            _agree(pairs, rows, (places, turns, tolerances), inliers, models)
    else:
        from resight.rerank.robust import fitted_model

        for photo, rows in _by_photo(matches):
            models[photo], inliers[rows] = fitted_model(model, places[rows], float(tolerances[photo]))
    return Verified(matches, inliers, models, places)


def check_geometry(model: str, tolerance_px: float | None) -> None:
    """Refuse a model that there is not, or a tolerance that lets nothing pass.

    Raises:
        ConfigError: saying which.
    """
    if model not in get_args(GeometryModel):
        known = ", ".join(get_args(GeometryModel))
        raise ConfigError(f"expected a model of {known}, found '{model}'.", key=model, known=get_args(GeometryModel))
    if tolerance_px is not None and not tolerance_px > 0:
        raise ConfigError(f"expected tolerance_px above 0, found {tolerance_px}", key="tolerance_px")


def _agree(
    pairs: Rows,
    rows: Rows,
    taken: tuple[Floats, npt.NDArray[np.complex64], Floats],
    inliers: Mask,
    models: npt.NDArray[np.float64],
) -> None:
    """Write the inliers and similarities of pairs whose matches stand in (P, M) rows, -1 for none."""
    places, turns, tolerances = taken
    filled = rows >= 0
    points = places[..., 0] + 1j * places[..., 1]
    agreed = agree(MatchedPoints(points[rows, 0], points[rows, 1], turns[rows], filled), tolerances[pairs])
    inliers[rows[filled]] = agreed.inliers[filled]
    found = agreed.turns != 0
    turn, move = (numbers[found].astype(np.complex128) for numbers in (agreed.turns, agreed.moves))
    zero, one = np.zeros(len(turn)), np.ones(len(turn))
    cells = [turn.real, -turn.imag, move.real, turn.imag, turn.real, move.imag, zero, zero, one]
    models[pairs[found]] = np.stack(cells, axis=1).reshape(-1, 3, 3)


def _distinct(
    matches: KeypointMatches, query: PhotoFeatures, photos: Sequence[PhotoFeatures]
) -> tuple[KeypointMatches, Floats]:
    """The surest match of each place on either side, by photo and the surest first; and their places."""
    places = np.stack([query.points[matches.firsts], _of_photos(matches, [photo.points for photo in photos])], axis=1)
    order = np.lexsort((-matches.confidences, matches.photos))
    for side in (0, 1):
        kept = np.lexsort((places[order, side, 0], places[order, side, 1], matches.photos[order]))  # stable
        ranked = np.column_stack([matches.photos[order], places[order, side]])[kept]
        first = np.ones(len(kept), np.bool_)
        first[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
        order = order[np.sort(kept[first])]
    return matches.select(order), places[order]


def _of_photos(matches: KeypointMatches, arrays: Sequence[Floats]) -> Floats:
    """(M, 2) what stands in each photo's array for the keypoint of each match."""
    starts = np.cumsum([0, *map(len, arrays)])
    together = np.concatenate([np.zeros((0, 2), np.float32), *arrays])
    return together[starts[matches.photos] + matches.seconds]


def _turns(
    matches: KeypointMatches, query: PhotoFeatures, photos: Sequence[PhotoFeatures]
) -> npt.NDArray[np.complex64]:
    """(M,) what scales and turns the frame on the query into that on the photo; NaN without frames.

    A pair of which one match has none goes without them, so that all its matches are weighed alike.
    """
    one = query.frames[matches.firsts]
    other = _of_photos(matches, [photo.frames for photo in photos])
    good = np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1) & (one[:, 0] > 0) & (other[:, 0] > 0)
    growth = np.where(good, other[:, 0], 1) / np.where(good, one[:, 0], 1)
    good &= ~np.isin(matches.photos, matches.photos[~good])
    angle = np.where(good, other[:, 1] - one[:, 1], np.nan)
    return (growth * np.exp(1j * angle)).astype(np.complex64)


def _by_photo(matches: KeypointMatches) -> Iterator[tuple[int, Rows]]:
    """Each photo that has matches, and their rows."""
    starts = np.searchsorted(matches.photos, np.arange(matches.n_photos + 1))
    for photo in np.flatnonzero(np.diff(starts)):
        yield int(photo), np.arange(starts[photo], starts[photo + 1])


def _alike(matches: KeypointMatches, frameless: Mask) -> Iterator[tuple[Rows, Rows]]:
    """Photos with about as many matches, and (P, M) the rows of those, -1 behind the last.

    M is the next power of two, whichever photos come together: sums do not depend on the company.
    """
    starts = np.searchsorted(matches.photos, np.arange(matches.n_photos + 1))
    n = np.diff(starts)
    bare = np.bincount(matches.photos[frameless], minlength=matches.n_photos) > 0
    wide = np.maximum(2 ** np.ceil(np.log2(np.maximum(n, 1))), _FEWEST_PLACES).astype(np.int64)
    for width, without in sorted({*zip(wide[n > 0].tolist(), bare[n > 0].tolist(), strict=True)}):
        photos = np.flatnonzero((n > 0) & (wide == width) & (bare == without))
        for some in np.array_split(photos, -(-len(photos) * width * min(width, 64) // _N_AT_ONCE) or 1):
            places = np.arange(width)
            yield some, np.where(places < n[some, None], starts[some, None] + places, -1)
