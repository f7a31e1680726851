"""Ways to search: by the embedding alone, or by all that a recipe weighs. Evaluation and calibration take either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from resight.config import NaiveBayesOptions, RerankRecipe
from resight.core import Catalogue, Eligibility, Embeddings, Matches
from resight.errors import InputError
from resight.evaluate import Stated
from resight.pipeline.comparing import Comparer
from resight.pipeline.fused_gallery import FusedGallery
from resight.pipeline.gallery import require_columns
from resight.pipeline.scorers import Built, build_scorers, drawn_background
from resight.pipeline.self_search import (
    MAX_SEARCHES,
    N_CANDIDATES,
    SelfSearch,
    asking_rows,
    drawn_rows,
    self_search,
)
from resight.pipeline.sides import Side
from resight.pipeline.strangers import Strangers
from resight.search import choose
from resight.store import CatalogueStore

__all__ = [
    "Method",
    "PlainMethod",
    "Prepared",
    "RerankedMethod",
    "background_of",
    "unseen_of",
]

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Prepared(Protocol):
    """A method that has seen the gallery, and nothing else."""

    def self_search(self) -> SelfSearch:
        """The gallery asked by its own photos, each by what was learnt without its individual."""
        ...

    def search(self, ask: Rows, rule: Eligibility) -> Matches:
        """The best individuals for other photos of the catalogue, by a rule over these and the gallery."""
        ...

    def stated(self) -> Stated | None:
        """What was stated of the gallery's own pairs without knowing their individuals; None where nothing was."""
        ...


class Method(Protocol):
    """A way to search among the photos of one catalogue."""

    @property
    def catalogue(self) -> Catalogue:
        """Its labelled photos."""
        ...

    @property
    def embeddings(self) -> Embeddings:
        """Their vectors."""
        ...

    @property
    def unseen(self) -> Mask | None:
        """(N,) the photos that the model never learned; None when it learned none of them."""
        ...

    def prepare(self, answer: Rows, same: Sequence[str], seed: int) -> Prepared:
        """The method with some of the photos as its gallery."""
        ...


@dataclass(frozen=True, eq=False)
class PlainMethod:
    """Search by the embedding alone.

    Args:
        catalogue: labelled photos.
        embeddings: one vector per photo, in the same order.
        unseen: (N,) the photos that the model never learned; None when it learned none of them.
    """

    catalogue: Catalogue
    embeddings: Embeddings
    unseen: Mask | None = None

    def prepare(self, answer: Rows, same: Sequence[str], seed: int) -> Prepared:
        """The gallery of those rows; nothing is learnt."""
        return _Plain(self, answer, tuple(same), seed)


@dataclass(frozen=True, eq=False)
class _Plain:
    method: PlainMethod
    answer: Rows
    same: tuple[str, ...]
    seed: int

    def self_search(self) -> SelfSearch:
        gallery, vectors = self.method.catalogue.select(self.answer), self.method.embeddings.select(self.answer)
        return self_search(gallery, vectors, same=self.same, unseen=unseen_of(self.method, self.answer), seed=self.seed)

    def search(self, ask: Rows, rule: Eligibility) -> Matches:
        names = self.method.catalogue.select(self.answer).column("identity").astype(np.str_)
        searcher, _ = choose(self.method.embeddings.select(self.answer), names, n_queries=len(ask))
        return searcher.search(self.method.embeddings.select(ask), N_CANDIDATES, rule)

    def stated(self) -> None:
        return None


