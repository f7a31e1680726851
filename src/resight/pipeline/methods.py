"""Ways to search: by the embedding alone, or by all that a recipe weighs. Evaluation and calibration take either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from resight.config import NaiveBayesOptions, RerankRecipe
from resight.core import Catalogue, Eligibility, Embeddings, Matches, Pairs
from resight.evaluate import Stated
from resight.pipeline.comparing import Comparer, permitted, shortlist
from resight.pipeline.gallery import require_columns
from resight.pipeline.scorers import Built, build_scorers, drawn_background
from resight.pipeline.self_search import (
    N_CANDIDATES,
    SAME_PHOTO,
    SelfSearch,
    asking_rows,
    has_mate,
    self_search,
    who_may_answer,
)
from resight.pipeline.sides import Side
from resight.rerank.fusion import Fusion
from resight.rerank.fusion_fit import cross_fitted, fit_fusion
from resight.rerank.identity import identity_matches
from resight.rerank.labelled_pairs import LabelledPairs
from resight.search import choose
from resight.store import CatalogueStore

__all__ = [
    "FusedGallery",
    "Method",
    "PlainMethod",
    "Prepared",
    "RerankedMethod",
    "background_of",
    "fused_matches",
    "unseen_of",
]

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

SCALE = "log-odds"
_COMBINE = {"choose": "auto"}
_STATED = (
    "How often a photo's most probable pair from another encounter showed one individual, over the probability that "
    "the fusion stated for it; that fusion never saw the individual."
)


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
    """

    recipe: RerankRecipe
    side: Side
    comparer: Comparer
    background: Side
    cohort: Embeddings | None = None
    unseen: Mask | None = None
    _last: list[tuple[bytes, tuple[str, ...], int, FusedGallery]] = field(default_factory=list, init=False)

    @classmethod
    def of(
        cls,
        recipe: RerankRecipe,
        catalogue: Catalogue,
        embeddings: Embeddings,
        store: CatalogueStore | None = None,
        cohort: Embeddings | None = None,
        unseen: Mask | None = None,
    ) -> RerankedMethod:
        """The method for a catalogue; finds what is lacking on its photos.

        Raises:
            UnknownNameError: when a column or bundle of the recipe is not there.
            InputError: when a scorer lacks what it needs, or a column of `same` says nothing.
        """
        require_columns(catalogue, recipe.same)
        side = Side(catalogue, embeddings, store)
        background = background_of(recipe, side)
        scorers = build_scorers(recipe, Built(side, side, background, cohort))
        return cls(recipe, side, Comparer(recipe, scorers, remember=True), background, cohort, unseen)

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
        return replace(self, recipe=recipe, comparer=replace(self.comparer, scorers=self.comparer.scorers[:n_scorers]))

    def prepare(self, answer: Rows, same: Sequence[str], seed: int) -> FusedGallery:
        """The gallery of those rows; the fusion is fitted on its pairs.

        Raises:
            NotFittedError: when too few individuals have photos from two encounters.
        """
        wanted = (np.asarray(answer, np.int64).tobytes(), tuple(same), seed)
        if not self._last or self._last[0][:-1] != wanted:  # one is kept: what judged is asked what it learnt
            self._last[:] = [(*wanted, FusedGallery.fitted(self, np.asarray(answer), (*same, *self.recipe.same), seed))]
        return self._last[0][-1]


