"""A catalogue judged by its own labelled photos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from resight.config import RerankRecipe
from resight.core import Catalogue, Embeddings, Estimate, Verdict
from resight.decide import Goal, decide, predictions, probabilities
from resight.errors import InputError, UnknownNameError
from resight.evaluate import (
    NEW,
    Searches,
    Stated,
    auroc,
    average_precision_with_new,
    bootstrap,
    bootstrap_mean,
    expected_calibration_error,
    fnir_at_fpir,
    oscr,
    per_individual,
)
from resight.pipeline.bundles import model_of
from resight.pipeline.fused_gallery import SCALE
from resight.pipeline.gallery import encounter_notes, labelled_gallery, require_columns
from resight.pipeline.methods import Method, PlainMethod
from resight.pipeline.reranking import reranked_method
from resight.pipeline.trials import PROTOCOLS, Setting, Trial
from resight.pipeline.unseen import unseen_notes, unseen_photos
from resight.search.gallery import SCALE as PLAIN_SCALE
from resight.store import CatalogueStore

_RATES = (0.01, 0.05, 0.1)
_STATED = (
    "How often the first candidate of a query was its individual, over the probability that an operating point stated "
    "for it; that point was fitted without the query."
)
_MEANS = {
    "top-1": "the right individual stands first",
    "top-5": "it stands among the first five",
    "MAP@5": "1 / its place, if among the first five",
    "AUROC": "a known individual scores above a stranger",
    "OSCR": "and is rightly named besides",
    "FPIR": "strangers called by a known name",
    "FNIR": "known individuals not given their name",
    "share unsure": "queries left to a person",
    "MAP@5 with new": "five labels with 'new' among them; unsure is taken as new",
    "BAKS": "known individuals named rightly, each counting the same; unsure is taken as new",
    "BAUS": "strangers called new, each counting the same; unsure is taken as new",
    "ECE": "how far stated probabilities lie from what happened",
}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a protocol found.

    Args:
        protocol: its name.
        n_photos: labelled photos with a vector.
        n_identities: individuals on them.
        measures: name to figure, with an interval over individuals.
        searches: what the measures rest on, pooled over the repeats.
        model: fingerprint of the model.
        notes: sentences for the user.
        scale: what a score of the searches means.
        stated: probabilities that were stated, and whether it was so; None where none was.
    """

    protocol: str
    n_photos: int
    n_identities: int
    measures: dict[str, Estimate]
    searches: Searches
    model: str
    notes: tuple[str, ...]
    scale: str
    stated: Stated | None

    def __str__(self) -> str:
        """What was done, and a line per measure that the searches can tell."""
        lines = [
            f"protocol {self.protocol}: {self.n_photos} photos of {self.n_identities} individuals,",
            f"{self.searches.n_mated} mated and {self.searches.n_non_mated} non-mated searches",
        ]
        shown = [(name, one) for name, one in self.measures.items() if not math.isnan(one.value)]
        return "\n".join(
            [*lines, *(f"{name:<18} {estimate}  {_MEANS.get(name, '')}".rstrip() for name, estimate in shown)]
        )

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        return {
            "protocol": self.protocol,
            "model": self.model,
            "n_photos": self.n_photos,
            "n_identities": self.n_identities,
            "n_mated": self.searches.n_mated,
            "n_non_mated": self.searches.n_non_mated,
            "measures": {name: estimate.to_json() for name, estimate in self.measures.items()},
            "notes": list(self.notes),
        }


