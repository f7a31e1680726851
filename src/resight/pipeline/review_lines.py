"""Where two photos of a catalogue agree, as numbers for a page that draws them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from resight.config import LocalOptions
from resight.core import Catalogue
from resight.errors import ImageError
from resight.images import DEFAULT_LIMITS, ImageLimits
from resight.pipeline.local_features import local_features
from resight.pipeline.review_nouns import MatchLines
from resight.pipeline.sides import extractor_of
from resight.rerank.local_scorer import LocalScorer, Seen

__all__ = ["Between", "lines_between"]

Between = Callable[[Path, Catalogue], MatchLines]
"""Whatever finds lines as `lines_between` does, here or in another process."""

_N_LINES = 120


def lines_between(folder: Path, pair: Catalogue, limits: ImageLimits = DEFAULT_LIMITS) -> MatchLines:
    """The keypoints on which two photos agree.

    They are looked for by the plain method (RootSIFT, one similarity), kept in the catalogue, and looked for once.

    Args:
        folder: of the catalogue on disk.
        pair: the query and the candidate, in this order.
        limits: photos beyond them are refused.

    Raises:
        ImageError: when a photo cannot be read.
        StoreError: when what was kept is locked, or the disk refuses.
    """
    options = LocalOptions()
    contents = dict(zip(pair.image_ids.tolist(), pair.frame["content"], strict=True))
    extractor = extractor_of(options)
    found, failures = local_features(folder, pair, contents, extractor, limits=limits, show_progress=False)
    if failures:
        raise ImageError(failures[0].path, failures[0].reason)
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
