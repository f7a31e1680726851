"""The order of review, kept as names change: at once where that is quick, else beside the reviewer's work."""

from __future__ import annotations

import logging
import time
from threading import Lock, Thread
from typing import TYPE_CHECKING

from resight.errors import MismatchError, StoreError
from resight.pipeline.review_queue import Ranking, rank_photos
from resight.pipeline.review_weigher import N_KEPT
from resight.pipeline.self_search import MAX_SEARCHES

if TYPE_CHECKING:
    from resight.pipeline.review_board import Query
    from resight.pipeline.review_state import State

__all__ = ["Ranker"]

_LOG = logging.getLogger(__name__)
_AT_ONCE = 20_000_000_000
"""Products that ranking the photos anew may take while a reviewer waits: about a second of one core."""
_AT_MOST = 200_000_000_000
"""Products of a ranking: ten times as many. Of more photos some are drawn, those without a name first."""
_SEARCHES_AT_LEAST = 200
_EVERY_S = 2.0
"""How often the order follows what was weighed meanwhile."""


class Ranker:
    """Keeps the ranking of one board; safe for threads.

    With a weigher, photos are weighed one after the other in a thread of its own, and the order follows.
    """

    def __init__(self) -> None:
        self._ranking: Ranking | None = None
        self._lock = Lock()
        self._beside: Thread | None = None
        self._weighing: Thread | None = None
        self._tried: set[str] = set()

    def ranking(self, state: State) -> Ranking:
        """The ranking for the names of a state, or in a large catalogue one that lags behind a little."""
        found = self._current(state)
        self._weigh_beside(state)
        return found

    def _current(self, state: State) -> Ranking:
        ranking, n_vectors = self._ranking, len(state.board.embeddings)
        if ranking is not None and ranking.as_of == state.names.number:
            return ranking
        if ranking is None or n_vectors**2 * state.board.embeddings.dimension <= _AT_ONCE:
            with self._lock:
                done = self._ranking
                return self._rank(state) if done is None or done.as_of < state.names.number else done
        if self._beside is None or not self._beside.is_alive():
            self._beside = Thread(target=self._rank, args=(state,), daemon=True, name="ranking")
            self._beside.start()
        return ranking

    def _rank(self, state: State) -> Ranking:
        per_search = max(state.board.embeddings.vectors.size, 1)
        n_searches = min(MAX_SEARCHES, max(_AT_MOST // per_search, _SEARCHES_AT_LEAST))
        self._ranking = rank_photos(state.board, state.names, state.point, n_searches, state.weigher)
        return self._ranking

    def _unweighed(self, state: State) -> list[int]:
        ranking, weigher = self._ranking, state.weigher
        if ranking is None or weigher is None:
            return []
        rows = ranking.rows[:N_KEPT]
        image_ids = state.board.photos.image_ids[rows]
        lacking = ~weigher.has_weighed(image_ids)
        return [
            row for row, one in zip(rows[lacking].tolist(), image_ids[lacking], strict=True) if one not in self._tried
        ]

    def _weigh_beside(self, state: State) -> None:
        if (self._weighing is None or not self._weighing.is_alive()) and self._unweighed(state):
            self._weighing = Thread(target=self._weigh, args=(state,), daemon=True, name="weighing")
            self._weighing.start()

    def _weigh(self, state: State) -> None:
        """Weigh what waits; the ranking follows every few seconds."""
        told = time.monotonic()
        for row in self._unweighed(state):
            query = state.board.query(row, state.names)
            if query is not None and not self._weighed(state, query):
                break
            if time.monotonic() - told > _EVERY_S:
                self._follow(state)
                told = time.monotonic()
        self._follow(state)

    def _weighed(self, state: State, query: Query) -> bool:
        """Weigh one photo; false when this is not the time to weigh any."""
        try:
            state.weigh(query)
        except (StoreError, MismatchError) as error:
            _LOG.info("no photo is weighed for now: %s", error)
            return False
        except Exception as error:  # noqa: BLE001  one photo must not stop the others
            _LOG.warning("%s was not weighed: %s", query.image_id, error)
        self._tried.add(query.image_id)
        return True

    def _follow(self, state: State) -> None:
        """Rank anew by what was weighed, unless the names have moved on: then whoever asks next does."""
        with self._lock:
            if self._ranking is not None and self._ranking.as_of <= state.names.number:
                self._rank(state)
            else:
                self._ranking = None