def evaluate_catalogue(
    folder: str | Path,
    protocol: str = "other-encounters",
    *,
    goal: str = "fpir=0.01",
    same: Sequence[str] = (),
    per: str | None = None,
    share_new: float | None = None,
    column: str = "split",
    gallery: str = "train",
    queries: str = "test",
    share_strangers: float = 0.5,
    n_repeats: int = 10,
    model: str | Path | None = None,
    rerank: RerankRecipe | None = None,
    distractors: str | Path | None = None,
    seed: int = 0,
) -> Evaluation:
    """Judge a catalogue by its own labelled photos.

    Protocols: "other-encounters" (every photo asks the gallery without its own encounter, and as a
    stranger without its individual), "split" (the photos of one part of a column ask another part),
    "open-set" (individuals left out of the gallery as strangers, one encounter of each other one
    held out; drawn `n_repeats` times, each time calibrated anew on the gallery alone).

    Args:
        folder: the catalogue.
        protocol: name of the protocol.
        goal: of the operating points that are fitted on the gallery.
        same: columns in which a candidate must agree with the query (side, species).
        per: column whose values get a threshold each.
        share_new: share of new individuals that the probabilities assume; None takes that of the queries.
        column: column that splits the catalogue.
        gallery: its value for the photos that answer.
        queries: its value for the photos that ask.
        share_strangers: share of the individuals that are left out of the gallery.
        n_repeats: how many such splits are drawn.
        model: bundle, by name or path; default: the catalogue's own.
        rerank: recipe of what is weighed beside the embedding; None for nothing.
        distractors: folder of photos of nobody in the catalogue, for the recipe.
        seed: of every draw and of the intervals.

    Raises:
        UnknownNameError: when there is no such protocol, column or part.
        InputError: when nothing is labelled, or no individual was met twice.
        NotFittedError: when too few individuals were met twice for the recipe to be fitted.
    """
    if n_repeats < 1:
        raise InputError(f"expected n_repeats of at least 1, found {n_repeats}")
    setting = Setting(
        Goal.parse(goal), tuple(same), share_new, column, gallery, queries, share_strangers, n_repeats, seed, per
    )
    store, catalogue, embeddings = judged_gallery(folder, model, protocol, setting)
    unseen = unseen_photos(store, catalogue, embeddings.model)
    method: Method = PlainMethod(catalogue, embeddings, unseen)
    if rerank is not None:
        method = reranked_method(store, catalogue, embeddings, rerank, distractors, unseen)
    trials = list(PROTOCOLS[protocol](method, setting))
    found = summed_up(protocol, catalogue, embeddings.model, trials, seed, PLAIN_SCALE if rerank is None else SCALE)
    return replace(found, notes=(*found.notes, *unseen_notes(store, unseen, embeddings.model)))


def judged_gallery(
    folder: str | Path, model: str | Path | None, protocol: str, setting: Setting
) -> tuple[CatalogueStore, Catalogue, Embeddings]:
    """A catalogue that a protocol is to judge: its store, its labelled photos and their vectors.

    Raises:
        UnknownNameError: when there is no such protocol, or a column of the setting is not there.
        InputError: when nothing is labelled.
    """
    if protocol not in PROTOCOLS:
        raise UnknownNameError("protocol", protocol, PROTOCOLS)
    store = CatalogueStore.open(folder)
    catalogue, embeddings = labelled_gallery(store, model_of(store, model))
    require_columns(catalogue, [*setting.same, *([] if setting.per is None else [setting.per])])
    return store, catalogue, embeddings


def summed_up(
    protocol: str, catalogue: Catalogue, model: str, trials: Sequence[Trial], seed: int, scale: str = PLAIN_SCALE
) -> Evaluation:
    """The measures over all searches of some trials.

    Args:
        protocol: name of what was done.
        catalogue: the labelled photos that took part.
        model: fingerprint of the model that made their vectors.
        trials: the searches.
        seed: of the intervals.
        scale: what a score of the searches means.
    """
    searches = Searches.pooled([trial.searches for trial in trials])
    tables = [_judged(trial, number) for number, trial in enumerate(trials) if trial.point is not None]
    judged = pl.concat(tables) if tables else None
    stated = _stated(trials, judged)
    measures = {**_closed(searches, seed), **_open(searches, seed)}
    if judged is not None:
        measures |= _decided(judged, seed)
    if stated is not None:
        measures["ECE"] = _calibration_error(stated, seed)
    notes = dict.fromkeys([*encounter_notes(catalogue), *(note for trial in trials for note in trial.notes)])
    n_photos, n_identities = len(catalogue), catalogue.n_identities
    return Evaluation(protocol, n_photos, n_identities, measures, searches, model, tuple(notes), scale, stated)


def _closed(searches: Searches, seed: int) -> dict[str, Estimate]:
    """How high the right individual stands, over the mated searches."""
    ranks, names = searches.mate_ranks, searches.mated_individuals
    reciprocal = np.where(ranks <= 5, 1 / ranks, 0.0)
    return {
        "top-1": bootstrap_mean(ranks <= 1, names, seed=seed),
        "top-5": bootstrap_mean(ranks <= 5, names, seed=seed),
        "MAP@5": bootstrap_mean(reciprocal, names, seed=seed),
    }