@dataclass(frozen=True, eq=False)
class FusedGallery:
    """A gallery among the photos of the method, and the fusion fitted on it.

    Args:
        method: how pairs are compared.
        answer: rows of its photos that answer.
        rows: those of them that asked, when the fusion was fitted.
        same: columns in which a candidate must agree with its query.
        pairs: what was compared then.
        honest: (P,) log-odds of these pairs, each by a fusion that never saw the query's individual.
        fusion: fitted on all of them.
    """

    method: RerankedMethod
    answer: Rows
    rows: Rows
    same: tuple[str, ...]
    pairs: Pairs
    honest: npt.NDArray[np.float64]
    fusion: Fusion

    @classmethod
    def fitted(cls, method: RerankedMethod, answer: Rows, same: tuple[str, ...], seed: int) -> FusedGallery:
        """Compare the gallery with itself, and fit the fusion."""
        gallery = method.catalogue.select(answer)
        rows = asking_rows(unseen_of(method, answer), seed=seed)
        part = Side(gallery, method.embeddings.select(answer))
        asking = Side(gallery.select(rows), part.embeddings.select(rows))
        rule = who_may_answer(asking.catalogue, gallery, same=same)
        strangers = who_may_answer(asking.catalogue, gallery, same=same, differ=(*SAME_PHOTO, "identity"))
        n = method.recipe.shortlist.n_photos
        parts = [shortlist(asking, part, one, n) for one in (rule, strangers)]
        queries, photos = (np.concatenate([getattr(one, of) for one in parts]) for of in ("queries", "photos"))
        pairs = Pairs.of(queries, photos, len(rows), len(gallery))
        pairs = _compared(method, answer[rows], answer, pairs, apart=~permitted(strangers, pairs))
        labelled = LabelledPairs.of(pairs, asking.catalogue, gallery)
        options: dict[str, Any] = {
            "combine": _COMBINE.get(method.recipe.fusion.how, method.recipe.fusion.how),
            "n_folds": method.recipe.fusion.n_folds,
        }
        fusion = fit_fusion(labelled, models=method.comparer.models, **options)
        return cls(method, answer, rows, same, pairs, cross_fitted(labelled, **options), fusion)

    def self_search(self) -> SelfSearch:
        """The gallery asked by its own photos, each by what was learnt without its individual."""
        gallery = self.method.catalogue.select(self.answer)
        asking = gallery.select(self.rows)
        rule = who_may_answer(asking, gallery, same=self.same)
        strangers = who_may_answer(asking, gallery, same=self.same, differ=(*SAME_PHOTO, "identity"))
        names = asking.column("identity").astype(np.str_)
        mated = has_mate(asking, gallery, rule)
        found = [
            self._matches(self.pairs, np.where(permitted(one, self.pairs), self.honest, np.nan), asking, gallery)
            for one in (rule, strangers)
        ]
        return SelfSearch(found[0].select(mated), names[mated], found[1], names)

    def search(self, ask: Rows, rule: Eligibility) -> Matches:
        """The best individuals for other photos of the method's catalogue."""
        method, ask = self.method, np.asarray(ask)
        gallery, asking = method.catalogue.select(self.answer), method.catalogue.select(ask)
        sides = [Side(photos, method.embeddings.select(photos.image_ids)) for photos in (asking, gallery)]
        pairs = shortlist(sides[0], sides[1], rule, method.recipe.shortlist.n_photos)
        pairs = _compared(method, ask, self.answer, pairs)
        return self._matches(pairs, self.fusion.log_odds(pairs), asking, gallery)

    def stated(self) -> Stated:
        """The probability of each photo's best pair, from other encounters, by a fusion that never saw its individual.

        A gallery photo counts as right when it shows the same individual. Photos that were compared with nothing
        are left out.
        """
        gallery = self.method.catalogue.select(self.answer)
        names = gallery.column("identity").astype(np.str_)
        values = np.where(np.isnan(self.honest), -np.inf, self.honest)
        rule = who_may_answer(gallery.select(self.rows), gallery, same=self.same)
        values[~permitted(rule, self.pairs)] = -np.inf
        same = names[self.rows][self.pairs.queries] == names[self.pairs.photos]
        # ties count against the fusion: of equal pairs the wrong one stands first
        order = np.lexsort((same, -values, self.pairs.queries))
        order = order[np.isfinite(values[order])]
        queries, first = np.unique(self.pairs.queries[order], return_index=True)
        best = order[first]
        certain = np.exp(-np.logaddexp(0, -values[best]))
        return Stated(certain, same[best], names[self.rows][queries], _STATED)

    def ms_per_query(self) -> float:
        """What the scorers in the fusion took per query of the self-search, in milliseconds, on all cores."""
        spent = self.method.comparer.seconds_per_pair
        used = [one.title for one in self.method.recipe.only(self.fusion.scorers).scorers]
        seen = {name: int((~np.isnan(self.pairs.scores[name])).sum()) for name in used}
        return 1000 * sum(spent[name] * n for name, n in seen.items()) / max(len(self.rows), 1)

    def _matches(self, pairs: Pairs, values: npt.NDArray[np.float64], asking: Catalogue, gallery: Catalogue) -> Matches:
        return fused_matches(
            pairs, values, asking, gallery, self.method.recipe, f"{self.method.embeddings.model}+{self.fusion.model_id}"
        )


def fused_matches(
    pairs: Pairs,
    log_odds: npt.NDArray[np.float64],
    asking: Catalogue,
    gallery: Catalogue,
    recipe: RerankRecipe,
    model: str,
    k: int = N_CANDIDATES,
) -> Matches:
    """The best individuals of each query, on the scale of log-odds.

    Args:
        pairs: what was compared.
        log_odds: (P,) that a pair shows the same individual; NaN leaves it out.
        asking: the queries.
        gallery: the photos that answer.
        recipe: how photos become individuals.
        model: fingerprint of what made the scores.
        k: candidates per query.
    """
    how = recipe.identity.how
    found = identity_matches(
        pairs,
        1 / (1 + np.exp(-log_odds)) if how == "any" else log_odds,
        gallery.column("identity").astype(np.str_),
        gallery.image_ids,
        asking.image_ids,
        how=how,
        m=recipe.identity.m,
        k=k,
        scale=SCALE,
        model=model,
        n_gallery=gallery.n_identities,
    )
    if how != "any":
        return found
    certain = np.clip(found.scores.astype(np.float64), 1e-12, 1 - 1e-7)
    return replace(found, scores=np.log(certain / (1 - certain)).astype(np.float32))


def unseen_of(method: Method, rows: Rows) -> Mask:
    """(n,) whether the model never learned these photos of a method."""
    return np.ones(len(rows), dtype=bool) if method.unseen is None else method.unseen[rows]


def background_of(recipe: RerankRecipe, gallery: Side) -> Side:
    """The photos of a gallery that serve the recipe as background."""
    n = max((one.n_background for one in recipe.scorers if isinstance(one, NaiveBayesOptions)), default=0)
    rows = drawn_background(gallery.catalogue, n)
    return Side(gallery.catalogue.select(rows), gallery.embeddings.select(rows), gallery.store)


def _compared(method: RerankedMethod, ask: Rows, answer: Rows, pairs: Pairs, apart: Mask | None = None) -> Pairs:
    """Pairs of rows among some photos, compared as pairs of the method's whole catalogue."""
    n = len(method.side)
    queries, photos = ask[pairs.queries], answer[pairs.photos]
    order = np.argsort(queries * n + photos)
    whole = Pairs(queries[order], photos[order], n, n)
    said = method.comparer.compare(whole, None if apart is None else apart[order])
    back = np.argsort(order)
    for name, values in said.scores.items():
        pairs = pairs.with_scores(name, values[back])
    return pairs
