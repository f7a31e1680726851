"""The similarity on which most matches of a pair agree, for many pairs at once.

A similarity turns, scales and moves: with points as complex numbers, `second = turn * first + move`.
One match of keypoints that have a size and an angle proposes one (H. Jégou, M. Douze, C. Schmid,
"Hamming embedding and weak geometric consistency", ECCV 2008, vote with the same two numbers); where
they have none, two matches propose one. Every proposal is weighed against every match, so nothing is
drawn at random. The best is then fitted to its inliers by least squares while the tolerance narrows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LARGEST_SCALE", "Agreed", "MatchedPoints", "agree"]

Points = npt.NDArray[np.complexfloating]
Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

LARGEST_SCALE = 5.0
"""Of a similarity that is believed, either way: beyond it a few pixels hold all points."""
_WIDE = 4.0
"""The angle of a keypoint is good to some degrees only: proposals are weighed with so many tolerances."""
_N_NARROWER = 3
_N_PROPOSING = 64
_N_PROPOSING_IN_TWOS = 20
_LARGEST_TURN_RAD = np.pi / 4
_LARGEST_GROWTH = 2.0
"""How far the angle and size of an inlier's keypoints may lie beside those that the model says."""


@dataclass(frozen=True, eq=False)
class MatchedPoints:
    """The matches of P pairs of photos, M places for each; the surest stand first.

    Args:
        firsts: (P, M) complex64, x + iy in px on the query.
        seconds: (P, M) likewise on the photo.
        turns: (P, M) complex64, what scales and turns the one keypoint's frame into the other's; NaN
            where there are no frames.
        filled: (P, M) bool, where a match stands.
    """

    firsts: Points
    seconds: Points
    turns: Points
    filled: Mask


@dataclass(frozen=True, eq=False)
class Agreed:
    """What the matches of P pairs agree on.

    Args:
        turns: (P,) complex64, scale and angle of each similarity; 0 where there is none.
        moves: (P,) complex64, in px.
        inliers: (P, M) bool.
    """

    turns: Points
    moves: Points
    inliers: Mask


def agree(matched: MatchedPoints, tolerance_px: Floats) -> Agreed:
    """The similarity of each pair, and the matches that follow it.

    A match follows when the geometric mean of its distances on both photos is below the tolerance,
    and its frames, where it has them, agree within a factor of 2 and 45°. What a pair gets does not
    depend on the other pairs.

    Args:
        matched: the matches; with none, or with one that has no frame, a pair gets no similarity.
        tolerance_px: (P,) float32.
    """
    limits = np.square(tolerance_px)[:, None]
    turns, moves, possible = _proposals(matched)
    weights = _weights(_off(matched, turns, moves), matched.filled[:, None], _WIDE**2 * limits[:, :, None])
    votes = np.where(possible, weights.sum(axis=2), -1)
    best = votes.argmax(axis=1)[:, None]
    turn, move = np.take_along_axis(turns, best, 1), np.take_along_axis(moves, best, 1)
    found = np.take_along_axis(votes, best, 1) > 0
    for wide in np.geomspace(_WIDE, 1, _N_NARROWER).astype(np.float32) ** 2:
        turn, move = _fitted(matched, _following(matched, turn, move, wide * limits) & found, turn, move)
    inliers = _following(matched, turn, move, limits) & found & _believed(turn)
    kept = inliers.any(axis=1)
    return Agreed(np.where(kept, turn[:, 0], 0), np.where(kept, move[:, 0], 0), inliers)


def _proposals(matched: MatchedPoints) -> tuple[Points, Points, Mask]:
    """(P, H) similarities, and whether each is possible; from frames where the first pair has them."""
    framed = np.isfinite(matched.turns)
    if framed.any() or not matched.filled.any():
        chosen = slice(_N_PROPOSING)
        turns = np.where(framed, matched.turns, 1)[:, chosen]
        moves = matched.seconds[:, chosen] - turns * matched.firsts[:, chosen]
        return turns, moves, (matched.filled & framed)[:, chosen] & _believed(turns)
    one, other = np.triu_indices(min(matched.filled.shape[1], _N_PROPOSING_IN_TWOS), 1)
    across, there = (side[:, other] - side[:, one] for side in (matched.firsts, matched.seconds))
    possible = matched.filled[:, one] & matched.filled[:, other] & (across != 0)
    turns = np.where(possible, there / np.where(possible, across, 1), 1)
    return turns, matched.seconds[:, one] - turns * matched.firsts[:, one], possible & _believed(turns)


def _off(matched: MatchedPoints, turns: Points, moves: Points) -> Floats:
    """(P, H, M) squared distance in px² from where each similarity puts each match, the mean of both photos."""
    off = matched.seconds[:, None] - turns[:, :, None] * matched.firsts[:, None] - moves[:, :, None]
    return (np.square(off.real) + np.square(off.imag)) / np.maximum(np.abs(turns), 1e-6)[:, :, None]


def _weights(off: Floats, filled: Mask, limits: Floats) -> Floats:
    """From 1 for no distance to 0 at the limit."""
    return np.maximum(1 - off / limits, 0) * filled


def _following(matched: MatchedPoints, turn: Points, move: Points, limits: Floats) -> Mask:
    """(P, M) the matches that follow one similarity (P, 1) each."""
    beside = np.where(np.isfinite(matched.turns), matched.turns, turn) / np.where(turn == 0, 1, turn)
    growth = np.abs(np.log(np.maximum(np.abs(beside), 1e-9)))
    frames = (growth <= np.log(_LARGEST_GROWTH)) & (np.abs(np.angle(beside)) <= _LARGEST_TURN_RAD)
    following: Mask = (_off(matched, turn, move)[:, 0] < limits) & frames & matched.filled & (turn != 0)
    return following


def _fitted(matched: MatchedPoints, inliers: Mask, turn: Points, move: Points) -> tuple[Points, Points]:
    """The similarity of least squares over the inliers; the former one where they are too few or coincide."""
    n = np.maximum(inliers.sum(axis=1, keepdims=True), 1).astype(np.float32)
    middles = [
        (np.where(inliers, side, 0)).sum(axis=1, keepdims=True) / n for side in (matched.firsts, matched.seconds)
    ]
    first, second = (
        np.where(inliers, side - middle, 0)
        for side, middle in zip((matched.firsts, matched.seconds), middles, strict=True)
    )
    spread = (np.square(first.real) + np.square(first.imag)).sum(axis=1, keepdims=True)
    enough = (inliers.sum(axis=1, keepdims=True) >= 2) & (spread > 0)
    fitted = (np.conj(first) * second).sum(axis=1, keepdims=True) / np.where(enough, spread, 1)
    enough &= _believed(fitted)
    turns = np.where(enough, fitted, turn).astype(np.complex64)
    return turns, np.where(enough, middles[1] - turns * middles[0], move).astype(np.complex64)


def _believed(turns: Points) -> Mask:
    scales = np.abs(turns)
    return (scales >= 1 / LARGEST_SCALE) & (scales <= LARGEST_SCALE)