@dataclass(frozen=True, eq=False)
class RerankedMethod:
    """Search by the embedding, then by all that a recipe weighs.

    What scorers say of two photos does not depend on which others are in the gallery, so it is made once and
    kept while galleries are drawn anew. The background of "naive-bayes" is drawn from the whole catalogue without a
    look at who is a stranger, and never holds the individual of the query.

    Args:
        recipe: what is compared, and how it becomes one answer.
        side: the labelled photos.
        comparer: the recipe's scorers, built on that side twice.
        background: those of the photos that keypoints are held against.
        cohort: vectors of photos of nobody in the catalogue.
        unseen: (N,) the photos that the model never learned; None when it learned none of them.
        strangers: photos of nobody in the catalogue that ask when something is fitted; None for none.
    """

    recipe: RerankRecipe
    side: Side
    comparer: Comparer
    background: Side
    cohort: Embeddings | None = None
    unseen: Mask | None = None
    strangers: Strangers | None = None
    _last: list[tuple[bytes, tuple[str, ...], int, FusedGallery]] = field(default_factory=list, init=False)

    @classmethod
    def of(
        cls,
        recipe: RerankRecipe,
        catalogue: Catalogue,
        embeddings: Embeddings,
        store: CatalogueStore | None = None,
        distractors: Side | None = None,
        unseen: Mask | None = None,
    ) -> RerankedMethod:
        """The method for a catalogue; finds what is lacking on its photos.

        Args:
            recipe: what is compared, and how it becomes one answer.
            catalogue: the labelled photos.
            embeddings: their vectors.
            store: the catalogue on disk, which keeps what is found on its photos.
            distractors: photos of nobody in the catalogue.
            unseen: (N,) the photos that the model never learned; None when it learned none of them.

        Raises:
            UnknownNameError: when a column or bundle of the recipe is not there.
            InputError: when a scorer lacks what it needs, a column of `same` says nothing, or nobody is there to `ask`.
        """
        require_columns(catalogue, recipe.same)
        side = Side(catalogue, embeddings, store)
        background = background_of(recipe, side)
        cohort = None if distractors is None else distractors.embeddings
        comparer = Comparer(recipe, build_scorers(recipe, Built(side, side, background, cohort)), remember=True)
        strangers = _asking(recipe, distractors, Built(side, side, background, cohort))
        return cls(recipe, side, comparer, background, cohort, unseen, strangers)

    @property
    def catalogue(self) -> Catalogue:
        """The labelled photos."""
        return self.side.catalogue

    @property
    def embeddings(self) -> Embeddings:
        """Their vectors."""
        return self.side.embeddings

    def first(self, n_scorers: int) -> RerankedMethod:
        """The same with the first scorers of the recipe only; what was said of pairs is shared."""
        recipe = self.recipe.model_copy(update={"scorers": self.recipe.scorers[:n_scorers]})

        def first(comparer: Comparer) -> Comparer:
            return replace(comparer, scorers=comparer.scorers[:n_scorers])

        strangers = None if self.strangers is None else replace(self.strangers, comparer=first(self.strangers.comparer))
        return replace(self, recipe=recipe, comparer=first(self.comparer), strangers=strangers)

    def prepare(self, answer: Rows, same: Sequence[str], seed: int) -> FusedGallery:
        """The gallery of those rows; the fusion is fitted on its pairs.

        Raises:
            NotFittedError: when too few individuals have photos from two encounters.
        """
        wanted = (np.asarray(answer, np.int64).tobytes(), tuple(same), seed)
        if not self._last or self._last[0][:-1] != wanted:  # one is kept: what judged is asked what it learnt
            answer = np.asarray(answer, np.int64)
            rows = asking_rows(unseen_of(self, answer), seed=seed)
            self._last[:] = [(*wanted, FusedGallery.fitted(self, answer, rows, (*same, *self.recipe.same)))]
        return self._last[0][-1]


def unseen_of(method: Method, rows: Rows) -> Mask:
    """(n,) whether the model never learned these photos of a method."""
    return np.ones(len(rows), dtype=bool) if method.unseen is None else method.unseen[rows]


def _asking(recipe: RerankRecipe, distractors: Side | None, built: Built) -> Strangers | None:
    """The distractors, where the recipe wants them to ask; no more of them than photos of a gallery ask."""
    if not recipe.cohort.ask:
        return None
    if distractors is None:
        raise InputError(
            "expected photos of nobody in the catalogue, who are to ask as [cohort] says, found none: name their "
            "folder as  distractors  there, or with --distractors"
        )
    rows = drawn_rows(len(distractors), MAX_SEARCHES)
    side = Side(distractors.catalogue.select(rows), distractors.embeddings.select(rows))
    return Strangers(side, Comparer(recipe, build_scorers(recipe, replace(built, queries=side)), remember=True))


def background_of(recipe: RerankRecipe, gallery: Side) -> Side:
    """The photos of a gallery that serve the recipe as background."""
    n = max((one.n_background for one in recipe.scorers if isinstance(one, NaiveBayesOptions)), default=0)
    rows = drawn_background(gallery.catalogue, n)
    return Side(gallery.catalogue.select(rows), gallery.embeddings.select(rows), gallery.store)
