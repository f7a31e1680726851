"""The measures of `resight score`: what each makes of a truth and a prediction file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Estimate
from resight.core.photo_pairs import REAL
from resight.errors import InputError, nearest
from resight.evaluate import balanced, clustering, landmarks, verification
from resight.evaluate.answer_files import Answers, TextColumn
from resight.evaluate.bootstrap import bootstrap, bootstrap_mean, individual_codes
from resight.evaluate.identification import NEW, average_precision_at_k
from resight.evaluate.thresholds import share

NEW_TOKENS = (NEW, "new_whale")
"""The labels that say "none of them" in the contests' files."""

MAX_LABELS = 5
"""How many labels the contests' files may hold per query."""

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Score:
    """What a measure says of a prediction file.

    Args:
        metric: its name.
        estimate: the figure, its interval, and how many units were resampled for it.
        n: rows that were scored.
        unit: what was resampled ("individuals", "landmarks", "pairs").
        variants: other readings of the measure and its parts; NaN where there is nothing to take one of.

    Example:
        >>> Score("accuracy", Estimate(0.5, 0.0, 1.0, n=2), n=4, unit="individuals").to_json()["accuracy"]
        0.5
    """

    metric: str
    estimate: Estimate
    n: int
    unit: str
    variants: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """The figure, its interval and what it rests on, in a line."""
        return f"{self.metric} {self.estimate} ({self.n} rows, {self.estimate.n} {self.unit})"

    def to_json(self) -> dict[str, Any]:
        """A mapping that strict JSON can hold: the metric's name first, NaN and infinity as null."""
        return {
            self.metric: _finite(self.estimate.value),
            "interval": [_finite(self.estimate.low), _finite(self.estimate.high)],
            "level": self.estimate.level,
            "n": self.n,
            f"n_{self.unit}": self.estimate.n,
            "variants": {name: _finite(value) for name, value in self.variants.items()},
        }


@dataclass(frozen=True)
class Resampling:
    """How intervals are made: the options of `bootstrap`."""

    n_resamples: int = 1000
    seed: int = 0
    level: float = 0.95

    def options(self) -> dict[str, Any]:
        """They as keyword arguments."""
        return {"n_resamples": self.n_resamples, "seed": self.seed, "level": self.level}


def score_map(metric: str, answers: Answers, resampling: Resampling) -> Score:
    """MAP@k of lists of labels, best first, with blanks between.

    A list may hold five labels, or k when that is more: the files of the contests hold no more, and a
    longer one was made for something else. Those beyond k do not count; a repeated one counts once.
    """
    k = int(metric.removeprefix("map@"))
    predictions = [cell.split() for cell in answers.predictions.values.tolist()]
    n_allowed = max(k, MAX_LABELS)
    too_long = np.array([len(labels) > n_allowed for labels in predictions])
    answers.predictions.refuse(too_long, f"at most {n_allowed} labels with blanks between")
    asked = _asked(answers, [label for labels in predictions for label in labels])
    values = average_precision_at_k(asked.labels, predictions, k)
    firsts = {} if k == 1 else {"map@1": share(average_precision_at_k(asked.labels, predictions, 1))}
    estimate = bootstrap_mean(values, asked.groups, **resampling.options())
    return Score(metric, estimate, len(answers), "individuals", {**firsts, **_parts(values, asked)})


def score_accuracy(metric: str, answers: Answers, resampling: Resampling) -> Score:
    """The share of photos whose label is right; a stranger's is the "new" token."""
    asked = _asked(answers, answers.predictions.values.tolist())
    right = (np.array(asked.labels) == answers.predictions.values).astype(np.float64)
    estimate = bootstrap_mean(right, asked.groups, **resampling.options())
    return Score(metric, estimate, len(answers), "individuals", _parts(right, asked))


