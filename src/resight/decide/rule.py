"""The rule: a verdict per query, and labels for a submission."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Candidate, Decision, Matches, OperatingPoint, Verdict
from resight.decide.likelihood import Choice, alternatives
from resight.errors import InputError

QueryGroups = Sequence[str | None] | npt.NDArray[Any]
_GROWN = 1.25


class GalleryGrownWarning(UserWarning):
    """The gallery holds many more individuals than the one that the operating point was fitted on."""


def decide(
    matches: Matches, point: OperatingPoint, groups: QueryGroups | None = None, *, top: int | None = None
) -> tuple[Decision, ...]:
    """A verdict, an identity and probabilities for each query.

    A query is KNOWN when its best score is at least the threshold, NEW when it is below
    `new_below` or when nothing could be compared with it, else UNSURE. Where there is room for
    UNSURE, a query is not NEW either as long as its first candidate is the more probable.

    Args:
        matches: distinct individuals; at least `point.n_weighed` places, unless the gallery is smaller.
        point: where the line is drawn.
        groups: (Q,) what the column `point.group_column` says of each query, None where it is not
            known; exactly when the point has such a column.
        top: candidates to list per query; default: all.

    Returns:
        One decision per query, in the order of the queries.

    Raises:
        MismatchError: when the matches are of another scale or model than the operating point.
        InputError: when they are not distinct individuals or too few, the groups are missing or
            unwanted, or `top` is not at least 1.

    Warns:
        GalleryGrownWarning: when the gallery has grown by more than a quarter since the fit.
    """
    if top is not None and top < 1:
        raise InputError(f"expected top of at least 1 candidate, found {top}")
    _warn_if_grown(matches, point)
    lines = zip(*point.lines(groups, len(matches)), strict=True)
    of_candidates, of_new = probabilities(matches, point)
    best = matches.best_scores.astype(np.float64)
    listed = matches if top is None else matches.top(top)
    rows = zip(matches.query_ids.tolist(), best, of_new, _candidates(listed, of_candidates), lines, strict=True)
    return tuple(_decision(*row) for row in rows)


def probabilities(matches: Matches, point: OperatingPoint) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """How probable each candidate is, and a new individual.

    What is left to 1 is the probability of an individual of the gallery that is not listed. A
    query without any candidate has only the assumed share of new individuals to go by.

    Args:
        matches: as for `decide`.
        point: where the parameters stand; they assume the share `point.share_new` of new individuals.

    Returns:
        (Q, K) of the candidates, 0 where absent, and (Q,) of a new individual.

    Raises:
        MismatchError: when the matches are of another scale or model than the operating point.
        InputError: when they are not distinct individuals, or too few.
    """
    _check(matches, point)
    scores = matches.scores.astype(np.float64)
    of_candidates, of_new = np.zeros(scores.shape), np.full(len(matches), point.share_new)
    met = np.isfinite(matches.best_scores)
    if met.any():
        choice = Choice(point.slope, point.cut, point.lean, point.rest)
        log_p = alternatives(choice, scores[met, : point.n_weighed])
        of_new[met] = np.exp(log_p[:, -1])
        first = np.exp(log_p[:, :-2])
        later = _later(scores[met], point, log_p)
        of_candidates[met] = np.column_stack([first, later])
    return of_candidates, of_new


def predictions(
    matches: Matches,
    point: OperatingPoint,
    k: int = 5,
    new_label: str = "new_individual",
    groups: QueryGroups | None = None,
) -> list[list[str]]:
    """Up to `k` labels per query, best first, for a submission.

    The label for "new" stands before the first candidate whose score is below the threshold.

    Args:
        matches: at least `k` places each, for `k` labels.
        point: where the line is drawn.
        k: labels per query, at least 1.
        new_label: the label that the submission uses for a new individual.
        groups: as for `decide`.

    Returns:
        A list of different labels per query, in the order of the queries.

    Raises:
        MismatchError: when the matches are of another scale or model than the operating point.
        InputError: when `k` is not at least 1, or the groups are missing or unwanted.
    """
    if k < 1:
        raise InputError(f"expected k of at least 1 label, found {k}")
    point.require_for(matches)
    _warn_if_grown(matches, point)
    thresholds, _ = point.lines(groups, len(matches))
    n_known = (matches.scores.astype(np.float64) >= thresholds[:, None]).sum(axis=1)
    rows = zip(matches.identities.tolist(), n_known.tolist(), strict=True)
    return [_labels(identities, n, new_label)[:k] for identities, n in rows]


def _labels(identities: list[str], n_known: int, new_label: str) -> list[str]:
    labels = [*identities[:n_known], new_label, *identities[n_known:]]
    return [label for label in dict.fromkeys(labels) if label]


def _decision(
    query: str, best: float, new: float, candidates: tuple[Candidate, ...], lines: tuple[float, float]
) -> Decision:
    threshold, new_below = lines
    first = candidates[0].probability if candidates else 0.0
    if best >= threshold:
        return Decision(query, Verdict.KNOWN, candidates[0].identity, first, candidates, float(new))
    two_way = new_below == threshold
    if best < new_below and (two_way or new >= first):
        return Decision(query, Verdict.NEW, None, float(new), candidates, float(new))
    return Decision(query, Verdict.UNSURE, None, max(first, float(new)), candidates, float(new))


def _candidates(matches: Matches, of_candidates: npt.NDArray[np.float64]) -> list[tuple[Candidate, ...]]:
    columns = (matches.identities.tolist(), matches.gallery_ids.tolist(), matches.scores.tolist())
    rows = zip(*columns, of_candidates[:, : matches.k].tolist(), strict=True)
    return [tuple(Candidate(*values) for values in zip(*row, strict=True) if values[0]) for row in rows]


def _later(
    scores: npt.NDArray[np.float64], point: OperatingPoint, log_p: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(Q, K - n_weighed): the candidates after those weighed share the probability of "beyond these"."""
    after = scores[:, point.n_weighed :]
    if point.rest is None or not after.shape[1]:
        return np.zeros(after.shape)
    log_weight = np.where(np.isnan(after), -np.inf, point.slope * (after - scores[:, :1]) + log_p[:, :1])
    each, beyond = np.exp(log_weight), np.exp(log_p[:, -2])
    total = np.maximum(each.sum(axis=1), np.finfo(float).tiny)
    return np.asarray(each * np.minimum(1, beyond / total)[:, None])


def _check(matches: Matches, point: OperatingPoint) -> None:
    point.require_for(matches)
    if not matches.distinct:
        raise InputError("expected each individual once per query, found photos: search with distinct=True")
    if matches.k < min(point.n_weighed, matches.n_gallery):
        raise InputError(
            f"expected at least {point.n_weighed} candidates per query, which the probabilities weigh, found "
            f"{matches.k}: search with k={point.n_weighed} and list fewer of them (top={matches.k})"
        )


def _warn_if_grown(matches: Matches, point: OperatingPoint) -> None:
    if matches.n_gallery > _GROWN * point.n_gallery:
        expected = 1 - (1 - point.fpir.value) ** (matches.n_gallery / point.n_gallery)
        warnings.warn(
            f"the gallery has grown to {matches.n_gallery} individuals since the threshold was fitted on "
            f"{point.n_gallery}, and FPIR grows with it, from {point.fpir.value:.2g} to about {expected:.2g}: "
            "calibrate again",
            GalleryGrownWarning,
            stacklevel=3,
        )
