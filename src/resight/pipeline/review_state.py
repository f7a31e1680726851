"""What the desk knows at one moment, and what follows from it for one query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from resight.core import Decision, Matches, OperatingPoint
from resight.decide import decide
from resight.errors import NotFittedError
from resight.pipeline.review_board import Board, Mask, Query
from resight.pipeline.review_names import Names
from resight.pipeline.review_nouns import Candidates, Facts, ReviewCandidate
from resight.pipeline.review_rankings import Rankings
from resight.pipeline.review_weigher import Compare, Weigher, fitted_for
from resight.pipeline.self_search import N_CANDIDATES
from resight.store import CatalogueStore, Label

__all__ = ["State"]

_NO_LABEL = Label(None)
"""Of a photo that the journal does not know."""
_GROWN = 1.25


@dataclass(frozen=True, eq=False)
class State:
    """What the desk knows; replaced as a whole, so that whoever reads it needs no lock.

    Args:
        board: photos and vectors.
        names: who is on them.
        point: of the calibrated catalogue; None for one that is not.
        weigher: re-ranks by all that was fitted; None for the embedding alone.
        rankings: of the photos by what a decision teaches.
    """

    board: Board
    names: Names
    point: OperatingPoint | None
    weigher: Weigher | None = None
    rankings: Rankings = field(default_factory=Rankings)

    @classmethod
    def read(cls, store: CatalogueStore, model: str, compare: Compare | None) -> State:
        """What a catalogue says now.

        Args:
            store: the catalogue on disk.
            model: fingerprint of the model whose vectors are searched.
            compare: holds photos against each other; None for the embedding alone.

        Raises:
            NotFittedError: when there is something to compare with, and nothing was fitted.
            StoreError: when the catalogue cannot be read.
        """
        photos, embeddings = store.catalogue(), store.embeddings(model)
        fitted = None if compare is None else fitted_for(store, photos, embeddings)
        point = _point_of(store, model) if fitted is None else store.operating_point(fitted.model)
        board = Board(photos, embeddings, () if point is None else point.same)
        weigher = None if fitted is None or compare is None else Weigher(fitted, board, compare)
        return cls(board, Names.read(store, list(board.row_of)), point, weigher)

    def take_over(self, before: State) -> None:
        """Go on in the place of another state: what that one weighed is not weighed again."""
        before.rankings.end()
        if self.weigher is not None and before.weigher is not None:
            self.weigher.take_over(before.weigher)

    def facts(self, row: int) -> Facts:
        """What is known of a photo, without its version."""
        image_id = str(self.board.photos.image_ids[row])
        poor = self.names.labels.get(image_id, _NO_LABEL).poor
        return Facts(image_id, self.names.name(row), self.board.facts(row), poor=poor)

    def names_borne(self) -> set[str]:
        """The individuals that have a photo."""
        return {self.names.names[code] for code in np.unique(self.names.codes).tolist() if code >= 0}

    def weigh(self, query: Query) -> None:
        """Hold a photo of the board against all those near it, named or not, so that the order can rest on that."""
        if self.weigher is not None:
            near = self.board.nearest(query, self.board.comparable(query), self.weigher.n_photos)
            self.weigher.weigh(query, near)

    def found(self, query: Query, facts: Facts, wanted: Mapping[str, str], top: int, by: str) -> Candidates:
        """A query beside those that it may show.

        Args:
            query: who asks.
            facts: what is known of it.
            wanted: the candidate filter.
            top: candidates at most.
            by: "individual" or "image".

        Raises:
            UnknownNameError: when there is no such column to filter by.
            MismatchError: when the vectors are of another model than the operating point.
        """
        mask = self.board.answering(query, self.names, wanted)
        n_weighed = N_CANDIDATES if self.point is None else max(N_CANDIDATES, self.point.n_weighed)
        matches = self._searched(query, mask, max(top, n_weighed), distinct=True)
        decision, notes = _decided(matches, self.point, query)
        shown = matches if by == "individual" else self._searched(query, mask, top, distinct=False)
        verdict = None if decision is None else str(decision.verdict)
        new = None if decision is None else decision.probability_new
        candidates, model = self._candidates(shown, decision, query)[:top], shown.model
        return Candidates(facts, candidates, verdict, new, wanted, int(mask.sum()), model, notes)

    def _searched(self, query: Query, mask: Mask, k: int, *, distinct: bool) -> Matches:
        if self.weigher is None:
            return self.board.search(query, self.names, mask, k, distinct=distinct)
        near = self.board.nearest(query, mask, self.weigher.n_photos)
        return self.weigher.search(query, self.names, near, k, distinct=distinct)

    def _candidates(self, shown: Matches, decision: Decision | None, query: Query) -> tuple[ReviewCandidate, ...]:
        probable = {} if decision is None else {one.identity: one.probability for one in decision.candidates}
        unsure = self.names.labels.get(query.image_id, _NO_LABEL).unsure
        counts, candidates = self.names.n_photos(), list[ReviewCandidate]()
        rows = zip(shown.identities[0].tolist(), shown.gallery_ids[0].tolist(), shown.scores[0].tolist(), strict=True)
        for rank, (name, image_id, score) in enumerate((row for row in rows if row[1]), 1):
            row = self.board.row_of[image_id]
            n_photos = int(counts[self.names.codes[row]])
            said = (probable.get(name), rank, n_photos, self.facts(row), name in unsure)
            candidates.append(ReviewCandidate(name, image_id, score, *said))
        return tuple(candidates)


def _point_of(store: CatalogueStore, scores: str) -> OperatingPoint | None:
    try:
        return store.operating_point(scores)
    except NotFittedError:
        return None


def _decided(matches: Matches, point: OperatingPoint | None, query: Query) -> tuple[Decision | None, tuple[str, ...]]:
    """What the operating point says; None without one."""
    if point is None:
        return None, ("The catalogue is not calibrated: run  resight calibrate  for probabilities.",)
    group = None if point.group_column is None else [query.known.get(point.group_column)]
    # the size of the gallery is said in a note: a warning would be one of the whole process
    grown = replace(point, n_gallery=max(point.n_gallery, matches.n_gallery))
    decision = decide(matches, grown, group)[0]
    if matches.n_gallery <= _GROWN * point.n_gallery:
        return decision, ()
    note = (
        f"The catalogue grew from {point.n_gallery} individuals to {matches.n_gallery}: run  resight calibrate  anew."
    )
    return decision, (note,)