def score_baks_baus(metric: str, answers: Answers, resampling: Resampling) -> Score:
    """√(BAKS · BAUS), the mean over the data sets where the truth has a column `dataset`.

    Known and unknown individuals of each data set are resampled apart.
    """
    asked = _asked(answers, answers.predictions.values.tolist())
    sets = answers.further.get("dataset")
    table = balanced.per_individual(
        answers.truth.values,
        answers.predictions.values,
        asked.known,
        datasets=sets.values if sets else None,
        new=asked.new,
    )
    estimate = bootstrap(
        lambda rows: balanced.mean_of_roots(table.rates[rows], table.known[rows], table.datasets[rows]),
        np.arange(len(table.rates)),
        strata=np.unique(table.datasets, return_inverse=True)[1] * 2 + table.known,
        **resampling.options(),
    )
    variants = {"baks": share(table.rates[table.known]), "baus": share(table.rates[~table.known])}
    for place in np.unique(table.datasets) if sets else ():
        here = table.datasets == place
        variants[f"baks:{place}"] = share(table.rates[here & table.known])
        variants[f"baus:{place}"] = share(table.rates[here & ~table.known])
    return Score(metric, estimate, len(answers), "individuals", variants)


def score_gap(metric: str, answers: Answers, resampling: Resampling) -> Score:
    """GAP of `"<label> <score>"` cells, empty for no prediction; resampled by landmark.

    A photo that shows no landmark is resampled on its own.
    """
    labels, scores = _labels_and_scores(answers.predictions)
    ids, truth = answers.ids, answers.truth.values
    surest = landmarks.ranked(ids, truth, labels, scores, ties_against=False)
    rest = np.setdiff1d(np.arange(len(ids)), surest)
    order = np.concatenate([surest, rest])  # rows of a resample rise, and so stay sorted by score
    right, shows = (truth == labels)[order], (truth != "")[order]
    estimate = bootstrap(
        lambda rows: landmarks.gap_of_ranked(right[rows[rows < len(surest)]], int(shows[rows].sum())),
        individual_codes(truth[order].tolist()),
        **resampling.options(),
    )
    estimate = replace(estimate, n=len(np.unique(truth[truth != ""])))  # those without one are no landmarks
    variants = {
        "landmarks_only": landmarks.gap(ids, truth, labels, scores, landmarks_only=True),
        "ties_against": landmarks.gap(ids, truth, labels, scores, ties_against=True),
    }
    return Score(metric, estimate, len(answers), "landmarks", variants)


def score_eer(metric: str, answers: Answers, resampling: Resampling) -> Score:
    """EER of one similarity per pair; genuine and impostor pairs are resampled apart.

    Where the truth has a column `is_synthetic` (yes or no) or `kind` ("real", or what was forged), it
    marks the impostor pairs that show a made photo: `eer_real` is of all genuine pairs against the
    unmarked, `eer_fake` against the marked, and `eer:<kind>` against each of several kinds. The mark of
    a genuine pair is not looked at.
    """
    answers.truth.refuse(~np.isin(answers.truth.values, ("0", "1")), "1 for one individual or 0 for two")
    is_genuine = answers.truth.values == "1"
    if is_genuine.all() or not is_genuine.any():
        only = "1" if is_genuine.any() else "0"
        raise InputError(f"expected pairs with the labels 0 and 1, found only {only} in {answers.truth.path}")
    scores = _numbers(answers.predictions)
    genuine, impostor = scores[is_genuine], scores[~is_genuine]
    estimate = bootstrap(
        _eer_of_rows(scores, is_genuine), np.arange(len(scores)), strata=is_genuine, **resampling.options()
    )
    variants = {name: verification.eer(genuine, impostor, name) for name in verification.EER_VARIANTS}
    for name, which in _forged(answers, is_genuine).items():
        variants[name] = verification.eer(genuine, scores[which])
    return Score(metric, estimate, len(answers), "pairs", variants)


def score_ari(metric: str, answers: Answers, resampling: Resampling) -> Score:
    """Adjusted Rand index of clusters. Every label is a cluster; strangers without a name are refused."""
    unnamed = np.isin(answers.truth.values, NEW_TOKENS)
    answers.truth.refuse(unnamed, "the name of an individual (strangers without one are not one individual)")
    found = clustering.cluster_scores(answers.truth.values, answers.predictions.values)
    _, first, individuals = np.unique(answers.truth.values, return_index=True, return_inverse=True)
    counts = clustering.PairCounts.of(answers.truth.values, answers.predictions.values)

    def ari_of(rows: Codes) -> float:
        return counts.adjusted_rand(np.bincount(rows, minlength=len(answers))[first])

    estimate = bootstrap(ari_of, individuals, **resampling.options())
    variants = {"ami": found.ami, "n_individuals": found.n_individuals, "n_clusters": found.n_clusters}
    return Score(metric, estimate, len(answers), "individuals", variants)


