"""Calibration: the operating point that reaches a goal, from a gallery's searches in itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Estimate, Matches, OperatingPoint
from resight.decide import likelihood
from resight.decide.goals import Goal
from resight.decide.group_thresholds import Groups
from resight.decide.intervals import fresh_fpir, share_of
from resight.decide.lines import Lines, Searches, Wish, line_per_group, one_line
from resight.errors import ConfigError, InputError, NotFittedError

_FEW_INDIVIDUALS = 12
_FAR = 2.0
_HOPELESS = 0.9
_SHARE_OFF = 0.02


def calibrate(
    mated: Matches,
    mated_identities: npt.ArrayLike,
    non_mated: Matches,
    non_mated_identities: npt.ArrayLike,
    goal: Goal,
    *,
    n_photos: int,
    share_new: float = 0.5,
    unsure_miss: float = 0.05,
    same: tuple[str, ...] = (),
    groups: Groups | None = None,
    seed: int = 0,
    n_resamples: int = 1000,
    fitted_on: str = "",
) -> OperatingPoint:
    """The operating point that reaches a goal.

    Both kinds of search come from the user's own gallery: *mated* ones leave the query's encounter
    out, *non-mated* ones its whole individual, so that the query is a stranger by construction.

    Args:
        mated: (Q, K) the best distinct individuals of each mated search.
        mated_identities: (Q,) the individual on each of these queries.
        non_mated: (P, K) the same for the non-mated searches, on the same scale and model.
        non_mated_identities: (P,) the individual on each of these queries.
        goal: what the line between known and new must reach.
        n_photos: photos in the gallery.
        share_new: share of new individuals among the queries to come, above 0 and below 1; it rules
            the probabilities and the goals `best=…`. The goal `share-new` brings its own.
        unsure_miss: with the goals `fpir` and `conformal`, a query is called new only where at most this share of
            mated searches lies lower, 0 to below 1; what is left below the threshold is unsure.
        same: columns in which a candidate had to agree with the query; kept for the searches to come.
        groups: what a column says of each query, when each of its values gets a line of its own, as
            far as their scores differ; a query of no known group gets the line of all.
        seed: of the bootstrap.
        n_resamples: bootstrap draws.
        fitted_on: fingerprint of the photos and labels.

    Raises:
        NotFittedError: when there is no mated or no non-mated search to fit on, or too few
            individuals for the goal `conformal`.
        MismatchError: when the two kinds are of another scale or model.
        InputError: when identities or groups are missing, or candidates are not distinct individuals.
        ConfigError: when a share is out of range, or the goal `conformal` meets groups.
    """
    _check_shares(share_new, unsure_miss, n_resamples)
    non_mated.require_same_scale(mated.scale, mated.model)
    known = _searches(mated, mated_identities, "mated")
    strangers = _searches(non_mated, non_mated_identities, "non-mated")
    _check_enough(known, strangers)
    share_new = goal.value if goal.name == "share-new" and goal.value is not None else share_new
    lines = _drawn(Wish(goal, share_new, unsure_miss, seed), known, strangers, groups)
    fpir, fnir = _rates(known, strangers, lines, n_resamples, seed)
    return OperatingPoint(
        **_where(lines, groups),
        **_choice(known, strangers, share_new),
        **_rests_on(known, strangers),
        n_photos=n_photos,
        goal=str(goal),
        share_new=share_new,
        fpir=fpir,
        fnir=fnir,
        fitted_on=fitted_on,
        notes=_notes(goal, fpir, fnir, _share_called_new(known, strangers, lines, share_new)),
        same=tuple(same),
    )


def _drawn(wish: Wish, known: Searches, strangers: Searches, groups: Groups | None) -> Lines:
    if groups is None:
        return one_line(wish, known, strangers)
    for kind, values, searches in (("mated", groups.mated, known), ("non-mated", groups.non_mated, strangers)):
        if values.shape != (len(searches.matches),):
            raise InputError(
                f"expected one '{groups.column}' per {kind} search, found {values.shape} for "
                f"{len(searches.matches)} searches"
            )
    return line_per_group(wish, known, strangers, groups)


def _rates(
    known: Searches, strangers: Searches, lines: Lines, n_resamples: int, seed: int
) -> tuple[Estimate, Estimate]:
    """FPIR, as of lines that are set anew for the same rate, and FNIR."""
    missed = (known.mate_places != 0) | (known.best < lines.of_mated)
    return (
        fresh_fpir(strangers.best, strangers.individuals, lines.of_non_mated, lines.refit, n_resamples, seed),
        share_of(missed, known.individuals, n_resamples, seed),
    )


def _where(lines: Lines, groups: Groups | None) -> dict[str, Any]:
    """Where the lines stand."""
    of_groups = {} if groups is None else {"group_column": groups.column, "group_thresholds": lines.of_groups}
    return {"threshold": lines.threshold, "new_below": lines.new_below, **of_groups}


def _rests_on(known: Searches, strangers: Searches) -> dict[str, Any]:
    """What the scores mean, and how many searches there were."""
    mated = known.matches
    names = {"scale": mated.scale, "model": mated.model, "n_gallery": mated.n_gallery}
    return {**names, "n_mated": len(mated), "n_non_mated": len(strangers.matches)}


def _choice(known: Searches, strangers: Searches, share_new: float) -> dict[str, Any]:
    """The probabilities' parameters, from the searches that found anything."""
    n_weighed = max(1, min(likelihood.N_WEIGHED, known.matches.n_gallery - 1, known.matches.k, strangers.matches.k))
    found, met = np.isfinite(known.best), np.isfinite(strangers.best)
    places = np.where(known.mate_places < 0, n_weighed, known.mate_places)
    choice = likelihood.fit(
        known.matches.scores[found, :n_weighed].astype(np.float64),
        places[found],
        strangers.matches.scores[met, :n_weighed].astype(np.float64),
        share_new,
        known.n_individuals,
    )
    return {**asdict(choice), "n_weighed": n_weighed}


