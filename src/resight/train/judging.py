"""Which head is better: judged by what it never saw, in the way in which it will be used.

The individuals are dealt into folds. Those of one fold are strangers to a head. Of each individual of the next fold
one encounter is kept back, and asks. All other photos are learned from, and they are the gallery, as after
training the photos learned from will be: a head that pulls these together or apart more than new ones is found
out. It is judged by the open-set classification rate: the chance that the right individual stands first, with a
score above that of a stranger (Dhamija et al., 2018).

Whoever takes the best of many figures takes a lucky one. So the figure of the choice is another: each
fold is judged by the head that is best for all individuals but those who ask in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Estimate
from resight.errors import NotFittedError
from resight.evaluate import Searches, bootstrap_mean
from resight.pipeline.self_search import N_CANDIDATES, drawn_rows, has_mate, who_may_answer
from resight.search import choose
from resight.train.examples import Examples

__all__ = ["NONE", "Chosen", "Fold", "Judged", "Verdicts", "choose_head", "deal", "json_of", "judge"]

NONE = "none"
"""The name of no head at all: the vectors as they are."""

MEASURES = ("OSCR", "top-1", "AUROC")

MIN_INDIVIDUALS = 4
"""Individuals met again that are needed to judge: two that ask, and two that are strangers."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Judged:
    """What the M mated queries of some photos found.

    Args:
        individuals: (M,) who is on each.
        values: by measure, (M,) in 0..1; its mean is the measure.
    """

    individuals: npt.NDArray[np.str_]
    values: Mapping[str, Floats]

    @classmethod
    def pooled(cls, parts: Iterable[Judged]) -> Judged:
        """All queries of several parts."""
        every = list(parts)
        values = {name: np.concatenate([part.values[name] for part in every]) for name in MEASURES}
        return cls(np.concatenate([part.individuals for part in every]), values)

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> Judged:
        """What `to_json` gave, to the last bit."""
        values = {name: np.array(of, np.float64) for name, of in found["values"].items()}
        return cls(np.array(found["individuals"], np.str_), values)

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        values = {name: of.tolist() for name, of in self.values.items()}
        return {"individuals": self.individuals.tolist(), "values": values}

    def estimate(self, measure: str, *, over: Judged | None = None, seed: int = 0) -> Estimate:
        """A measure, or what it is higher than that of the same queries of another head, over individuals."""
        base = 0.0 if over is None else over.values[measure]
        return bootstrap_mean(self.values[measure] - base, self.individuals, seed=seed)


@dataclass(frozen=True, eq=False)
class Fold:
    """Who learns and who asks; no photo does both.

    Args:
        learn: (N,) photos to learn from, which then are the gallery.
        known: (N,) photos of encounters that were kept back, of individuals that are learned from.
        strangers: (N,) all photos of individuals that are not.
    """

    learn: Bools
    known: Bools
    strangers: Bools


def judge(examples: Examples, fold: Fold, *, n_searches: int = 1000, seed: int = 0) -> Judged:
    """What the photos kept back find in the gallery, beside what strangers find there.

    A known photo that no photo of the gallery may answer for (of another side, say) does not count.

    Args:
        examples: all photos, with the vectors that a head gives them.
        fold: who asks whom.
        n_searches: known photos, and as many strangers, that ask at most.
        seed: of their draw.
    """
    parts = [np.flatnonzero(rows) for rows in (fold.known, fold.strangers)]
    rows = np.concatenate([part[drawn_rows(len(part), n_searches, seed)] for part in parts])
    asking, gallery = examples.select(rows), examples.select(fold.learn)
    rule = who_may_answer(asking.catalogue, gallery.catalogue, same=examples.same)
    mated = has_mate(asking.catalogue, gallery.catalogue, rule)
    counts = np.flatnonzero(mated | fold.strangers[rows])
    searcher, _ = choose(gallery.embeddings, gallery.catalogue.column("identity").astype(np.str_))
    matches = searcher.search(asking.embeddings.select(counts), N_CANDIDATES, rule.select(counts))
    found = Searches.of(matches, asking.catalogue.column("identity")[counts], mated[counts])
    strangers = np.sort(found.non_mated_best)
    best = found.best_scores
    below = np.searchsorted(strangers, best, side="left") / max(len(strangers), 1)
    tied = np.searchsorted(strangers, best, side="right") / max(len(strangers), 1) - below
    right = found.correct.astype(np.float64)
    return Judged(found.mated_individuals, {"OSCR": right * below, "top-1": right, "AUROC": below + tied / 2})


