"""How likely photos of a catalogue are forged, and what that says of pairs of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Catalogue, Embeddings, PhotoPairs
from resight.errors import ImageError, InputError
from resight.forgery import TRACES, ForgeryHead, traces_of
from resight.images import DEFAULT_LIMITS, Failure, pixels_to_decode, read_bytes, read_photo
from resight.machine import MAX_PIXELS_IN_HAND, PixelBudget, in_order, usable_cores
from resight.pipeline.pair_vectors import cosines, vector_rows
from resight.progress import progress
from resight.rerank.logistic import sigmoid

__all__ = ["DOUBT", "ForgeryEvidence", "Traced", "trace_photos"]

Floats = npt.NDArray[np.float64]

DOUBT = 0.2
"""The least probability of being real that a photo is given. Chosen on the validation part of a forged set of faces."""

_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Traced:
    """The traces of some photos.

    Args:
        traces: (N, T) float32; NaN throughout where a photo could not be read or is too small.
        failures: these photos, with the reason.
    """

    traces: npt.NDArray[np.float32]
    failures: tuple[Failure, ...]


def trace_photos(photos: Catalogue, *, n_workers: int | None = None) -> Traced:
    """What forging may have left in each photo, at full size; a `box` is cut out.

    Args:
        photos: N of them.
        n_workers: photos that are looked at side by side; None means one per usable core.
    """
    budget = PixelBudget(MAX_PIXELS_IN_HAND)

    def look(row: dict[str, Any]) -> npt.NDArray[np.float32] | Failure:
        try:
            data = read_bytes(photos.root / row["path"], DEFAULT_LIMITS)
            with budget.share(pixels_to_decode(data, box=row["box"])):
                return traces_of(read_photo(data, box=row["box"]))
        except ImageError as error:
            return Failure(row["image_id"], row["path"], error.reason)
        except InputError as error:
            return Failure(row["image_id"], row["path"], str(error))

    traces = np.full((len(photos), len(TRACES)), np.nan, np.float32)
    failures = []
    workers = usable_cores() if n_workers is None else n_workers
    with progress("looking for traces", total=len(photos)) as done:
        for row, found in enumerate(in_order(look, photos, workers, n_ahead=2 * workers, name="traces")):
            if isinstance(found, Failure):
                failures.append(found)
            else:
                traces[row] = found
            done(1)
    return Traced(traces, tuple(failures))


class ForgeryEvidence:
    """What a forgery head says of pairs: how probably both photos are real, and show one person.

    Beside the cosine in a calibrated stack this refuses the right face on a forged photo. It is the product of two
    probabilities, that of the faces and that of the less trusted photo. A sum of log-odds would let a high cosine
    make up for a forgery. The second probability never falls below `DOUBT`: a head that is wrong about a real photo
    then costs less than another face does, so that persons are told apart as well as before.

    Args:
        head: the head, or the folder that it lies in.

    Raises:
        InputError: when there is no head.
        MismatchError: when its files do not belong together.
    """

    name = "forgery"

    def __init__(self, head: ForgeryHead | str | Path) -> None:
        self._head = head if isinstance(head, ForgeryHead) else ForgeryHead.load(head)
        self._failures: dict[str, Failure] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """The photos that count as forged because nothing could be looked for in them, each with the reason."""
        return tuple(f"{one.path} counts as forged: {one.reason}" for one in self._failures.values())

    def require_model(self, model: str) -> None:
        """Refuse vectors of another model than the head was learned on.

        Raises:
            MismatchError: when they are.
        """
        self._head.require_model(model)

    def log_odds(self, photos: Catalogue, embeddings: Embeddings) -> Floats:
        """(N,) the log-odds that each photo is forged; NaN for one that has no vector.

        A photo in which nothing can be looked for, since it is too small, say, counts as forged for certain: else
        nothing would be easier than to send such a one.

        Raises:
            MismatchError: when the vectors are of another model than the head was learned on.
        """
        rows = vector_rows(photos, embeddings)
        traced = trace_photos(photos.select(np.flatnonzero(rows >= 0)))
        found = np.full(len(photos), np.nan)
        vectors = embeddings.vectors[rows[rows >= 0]]
        found[rows >= 0] = self._head.log_odds(traced.traces, vectors, embeddings.model)
        self._failures |= {one.image_id: one for one in traced.failures}
        found[np.isin(photos.image_ids, [one.image_id for one in traced.failures])] = np.inf
        return found

    def columns(self, pairs: PhotoPairs, embeddings: Embeddings) -> dict[str, Floats]:
        """(P,) under `forgery`: log-odds that both photos of a pair are real and show one person.

        As if half of the photos were forged, and half of the pairs of one person. NaN for a pair of which a photo has
        no vector. Each photo is looked at once.

        Raises:
            MismatchError: when the vectors are of another model than the head was learned on.
        """
        forged = self.log_odds(pairs.photos, embeddings)
        worse = np.maximum(forged[pairs.first], forged[pairs.second])
        slope, height = self._head.numbers.face_line.astype(np.float64)
        face = sigmoid(slope * cosines(pairs, embeddings) + height)
        both = np.clip(face * (DOUBT + (1 - DOUBT) * sigmoid(-worse)), _LEAST, 1 - _LEAST)
        return {self.name: np.log(both) - np.log1p(-both)}
