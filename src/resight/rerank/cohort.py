"""Cohorts: how high a photo scores with strangers, so that the rest of its score speaks for the individual.

Some photos are like everybody: blurred, dark, taken head on. Such a photo scores high with whomever it meets. A cohort,
photos known to show nobody of the catalogue, tells how high, and that much is taken off. After the winner of
Google's Landmark Recognition 2020 (C. Henkel and P. Singer, "Supporting large-scale image recognition with
out-of-domain samples"), who took off the mean of the photo's five best cohort scores and of the query's ten best;
and after the symmetric score normalisation of speaker recognition (S. Cumani et al., Interspeech 2011), which
divides by the spread as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resight.core import Eligibility, Embeddings
from resight.errors import ConfigError, InputError
from resight.protocols import Scorer
from resight.rerank.neighbours import MEMORY_MB, nearest

__all__ = [
    "N_TOP_PHOTO",
    "N_TOP_QUERY",
    "WEIGHT",
    "Cohort",
    "CohortScorer",
    "Offsets",
    "offsets_of",
    "offsets_of_scorer",
]

N_TOP_QUERY = 10
"""Best cohort scores of a query that count, as the winner chose."""
N_TOP_PHOTO = 5
"""Best cohort scores of a photo of the gallery that count, as the winner chose."""
WEIGHT = 0.25
"""Share of an offset that is taken off. On faces, landmarks and coats a quarter to a half of each side helped or did
no harm, and all of it harmed (faces: AUROC .983 without, .997 with a quarter, .916 with all of it)."""
N_SAMPLED = 64
"""Photos of a cohort that a dear scorer is asked about."""
_PAIRS_AT_ONCE = 4096
_HASH_BYTES = 8

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Offsets:
    """How high each photo scores with strangers.

    Args:
        mean: (N,) float32, mean of its best cohort scores; NaN where it was compared with none.
        std: (N,) float32, their standard deviation; NaN with the mean.

    Raises:
        InputError: when the lengths differ, a value is infinite, or a deviation is negative.
    """

    mean: Floats
    std: Floats

    def __post_init__(self) -> None:
        """Check the values; freeze the arrays."""
        for name in ("mean", "std"):
            values = np.array(getattr(self, name), np.float32)
            if values.ndim != 1 or np.isinf(values).any():
                raise InputError(f"expected a finite {name} per photo, or NaN, found otherwise")
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        if len(self.mean) != len(self.std) or (self.std < 0).any():
            raise InputError("expected one deviation of at least 0 for each mean, found otherwise")

    def __len__(self) -> int:
        """The number of photos."""
        return len(self.mean)


def offsets_of(blocks: Iterable[npt.ArrayLike], n_top: int) -> Offsets:
    """The offsets of photos whose cohort scores come block by block.

    Args:
        blocks: (B, M) scores of B photos with the cohort; NaN or −inf where a pair was not compared.
        n_top: best scores that count; a photo with fewer has its mean over those.

    Raises:
        ConfigError: when `n_top` is below 1.

    Example:
        >>> offsets_of([[[0.2, 0.6, 0.4], [np.nan, 0.1, np.nan]]], n_top=2).mean.tolist()
        [0.5, 0.10000000149011612]
    """
    if n_top < 1:
        raise ConfigError(f"expected n_top of at least 1, found {n_top}", key="n_top")
    parts = [_mean_and_std(np.asarray(block, np.float32), n_top) for block in blocks]
    empty = np.zeros(0, np.float32)
    return Offsets(*(np.concatenate([empty, *(part[nth] for part in parts)]) for nth in (0, 1)))


def offsets_of_scorer(
    scorer: Scorer, n_photos: int, n_cohort: int, *, n_top: int, n_sampled: int = N_SAMPLED, seed: int = 0
) -> Offsets:
    """The offsets that a dear scorer gives, such as local matches, from a small fixed sample of the cohort.

    Every photo meets the same sample, so that offsets can be compared. The best of few are lower
    than the best of many: make those of the queries and of the photos with the same sample.

    Args:
        scorer: built on the photos (as its queries) and the cohort (as its gallery).
        n_photos: photos N.
        n_cohort: photos of the cohort.
        n_top: best scores that count.
        n_sampled: photos of the cohort that are drawn.
        seed: of that draw.

    Raises:
        ConfigError: when a number is below 1.
    """
    for key, number in (("n_cohort", n_cohort), ("n_sampled", n_sampled)):
        if number < 1:
            raise ConfigError(f"expected {key} of at least 1, found {number}", key=key)
    drawn = np.sort(np.random.default_rng(seed).permutation(n_cohort)[:n_sampled])
    at_once = max(1, _PAIRS_AT_ONCE // len(drawn))
    starts = range(0, n_photos, at_once)
    return offsets_of((_scored(scorer, start, min(start + at_once, n_photos), drawn) for start in starts), n_top)


class Cohort:
    """Photos known to show nobody of the catalogue.

    They should be of the same kind as the queries: other faces for faces, other nyalas for nyalas, taken in the same
    way. Photos of another kind say how much a query looks like those, which is no reason to
    doubt it: antelopes as a cohort for faces made rejection worse. Measure before and after.

    Memory: the cohort itself, and about `memory_mb` while offsets are made, however many photos there are.

    Args:
        distractors: (M, D) one vector per photo, at least one.
        memory_mb: working memory in megabytes, at least 1.

    Raises:
        InputError: when there is no photo.

    Example:
        >>> strangers = Embeddings(np.array(["s", "t"]), np.eye(2, dtype=np.float32), "toy")
        >>> photos = Embeddings(np.array(["a"]), np.array([[0.6, 0.8]], np.float32), "toy")
        >>> Cohort(strangers).offsets(photos, n_top=1).mean.tolist()
        [0.800000011920929]
    """

    def __init__(self, distractors: Embeddings, *, memory_mb: int = MEMORY_MB) -> None:
        if not len(distractors):
            raise InputError("expected photos of nobody in the catalogue as a cohort, found none")
        self._distractors = distractors
        self._memory_mb = memory_mb

    def __len__(self) -> int:
        """The number of photos M."""
        return len(self._distractors)

    @property
    def model(self) -> str:
        """The fingerprint of scores that were normalised by this cohort: the model's, and the cohort's own."""
        digest = hashlib.blake2b(digest_size=_HASH_BYTES)
        for row in np.argsort(self._distractors.image_ids):
            digest.update(str(self._distractors.image_ids[row]).encode() + b"\0")
            digest.update(self._distractors.vectors[row].tobytes())
        return f"{self._distractors.model}+cohort({len(self)},{digest.hexdigest()})"

    def offsets(self, photos: Embeddings, *, n_top: int, eligibility: Eligibility | None = None) -> Offsets:
        """How high each photo scores with the cohort, by cosine.

        A photo of the cohort never counts for itself. When photos of the cohort's own individuals ask, as
        they do where strangers are played by a part of the cohort, give a rule that keeps them apart.

        Args:
            photos: (N, D) of the same model.
            n_top: best scores that count, such as `N_TOP_QUERY` and `N_TOP_PHOTO`.
            eligibility: which photos of the cohort may be compared with which photo; by default all.

        Raises:
            MismatchError: when the vectors are of two models.
            InputError: when the rule speaks of other photos.
            ConfigError: when `n_top` is below 1.
        """
        k = min(n_top, len(self))
        near = nearest(photos, self._distractors, k, eligibility, memory_mb=self._memory_mb)
        return offsets_of([near.scores], n_top)


class CohortScorer:
    """A scorer whose scores are freed of what strangers would score.

    Score = s − query_weight·m(query) − photo_weight·m(photo), where s is the plain score and m the mean of
    the best cohort scores. With `by_spread` each side is a z-score instead: query_weight·(s − m)/d of the query
    plus photo_weight·(s − m)/d of the photo, d their standard deviation; with weights of ½ that is the
    symmetric normalisation (s-norm). A pair of which a part is not known stays absent, NaN.

    It is another scale than the plain one: another `name`, and calibrate anew.

    Args:
        scorer: of the plain scores.
        queries: (Q,) offsets of its queries.
        photos: (G,) offsets of its photos.
        query_weight: at least 0; of the query's side. It moves all candidates of a query alike, so it
            counts for the decision and never for the order.
        photo_weight: at least 0; of the photo's side.
        by_spread: divide by the standard deviation.

    Raises:
        ConfigError: when a weight is negative or no number.

    Example:
        >>> class Half:
        ...     name = "half"
        ...     def score(self, queries, photos):
        ...         return np.full(len(queries), 0.5, np.float32)
        >>> usual = Offsets([0.175], [0.1])
        >>> CohortScorer(Half(), usual, usual, query_weight=1, photo_weight=1).score(np.array([0]), np.array([0]))
        array([0.15], dtype=float32)
    """

    def __init__(
        self,
        scorer: Scorer,
        queries: Offsets,
        photos: Offsets,
        *,
        query_weight: float = WEIGHT,
        photo_weight: float = WEIGHT,
        by_spread: bool = False,
    ) -> None:
        for key, weight in (("query_weight", query_weight), ("photo_weight", photo_weight)):
            if not (np.isfinite(weight) and weight >= 0):
                raise ConfigError(f"expected {key} of at least 0, found {weight}", key=key)
        self._scorer, self._queries, self._photos = scorer, queries, photos
        self._weights, self._by_spread = (query_weight, photo_weight), by_spread
        self.name = f"{scorer.name}-cohort"

    def score(self, queries: Rows, photos: Rows) -> Floats:
        """(P,) scores of the pairs of rows (P,) and (P,), without what strangers would score."""
        plain = self._scorer.score(queries, photos).astype(np.float64)
        sides = [(self._queries, queries), (self._photos, photos)]
        parts = [self._side(plain, offsets, rows) for offsets, rows in sides]
        total = sum(weight * part for weight, part in zip(self._weights, parts, strict=True))
        return np.asarray(total if self._by_spread else plain - total, np.float32)

    def _side(self, plain: npt.NDArray[np.float64], offsets: Offsets, rows: Rows) -> npt.NDArray[np.float64]:
        mean = offsets.mean[rows].astype(np.float64)
        if not self._by_spread:
            return mean
        std = offsets.std[rows].astype(np.float64)
        return (plain - mean) / np.where(std > 0, std, np.nan)


def _mean_and_std(scores: Floats, n_top: int) -> tuple[Floats, Floats]:
    """(B,) mean and deviation of the `n_top` best of each row."""
    if scores.ndim != 2:
        raise InputError(f"expected cohort scores of shape (B, M), found {scores.shape}")
    if scores.shape[1] == 0:
        return np.full(len(scores), np.nan, np.float32), np.full(len(scores), np.nan, np.float32)
    known = np.where(np.isnan(scores), -np.inf, scores).astype(np.float64)
    best = -np.sort(-known, axis=1)[:, :n_top]
    there = np.isfinite(best)
    n = there.sum(axis=1)
    divisor = np.where(n > 0, n, np.nan)
    mean = np.where(there, best, 0).sum(axis=1) / divisor
    square = np.where(there, best - mean[:, None], 0) ** 2
    return mean.astype(np.float32), np.sqrt(square.sum(axis=1) / divisor).astype(np.float32)


def _scored(scorer: Scorer, start: int, stop: int, cohort: Rows) -> Floats:
    """(stop − start, M): the scores of some photos with the drawn photos of the cohort."""
    rows = np.repeat(np.arange(start, stop), len(cohort))
    columns = np.tile(cohort, stop - start)
    return scorer.score(rows, columns).reshape(stop - start, len(cohort))
