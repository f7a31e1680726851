"""The local features of one method, in a folder beside the vectors: `features/<model>/`.

`keypoints.bin` holds one record per keypoint, photo after photo, and only ever grows. `index.db` says
which records belong to which content, and the checksum of their bytes; records that it does not speak
of are left-overs of a killed run and are written over. Everything here derives from the photos: a
folder that was removed costs time and nothing else.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.errors import StoreError
from resight.store.feature_records import CODES, Keypoints, Place, as_records, checksum, record_of, whole_ones
from resight.store.labels import parts
from resight.store.vectors import file_stem

__all__ = ["FeatureCache", "Keypoints", "StoredFeatures", "feature_key"]

_LOG = logging.getLogger(__name__)
_FORMAT = 1
_LONGEST_CODE = 65_536
_TABLES = (
    "CREATE TABLE about (model TEXT NOT NULL, codes TEXT NOT NULL, dimension INTEGER NOT NULL)",
    """CREATE TABLE photos (key TEXT PRIMARY KEY, start INTEGER NOT NULL, stop INTEGER NOT NULL,
       width INTEGER NOT NULL, height INTEGER NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID""",
)


@dataclass(frozen=True, eq=False)
class StoredFeatures:
    """What a cache holds of some photos; the pool is memory-mapped.

    Args:
        keys: (n,) of the photos found, in the order asked for.
        spans: (n, 2) int64, first row in the pool and the one behind the last.
        sizes: (n, 2) int32, width and height in px of the working photo.
        points: (T, 2) float32.
        frames: (T, 2) float32.
        codes: (T, D).
    """

    keys: tuple[str, ...]
    spans: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int32]
    points: npt.NDArray[np.float32]
    frames: npt.NDArray[np.float32]
    codes: npt.NDArray[Any]


def feature_key(content: str, box: Sequence[float] | None = None, mask: str | None = None) -> str:
    """What the features of a photo are kept under: its content and what of it was looked at, never its name.

    Args:
        content: fingerprint of the photo's file.
        box: (x, y, width, height) that was cut out.
        mask: fingerprint of the mask's file.

    Example:
        >>> feature_key("3f2a") == feature_key("3f2a", (0, 0, 9, 9))
        False
    """
    cut = None if box is None else tuple(float(side) for side in box)
    return blake2b(repr((content, cut, mask)).encode(), digest_size=16).hexdigest()


class FeatureCache:
    """The features that one method found, by `feature_key`.

    Each method is one transaction: it happens as a whole or not at all, whatever moment the process
    is killed at, and any number of processes may use one cache at once. What is broken is left out, logged
    and made anew.

    Args:
        folder: of the features of all methods, `features` in a catalogue.
        model: fingerprint of method, settings and weights.
        timeout_s: how long to wait for another process that writes.
    """

    def __init__(self, folder: Path, model: str, timeout_s: float = 30.0) -> None:
        self.folder = folder / file_stem(model)
        self.model = model
        self.timeout_s = timeout_s
        self._index = self.folder / "index.db"
        self._records = self.folder / "keypoints.bin"

    def read(self, keys: Sequence[str]) -> StoredFeatures:
        """What is here of some photos; those that are absent or broken are left out.

        Of more than 2,000 photos, so many are compared with their checksums, spread evenly; when one
        of them differs, all are.

        Raises:
            StoreError: when the cache is locked, or the disk refuses.
        """
        with self._in_plain_words():
            places, records = self._looked_up(keys)
        whole = whole_ones(records, places)
        if len(whole) < len(places):
            _LOG.warning("local features of %d photos in %s are broken", len(places) - len(whole), self.folder)
        return _chosen({key: whole[key] for key in keys if key in whole}, records)

    def add(self, keys: Sequence[str], photos: Sequence[Keypoints]) -> int:
        """Keep the features of some photos; returns how many were new.

        What another process kept meanwhile is not kept twice; what is broken is replaced.

        Raises:
            MismatchError: when the codes have another length or type than the method's others.
            StoreError: when the cache is locked, or the disk refuses.
        """
        given = dict(zip(keys, photos, strict=True))
        if not given:
            return 0
        with self._in_plain_words():
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                return self._add(given)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                _LOG.warning("the index of the local features in %s is broken (%s): begun anew", self.folder, error)
                for name in (f"{self._index.name}-journal", self._index.name):
                    (self.folder / name).unlink(missing_ok=True)
                return self._add(given)

    def _looked_up(self, keys: Sequence[str]) -> tuple[dict[str, Place], npt.NDArray[Any]]:
        """What the index says of these photos, and the records that it speaks of."""
        nothing: dict[str, Place] = {}
        if not self._index.exists():
            return nothing, np.zeros(0, record_of(np.dtype(np.uint8), 0))
        try:
            with self._transaction(writes=False) as connection:
                kind = _kind(connection, self.model)
                if kind is not None:
                    return _places(connection, keys), self._mapped(kind)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
        return nothing, np.zeros(0, record_of(np.dtype(np.uint8), 0))  # nothing yet, or broken: `add` begins anew

    def _add(self, given: Mapping[str, Keypoints]) -> int:
        with self._transaction(writes=True) as connection:
            kind = _kind(connection, self.model) or _begun(connection, self.model, next(iter(given.values())))
            _forget_broken(connection, self._mapped(kind), list(given))
            have = _places(connection, list(given))
            new = {key: photo for key, photo in given.items() if key not in have}
            blocks = [as_records(photo, kind) for photo in new.values()]
            start = int(connection.execute("SELECT coalesce(max(stop), 0) FROM photos").fetchone()[0])
            self._append(start, blocks)
            for (key, photo), block in zip(new.items(), blocks, strict=True):
                row = (key, start, start + len(block), *photo.size, checksum(block, photo.size))
                connection.execute("INSERT INTO photos VALUES (?, ?, ?, ?, ?, ?)", row)
                start += len(block)
        return len(new)

    def _append(self, start: int, blocks: list[npt.NDArray[Any]]) -> None:
        """Write behind the records that count, and wait until the disk has them."""
        if not start:
            self._records.unlink(missing_ok=True)  # another process may have the old file mapped
        with self._records.open("r+b" if start else "w+b") as file:
            file.seek(start * blocks[0].itemsize if blocks else 0)
            for block in blocks:
                file.write(block.tobytes())
            file.flush()
            os.fsync(file.fileno())

    def _mapped(self, kind: np.dtype[Any]) -> npt.NDArray[Any]:
        n = self._records.stat().st_size // kind.itemsize if self._records.exists() else 0
        return np.memmap(self._records, kind, mode="r", shape=(n,)) if n else np.zeros(0, kind)

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[sqlite3.Connection]:
        # A reader may have to roll a killed writer's transaction back, so it opens for writing where it can.
        mode = "rwc" if writes else "rw" if os.access(self.folder, os.W_OK) else "ro"
        uri = f"{self._index.resolve().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(uri, uri=True, timeout=self.timeout_s, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def _in_plain_words(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            found = getattr(error, "strerror", None) or error
            raise StoreError(
                f"expected to use the local features in {self.folder}, found: {found}. If no other process uses them, "
                "remove that folder: they are then made anew"
            ) from error


def _kind(connection: sqlite3.Connection, model: str) -> np.dtype[Any] | None:
    """The record of the keypoints that are here, or None when there are none yet."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return None
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    ours = version == _FORMAT and tables == {"about", "photos"}
    found = connection.execute("SELECT model, codes, dimension FROM about").fetchall() if ours else []
    for name, codes, dimension in found:
        if name == model and codes in CODES and isinstance(dimension, int) and 0 <= dimension <= _LONGEST_CODE:
            return record_of(np.dtype(codes), dimension)
    raise sqlite3.DatabaseError("it is of another method or version")


def _begun(connection: sqlite3.Connection, model: str, first: Keypoints) -> np.dtype[Any]:
    for statement in (*_TABLES, f"PRAGMA user_version={_FORMAT}"):
        connection.execute(statement)
    codes, dimension = first.codes.dtype.name, first.codes.shape[1]
    connection.execute("INSERT INTO about VALUES (?, ?, ?)", (model, codes, dimension))
    return record_of(np.dtype(codes), dimension)


def _places(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Place]:
    columns = "key, start, stop, width, height, checksum"
    places = {}
    for part in parts(list(keys)):
        marks = ", ".join("?" * len(part))
        rows = connection.execute(f"SELECT {columns} FROM photos WHERE key IN ({marks})", list(part))  # noqa: S608  ?s
        places.update({key: Place(*place) for key, *place in rows})
    return places


def _forget_broken(connection: sqlite3.Connection, records: npt.NDArray[Any], keys: Sequence[str]) -> None:
    connection.execute("DELETE FROM photos WHERE stop > ?", (len(records),))
    places = _places(connection, keys)
    for key in places.keys() - whole_ones(records, places).keys():
        connection.execute("DELETE FROM photos WHERE key = ?", (key,))


def _chosen(places: Mapping[str, Place], records: npt.NDArray[Any]) -> StoredFeatures:
    numbers = np.array([place[:4] for place in places.values()], np.int64).reshape(-1, 4)
    pool = {name: records[name] for name in ("points", "frames", "codes")}
    return StoredFeatures(tuple(places), numbers[:, :2], numbers[:, 2:].astype(np.int32), **pool)
