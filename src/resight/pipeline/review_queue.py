"""The order of review: what a decision would teach most, and how much is wrong as long as nobody looks.

What a decision teaches is the doubt that it ends, times the photos that it may settle: the entropy of the calibrated
probabilities of who is on the photo, in bits, times one more than the number of waiting photos that are more like it
than like anybody with a name. This is the "information density" of Settles and Craven (2008), with a count in place
of a mean similarity, since a decision on one of a crowd of strangers names the crowd.

A photo with a name waits too as long as no person said so on the page and its name is in doubt. It is wrong with odds
of e / (1 − e) × (1 − p) / p, where p is how probable its own name is beside all others by its looks alone, against
the odds that chance would give it, and e the share of wrong names. e is the one that the photos themselves agree with
most: the fixed point of "the mean of these" (expectation maximisation, as Dawid and Skene 1979 do for raters), beside
100 imagined photos of which two are wrong, so that weak evidence leaves it there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resight.core import Embeddings, Estimate, Matches, OperatingPoint
from resight.decide.rule import probabilities
from resight.pipeline.review_board import Board
from resight.pipeline.review_names import Names
from resight.pipeline.review_weigher import Weigher
from resight.pipeline.self_search import MAX_SEARCHES, N_CANDIDATES, drawn_rows, who_may_answer
from resight.search import choose

__all__ = ["Ranking", "expected_wrong", "is_open", "is_settled", "n_unknown", "rank_photos", "wrong_names"]

Floats = npt.NDArray[np.float64]

_FIRST_SHARE = 0.02
_N_IMAGINED = 100
_N_STEPS = 100
_DOUBTFUL = 0.05
"""A name that is wrong with less than this probability does not wait."""
_Z = 1.959963984540054
_N_NEAR = 10
_NOTHING = (np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, eq=False)
class Ranking:
    """What the photos that can be asked about teach, at one moment of the journal.

    Args:
        board: the photos.
        as_of: number of the last journal row that is in it.
        rows: (W,) photos of the board.
        named: (W,) whether each had a name.
        teaches: (W,) bits times photos.
        p_wrong: (W,) how probable it is that the name (without one: the most probable answer) is wrong; NaN where
            nothing says so: without calibration, and of the only photo of an individual.
        best: (W,) code of the individual that comes first, −1 where nobody does.
        calibrated: whether probabilities stand behind it; else photos wait in their own order.
        n_left_out: photos that were not looked at, because there are too many.
        n_unweighed: of `rows`, photos that the weigher has not come to.
    """

    board: Board
    as_of: int
    rows: npt.NDArray[np.int64]
    named: npt.NDArray[np.bool_]
    teaches: Floats
    p_wrong: Floats
    best: npt.NDArray[np.int64]
    calibrated: bool
    n_left_out: int = 0
    n_unweighed: int = 0


def rank_photos(
    board: Board,
    names: Names,
    point: OperatingPoint | None,
    max_searches: int = MAX_SEARCHES,
    weigher: Weigher | None = None,
) -> Ranking:
    """Search for every photo that a person might decide on, and weigh what that would teach.

    Args:
        board: photos and vectors.
        names: who is on them by now.
        point: of the calibrated catalogue; None for one that is not.
        max_searches: of more photos so many are looked at: those without a name first.
        weigher: re-ranks; photos that it has not weighed by now come last. None for the embedding alone.

    Raises:
        MismatchError: when the vectors are of another model than the operating point.
    """
    settled = _settled(board, names)
    there = np.zeros(len(settled), bool)
    there[board.rows[board.rows >= 0]] = True
    free, doubtful = (np.flatnonzero(there & mask) for mask in (names.codes < 0, (names.codes >= 0) & ~settled))
    free = free[drawn_rows(len(free), max_searches)]
    left = max(max_searches - len(free), 0)
    doubtful = doubtful[drawn_rows(len(doubtful), left)] if left else doubtful[:0]
    rows = np.concatenate([free, doubtful])
    n_left_out = int((there & ~settled).sum()) - len(rows)
    named = names.codes[rows] >= 0
    gallery = np.flatnonzero(there & (names.codes >= 0))
    if point is None or not len(rows) or not len(gallery):
        teaches, unknown = np.where(named, 0.0, 1.0), np.full(len(rows), math.nan)
        nobody = np.full(len(rows), -1, np.int64)
        return Ranking(board, names.number, rows, named, teaches, unknown, nobody, False, n_left_out)
    near, found = _searched(board, names, rows, gallery, point)
    matches, weighed = near, np.ones(len(rows), bool)
    if weigher is not None:
        weighed = weigher.has_weighed(board.photos.image_ids[rows].tolist())
        matches, found = _reranked(weigher, board, names, rows[weighed], near.n_gallery, point)
    of_candidates, of_new = probabilities(matches, point)
    teaches, p_wrong = np.zeros(len(rows)), np.full(len(rows), math.nan)
    best = np.full(len(rows), -1, np.int64)
    doubts = _doubts(of_candidates, of_new, found, names, rows[weighed], point, matches.n_gallery)
    teaches[weighed], p_wrong[weighed], best[weighed] = *doubts, found[:, 0]
    teaches[~named] *= _settles(board, rows[~named], near.best_scores[~named])
    n_unweighed = int((~weighed).sum())
    return Ranking(board, names.number, rows, named, teaches, p_wrong, best, True, n_left_out, n_unweighed)


def expected_wrong(p_wrong: Floats) -> Estimate:
    """How many of some answers are wrong, from how probable that is of each.

    The answers are taken as independent, so that their number has the variance Σ p (1 − p) and is near a normal
    distribution; the interval holds as far as the probabilities do.

    Args:
        p_wrong: (N,) of each answer. Those of which nothing is known (NaN) are left out, and are not in its `n`;
            where that is all of them, the estimate is NaN.
    """
    known = p_wrong[~np.isnan(p_wrong)]
    n = len(known)
    if len(p_wrong) and not n:
        return Estimate(math.nan, math.nan, math.nan, n=0)
    total, spread = float(known.sum()), float(np.sqrt((known * (1 - known)).sum()))
    low, high = max(total - _Z * spread, 0.0), min(total + _Z * spread, float(n))
    return Estimate(total, min(low, total), max(high, total), n=n)


def n_unknown(ranking: Ranking, names: Names) -> int:
    """Photos of which nothing says how probable a wrong name is, and whose name is no person's word."""
    unsettled = ~_settled(ranking.board, names)
    return int(unsettled.sum()) - int((unsettled[ranking.rows] & ~np.isnan(ranking.p_wrong)).sum())


