"""Photos behind a URL (s3://, gs://, https:// and whatever else fsspec opens): listed, labelled and fetched."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from resight.core import Catalogue
from resight.datasets.folders import named_by_folders
from resight.datasets.named_rows import catalogue_of_names, label_rows
from resight.errors import ImageError, InputError, MissingExtraError
from resight.images import SUFFIXES, ImageLimits, check_bytes, in_words, place_of

__all__ = ["fetch", "remote_photos"]


def remote_photos(url: str, labels: str | Path | None = None) -> Catalogue:
    """The photos behind a URL, as a catalogue for `index_photos(..., engine=RayEngine())`.

    A photo counts as unchanged once it was embedded: give a changed one another name. Hidden files are left out.

    Args:
        url: such as `s3://bucket/photos`; keys and tokens are taken from where the service looks for them.
        labels: a table on disk that says who is on the photos, by their paths below the URL or their names; None
            takes the first folder below the URL as the individual, as for a folder of photos.

    Raises:
        InputError: when it cannot be opened, or no photo lies there.
        CatalogueError: when the labels are wrong.
        MissingExtraError: when fsspec is not installed.

    Example:
        >>> import fsspec
        >>> fsspec.filesystem("memory").pipe("/example/Ann/1.jpg", b"...")
        >>> list(remote_photos("memory://example"))[0]["identity"]
        'Ann'
    """
    place = place_of(url)
    names = _listed(url)
    if not names:
        raise InputError(f"expected photos below {url}, found none")
    if labels is not None:
        return catalogue_of_names(names, label_rows(Path(labels)), place)
    return Catalogue(pl.DataFrame({"image_id": names, "path": names, "identity": named_by_folders(names)}), place)


def fetch(url: str, limits: ImageLimits) -> bytes:
    """The content of a photo behind a URL; of one that is too large no more than tells so.

    Raises:
        ImageError: when it cannot be fetched, is empty or larger than allowed.
    """
    try:
        files, path = _opened(url)
        content: bytes = files.cat_file(path, start=0, end=limits.max_bytes + 1)
    except FileNotFoundError as error:
        raise ImageError(url, "there is no such file") from error
    except Exception as error:  # each service raises its own
        raise ImageError(url, f"it cannot be fetched ({in_words(error)})") from error
    check_bytes(url, len(content), limits)
    return content


def _listed(url: str) -> list[str]:
    """The photos below a URL by their endings, sorted, as paths relative to it."""
    try:
        files, root = _opened(url)
        found = [PurePosixPath(path) for path in files.find(root)]
    except MissingExtraError:
        raise
    except Exception as error:  # each service raises its own
        raise InputError(f"expected to list the photos below {url}, found: {in_words(error)}") from error
    below = [path.relative_to(root) for path in found if path.suffix.lower() in SUFFIXES and path.is_relative_to(root)]
    return sorted(path.as_posix() for path in below if not any(part.startswith(".") for part in path.parts))


def _opened(url: str) -> tuple[Any, str]:
    try:
        core = import_module("fsspec.core")
    except ImportError as error:
        raise MissingExtraError("fsspec", "scale", "reading photos behind a URL") from error
    files, path = core.url_to_fs(url)
    return files, path
