"""Labelled pairs: compared photos of which it is known whether they show the same individual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resight.core import Catalogue, Eligibility, Pairs
from resight.errors import InputError

__all__ = ["NEVER_SAME", "LabelledPairs"]

NEVER_SAME = ("image_id", "encounter", "content")
"""Columns in which the two photos of a pair must differ: a photo, its copy and its encounter teach nothing."""


@dataclass(frozen=True, eq=False)
class LabelledPairs:
    """Pairs, and the individual on either side.

    Make it with `of`, which takes the individuals from the catalogues and sees to it that no photo
    is paired with itself, with a copy or with its own encounter: such pairs are alike for the wrong reason.

    Args:
        pairs: what was compared, and what the scorers say.
        query_individuals: (P,) int64, a number for the individual on the query of each pair, 0 or more.
        photo_individuals: (P,) int64, likewise for the photo of the gallery.

    Raises:
        InputError: when there is not one individual per pair and side, or a number is below 0.
    """

    pairs: Pairs
    query_individuals: npt.NDArray[np.int64]
    photo_individuals: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        """Check the lengths."""
        for name in ("query_individuals", "photo_individuals"):
            numbers = np.asarray(getattr(self, name))
            if numbers.shape != (len(self.pairs),) or (numbers.size and numbers.dtype.kind not in "iu"):
                raise InputError(f"expected {name} as one whole number per pair, found {numbers.dtype} {numbers.shape}")
            if numbers.size and numbers.min() < 0:
                raise InputError(f"expected {name} from 0 on, found {numbers.min()}: leave unlabelled pairs out")
            object.__setattr__(self, name, numbers.astype(np.int64))

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.pairs)

    @property
    def same(self) -> npt.NDArray[np.bool_]:
        """(P,): whether both photos of a pair show the same individual."""
        answer: npt.NDArray[np.bool_] = self.query_individuals == self.photo_individuals
        return answer

    @classmethod
    def of(cls, pairs: Pairs, queries: Catalogue, gallery: Catalogue | None = None) -> LabelledPairs:
        """The pairs of which both sides are labelled.

        Args:
            pairs: their rows are those of the catalogues.
            queries: the photos that asked.
            gallery: the photos that answered; by default the same ones, for a gallery compared with itself.

        Raises:
            InputError: when the catalogues have other rows than the pairs, or a photo is paired
                with itself, with a copy of its file, or with a photo of its own encounter.
        """
        gallery = queries if gallery is None else gallery
        _check_rows(pairs, len(queries), len(gallery))
        _refuse_own(pairs, queries, gallery)
        names = np.concatenate([_identities(queries), _identities(gallery)])
        codes = np.unique(names, return_inverse=True)[1].reshape(-1)
        labelled = names != ""
        known = labelled[pairs.queries] & labelled[len(queries) + pairs.photos]
        pairs = pairs.select(known)
        return cls(pairs, codes[pairs.queries], codes[len(queries) + pairs.photos])


def _check_rows(pairs: Pairs, n_queries: int, n_photos: int) -> None:
    if (pairs.n_queries, pairs.n_photos) != (n_queries, n_photos):
        raise InputError(
            f"expected pairs of {n_queries} queries and {n_photos} photos, as the catalogues have, "
            f"found pairs of {pairs.n_queries} and {pairs.n_photos}"
        )


def _refuse_own(pairs: Pairs, queries: Catalogue, gallery: Catalogue) -> None:
    both = set(queries.frame.columns) & set(gallery.frame.columns)
    columns: Sequence[str] = [name for name in NEVER_SAME if name in both]
    for name, (asked, answering) in zip(columns, Eligibility.of(queries, gallery, differ=columns).differ, strict=True):
        asked_codes = asked[pairs.queries]
        own = (asked_codes == answering[pairs.photos]) & (asked_codes >= 0)
        if own.any():
            row = int(np.argmax(own))
            raise InputError(
                f"expected no pair of one {name}, found {int(own.sum())}, the first of query {pairs.queries[row]} and "
                f"photo {pairs.photos[row]}: leave out what the rule of who may answer forbids"
            )


def _identities(catalogue: Catalogue) -> npt.NDArray[np.str_]:
    """(N,) names, empty where a photo is unlabelled; no name is blank in a catalogue."""
    return catalogue.frame["identity"].fill_null("").to_numpy().astype(np.str_)
