"""Bundles that training makes: a draft beside the place where it will lie, its proof on real photos, its publishing."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resight.bundle_files import GRAPH, INFO, LEARNED, read_graph, read_learned
from resight.core import Catalogue
from resight.embed import Bundle, BundleInfo, bundle_path, describe, learned_mark
from resight.errors import ConfigError, ImageError, InputError, MismatchError
from resight.images import fingerprint, read_bytes, read_photo, resize

__all__ = [
    "LARGEST_DIFFERENCE",
    "LEAST_COSINE",
    "Agreement",
    "agreement",
    "draft_folder",
    "drawn_pixels",
    "pixels_of",
    "publish",
    "refuse_odd_name",
    "refuse_taken",
    "write_files",
    "write_finders",
    "write_learned",
]

LARGEST_DIFFERENCE = 1e-4
"""Between a number of a vector of the bundle and that of what it was made from."""

LEAST_COSINE = 0.9999
"""Between the two vectors."""

N_CHECKED = 16
"""Photos that a bundle is held against what it was made from on, at most."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_HAS_DIRECTION = 0.5  # length, between that of a vector of zeros and 1

Pixels = npt.NDArray[np.uint8]


class Agreement(NamedTuple):
    """How well a bundle gives the vectors that it should.

    Args:
        n_photos: that were looked at; 0 when none could be read, and drawn pixels stood in.
        least_cosine: between the vectors of a photo.
        largest_difference: between two numbers.
    """

    n_photos: int
    least_cosine: float
    largest_difference: float


@contextmanager
def draft_folder(beside: Path) -> Iterator[Path]:
    """An empty folder for the files of a bundle; gone again afterwards, whatever happens.

    Args:
        beside: folder to make it in.

    Raises:
        InputError: when the disk refuses.
    """
    try:
        beside.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=beside, prefix=".draft-", ignore_cleanup_errors=True) as folder:
            draft = Path(folder, "bundle")
            draft.mkdir()
            yield draft
    except OSError as error:
        raise InputError(f"expected to write the bundle into {beside}, found: {error.strerror or error}") from error


def write_files(folder: Path, graph: bytes, info: BundleInfo) -> None:
    """The two files of a bundle into a folder that is there.

    Raises:
        InputError: when the disk refuses.
    """
    try:
        (folder / GRAPH).write_bytes(graph)
        (folder / INFO).write_text(info.to_text(), encoding="utf-8")
    except OSError as error:
        raise InputError(f"expected to write the bundle into {folder}, found: {error.strerror or error}") from error


def write_finders(folder: Path, base: str | Path | None) -> None:
    """What a bundle of faces finds them with, into the folder of a bundle made from it; of another one nothing.

    Raises:
        InputError: when the disk refuses.
    """
    face = None if base is None else describe(base).face
    if base is None or face is None:
        return
    try:
        for name, weights in face.files.items():
            (folder / name).write_bytes(read_graph(bundle_path(base), weights, name))
    except OSError as error:
        raise InputError(f"expected to write the bundle into {folder}, found: {error.strerror or error}") from error


def write_learned(folder: Path, photos: Catalogue, base: Path | None = None) -> None:
    """Which photos a bundle learned, by the content of their files, into its folder.

    What is judged by a catalogue then asks with the other photos.

    Args:
        folder: of the bundle.
        photos: that were learned; those that cannot be read are passed over.
        base: bundle that this one was learned on; what that learned counts, too.

    Raises:
        InputError: when the disk refuses.
    """
    before = None if base is None else read_learned(base)
    marks = sorted({learned_mark(one) for one in _contents(photos)} | (before or frozenset()))
    try:
        (folder / LEARNED).write_text("".join(f"{mark}\n" for mark in marks), encoding="ascii")
    except OSError as error:
        raise InputError(f"expected to write the bundle into {folder}, found: {error.strerror or error}") from error


def _contents(photos: Catalogue) -> Iterator[str]:
    """Fingerprints of the files; a catalogue on disk knows them."""
    known = photos.frame["content"].to_list() if "content" in photos.frame.columns else [None] * len(photos)
    for row, content in enumerate(known):
        try:
            yield content if content is not None else fingerprint(read_bytes(photos.photo(row)))
        except ImageError:
            continue


def agreement(
    made: Bundle, expected: Callable[[Pixels], npt.NDArray[np.float32]], of: str, photos: Catalogue
) -> Agreement:
    """Hold a bundle against what it was made from, on some photos.

    Args:
        made: the bundle.
        expected: (B, S, S, 3) pixels as the bundle takes them → (B, D) the vectors that it should give.
        of: whose vectors these are, for a message.
        photos: some of these are looked at; those that cannot be read are passed over, and when none can, drawn
            pixels stand in for them.

    Raises:
        MismatchError: when they do not agree.
    """
    rows = np.unique(np.linspace(0, len(photos) - 1, min(N_CHECKED, len(photos))).astype(np.int64))
    real = list(pixels_of(photos.select(rows), made.info))
    pixels = np.stack(real or drawn_pixels(made.info.input_side_px, 4))
    wanted, found = expected(pixels), made.embed(pixels)
    apart = float(np.abs(wanted - found).max()) if wanted.shape == found.shape else float("inf")
    lengths = np.linalg.norm(wanted, axis=1) > _HAS_DIRECTION  # what has no direction has no cosine
    cosines = np.einsum("nd,nd->n", wanted[lengths], found[lengths]) if np.isfinite(apart) else np.zeros(1)
    least = float(cosines.min(initial=1.0))
    if not (least >= LEAST_COSINE and apart <= LARGEST_DIFFERENCE):
        raise MismatchError(
            f"expected the bundle to give the vectors of {of} to {LARGEST_DIFFERENCE:g} (cosine at least "
            f"{LEAST_COSINE}), found a difference of {apart:.2g} (cosine {least:.6f})"
        )
    return Agreement(len(real), least, apart)


def pixels_of(photos: Catalogue, info: BundleInfo) -> Iterator[Pixels]:
    """(S, S, 3) of one photo after the other as a bundle takes it; those that cannot be read are passed over.

    Args:
        photos: a `box` is cut out.
        info: of the bundle.
    """
    side = info.input_side_px
    for row in photos:
        try:
            photo = read_photo(read_bytes(photos.root / row["path"]), box=row["box"], min_side_px=side)
        except ImageError:
            continue
        yield resize(photo, side, info.resize)


def drawn_pixels(side_px: int, n_photos: int) -> list[Pixels]:
    """Noise in the place of photos, the same each time."""
    return list(np.random.default_rng(0).integers(0, 256, (n_photos, side_px, side_px, 3), dtype=np.uint8))


def publish(draft: Path, out: Path) -> None:
    """Put a draft where it is to lie, as a whole or not at all.

    Raises:
        InputError: when something lies there, or the disk refuses.
    """
    refuse_taken(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".draft-", ignore_cleanup_errors=True) as folder:
            copy = shutil.copytree(draft, Path(folder, "bundle"))
            Path(copy).rename(out)
    except OSError as error:
        raise InputError(f"expected to write the bundle to {out}, found: {error.strerror or error}") from error


def refuse_taken(out: Path) -> None:
    """Refuse a place for a bundle where something lies.

    Raises:
        InputError: when something does.
    """
    if out.exists():
        raise InputError(f"expected a new folder for the bundle, found something in {out}: give another place")


def refuse_odd_name(name: str) -> None:
    """Refuse what is no name of a bundle.

    Raises:
        ConfigError: when it is none.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"expected a name of small letters, digits, '-', '_' and '.' for the bundle, found '{name}'", key="name"
        )
