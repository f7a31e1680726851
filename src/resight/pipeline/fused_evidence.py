"""What the photos of a catalogue say of each other by all that a recipe weighs, in place of the cosine alone.

The scorers and the fusion are those that `calibrate --rerank` kept. Three things are done with care:

- **Both ways.** A scorer may say one thing of a photo held against another, and something else the other way round;
  a pair of a grouping has no direction. It is compared both ways, and the mean of the log-odds counts.
- **Nothing learned by heart.** The fusion has seen the names of all labelled photos, so what it says of two of them is
  not taken. Instead fusions of the same kind are fitted on their pairs by cross-fitting over individuals, and each pair
  is judged by one that saw neither the pair nor the individual of the photo that asks. Trials that hide names look at
  labelled photos only, and so at nothing else.
- **One scale.** Among the neighbours of a photo mates are not as rare as in the shortlist that the fusion was
  fitted on, and two opinions are surer than one. A curve of two numbers, learned on the labelled neighbours, sets both
  right, one for the pairs that were cross-fitted and one for all others.

Photos of one encounter were never among the pairs that the fusion was fitted on: they share light and place. They have
a curve of their own, learned on labelled pairs of one encounter, or nothing is said of them, as with the cosine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Catalogue, Embeddings, Pairs
from resight.errors import NotFittedError
from resight.pages.wording import plural
from resight.pipeline.comparing import Comparer, permitted
from resight.pipeline.gallery import labelled_gallery
from resight.pipeline.pair_evidence import (
    NOT_TOGETHER,
    Evidence,
    PairEvidence,
    absent_log_odds,
    by_cosine,
    codes_of,
    enough_pairs,
    enough_same,
    equal_codes,
    log_odds_curve,
)
from resight.pipeline.reranking import Reranker
from resight.pipeline.scorers import Built, build_scorers
from resight.pipeline.self_search import who_may_answer
from resight.pipeline.sides import Side
from resight.rerank.fusion_fit import cross_fitted
from resight.rerank.labelled_pairs import LabelledPairs
from resight.store import CatalogueStore

__all__ = ["FusedEvidence", "evidence_by"]
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_COPIES = ("image_id", "content")
_TOO_FEW = (
    "expected labelled neighbours from two encounters, ten pairs of one individual and ten of two at least, to judge "
    "re-ranking by, found fewer: label more, or compare each photo with more neighbours"
)
_UNCHECKED = (
    "Too few neighbours of other encounters are labelled to check what re-ranking says of them: it was taken as it was "
    "fitted, for pairs of a longer shortlist."
)


def evidence_by(store: CatalogueStore, embeddings: Embeddings, rerank: bool) -> tuple[Evidence, str]:
    """What turns pairs of a catalogue into log-odds, and its fingerprint.

    Args:
        store: the catalogue on disk.
        embeddings: vectors of its photos.
        rerank: take what `calibrate_catalogue` fitted with a recipe, in place of the cosine.

    Raises:
        NotFittedError: when nothing was fitted for the model.
        StoreError: when what was fitted is broken.
        InputError: when nothing is labelled.
    """
    if not rerank:
        return by_cosine, embeddings.model
    reranker = Reranker.open(store, *labelled_gallery(store, embeddings.model))
    return FusedEvidence(reranker, store), reranker.model


@dataclass(eq=False)
class FusedEvidence:
    """An `Evidence` by what was fitted for re-ranking.

    What the scorers said of a pair is kept while trials ask again.

    Args:
        reranker: what was fitted.
        store: the catalogue on disk, which keeps the keypoints.
    """

    reranker: Reranker
    store: CatalogueStore | None = None
    _side: Side | None = field(default=None, init=False, repr=False)
    _comparer: Comparer | None = field(default=None, init=False, repr=False)

    def __call__(
        self, photos: Catalogue, embeddings: Embeddings, pairs: Pairs, same: tuple[str, ...] = ()
    ) -> PairEvidence:
        """Log-odds of pairs of photos, as this module says.

        Raises:
            MismatchError: when a scorer rests on something else than in the fit.
            NotFittedError: when all photos are labelled, and too few of them are neighbours from two encounters for
                cross-fitting: the fusion that was kept would say what it was told.
        """
        wanted = dict.fromkeys((*same, *self.reranker.recipe.same))
        agree = tuple(name for name in wanted if name in photos.frame.columns)
        known = _Known.of(photos, pairs, agree)
        log_odds, checked = self._of_other_encounters(photos, embeddings, pairs, known)
        if not (checked or photos.frame["identity"].null_count()):
            raise NotFittedError(_TOO_FEW)
        notes: tuple[str, ...] = () if checked else (_UNCHECKED,)
        if known.together.any():
            said = self._of_one_encounter(photos, embeddings, pairs, known)
            log_odds = np.where(known.together, said, log_odds)
            notes = notes if (~np.isnan(said)).any() else (*notes, NOT_TOGETHER)
        across = known.labelled & known.across
        n_same, n_all = int((known.is_same & across).sum()), int(across.sum())
        names = codes_of(photos, "identity")
        absent = absent_log_odds(photos, names, n_same, n_all, agree) if (names >= 0).any() else 0.0
        return PairEvidence(log_odds, absent, checked, (*notes, *self._failures()))

    def _of_other_encounters(
        self, photos: Catalogue, embeddings: Embeddings, pairs: Pairs, known: _Known
    ) -> tuple[Floats, bool]:
        """(P,) log-odds, NaN but for the pairs across encounters; and whether labelled ones could check them."""
        ways = _Ways.of(pairs, known.across)
        compared = self._compared(photos, embeddings, ways.pairs)
        kept = ways.mean(self.reranker.fusion.log_odds(compared), len(pairs))
        fair = self._cross_fitted(compared, photos)
        labelled = known.labelled & known.across
        if fair is None or not enough_pairs(known.is_same[labelled & ~np.isnan(kept)]):
            return np.where(labelled, np.nan, kept), False
        honest = ways.mean(fair, len(pairs))
        answer = np.full(len(pairs), np.nan)
        for said, told in ((kept, known.across & ~labelled), (honest, labelled)):
            taught = labelled & ~np.isnan(said)
            answer[told] = log_odds_curve(said[taught], known.is_same[taught], said[told])
        return answer, True

    def _of_one_encounter(self, photos: Catalogue, embeddings: Embeddings, pairs: Pairs, known: _Known) -> Floats:
        """(P,) log-odds of the pairs of one encounter, NaN for others, or for all where too few are labelled."""
        nothing = np.full(len(pairs), np.nan)
        if not enough_same(known.is_same[known.labelled & known.together]):
            return nothing
        ways = _Ways.of(pairs, known.together)
        compared = self._compared(photos, embeddings, ways.pairs)
        said = ways.mean(self.reranker.fusion.log_odds(compared), len(pairs))
        taught = known.labelled & known.together & ~np.isnan(said)
        if not enough_same(known.is_same[taught]):
            return nothing
        return log_odds_curve(said[taught], known.is_same[taught], said)

    def _cross_fitted(self, compared: Pairs, photos: Catalogue) -> Floats | None:
        """(W,) log-odds of the ways whose photos both have a name, NaN for others; None where too few have one."""
        has_name = photos.frame["identity"].is_not_null().to_numpy()
        both = has_name[compared.queries] & has_name[compared.photos]
        fusion = self.reranker.fusion
        options: dict[str, Any] = {"combine": fusion.summary.combine, "n_folds": self.reranker.recipe.fusion.n_folds}
        answer = np.full(len(compared), np.nan)
        try:
            answer[both] = cross_fitted(LabelledPairs.of(compared, photos), fusion.scorers, **options)
        except NotFittedError:
            return None
        return answer

    def _compared(self, photos: Catalogue, embeddings: Embeddings, pairs: Pairs) -> Pairs:
        """The pairs with what the scorers say; they were built on more photos, or are built on these."""
        side, comparer = self._built(photos, embeddings)
        rows, n = side.catalogue.rows_of(photos.image_ids), len(side)
        queries, others = rows[pairs.queries], rows[pairs.photos]
        order = np.argsort(queries * n + others)
        said = comparer.compare(Pairs(queries[order], others[order], n, n))
        back = np.argsort(order)
        for name, values in said.scores.items():
            pairs = pairs.with_scores(name, values[back])
        return pairs

    def _built(self, photos: Catalogue, embeddings: Embeddings) -> tuple[Side, Comparer]:
        if self._side is None or self._comparer is None or not _holds(self._side.catalogue, photos):
            side = Side(photos, embeddings, self.store)
            built = Built(side, side, self.reranker.background, self.reranker.cohort)
            comparer = Comparer(self.reranker.recipe, build_scorers(self.reranker.recipe, built), remember=True)
            self.reranker.fusion.require_models(comparer.models)
            self._side, self._comparer = side, comparer
        return self._side, self._comparer

    def _failures(self) -> tuple[str, ...]:
        failures = [] if self._side is None else self._side.failures
        if not failures:
            return ()
        told = f"the first of them {failures[0].path}: {failures[0].reason}"
        return (f"{plural(len(failures), 'photo')} could not be read any more and had no keypoints, {told}",)


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known of pairs, (P,) each.

    Args:
        across: photos of two encounters, that may be compared.
        together: photos of one encounter, that may be compared but for it.
        labelled: both photos have a name.
        is_same: it is the same one.
    """

    across: Mask
    together: Mask
    labelled: Mask
    is_same: Mask

    @classmethod
    def of(cls, photos: Catalogue, pairs: Pairs, agree: tuple[str, ...]) -> _Known:
        """What the columns of a catalogue say; copies of a file are never compared."""
        names = codes_of(photos, "identity")
        one, other = names[pairs.queries], names[pairs.photos]
        no_copies = permitted(who_may_answer(photos, photos, same=agree, differ=_COPIES), pairs)
        return cls(
            permitted(who_may_answer(photos, photos, same=agree), pairs),
            no_copies & equal_codes(codes_of(photos, "encounter"), pairs),
            (one >= 0) & (other >= 0),
            one == other,
        )