def wrong_names(p_own: Floats, chance: Floats) -> Floats:
    """(N,) how probable it is that each name is wrong, from how probable it is by the looks of the photo alone.

    Args:
        p_own: (N,) of its own name, 0 to 1.
        chance: (N,) the same before anyone looked, above 0 and below 1.

    Example:
        >>> wrong_names(np.array([0.9, 0.9, 0.0001]), np.full(3, 0.1)).round(2).tolist()
        [0.0, 0.0, 0.97]
    """
    p = np.clip(p_own, 1e-9, 1 - 1e-9)
    against = (1 - p) / p * chance / (1 - chance)
    share = _FIRST_SHARE
    for _ in range(_N_STEPS):
        odds = share / (1 - share) * against
        n_wrong = float((odds / (1 + odds)).sum()) + _FIRST_SHARE * _N_IMAGINED
        share = min(n_wrong / (len(odds) + _N_IMAGINED), 0.5)
    odds = share / (1 - share) * against
    wrong: Floats = odds / (1 + odds)
    return wrong


def _settled(board: Board, names: Names) -> npt.NDArray[np.bool_]:
    """(N,) whether each photo has a name, and it is a person's word."""
    settled = np.zeros(len(names.codes), bool)
    settled[[board.row_of[image_id] for image_id in names.settled if image_id in board.row_of]] = True
    return settled & (names.codes >= 0)  # one that lost its name again waits again


def _searched(
    board: Board, names: Names, rows: npt.NDArray[np.int64], gallery: npt.NDArray[np.int64], point: OperatingPoint
) -> tuple[Matches, npt.NDArray[np.int64]]:
    """What is found, and the codes (W, K) of those individuals, −1 for none.

    Individuals are searched under short numbers in the order of their names: a long name would widen all of them.
    """
    photos = board.photos
    asking, answering = photos.select(rows), photos.select(gallery)
    borne = np.array(sorted(set(names.codes[gallery].tolist()), key=names.names.__getitem__), np.int64)
    called = {code: f"{place:0{len(str(len(borne)))}d}" for place, code in enumerate(borne.tolist())}
    identities = np.array([called[code] for code in names.codes[gallery].tolist()], np.str_)
    searcher, _ = choose(_vectors(board, gallery), identities, n_queries=len(rows))
    labels = {image_id: names.labels[image_id] for image_id in asking.image_ids.tolist()}
    rejections = {
        image_id: tuple(called[code] for code in names.code_set(label.rejected).tolist() if code in called)
        for image_id, label in labels.items()
    }
    rule = who_may_answer(asking, answering, same=point.same).barring(asking.image_ids, identities, rejections)
    matches = searcher.search(_vectors(board, rows), max(N_CANDIDATES, point.n_weighed), rule)
    found = np.full(matches.identities.shape, -1, np.int64)
    found[matches.present] = borne[matches.identities[matches.present].astype(np.int64)]
    return matches, found


