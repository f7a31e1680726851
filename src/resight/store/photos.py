"""The photos of a catalogue as the noun that everything else works on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from resight.core import Catalogue
from resight.core.catalogue import SCHEMA
from resight.errors import StoreError, UnknownNameError
from resight.store import extras
from resight.store.labels import parts
from resight.store.schema import PRESENT, photos, roots

BOX = ("box_x", "box_y", "box_width", "box_height")

Stat = tuple[int | None, int | None]
"""A file's size in bytes and its time of change in ns: when both stay, the file is taken as unchanged.

None of a photo that lies on no disk.
"""


def load(connection: sa.Connection, otherwise: Path) -> Catalogue:
    """The photos that are there, in the order in which they came.

    The root is the folder that they were indexed from, or the one that all such folders lie in;
    `otherwise` when there are no photos.

    Raises:
        StoreError: when they were indexed from two drives that have no folder in common.
    """
    query = sa.select(photos, roots.c.folder).join(roots).where(photos.c.status == PRESENT).order_by(photos.c.photo_id)
    rows = connection.execute(query).all()
    names = query.selected_columns.keys()
    columns: dict[str, Sequence[Any]] = dict(
        zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True)
    )
    root, paths = _under_one_root(columns["folder"], columns["path"], otherwise)
    made = {"path": pl.Series(paths, dtype=pl.String), "box": _boxes([columns[name] for name in BOX])}
    frame = pl.DataFrame({name: made.get(name, pl.Series(columns.get(name), dtype=SCHEMA[name])) for name in SCHEMA})
    content = pl.Series(extras.CONTENT, columns["content"], pl.String)
    return Catalogue(frame.with_columns(extras.decode(connection, columns["extra"])).with_columns(content), root)


def folders(connection: sa.Connection) -> list[Path]:
    """The folders that photos were indexed from, in the order in which they came."""
    return [Path(folder) for folder in connection.scalars(sa.select(roots.c.folder).order_by(roots.c.root_id))]


def photo_ids(connection: sa.Connection, image_ids: Sequence[str]) -> dict[str, int]:
    """The database's number of each of these photos, removed ones too, by image id.

    Raises:
        UnknownNameError: when a photo is not in the catalogue.
    """
    query = sa.select(photos.c.image_id, photos.c.photo_id)
    known = {
        row.image_id: int(row.photo_id)
        for part in parts(list(image_ids))
        for row in connection.execute(query.where(photos.c.image_id.in_(part)))
    }
    missing = next((image_id for image_id in image_ids if image_id not in known), None)
    if missing is not None:
        raise UnknownNameError("photo", missing, connection.scalars(sa.select(photos.c.image_id)))
    return known


def full_path(folder: str, path: str) -> str:
    """The full path of a photo, as text (a `Path` per photo would cost more than reading its row)."""
    return f"{folder.rstrip('/')}/{path}"


def stat_of(path: str) -> Stat | None:
    """What tells whether a file changed, or None when it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - called once per photo; a `Path` would double the time
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns


def _boxes(sides: list[Sequence[float | None]]) -> pl.Series:
    numbers = np.array(sides, dtype=np.float64).T.reshape(-1, len(BOX))  # null becomes NaN
    boxes = pl.DataFrame([pl.Series("box", numbers, SCHEMA["box"])])
    return boxes.select(pl.when(pl.col("box").arr.get(0).is_not_nan()).then("box")).to_series()


def _under_one_root(folders: Sequence[str], paths: Sequence[str], otherwise: Path) -> tuple[Path, list[str]]:
    distinct = sorted(set(folders))
    if len(distinct) < 2:
        return Path(distinct[0]) if distinct else otherwise, list(paths)
    try:
        root = Path(os.path.commonpath(distinct))
    except ValueError as error:
        raise StoreError(
            f"expected photos below one folder, found {' and '.join(distinct)}: index each drive into its own catalogue"
        ) from error
    lead = {folder: Path(folder).relative_to(root).as_posix() for folder in distinct}
    return root, [
        path if lead[folder] == "." else f"{lead[folder]}/{path}" for folder, path in zip(folders, paths, strict=True)
    ]
