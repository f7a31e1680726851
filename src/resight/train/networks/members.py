"""Who of a catalogue learns, who judges and who is left out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resight.config import TrainRecipe
from resight.core import Catalogue
from resight.train.examples import synthetic_marks
from resight.train.networks.judge import HoldOut

__all__ = ["Members"]

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Members:
    """The photos of a catalogue by their part in a training.

    Args:
        photos: all of the catalogue.
        learn: rows that are learned from.
        unlabelled: rows that can be read and have no name.
        judged: rows of the photos that the hold-out knows, in its order.
        hold_out: who is kept back, if someone is.
    """

    photos: Catalogue
    learn: Codes
    unlabelled: Codes
    judged: Codes
    hold_out: HoldOut | None

    @classmethod
    def of(cls, photos: Catalogue, failed: Sequence[str], recipe: TrainRecipe, seed: int) -> Members:
        """Deal the photos that can be read.

        Args:
            photos: all of the catalogue.
            failed: ids of those that cannot be read.
            recipe: of the training.
            seed: of the draw.

        Raises:
            NotFittedError: when too few individuals were met again to judge by.
        """
        readable = ~np.isin(photos.image_ids, np.array(failed, dtype=np.str_))
        named = photos.frame["identity"].is_not_null().to_numpy()
        labelled = np.flatnonzero(readable & named)
        unlabelled = np.flatnonzero(readable & ~named)
        if not recipe.hold_out.n_parts:
            return cls(photos, labelled, unlabelled, np.zeros(0, np.int64), None)
        judged = np.flatnonzero(readable & named & ~synthetic_marks(photos.frame))
        hold_out = HoldOut(photos.select(judged), recipe.same, recipe.hold_out, seed)
        away = np.isin(labelled, judged[~hold_out.fold.learn]) | _of_the_same(photos, labelled, judged, hold_out)
        return cls(photos, labelled[~away], unlabelled, judged, hold_out)

    @property
    def fingerprint(self) -> str:
        """A hash of who has which part: a run goes on with the same."""
        digest = hashlib.blake2b(digest_size=16)
        for rows in (self.learn, self.unlabelled, self.judged):
            digest.update(repr(rows.tolist()).encode())
        return digest.hexdigest()

    @property
    def strangers(self) -> Codes:
        """Rows of the individuals that are kept back altogether."""
        return self.judged[self.hold_out.fold.strangers] if self.hold_out else self.judged


def _of_the_same(photos: Catalogue, rows: Codes, judged: Codes, hold_out: HoldOut) -> npt.NDArray[np.bool_]:
    """Which rows show a stranger, or were taken in an encounter that is kept back: generated photos among them."""
    names, met = photos.column("identity"), photos.column("encounter")
    strangers = {names[row] for row in judged[hold_out.fold.strangers]}
    kept_back = {(names[row], met[row]) for row in judged[hold_out.fold.known] if met[row] is not None}
    return np.array([names[row] in strangers or (names[row], met[row]) in kept_back for row in rows], dtype=bool)