@dataclass(frozen=True, eq=False)
class _Ways:
    """Some pairs, each way round.

    Args:
        pairs: the ways.
        of_pair: (W,) the pair that each is a way of.
    """

    pairs: Pairs
    of_pair: Rows

    @classmethod
    def of(cls, pairs: Pairs, asked: Mask) -> _Ways:
        """Both ways of the pairs that are asked for."""
        rows, n = np.flatnonzero(asked), pairs.n_photos
        queries = np.concatenate([pairs.queries[rows], pairs.photos[rows]])
        photos = np.concatenate([pairs.photos[rows], pairs.queries[rows]])
        order = np.argsort(queries * n + photos)
        return cls(Pairs(queries[order], photos[order], n, n), np.concatenate([rows, rows])[order])

    def mean(self, values: Floats, n_pairs: int) -> Floats:
        """(n_pairs,) the mean over the ways that say something; NaN where none does."""
        heard = ~np.isnan(values)
        n = np.bincount(self.of_pair[heard], minlength=n_pairs)
        total = np.bincount(self.of_pair[heard], values[heard], n_pairs)
        return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _holds(photos: Catalogue, others: Catalogue) -> bool:
    """Whether all of some photos are among others, under the same names."""
    if not np.isin(others.image_ids, photos.image_ids).all():
        return False
    return bool(photos.select(others.image_ids).frame["identity"].equals(others.frame["identity"]))
