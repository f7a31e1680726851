"""A gallery that was compared with itself, and the fusion fitted on that: what a recipe makes of some photos."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resight.config import RerankRecipe
from resight.core import Catalogue, Eligibility, Matches, Pairs
from resight.evaluate import Stated
from resight.pipeline.comparing import Comparer, permitted, shortlist
from resight.pipeline.self_search import N_CANDIDATES, SAME_PHOTO, SelfSearch, has_mate, who_may_answer
from resight.pipeline.sides import Side
from resight.pipeline.strangers import with_strangers
from resight.rerank.false_labels import FalseLabels
from resight.rerank.fusion import Fusion
from resight.rerank.fusion_fit import cross_fitted, fit_fusion
from resight.rerank.identity import identity_matches
from resight.rerank.labelled_pairs import LabelledPairs

if TYPE_CHECKING:
    from resight.pipeline.methods import RerankedMethod

__all__ = ["SCALE", "FusedGallery", "fused_matches", "model_of_scores", "penalties_of"]

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SCALE = "log-odds"
_COMBINE = {"choose": "auto"}
_PROBABILITIES = ("any", "sum")
_STATED = (
    "How often a photo's most probable pair from another encounter showed one individual, over the probability that "
    "the fusion stated for it; that fusion never saw the individual."
)


@dataclass(frozen=True, eq=False)
class FusedGallery:
    """A gallery among the photos of the method, and the fusion fitted on it.

    Args:
        method: how pairs are compared.
        answer: rows of its photos that answer.
        asking: those of them that asked when the fusion was fitted, and behind them strangers, if there were any.
        same: columns in which a candidate must agree with its query.
        pairs: what was compared then.
        honest: (P,) log-odds of these pairs, each by a fusion that never saw the query's individual.
        fusion: fitted on all of them.
        false_labels: individuals that came first too often then; None where the recipe leaves that out.
    """

    method: RerankedMethod
    answer: Rows
    asking: Catalogue
    same: tuple[str, ...]
    pairs: Pairs
    honest: Floats
    fusion: Fusion
    false_labels: FalseLabels | None = None

    @classmethod
    def fitted(cls, method: RerankedMethod, answer: Rows, rows: Rows, same: tuple[str, ...]) -> FusedGallery:
        """Compare a gallery with itself and with strangers, and fit the fusion.

        Args:
            method: how pairs are compared.
            answer: rows of its photos that answer.
            rows: which of these ask.
            same: columns in which a candidate must agree with its query.
        """
        gallery = Side(method.catalogue.select(answer), method.embeddings.select(answer))
        asking = Side(gallery.catalogue.select(rows), gallery.embeddings.select(rows))
        if method.strangers is not None:
            asking = with_strangers(asking, method.strangers.side)
        rule, strangers = _rules(asking.catalogue, gallery.catalogue, same)
        n = method.recipe.shortlist.n_photos
        parts = [shortlist(asking, gallery, one, n) for one in (rule, strangers)]
        queries, photos = (np.concatenate([getattr(one, of) for one in parts]) for of in ("queries", "photos"))
        pairs = Pairs.of(queries, photos, len(asking), len(gallery))
        pairs = _compared(method, answer[rows], answer, pairs, apart=~permitted(strangers, pairs))
        labelled = LabelledPairs.of(pairs, asking.catalogue, gallery.catalogue)
        options: dict[str, Any] = {
            "combine": _COMBINE.get(method.recipe.fusion.how, method.recipe.fusion.how),
            "n_folds": method.recipe.fusion.n_folds,
        }
        fusion = fit_fusion(labelled, models=method.comparer.models, **options)
        plain = cls(method, answer, asking.catalogue, same, pairs, cross_fitted(labelled, **options), fusion)
        return replace(plain, false_labels=plain.counted_false_labels())

    @property
    def gallery(self) -> Catalogue:
        """The photos that answer."""
        return self.method.catalogue.select(self.answer)

    @property
    def penalties(self) -> dict[str, float]:
        """What is taken off the log-odds of photos of individuals that came first too often, by image id.

        Names would not do: they change.
        """
        if self.false_labels is None:
            return {}
        _, codes = np.unique(self.gallery.column("identity").astype(np.str_), return_inverse=True)
        found = zip(self.gallery.image_ids.tolist(), self.false_labels.penalties[codes].tolist(), strict=True)
        return {image_id: penalty for image_id, penalty in found if penalty > 0}

    @property
    def model(self) -> str:
        """The fingerprint of the scores."""
        return model_of_scores(self.method.embeddings.model, self.fusion, self.penalties)

    def counted_false_labels(self) -> FalseLabels | None:
        """Who came first in searches that do not show him, by the honest log-odds; None where nothing is to be done."""
        options = self.method.recipe.false_labels
        if not options.most:
            return None
        _, strangers = _rules(self.asking, self.gallery, self.same)
        found = self._matches(np.where(permitted(strangers, self.pairs), self.honest, np.nan), {})
        names, asker, of_photo = self._codes()
        first = found.best_identities
        winners = np.where(first == "", -1, np.searchsorted(names, first))
        n_photos = np.bincount(of_photo, minlength=len(names))
        return FalseLabels(winners, asker, n_photos, most=options.most, shrinkage=options.shrinkage)

    def self_search(self) -> SelfSearch:
        """The gallery asked by its own photos and by strangers, each by what was learnt without its individual."""
        gallery, asking = self.gallery, self.asking
        rule, strangers = _rules(asking, gallery, self.same)
        names = asking.column("identity").astype(np.str_)
        mated = has_mate(asking, gallery, rule)
        honest = self.honest
        if self.false_labels is not None:
            _, asker, of_photo = self._codes()
            honest = honest - self.false_labels.without(asker[self.pairs.queries], of_photo[self.pairs.photos])
        found = [
            self._matches(np.where(permitted(one, self.pairs), honest, np.nan), self.penalties)
            for one in (rule, strangers)
        ]
        return SelfSearch(found[0].select(mated), names[mated], found[1], names)

    def search(self, ask: Rows, rule: Eligibility) -> Matches:
        """The best individuals for other photos of the method's catalogue."""
        method, ask = self.method, np.asarray(ask)
        gallery, asking = self.gallery, method.catalogue.select(ask)
        sides = [Side(photos, method.embeddings.select(photos.image_ids)) for photos in (asking, gallery)]
        pairs = shortlist(sides[0], sides[1], rule, method.recipe.shortlist.n_photos)
        pairs = _compared(method, ask, self.answer, pairs)
        log_odds = self.fusion.log_odds(pairs) - penalties_of(gallery, self.penalties)[pairs.photos]
        return fused_matches(pairs, log_odds, asking, gallery, method.recipe, self.model)

    def stated(self) -> Stated:
        """The probability of each photo's best pair, from other encounters, by a fusion that never saw its individual.

        A gallery photo counts as right when it shows the same individual. Photos that were compared with nothing
        are left out.
        """
        gallery = self.gallery
        asked, names = (photos.column("identity").astype(np.str_) for photos in (self.asking, gallery))
        values = np.where(np.isnan(self.honest), -np.inf, self.honest)
        values[~permitted(_rules(self.asking, gallery, self.same)[0], self.pairs)] = -np.inf
        same = asked[self.pairs.queries] == names[self.pairs.photos]
        # ties count against the fusion: of equal pairs the wrong one stands first
        order = np.lexsort((same, -values, self.pairs.queries))
        order = order[np.isfinite(values[order])]
        queries, first = np.unique(self.pairs.queries[order], return_index=True)
        best = order[first]
        certain = np.exp(-np.logaddexp(0, -values[best]))
        return Stated(certain, same[best], asked[queries], _STATED)

    def ms_per_query(self) -> float:
        """What the scorers in the fusion took per query of the self-search, in milliseconds, on all cores."""
        spent = self.method.comparer.seconds_per_pair
        used = [one.title for one in self.method.recipe.only(self.fusion.scorers).scorers]
        seen = {name: int((~np.isnan(self.pairs.scores[name])).sum()) for name in used}
        return 1000 * sum(spent[name] * n for name, n in seen.items()) / max(len(self.asking), 1)

    def _matches(self, values: Floats, penalties: Mapping[str, float]) -> Matches:
        model = model_of_scores(self.method.embeddings.model, self.fusion, penalties)
        return fused_matches(self.pairs, values, self.asking, self.gallery, self.method.recipe, model)

    def _codes(self) -> tuple[npt.NDArray[np.str_], Rows, Rows]:
        """Names of the gallery's individuals; the number of who asks, strangers behind them; that of each photo."""
        names, of_photo = np.unique(self.gallery.column("identity").astype(np.str_), return_inverse=True)
        asked = self.asking.column("identity").astype(np.str_)
        at = np.minimum(np.searchsorted(names, asked), len(names) - 1)
        stranger = names[at] != asked
        asker = np.where(stranger, len(names) + np.cumsum(stranger) - 1, at)
        return names, asker.astype(np.int64), of_photo.reshape(-1).astype(np.int64)