@dataclass(frozen=True, eq=False)
class _Asked:
    """What each query of a file with individuals asks for.

    `labels` are the right answers, `new` for a stranger; `groups` are what is resampled.
    """

    labels: list[str]
    known: Bools
    groups: Codes
    new: str


def _asked(answers: Answers, given: list[str]) -> _Asked:
    """The right answers; strangers are marked by a "new" token, or named and marked by a column `known`."""
    names = answers.truth.values.tolist()
    new = _one_token(answers, set(names), set(given))
    known = np.array([name != new for name in names], dtype=bool)
    if "known" in answers.further:
        known &= answers.further["known"].yes_or_no()
    labels = [name if is_known else new for name, is_known in zip(names, known, strict=True)]
    return _Asked(labels, known, individual_codes(names, alone={new}), new)


def _one_token(answers: Answers, names: set[str], given: set[str]) -> str:
    """The token for strangers, which truth and prediction must share, for else every "new" would be wrong."""
    used = [token for token in NEW_TOKENS if token in names | given]
    if len(used) > 1:
        raise InputError(
            f"expected one token for new individuals, found '{used[0]}' and '{used[1]}' "
            f"in {answers.truth.path} and {answers.predictions.path}: write the same in both"
        )
    return used[0] if used else NEW


def _parts(values: Floats, asked: _Asked) -> dict[str, float]:
    return {"known": share(values[asked.known]), "new": share(values[~asked.known])}


def _labels_and_scores(column: TextColumn) -> tuple[Names, Floats]:
    expected = '"<label> <score>" with a finite score, or nothing'
    parts = [cell.split() for cell in column.values.tolist()]
    column.refuse(np.array([len(part) not in (0, 2) for part in parts]), expected)
    scores = np.array([_number(part[1]) if part else 0.0 for part in parts])
    column.refuse(~np.isfinite(scores), expected)
    return np.array([part[0] if part else "" for part in parts], dtype=np.str_), scores


def _numbers(column: TextColumn) -> Floats:
    numbers = np.array([_number(cell) for cell in column.values.tolist()])
    column.refuse(~np.isfinite(numbers), "a finite number")
    return numbers


def _number(text: str) -> float:
    """The number, NaN when it is none. Python alone would also read "1_000" and the digits of other scripts."""
    return float(text) if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text, re.ASCII) else math.nan


def _eer_of_rows(scores: Floats, is_genuine: Bools) -> Any:
    levels, place = np.unique(scores, return_inverse=True)

    def eer_of_rows(rows: Codes) -> float:
        chosen = is_genuine[rows]
        counts = (np.bincount(place[rows[which]], minlength=len(levels)) for which in (chosen, ~chosen))
        return verification.eer_of(verification.roc_of_counts(levels, *counts, drop_collinear=True), "sklearn")

    return eer_of_rows


def _forged(answers: Answers, is_genuine: Bools) -> dict[str, Bools]:
    """Which impostor pairs are real, which are not, and which are of each kind where there are several."""
    kinds = np.full(len(is_genuine), "", dtype=np.object_)
    if "is_synthetic" in answers.further:
        marks = answers.further["is_synthetic"].select(np.flatnonzero(~is_genuine)).yes_or_no()
        kinds[~is_genuine] = np.where(marks, "fake", REAL)
    elif "kind" in answers.further:
        told = answers.further["kind"].select(np.flatnonzero(~is_genuine))
        slips = np.array([not kind or (kind != REAL and _is_slip(kind)) for kind in told.values.tolist()], dtype=bool)
        told.refuse(slips, f"'{REAL}' or the kind of forgery")
        kinds[~is_genuine] = told.values
    else:
        return {}
    found = {"eer_real": kinds == REAL, "eer_fake": ~is_genuine & (kinds != REAL)}
    several = sorted({*kinds[~is_genuine].tolist()} - {REAL})
    return found | {f"eer:{kind}": kinds == kind for kind in several if len(several) > 1}


def _is_slip(kind: str) -> bool:
    """Whether a kind of forgery is rather the word "real", written otherwise."""
    return nearest(kind.lower(), [REAL]) is not None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
