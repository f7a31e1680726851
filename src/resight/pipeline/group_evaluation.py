"""Grouping judged: labelled photos whose names are hidden, grouped, and compared with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Estimate
from resight.decide.head_count import counted_by_trials
from resight.errors import NotFittedError
from resight.pipeline.bundles import model_of
from resight.pipeline.fused_evidence import evidence_by
from resight.pipeline.gallery import encounter_notes, labelled_gallery, require_columns
from resight.pipeline.group_trials import PROBABILITIES, GroupRules, GroupTrial, enough_to_try, trials
from resight.store import CatalogueStore


@dataclass(frozen=True, eq=False)
class GroupingEvaluation:
    """How right grouping is on labelled photos whose names were hidden.

    Args:
        n_photos: labelled photos with a vector.
        n_identities: individuals on them.
        n_repeats: how often names were hidden.
        min_probability: the line, chosen by the other repeats of each, or given; the mean of them.
        measures: name to figure. Intervals run over the repeats, which draw from the same individuals.
        n_true: mean number of strangers: individuals all of whose names were hidden.
        model: fingerprint of the model.
        notes: sentences for the user.
    """

    n_photos: int
    n_identities: int
    n_repeats: int
    min_probability: float
    measures: dict[str, Estimate]
    n_true: float
    model: str
    notes: tuple[str, ...]

    def __str__(self) -> str:
        """What was done, and a line per measure."""
        head = [
            f"grouping: {self.n_photos} photos of {self.n_identities} individuals, names hidden {self.n_repeats} times",
            f"on average {self.n_true:.1f} individuals were strangers, with all their names hidden",
        ]
        return "\n".join([*head, *(f"{name:<34} {estimate}" for name, estimate in self.measures.items())])

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        plain = ("n_photos", "n_identities", "n_repeats", "min_probability", "n_true", "model")
        measures = {name: estimate.to_json() for name, estimate in self.measures.items()}
        return {**{name: getattr(self, name) for name in plain}, "measures": measures, "notes": list(self.notes)}


def evaluate_grouping(
    folder: str | Path,
    *,
    same: Sequence[str] = (),
    one_per_encounter: bool = False,
    min_probability: float | None = None,
    n_neighbours: int = 50,
    n_repeats: int = 12,
    model: str | Path | None = None,
    seed: int = 0,
    rerank: bool = False,
) -> GroupingEvaluation:
    """Judge grouping by the labelled photos of a catalogue.

    Names are hidden as `group_trials.trials` says: half of the individuals lose all of theirs. The line of each
    repeat and the correction of its number of individuals come from the other repeats. With `rerank`, pairs are
    judged by cross-fitting: the fusion that was kept has seen the hidden names, so it says nothing here.

    Args:
        folder: the catalogue.
        same: as for `group_catalogue`, as are the next three, `model` and `rerank`.
        one_per_encounter: whether each encounter shows one individual.
        min_probability: the line; None chooses it.
        n_neighbours: photos that each is compared with.
        n_repeats: how often names are hidden, at least 3.
        model: bundle, by name or path; default: the catalogue's own.
        seed: of the draws.
        rerank: weigh what the recipe of the last fit names, in place of the cosine alone.

    Raises:
        NotFittedError: when fewer than six individuals are labelled, or (`rerank`) nothing was fitted.
        UnknownNameError: when there is no such column.
        StoreError: when there is no catalogue.
    """
    store = CatalogueStore.open(folder)
    photos, embeddings = labelled_gallery(store, model_of(store, model))
    require_columns(photos, [*same, *(["encounter"] if one_per_encounter else [])])
    if not enough_to_try(photos):
        raise NotFittedError(
            f"expected six labelled individuals or more to judge grouping by, found {photos.n_identities}: label more"
        )
    evidence, made_by = evidence_by(store, embeddings, rerank)
    rules = GroupRules(tuple(same), one_per_encounter, n_neighbours, evidence=evidence)
    lines = PROBABILITIES if min_probability is None else (min_probability,)
    rows = list(trials(photos, embeddings, rules, lines, n_repeats=max(3, n_repeats), seed=seed))
    judged = [_chosen(rows, number) for number in range(len(rows))]
    line = float(np.mean([one.min_probability for one in judged]))
    n_true = float(np.mean([one.tally.n_strangers for one in judged]))
    parts = (len(photos), photos.n_identities, len(rows), line, _measures(rows, judged), n_true, made_by)
    return GroupingEvaluation(*parts, encounter_notes(photos))


def _measures(rows: Sequence[Sequence[GroupTrial]], judged: Sequence[GroupTrial]) -> dict[str, Estimate]:
    counts = [_count(rows, number) for number in range(len(rows))]
    truths = [one.tally.n_strangers for one in judged]
    held = [float(count.low <= n <= count.high) for count, n in zip(counts, truths, strict=True)]
    return {
        "ARI": _spread([one.ari for one in judged]),
        "AMI": _spread([one.ami for one in judged]),
        "photos where they belong": _spread([float(one.right.mean()) for one in judged]),
        "groups / strangers": _spread([one.tally.n_stranger_groups / one.tally.n_strangers for one in judged]),
        "estimated / true number": _spread([count.value / n for count, n in zip(counts, truths, strict=True)]),
        "interval width / true number": _spread(
            [(count.high - count.low) / n for count, n in zip(counts, truths, strict=True)]
        ),
        "share of intervals that hold": _spread(held),
    }


def _chosen(rows: Sequence[Sequence[GroupTrial]], number: int) -> GroupTrial:
    """The trial of a repeat at the line that is best in all other repeats."""
    others = [row for place, row in enumerate(rows) if place != number]
    means = [np.mean([row[line].ari for row in others]) for line in range(len(rows[0]))]
    return rows[number][int(np.argmax(means))]


def _count(rows: Sequence[Sequence[GroupTrial]], number: int) -> Estimate:
    """The number of strangers in a repeat, as the other repeats set it right."""
    one = _chosen(rows, number)
    place = [trial.min_probability for trial in rows[number]].index(one.min_probability)
    others = [row[place] for at, row in enumerate(rows) if at != number]
    tally = one.tally
    n_photos = tally.n_stranger_photos + tally.n_known_photos
    n_named = tally.n_strangers_named + tally.n_known_named
    n_groups = tally.n_stranger_groups + tally.n_known_groups
    return counted_by_trials(n_groups, n_photos, n_named, [other.tally for other in others])


def _spread(values: Sequence[float]) -> Estimate:
    numbers: npt.NDArray[np.float64] = np.array(values, dtype=np.float64)
    low, high = np.quantile(numbers, [0.025, 0.975])
    value = float(numbers.mean())
    return Estimate(value, min(float(low), value), max(float(high), value), n=len(numbers))