def _reranked(
    weigher: Weigher, board: Board, names: Names, rows: npt.NDArray[np.int64], n_gallery: int, point: OperatingPoint
) -> tuple[Matches, npt.NDArray[np.int64]]:
    """What comes of the photos that each was held against, by the names as they are now; and the codes, as above."""
    asked = []
    for image_id in board.photos.image_ids[rows].tolist():
        there, log_odds = weigher.kept(image_id) or _NOTHING
        barred = np.isin(names.codes[there], names.code_set(names.labels[image_id].rejected))
        asked.append((image_id, there[~barred], log_odds[~barred]))
    matches = weigher.matches(asked, names, n_gallery, max(N_CANDIDATES, point.n_weighed))
    found = np.full(matches.identities.shape, -1, np.int64)
    shown = [board.row_of[image_id] for image_id in matches.gallery_ids[matches.present].tolist()]
    found[matches.present] = names.codes[shown]
    return matches, found


def _vectors(board: Board, rows: npt.NDArray[np.int64]) -> Embeddings:
    return board.embeddings.select(np.array([board.place_of[row] for row in rows.tolist()], np.int64))


def _doubts(
    of_candidates: Floats,
    of_new: Floats,
    found: npt.NDArray[np.int64],
    names: Names,
    rows: npt.NDArray[np.int64],
    point: OperatingPoint,
    n_gallery: int,
) -> tuple[Floats, Floats]:
    """(W,) entropy in bits, and (W,) how probable it is that the answer is wrong, NaN where nothing says so."""
    beyond = np.clip(1 - of_candidates.sum(axis=1) - of_new, 0, 1)
    parts = np.column_stack([of_candidates, of_new, beyond])
    entropy = -(parts * np.log2(np.maximum(parts, 1e-300))).sum(axis=1)
    wrong = 1 - np.maximum(of_candidates.max(axis=1, initial=0), of_new)
    named = names.codes[rows] >= 0
    own = names.codes[rows]
    p_own = (of_candidates * (found == own[:, None])).sum(axis=1)[named]
    n_known = max(n_gallery, 2)
    chance = np.full(len(p_own), (1 - point.share_new) / n_known)
    alone = names.n_photos()[own[named]] < 2  # nobody else to be like: its looks say nothing of its name
    of_named = np.full(len(p_own), math.nan)
    of_named[~alone] = wrong_names(np.maximum(p_own, beyond[named] / n_known)[~alone], chance[~alone])
    wrong[named] = of_named
    q = np.clip(of_named, 1e-12, 1 - 1e-12)
    entropy[named] = np.where(alone, 0, -(q * np.log2(q) + (1 - q) * np.log2(1 - q)))
    return entropy, wrong


def _settles(board: Board, rows: npt.NDArray[np.int64], best: npt.NDArray[np.float32]) -> Floats:
    """(U,) one more than the waiting photos that are more like a photo than like anybody with a name."""
    if len(rows) < 2:
        return np.ones(len(rows))
    photos, vectors = board.photos.select(rows), _vectors(board, rows)
    searcher, _ = choose(vectors, photos.image_ids, n_queries=len(rows))
    near = searcher.search(vectors, min(_N_NEAR, len(rows)), who_may_answer(photos, photos, differ=("image_id",)))
    closer = near.present & (near.scores > best[:, None])
    ids, counts = np.unique(near.gallery_ids[closer], return_counts=True)
    count: Mapping[str, int] = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    return np.array([1.0 + count.get(image_id, 0) for image_id in photos.image_ids.tolist()])


def is_open(ranking: Ranking, names: Names) -> npt.NDArray[np.bool_]:
    """(W,) whether a photo waits: without a name, or with one that is in doubt; and nobody has decided on it since."""
    ids = ranking.board.photos.image_ids[ranking.rows].tolist()
    labels = [names.labels[image_id] for image_id in ids]
    as_ranked = ranking.named == (names.codes[ranking.rows] >= 0)
    said = np.array([one.poor or bool(one.unsure) for one in labels], bool)
    doubtful = ~ranking.named | (ranking.p_wrong >= _DOUBTFUL)
    return np.asarray(doubtful & as_ranked & ~said & ~is_settled(ranking, names))


def is_settled(ranking: Ranking, names: Names) -> npt.NDArray[np.bool_]:
    """(W,) whether the name of a photo is a person's word by now."""
    return _settled(ranking.board, names)[ranking.rows]
