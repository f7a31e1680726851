"""When the photos are ranked anew: at once where that is quick, else beside the reviewer's work."""

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

__all__ = ["Rankings"]

_LOG = logging.getLogger(__name__)
_AT_ONCE = 500_000_000
"""Products that ranking the photos anew may take while a reviewer waits: some hundredths of a second of one core."""
_AT_MOST = 200_000_000_000
"""Products of a ranking: some seconds beside that work. Of more photos some are drawn, those without a name first."""
_SEARCHES_AT_LEAST = 200
_EVERY_S = 2.0
"""How often the order follows what was weighed meanwhile."""


class Rankings:
    """The last ranking of the photos of one board, and the next one; safe for threads.

    With a weigher, photos are weighed one after the other in a thread of its own, and the ranking follows.
    """

    def __init__(self) -> None:
        self._ranking = Lock()
        self._last: Ranking | None = None
        self._newest: State | None = None
        self._ranker: Thread | None = None
        self._weighing: Thread | None = None
        self._tried: set[str] = set()
        self._is_over = False

    def end(self) -> None:
        """Weigh no more: another board has come."""
        self._is_over = True

    def of(self, state: State) -> Ranking:
        """The ranking by the names of a state; of a large catalogue the last one, while another is made.

        Args:
            state: with the same board at each call.

        Raises:
            MismatchError: when the vectors are of another model than the operating point.
        """
        self._newest = state
        found = self._current(state)
        self._weigh_beside(state)
        return found

    def _current(self, state: State) -> Ranking:
        last = self._last
        if last is not None and last.as_of == state.names.number:
            return last
        n_vectors, dimension = state.board.embeddings.vectors.shape
        if last is None or n_vectors**2 * dimension <= _AT_ONCE:
            return self._rank(state)
        if self._ranker is None or not self._ranker.is_alive():
            self._ranker = Thread(target=self._rank, args=(state,), daemon=True, name="ranking")
            self._ranker.start()
        return last

    def _rank(self, state: State, *, anew: bool = False) -> Ranking:
        with self._ranking:
            if anew or self._last is None or self._last.as_of < state.names.number:
                n_searches = max(_AT_MOST // max(state.board.embeddings.vectors.size, 1), _SEARCHES_AT_LEAST)
                n_searches = min(MAX_SEARCHES, n_searches)
                self._last = rank_photos(state.board, state.names, state.point, n_searches, state.weigher)
            return self._last

    def _weigh_beside(self, state: State) -> None:
        if self._is_over:
            return
        if (self._weighing is None or not self._weighing.is_alive()) and self._unweighed(state):
            self._weighing = Thread(target=self._weigh, args=(state,), daemon=True, name="weighing")
            self._weighing.start()

    def _unweighed(self, state: State) -> list[int]:
        """The rows of photos that wait to be weighed, those without a name first."""
        if self._last is None or state.weigher is None:
            return []
        rows = self._last.rows[:N_KEPT]
        image_ids = state.board.photos.image_ids[rows].tolist()
        weighed = state.weigher.has_weighed(image_ids).tolist()
        asked = zip(rows.tolist(), image_ids, weighed, strict=True)
        return [row for row, image_id, done in asked if not done and image_id not in self._tried]

    def _weigh(self, state: State) -> None:
        """Weigh what waits; the ranking follows every few seconds."""
        told = time.monotonic()
        for row in self._unweighed(state):
            query = state.board.query(row, state.names)
            if self._is_over or (query is not None and not self._weighed(state, query)):
                break
            if time.monotonic() - told > _EVERY_S:
                self._rank(self._newest or state, anew=True)
                told = time.monotonic()
        self._rank(self._newest or state, anew=True)

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
