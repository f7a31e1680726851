"""Matches: for each query the best candidates of the gallery, best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from resight.core.ids import as_text, check_ids, chosen_rows
from resight.errors import InputError, MismatchError


@dataclass(frozen=True, eq=False)
class Matches:
    """For each query the best candidates, best first.

    A row with fewer than K candidates ends in absent places: an empty `gallery_ids` and
    `identities` and a NaN score. A pair that was never compared is absent, never a low score.

    Args:
        query_ids: (Q,) text, unique, in the caller's order.
        gallery_ids: (Q, K) text, the photo of the candidate that scored.
        identities: (Q, K) text, the individual on it.
        scores: (Q, K) float32, higher is more alike; falling along each row.
        scale: what a score means ("cosine", "probability"): one scale per object.
        model: fingerprint of what made the scores.
        n_gallery: individuals in the gallery that was searched; at least as many as a row names.
        distinct: whether each identity stands at most once in a row (its best photo); a photo
            stands at most once in a row in any case.
        ordering_only: whether a score only orders the candidates of its own query and cannot be
            compared with those of another, so that no threshold rests on it.

    The arrays are copies, and frozen: a write to them raises.

    Raises:
        InputError: when a shape differs, a row rises, an absent place stands before a present
            one, a query id is doubled, a score is infinite or no number, a row names more
            individuals than the gallery has, a photo stands twice in a row, or `distinct` does
            not hold.
    """

    query_ids: npt.NDArray[np.str_]
    gallery_ids: npt.NDArray[np.str_]
    identities: npt.NDArray[np.str_]
    scores: npt.NDArray[np.float32]
    scale: str
    model: str
    n_gallery: int
    distinct: bool = True
    ordering_only: bool = False

    def __post_init__(self) -> None:
        """Check shapes and order; freeze the arrays."""
        arrays = {
            "query_ids": as_text(self.query_ids, "query ids"),
            "gallery_ids": as_text(self.gallery_ids, "gallery ids"),
            "identities": as_text(self.identities, "identities"),
            "scores": _as_scores(self.scores),
        }
        for name, array in arrays.items():
            view = array.view()
            view.setflags(write=False)
            object.__setattr__(self, name, view)
        self._check_shapes()
        self._check_rows()

    def __len__(self) -> int:
        """The number of queries."""
        return len(self.query_ids)

    @property
    def k(self) -> int:
        """The number of places in a row."""
        return int(self.scores.shape[1])

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """(Q, K): which places hold a candidate."""
        return ~np.isnan(self.scores)

    @property
    def best_scores(self) -> npt.NDArray[np.float32]:
        """(Q,): the score of the first candidate; −inf where a query has none, so it is never accepted."""
        if self.k == 0:
            return np.full(len(self), -np.inf, np.float32)
        return np.where(np.isnan(self.scores[:, 0]), -np.inf, self.scores[:, 0]).astype(np.float32)

    @property
    def best_identities(self) -> npt.NDArray[np.str_]:
        """(Q,): the first candidate's individual; empty where a query has none."""
        return self.identities[:, 0] if self.k else np.full(len(self), "", np.str_)

    def select(self, which: Sequence[str] | np.ndarray) -> Matches:
        """The queries chosen by a boolean mask, row numbers or query ids, in the order asked for.

        Raises:
            UnknownNameError: when a query id is not among them.
            InputError: when a mask has another length, a row number does not exist, or a query
                is asked for twice.
        """
        rows = chosen_rows(which, pl.Series(self.query_ids, dtype=pl.String), "query")
        return replace(
            self,
            query_ids=self.query_ids[rows],
            gallery_ids=self.gallery_ids[rows],
            identities=self.identities[rows],
            scores=self.scores[rows],
        )

    def top(self, k: int) -> Matches:
        """The first `k` places of every row.

        Raises:
            InputError: when `k` is not at least 1.
        """
        if k < 1:
            raise InputError(f"expected k of at least 1, found {k}")
        return replace(
            self,
            gallery_ids=self.gallery_ids[:, :k],
            identities=self.identities[:, :k],
            scores=self.scores[:, :k],
        )

    def require_same_scale(self, scale: str, model: str) -> None:
        """Refuse scores that mean something else, or that mean nothing beside those of another query.

        Raises:
            MismatchError: when the scale or the model is another one, or they are for ordering only.
        """
        if self.ordering_only:
            raise MismatchError(
                f"expected scores that can be compared between queries, found scale '{self.scale}', which only orders "
                "the candidates of one query: calibrate and decide on the scores before this re-ranking"
            )
        if (scale, model) != (self.scale, self.model):
            raise MismatchError(
                f"expected scores on scale '{scale}' of model {model}, found scale '{self.scale}' of "
                f"model {self.model}: calibrate again with the model that made these scores"
            )

    def _check_shapes(self) -> None:
        check_ids(self.query_ids, "query ids")
        shape = self.scores.shape
        if len(shape) != 2 or shape[0] != len(self.query_ids):
            raise InputError(f"expected scores of shape (Q, K) for {len(self.query_ids)} queries, found {shape}")
        for name in ("gallery_ids", "identities"):
            if getattr(self, name).shape != shape:
                raise InputError(f"expected {name} of shape {shape}, found {getattr(self, name).shape}")
        for name in ("scale", "model"):
            text = getattr(self, name)
            if not isinstance(text, str) or not text.strip():
                raise InputError(f"expected a {name} as text, found {text!r}")

    def _check_rows(self) -> None:
        present = self.present
        if np.isinf(self.scores).any():
            raise InputError("expected finite scores, or NaN for an absent candidate, found an infinite one")
        gaps = (present[:, 1:] & ~present[:, :-1]).any(axis=1)
        if gaps.any():
            raise InputError(
                f"expected absent candidates at the end of a row, found one earlier in row {gaps.argmax()}"
            )
        unequal = ((present != (self.identities != "")) | (present != (self.gallery_ids != ""))).any(axis=1)
        if unequal.any():
            row = unequal.argmax()
            raise InputError(f"expected a photo and an identity exactly where a score is, found otherwise in row {row}")
        rises = (self.scores[:, 1:] > self.scores[:, :-1]).any(axis=1)
        if rises.any():
            raise InputError(f"expected scores that fall along a row, found a rise in row {rises.argmax()}")
        _refuse_repeats(self.gallery_ids, "photo")
        if self.distinct:
            _refuse_repeats(self.identities, "identity")
        self._check_gallery_size()

    def _check_gallery_size(self) -> None:
        if isinstance(self.n_gallery, bool) or not isinstance(self.n_gallery, int | np.integer) or self.n_gallery < 0:
            raise InputError(f"expected the number of individuals in the gallery, found n_gallery={self.n_gallery!r}")
        named = int(self.present.sum(axis=1).max(initial=0)) if self.distinct else int(self.present.any())
        if named > self.n_gallery:
            raise InputError(f"expected at most n_gallery={self.n_gallery} individuals in a row, found {named}")


def _as_scores(values: npt.ArrayLike) -> npt.NDArray[np.float32]:
    scores = np.asarray(values)
    if scores.dtype.kind not in "fiu":
        raise InputError(f"expected scores as numbers, found {scores.dtype}")
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite and is refused later
        return scores.astype(np.float32)


def _refuse_repeats(names: npt.NDArray[np.str_], what: str) -> None:
    ordered = np.sort(names, axis=1)
    again = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != "")).any(axis=1)
    if again.any():
        raise InputError(f"expected each {what} once in a row, found one twice in row {again.argmax()}")