def deal(examples: Examples, n_folds: int, n_repeats: int, seed: int) -> list[Fold]:
    """The folds, repeat after repeat: in each repeat every individual is a stranger once, and asks once.

    Individuals that were met again are dealt first, then the others, so that every fold can be asked. Generated photos
    of a person that were set apart lie in one fold with the person.

    Raises:
        NotFittedError: when fewer than four individuals were met again.
    """
    again, persons = examples.met_again, examples.persons
    persons_again = np.zeros(persons.max() + 1, bool)
    persons_again[persons[again]] = True
    n_again = int(persons_again.sum())
    if n_again < MIN_INDIVIDUALS:
        raise NotFittedError(
            f"expected at least {MIN_INDIVIDUALS} individuals that were met in two encounters, to judge by "
            f"what it never saw, found {n_again}: label more, or state encounters"
        )
    n_parts = min(n_folds, n_again // 2)
    rng = np.random.default_rng(seed)
    folds = []
    for _ in range(n_repeats):
        groups = (np.flatnonzero(persons_again), np.flatnonzero(~persons_again))
        order = np.concatenate([rng.permutation(group) for group in groups])
        part_of = np.empty(len(order), np.int64)
        part_of[order] = np.arange(len(order)) % n_parts
        kept_back = _an_encounter_of_each(examples, rng) & again[examples.individuals]
        parts = part_of[persons[examples.individuals]]
        for part in range(n_parts):
            strangers, known = parts == part, (parts == (part + 1) % n_parts) & kept_back
            folds.append(Fold(~strangers & ~known, known, strangers))
    return folds


def _an_encounter_of_each(examples: Examples, rng: np.random.Generator) -> Bools:
    """(N,) the photos of one encounter of each individual, drawn."""
    drawn = rng.permutation(examples.encounters.max() + 1)[examples.encounters]
    least = np.full(examples.individuals.max() + 1, len(drawn), np.int64)
    np.minimum.at(least, examples.individuals, drawn)
    return np.asarray(drawn == least[examples.individuals])


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What each head was worth on each fold; one of them is no head.

    Args:
        by_head: name of the head to what it found, fold by fold; all were asked by the same photos.
    """

    by_head: Mapping[str, list[Judged]]

    def mean(self, name: str, without: npt.NDArray[np.str_] | None = None) -> float:
        """The open-set classification rate of a head over all folds, some individuals left out."""
        found = self.pooled(name)
        counts = np.ones(len(found.individuals), bool) if without is None else ~np.isin(found.individuals, without)
        return float(found.values["OSCR"][counts].mean()) if counts.any() else 0.0

    def best(self, without: npt.NDArray[np.str_] | None = None) -> str:
        """The head with the highest rate, some individuals left out; of equal ones the first."""
        heads = [name for name in self.by_head if name != NONE] or [NONE]
        return max(heads, key=lambda name: self.mean(name, without))

    def pooled(self, name: str) -> Judged:
        """What a head found on all folds."""
        return Judged.pooled(self.by_head[name])

    def of_the_choice(self) -> Judged:
        """What was found when each fold is judged by the head that is best for all but those who ask in it."""
        return Judged.pooled(
            self.by_head[self.best(asked.individuals)][fold] for fold, asked in enumerate(self.by_head[NONE])
        )


@dataclass(frozen=True, eq=False)
class Chosen:
    """The head that was chosen, and why.

    Args:
        name: of the best head, or `NONE`.
        is_better: whether the whole interval of its gain lies above 0.
        best: of the best head, chosen or not.
        gains: by measure, what the choice is worth above no head, on individuals that took no part in it.
        figures: by measure, the same without comparison.
        baseline: by measure, no head.
    """

    name: str
    is_better: bool
    best: str
    gains: Mapping[str, Estimate]
    figures: Mapping[str, Estimate]
    baseline: Mapping[str, Estimate]


def choose_head(verdicts: Verdicts, *, only_if_better: bool = True, seed: int = 0) -> Chosen:
    """The best head, if the way of choosing beats no head, by more than the interval.

    Args:
        verdicts: of all heads and of none.
        only_if_better: else the best one is taken in any case.
        seed: of the intervals.
    """
    choice, none, best = verdicts.of_the_choice(), verdicts.pooled(NONE), verdicts.best()
    gains = {name: choice.estimate(name, over=none, seed=seed) for name in MEASURES}
    is_better = gains["OSCR"].low > 0  # false for NaN too: with one individual nothing is known
    return Chosen(
        best if is_better or not only_if_better else NONE,
        is_better,
        best,
        gains,
        {name: choice.estimate(name, seed=seed) for name in MEASURES},
        {name: none.estimate(name, seed=seed) for name in MEASURES},
    )


def json_of(figures: Mapping[str, Estimate]) -> dict[str, dict[str, float | int | None]]:
    """Figures by measure as a mapping that JSON can hold."""
    return {name: one.to_json() for name, one in figures.items()}
