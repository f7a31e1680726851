"""Embedding a catalogue: read, resize and embed photo after photo on every core.

Each worker takes one photo the whole way, from its file to its vector. So while one decodes
another infers, no core waits for a stage, and no more photos are in memory than there are workers;
of large ones fewer, down to one at a time.
Nothing is stored here: whoever stores the batches resumes by passing only what is still pending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from resight.core import Catalogue, Embeddings
from resight.embed.bundle import UNIT_TOLERANCE, Bundle
from resight.errors import ConfigError, ImageError
from resight.images import (
    DEFAULT_LIMITS,
    Failure,
    ImageLimits,
    Remark,
    fingerprint,
    pixels_to_decode,
    read_bytes,
    read_photo,
    url_of,
)
from resight.machine import MAX_PIXELS_IN_HAND, PixelBudget, in_order
from resight.progress import progress

DEFAULT_BATCH_SIZE = 64

Fetch = Callable[[str, ImageLimits], bytes]
"""Gives the content of a photo behind a URL, or raises `ImageError`."""


class FileStat(NamedTuple):
    """A file just before it was read: its size, and when it was last changed in nanoseconds since 1970.

    Both are None of a photo behind a URL, which counts as unchanged.
    """

    n_bytes: int | None
    mtime_ns: int | None


@dataclass(frozen=True)
class EmbeddedBatch:
    """Some photos of a catalogue, in its order.

    Args:
        embeddings: the photos that got a vector.
        fingerprints: by image id, a hash of each file's content; every file that could be read has one.
        stats: by image id, size and time of each file; every file that is there has one.
        failures: the photos that got no vector.
        remarks: on photos that got one, such as that several faces were found.
    """

    embeddings: Embeddings
    fingerprints: dict[str, str]
    stats: dict[str, FileStat]
    failures: tuple[Failure, ...]
    remarks: tuple[Remark, ...] = ()


class EmbeddingEngine(Protocol):
    """What embeds the photos of a catalogue elsewhere than in this process."""

    def embed(self, photos: Catalogue, bundle: Path, folder: Path, *, strict: bool = False) -> Iterator[EmbeddedBatch]:
        """What became of the photos, batch by batch in their order, with the vectors of `embed_photos`.

        Args:
            photos: to embed.
            bundle: folder or zip of the bundle.
            folder: of this run, to keep what is done until it was taken; made when absent, gone at the end.
            strict: raise at the first photo that fails.
        """
        ...


def embed_photos(
    catalogue: Catalogue,
    bundle: Bundle,
    *,
    batch_size: int = DEFAULT_BATCH_SIZE,
    n_workers: int | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
    strict: bool = False,
    show_progress: bool = True,
    mirrored: bool = False,
    fetch: Fetch | None = None,
) -> Iterator[EmbeddedBatch]:
    """The vectors of a catalogue's photos, batch by batch in its order.

    A photo that cannot be read is listed with its reason and never ends the run. Work goes on in the
    background while the caller stores a batch, and stops when the iterator is closed.

    Args:
        catalogue: the photos; a `box` is cut out.
        bundle: the model.
        batch_size: photos per batch, so many are lost at most when a run is killed.
        n_workers: photos that are worked on side by side; None means as many as `bundle.threads`.
        limits: photos beyond them are failures.
        strict: raise at the first photo that fails.
        show_progress: draw a bar on standard error, when that is a terminal.
        mirrored: embed the mirror image of each photo instead, as a second view of a query; of the
            gallery only photos of the other side may answer it (`resight.rerank.views.mirrored`).
        fetch: gives the content of a photo behind a URL, within limits; without it such photos are failures.

    Raises:
        ConfigError: when a number is not positive.
        ImageError: with `strict`, for the first photo that fails.
    """
    n_workers = bundle.threads if n_workers is None else n_workers
    for key, number in (("batch_size", batch_size), ("n_workers", n_workers)):
        if number < 1:
            raise ConfigError(f"expected {key} of at least 1, found {number}", key=key)
    return _batches(catalogue, bundle, batch_size, n_workers, limits, strict, show_progress, mirrored, fetch)


def embed_all(catalogue: Catalogue, bundle: Bundle, **options: Any) -> EmbeddedBatch:
    """A whole catalogue as one batch.

    Args:
        catalogue: the photos.
        bundle: the model.
        **options: as for `embed_photos`, without `batch_size`.

    Raises:
        ConfigError: when a number is not positive.
        ImageError: with `strict`, for the first photo that fails.
    """
    batches = list(embed_photos(catalogue, bundle, batch_size=max(len(catalogue), 1), **options))
    return batches[0] if batches else _gathered([], bundle)


@dataclass
class _Outcome:
    """What became of one photo: a vector, or a reason."""

    image_id: str
    path: str
    stat: FileStat | None = None
    fingerprint: str | None = None
    vector: npt.NDArray[np.float32] | None = None
    reason: str = ""
    remark: str = ""


def _batches(
    catalogue: Catalogue,
    bundle: Bundle,
    batch_size: int,
    n_workers: int,
    limits: ImageLimits,
    strict: bool,
    show_progress: bool,
    mirrored: bool,
    fetch: Fetch | None,
) -> Iterator[EmbeddedBatch]:
    bar: AbstractContextManager[Callable[[int], None]] = (
        progress("embedding", len(catalogue)) if show_progress else nullcontext(lambda _: None)
    )

    budget = PixelBudget(MAX_PIXELS_IN_HAND)

    def embed(row: dict[str, Any]) -> _Outcome:
        return _embed_one(row, catalogue.root, bundle, limits, budget, mirrored, fetch)

    with bar as done:
        outcomes = in_order(embed, catalogue, n_workers, n_ahead=2 * batch_size, name="embed")
        try:
            watched = _watched(outcomes, done, catalogue.root if strict else None)
            while batch := list(islice(watched, batch_size)):
                yield _gathered(batch, bundle)
        finally:
            outcomes.close()


def _watched(outcomes: Iterator[_Outcome], done: Callable[[int], None], strict_in: Path | None) -> Iterator[_Outcome]:
    for outcome in outcomes:
        if strict_in is not None and outcome.vector is None:
            raise ImageError(strict_in / outcome.path, outcome.reason)
        done(1)
        yield outcome


def _embed_one(
    row: dict[str, Any],
    root: Path,
    bundle: Bundle,
    limits: ImageLimits,
    budget: PixelBudget,
    mirrored: bool,
    fetch: Fetch | None,
) -> _Outcome:
    path = root / row["path"]
    url = None if fetch is None else url_of(path)
    outcome = _Outcome(row["image_id"], row["path"], stat=_stat(path) if url is None else FileStat(None, None))
    try:
        data = read_bytes(path, limits) if fetch is None or url is None else fetch(url, limits)
        outcome.fingerprint = fingerprint(data)
        how: dict[str, Any] = {"box": row["box"], "min_side_px": bundle.info.photo_side_px, "limits": limits}
        with budget.share(pixels_to_decode(data, **how)):
            pixels, outcome.remark = bundle.prepared(read_photo(data, **how))
        turned = np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels
        vector = bundle.embed(turned[None])[0]
    except ImageError as error:
        outcome.reason = error.reason
        return outcome
    if abs(float(np.linalg.norm(vector)) - 1) <= UNIT_TOLERANCE:
        outcome.vector = vector
    else:
        outcome.reason = "the model finds nothing on it: its vector has no direction"
    return outcome


def _stat(path: Path) -> FileStat | None:
    """Taken before the content is read, so that a change in between is noticed the next time."""
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return None  # reading it says what is wrong
    return FileStat(stat.st_size, stat.st_mtime_ns)


def _gathered(outcomes: list[_Outcome], bundle: Bundle) -> EmbeddedBatch:
    found = [(one.image_id, one.vector) for one in outcomes if one.vector is not None]
    vectors = np.empty((len(found), bundle.info.dimension), np.float32)
    for row, (_, vector) in enumerate(found):
        vectors[row] = vector
    ids = np.array([image_id for image_id, _ in found], np.str_)
    return EmbeddedBatch(
        Embeddings(ids, vectors, bundle.model_id),
        fingerprints={one.image_id: one.fingerprint for one in outcomes if one.fingerprint is not None},
        stats={one.image_id: one.stat for one in outcomes if one.stat is not None},
        failures=tuple(Failure(one.image_id, one.path, one.reason) for one in outcomes if one.vector is None),
        remarks=tuple(
            Remark(one.image_id, one.path, one.remark) for one in outcomes if one.remark and one.vector is not None
        ),
    )