def _searches(matches: Matches, identities: npt.ArrayLike, kind: str) -> Searches:
    names = np.asarray(identities).astype(np.str_)
    if names.shape != (len(matches),):
        raise InputError(f"expected one identity per {kind} search, found {names.shape} for {len(matches)} searches")
    if (names == "").any():
        raise InputError(f"expected a name for each {kind} search, found none in row {int(np.argmax(names == ''))}")
    if not matches.distinct:
        raise InputError(f"expected each individual once per {kind} search, found photos: search with distinct=True")
    is_mate = matches.identities == names[:, None]
    if kind == "non-mated" and is_mate.any():
        row = int(np.argmax(is_mate.any(axis=1)))
        raise InputError(f"expected no {kind} search to meet its own individual, found '{names[row]}' in row {row}")
    individuals = np.unique(names, return_inverse=True)[1].reshape(-1)
    return Searches(matches, individuals, _mate_places(matches, is_mate), matches.scores, matches.best_scores)


def _mate_places(matches: Matches, is_mate: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """(Q,): the zero-based place of the mate, behind all that tie with it; −1 where it is not among the candidates."""
    mate_scores = np.where(is_mate, matches.scores, -np.inf).max(axis=1, initial=-np.inf)
    ahead = matches.present & ~is_mate & (matches.scores >= mate_scores[:, None])
    return np.where(is_mate.any(axis=1), ahead.sum(axis=1), -1)


def _check_shares(share_new: float, unsure_miss: float, n_resamples: int) -> None:
    if not 0 < share_new < 1:
        raise ConfigError(f"expected share_new above 0 and below 1, found {share_new}", key="share_new")
    if not 0 <= unsure_miss < 1:
        raise ConfigError(f"expected unsure_miss from 0 to below 1, found {unsure_miss}", key="unsure_miss")
    if n_resamples < 1:
        raise ConfigError(f"expected n_resamples of at least 1, found {n_resamples}", key="n_resamples")


def _check_enough(known: Searches, strangers: Searches) -> None:
    if not np.isfinite(strangers.best).any():
        raise NotFittedError(
            "expected at least two labelled individuals that can be compared with each other, found fewer: nothing "
            "shows what a stranger scores; label a second individual, then calibrate again"
        )
    if not np.isfinite(known.best).any():
        raise NotFittedError(
            "expected an individual with photos from two encounters, found none: nothing shows what two photos of "
            "one individual score; add photos of known individuals from another encounter, then calibrate again"
        )


def _share_called_new(known: Searches, strangers: Searches, lines: Lines, share_new: float) -> float:
    called = (known.best < lines.of_mated).mean() * (1 - share_new)
    return float(called + (strangers.best < lines.of_non_mated).mean() * share_new)


def _notes(goal: Goal, fpir: Estimate, fnir: Estimate, called_new: float) -> tuple[str, ...]:
    """What the user should know before trusting the line."""
    notes = []
    if goal.name == "conformal" and goal.value is not None and fpir.high > _FAR * goal.value:
        notes.append(
            f"FPIR {goal.value:g} is promised on average over galleries of {fpir.n} individuals; with this one, it "
            f"may reach {fpir.high:.2g} among fresh strangers."
        )
    if goal.name == "fpir" and goal.value is not None and fpir.high > _FAR * goal.value:
        notes.append(
            f"{fpir.n} individuals cannot promise FPIR {goal.value:g}: among fresh strangers it may reach "
            f"{fpir.high:.2g}; label more individuals or ask for a higher rate."
        )
    if fnir.value > _HOPELESS:
        notes.append(
            f"Of the photos of known individuals {fnir.value:.0%} would not be given their name: this model hardly "
            "tells these individuals apart, so go by the list of candidates."
        )
    if fpir.n < _FEW_INDIVIDUALS:
        notes.append(
            f"With fewer than {_FEW_INDIVIDUALS} individuals the interval is itself a rough guess: label more of them."
        )
    if goal.name == "share-new" and goal.value is not None and abs(called_new - goal.value) > _SHARE_OFF:
        notes.append(
            f"No threshold calls a share of {goal.value:g} new, since many scores are equal: the nearest share is "
            f"{called_new:.2g}."
        )
    return tuple(notes)