def _open(searches: Searches, seed: int) -> dict[str, Estimate]:
    """How well known individuals and strangers come apart, whatever the threshold."""
    if not searches.n_mated or not searches.n_non_mated:
        return {}
    groups = np.concatenate([searches.mated_individuals, searches.non_mated_individuals])

    def over(statistic: Any) -> Estimate:
        return bootstrap(lambda rows: statistic(searches.select(rows)), groups, n_resamples=200, seed=seed)

    measures = {
        "AUROC": over(lambda some: auroc(some.best_scores, some.non_mated_best)),
        "OSCR": over(lambda some: oscr(some.best_scores, some.correct, some.non_mated_best)),
    }
    for rate in _RATES:
        measures[f"FNIR at FPIR {rate:g}"] = over(lambda some, rate=rate: fnir_at_fpir(some, rate).value)
    return measures


def _decided(judged: pl.DataFrame, seed: int) -> dict[str, Estimate]:
    """What the operating points make of it: each was fitted on its own gallery alone."""
    names = judged["individual"].to_numpy().astype(np.str_)
    measures = {
        name: bootstrap_mean(judged[name].to_numpy(), names, seed=seed)
        for name in ("FPIR", "FNIR", "share unsure", "MAP@5 with new")
    }
    rates = per_individual(
        names, judged["answer"].to_list(), judged["mated"].to_numpy(), datasets=judged["trial"].to_list()
    )
    measures["BAKS"] = bootstrap_mean(rates.rates[rates.known], rates.individuals[rates.known], seed=seed)
    measures["BAUS"] = bootstrap_mean(rates.rates[~rates.known], rates.individuals[~rates.known], seed=seed)
    return measures


def _stated(trials: Sequence[Trial], judged: pl.DataFrame | None) -> Stated | None:
    """What operating points stated of queries; where none judged, what was stated of the gallery's own pairs."""
    if judged is None:
        stated = Stated.pooled([trial.stated for trial in trials if trial.stated is not None])
    else:
        probabilities, right, names = (judged[name].to_numpy() for name in ("stated", "right", "individual"))
        stated = Stated(probabilities, right, names, _STATED)
    return stated if len(stated) else None


def _calibration_error(stated: Stated, seed: int) -> Estimate:
    return bootstrap(
        lambda rows: expected_calibration_error(stated.probabilities[rows], stated.right[rows]),
        stated.individuals,
        n_resamples=200,
        seed=seed,
    )


def _judged(trial: Trial, number: int) -> pl.DataFrame:
    """One row per query; NaN where a measure does not speak of the query."""
    if trial.point is None or trial.matches is None or trial.truth is None or trial.mated is None:
        raise InputError("expected a trial with an operating point, found one without")
    decisions = decide(trial.matches, trial.point, trial.groups)
    known = np.array([decision.verdict is Verdict.KNOWN for decision in decisions])
    first = np.zeros(len(decisions), dtype=bool)
    first[trial.mated] = trial.searches.correct
    said = predictions(trial.matches, trial.point, k=1, new_label=NEW, groups=trial.groups)
    labels = [labels[0] for labels in said]
    thresholds, _ = trial.point.lines(trial.groups, len(decisions))
    tied = trial.mated & ~first & (trial.matches.best_identities == trial.truth)
    precision = average_precision_with_new(trial.matches, trial.truth, trial.mated, thresholds)
    return pl.DataFrame(
        {
            "trial": [str(number)] * len(decisions),
            "individual": trial.truth,
            "mated": trial.mated,
            "FPIR": np.where(trial.mated, np.nan, known),
            "FNIR": np.where(trial.mated, ~known | ~first, np.nan),
            "share unsure": [float(decision.verdict is Verdict.UNSURE) for decision in decisions],
            "MAP@5 with new": precision,
            "answer": np.where(tied & (np.array(labels) != NEW), "a tie", labels),
            "stated": probabilities(trial.matches, trial.point)[0][:, 0],
            "right": first,
        }
    )
