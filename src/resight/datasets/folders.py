"""Folders as labels: `root/<identity>/photo.jpg`."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from resight.core import Catalogue
from resight.datasets.columns import identities
from resight.datasets.photo_paths import PHOTO_FOLDERS
from resight.datasets.table_files import is_table
from resight.errors import CatalogueError
from resight.images import find_photos
from resight.pages.wording import plural


class FolderLayout:
    """Each folder below the root is one individual, named by it; deeper folders say nothing more.

    Photos that lie in the root itself are unlabelled, and so are those in a folder called
    `unknown`. When everything lies in one folder that is called `images` or the like, the
    individuals' folders are looked for inside that. A single photo is an unlabelled catalogue of one.

    Example:
        >>> FolderLayout().name
        'folders'
    """

    name = "folders"

    def recognises(self, photos: Path, labels: Path | None) -> str | None:
        """Why this layout fits what lies there, or None: it needs photos, and labels only as folders."""
        if labels is not None:
            return None
        paths = _photos(photos)
        if not paths:
            return None
        n_named = named_by_folders(paths).drop_nulls().n_unique()
        unused = "".join(f"; {name} was not used, none of its columns names these photos" for name in _tables(photos))
        if not n_named:
            return f"{plural(len(paths), 'photo')} and no labels{unused}"
        return f"{plural(len(paths), 'photo')} in {plural(n_named, 'folder')}, each taken for one individual{unused}"

    def read(self, photos: Path, labels: Path | None) -> Catalogue:
        """The catalogue of the photos under a folder, or of one photo.

        Raises:
            CatalogueError: when there is no photo, or labels are given.
        """
        if labels is not None:
            raise CatalogueError(f"expected no labels beside folders, found {labels}: read it with the layout 'table'")
        paths = _photos(photos)
        if not paths:
            raise CatalogueError(f"expected photos in {photos}, found none: give the folder that they lie in")
        frame = pl.DataFrame({"image_id": paths, "path": paths, "identity": named_by_folders(paths)})
        return Catalogue(frame, (photos.parent if photos.is_file() else photos).resolve())


def _tables(photos: Path) -> list[str]:
    """Tables that lie beside the photos and that no other layout recognised."""
    return sorted(path.name for path in photos.iterdir() if is_table(path)) if photos.is_dir() else []


def _photos(photos: Path) -> list[str]:
    return [photos.name] if photos.is_file() else find_photos(photos)


def named_by_folders(paths: list[str]) -> pl.Series:
    """The individual on each photo: the first folder of its path; null when it has none."""
    path = pl.Series("identity", paths, dtype=pl.String)
    for _ in range(2):
        first = path.str.extract(r"^([^/]+)/")
        wrapped = first.n_unique() == 1 and str(first[0]).lower() in PHOTO_FOLDERS
        if not wrapped:
            break
        path = path.str.slice(len(str(first[0])) + 1)
    return first.alias("identity").to_frame().select(identities(pl.col("identity"))).to_series()