def fused_matches(
    pairs: Pairs,
    log_odds: Floats,
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
    how, m = recipe.identity.how, recipe.identity.m
    found = identity_matches(
        pairs,
        1 / (1 + np.exp(-log_odds)) if how in _PROBABILITIES else log_odds,
        gallery.column("identity").astype(np.str_),
        gallery.image_ids,
        asking.image_ids,
        how=how,
        m=m,
        k=k,
        scale=SCALE,
        model=model,
        n_gallery=gallery.n_identities,
    )
    if how not in _PROBABILITIES:
        return found
    # of a sum the m-th part: the mean probability, where photos that are not there count as 0
    certain = np.clip(found.scores.astype(np.float64) / (m if how == "sum" else 1), 1e-12, 1 - 1e-7)
    return replace(found, scores=np.log(certain / (1 - certain)).astype(np.float32))


def model_of_scores(embeddings: str, fusion: Fusion, penalties: Mapping[str, float]) -> str:
    """The fingerprint of scores: of the vectors, of the fusion, and of what is taken off photos."""
    if not penalties:
        return f"{embeddings}+{fusion.model_id}"
    text = json.dumps(dict(sorted(penalties.items())))
    return f"{embeddings}+{fusion.model_id}+false-labels-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def penalties_of(gallery: Catalogue, penalties: Mapping[str, float]) -> Floats:
    """(G,) what is taken off the log-odds of each photo's pairs."""
    if not penalties:
        return np.zeros(len(gallery))
    return np.array([penalties.get(image_id, 0.0) for image_id in gallery.image_ids.tolist()], np.float64)


def _rules(asking: Catalogue, gallery: Catalogue, same: tuple[str, ...]) -> tuple[Eligibility, Eligibility]:
    """Who may answer, and who may answer one that plays a stranger."""
    rule = who_may_answer(asking, gallery, same=same)
    return rule, who_may_answer(asking, gallery, same=same, differ=(*SAME_PHOTO, "identity"))


def _compared(method: RerankedMethod, ask: Rows, answer: Rows, pairs: Pairs, apart: Mask | None = None) -> Pairs:
    """Pairs of rows among some photos, and of strangers behind them, compared as pairs of the method's catalogue."""
    own = pairs.queries < len(ask)
    parts = [(own, method.comparer, ask[pairs.queries[own]])]
    if method.strangers is not None:
        parts.append((~own, method.strangers.comparer, pairs.queries[~own] - len(ask)))
    said = {name: np.full(len(pairs), np.nan, np.float32) for name in method.comparer.names}
    for part, comparer, queries in parts:
        away = None if apart is None else apart[part]
        for name, values in _said(comparer, queries, answer[pairs.photos[part]], len(method.side), away):
            said[name][part] = values
    for name, values in said.items():
        pairs = pairs.with_scores(name, values)
    return pairs


def _said(
    comparer: Comparer, queries: Rows, photos: Rows, n: int, apart: Mask | None
) -> list[tuple[str, npt.NDArray[np.float32]]]:
    """What each scorer says of pairs of rows, which may stand in any order."""
    order = np.argsort(queries * n + photos)
    n_queries = int(queries.max(initial=-1)) + 1
    whole = Pairs(queries[order], photos[order], n_queries, n)
    compared = comparer.compare(whole, None if apart is None else apart[order])
    back = np.argsort(order)
    return [(name, values[back]) for name, values in compared.scores.items()]
