"""When the photos are ranked anew: at once where that is quick, else beside the reviewer's work."""

from __future__ import annotations

from threading import Lock, Thread

from resight.core import OperatingPoint
from resight.pipeline.review_board import Board
from resight.pipeline.review_names import Names
from resight.pipeline.review_queue import Ranking, rank_photos
from resight.pipeline.self_search import MAX_SEARCHES

__all__ = ["Rankings"]

_AT_ONCE = 500_000_000
"""Products that ranking the photos anew may take while a reviewer waits: some hundredths of a second of one core."""
_AT_MOST = 200_000_000_000
"""Products of a ranking: some seconds beside that work. Of more photos some are drawn, those without a name first."""
_SEARCHES_AT_LEAST = 200


class Rankings:
    """The last ranking of the photos of one board, and the next one; safe for threads."""

    def __init__(self) -> None:
        self._ranking = Lock()
        self._last: Ranking | None = None
        self._ranker: Thread | None = None

    def of(self, board: Board, names: Names, point: OperatingPoint | None) -> Ranking:
        """The ranking by the names; of a large catalogue the last one, while another is made.

        Args:
            board: the photos, the same at each call.
            names: who is on them by now.
            point: of the calibrated catalogue; None for one that is not.

        Raises:
            MismatchError: when the vectors are of another model than the operating point.
        """
        last = self._last
        if last is not None and last.as_of == names.number:
            return last
        n_vectors, dimension = board.embeddings.vectors.shape
        if last is None or n_vectors**2 * dimension <= _AT_ONCE:
            return self._rank(board, names, point)
        if self._ranker is None or not self._ranker.is_alive():
            self._ranker = Thread(target=self._rank, args=(board, names, point), daemon=True, name="ranking")
            self._ranker.start()
        return last

    def _rank(self, board: Board, names: Names, point: OperatingPoint | None) -> Ranking:
        with self._ranking:
            if self._last is None or self._last.as_of < names.number:
                n_searches = max(_AT_MOST // max(board.embeddings.vectors.size, 1), _SEARCHES_AT_LEAST)
                self._last = rank_photos(board, names, point, min(MAX_SEARCHES, n_searches))
            return self._last
