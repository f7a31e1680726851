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
from resight.progress import progress

__all__ = ["ForgeryEvidence", "Traced", "trace_photos"]

Floats = npt.NDArray[np.float64]


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
    """What a forgery head says of pairs: how sure it is that both photos are real.

    Beside the score of the faces in a calibrated stack this refuses the right face on a forged photo. It is at most
    0, and near 0 for all photos that look real, so that it does not disturb the order among them.

    Args:
        head: the head, or the folder that it lies in.

    Raises:
        InputError: when there is no head.
        MismatchError: when its files do not belong together.
    """

    name = "forgery"

    def __init__(self, head: ForgeryHead | str | Path) -> None:
        self._head = head if isinstance(head, ForgeryHead) else ForgeryHead.load(head)

    def log_odds(self, photos: Catalogue, embeddings: Embeddings) -> Floats:
        """(N,) the log-odds that each photo is forged; NaN for one that has no vector or cannot be read.

        Raises:
            MismatchError: when the vectors are of another model than the head was learned on.
        """
        row_of = {image_id: row for row, image_id in enumerate(embeddings.image_ids.tolist())}
        rows = np.array([row_of.get(image_id, -1) for image_id in photos.image_ids.tolist()], np.int64)
        traced = trace_photos(photos.select(np.flatnonzero(rows >= 0)))
        found = np.full(len(photos), np.nan)
        vectors = embeddings.vectors[rows[rows >= 0]]
        found[rows >= 0] = self._head.log_odds(traced.traces, vectors, embeddings.model)
        return found

    def columns(self, pairs: PhotoPairs, embeddings: Embeddings) -> dict[str, Floats]:
        """(P,) under `forgery`: the logarithm of the probability that both photos of a pair are real, at even odds.

        NaN for a pair of which a photo has no vector or cannot be read. Each photo is looked at once.

        Raises:
            MismatchError: when the vectors are of another model than the head was learned on.
        """
        log_odds = self.log_odds(pairs.photos, embeddings)
        real = np.full(len(log_odds), np.nan)
        known = ~np.isnan(log_odds)
        real[known] = -np.logaddexp(0, log_odds[known])
        return {self.name: real[pairs.first] + real[pairs.second]}
