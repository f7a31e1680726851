"""Where two photos of a catalogue agree, as numbers for a page that draws them."""

from __future__ import annotations

import numpy as np

from resight.config import LocalOptions
from resight.core import Catalogue, Embeddings
from resight.pipeline.review_nouns import MatchLines
from resight.pipeline.sides import Side, extractor_of
from resight.rerank.local_scorer import LocalScorer, Seen
from resight.store import CatalogueStore

__all__ = ["lines_between"]

_N_LINES = 120


def lines_between(store: CatalogueStore, pair: Catalogue) -> MatchLines:
    """The keypoints on which two photos agree.

    They are looked for by the plain method (RootSIFT, one similarity), kept in the catalogue, and looked for once.

    Args:
        store: the catalogue on disk.
        pair: the query and the candidate, in this order.

    Raises:
        ImageError: when a photo cannot be read.
        StoreError: when the cache of keypoints is locked, or the disk refuses.
    """
    options = LocalOptions()
    nothing = Embeddings(pair.image_ids, np.eye(2, dtype=np.float32), "none")
    found = Side(pair, nothing, store).local(extractor_of(options))
    scorer = LocalScorer(found, found, model=options.geometry, ratio=options.ratio, mutual=options.mutual, n_threads=1)
    seen = scorer.matches(0, 1)
    return MatchLines(_relative(seen, found.sizes), len(seen.inliers), _in_words(seen))


def _relative(seen: Seen, sizes: np.ndarray) -> tuple[tuple[float, float, float, float], ...]:
    places = seen.places[seen.inliers]
    if len(places) > _N_LINES:
        places = places[np.linspace(0, len(places) - 1, _N_LINES).round().astype(int)]
    shares = np.clip(places / sizes[None, :2, :].astype(np.float64), 0, 1).reshape(-1, 4).round(4)
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in shares)


def _in_words(seen: Seen) -> str:
    n, of = int(seen.inliers.sum()), len(seen.inliers)
    if not of:
        return "no place of the one is found on the other"
    return seen.says or (f"{n} of {of} matched places agree" if n > 1 else f"{of} matched places, none agree")
