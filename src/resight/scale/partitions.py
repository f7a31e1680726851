"""Partitions: some photos each, and a file with what became of them.

A file is written beside its place and renamed when the disk has it, so one that is there is whole. It is an
uncompressed `.npz` that plain `numpy.load` reads without pickle; zip keeps a checksum of each part of it.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from resight.core import Catalogue, Embeddings
from resight.embed import EmbeddedBatch, Failure, FileStat, Remark
from resight.errors import StoreError
from resight.images import fingerprint
from resight.store.photos import full_path, stat_of

__all__ = ["Partition", "PartitionFolder"]

_SUFFIX = ".npz"
_DRAFT, _TRIES = ".draft-", ".tries"
_MOST_TRIES = 4
_NO_STAT = (None, None)


@dataclass(frozen=True)
class Partition:
    """Some photos that one worker embeds in one go.

    Args:
        root: the folder that their paths are relative to.
        rows: id, path and box of each photo.
    """

    root: str
    rows: tuple[tuple[str, str, tuple[float, ...] | None], ...]

    @classmethod
    def of(cls, photos: Catalogue) -> Partition:
        """The photos of a catalogue as one partition."""
        rows = ((row["image_id"], row["path"], None if row["box"] is None else tuple(row["box"])) for row in photos)
        return cls(str(photos.root.resolve()), tuple(rows))

    @classmethod
    def from_text(cls, text: str) -> Partition:
        """What `to_text` wrote."""
        told = json.loads(text)
        rows = ((image_id, path, None if box is None else tuple(box)) for image_id, path, box in told["rows"])
        return cls(told["root"], tuple(rows))

    def to_text(self) -> str:
        """As JSON, which travels to a worker."""
        return json.dumps(asdict(self))

    @property
    def name(self) -> str:
        """Of its file: the same for the same photos."""
        return fingerprint(self.to_text().encode()) + _SUFFIX

    def photos(self) -> Catalogue:
        """The photos as a catalogue."""
        image_ids, paths, boxes = zip(*self.rows, strict=True)
        frame = pl.DataFrame({"image_id": image_ids, "path": paths})
        return Catalogue(frame.with_columns(box=pl.Series(boxes, dtype=pl.Array(pl.Float64, 4))), Path(self.root))


@dataclass(frozen=True)
class PartitionFolder:
    """The files of the partitions of one model; every worker must reach it under the same path.

    Args:
        folder: where they lie.
    """

    folder: Path

    def write(self, partition: Partition, batch: EmbeddedBatch) -> None:
        """Keep what became of a partition: as a whole or not at all.

        Raises:
            OSError: when the disk refuses.
        """
        told = {
            "partition": asdict(partition),
            "model": batch.embeddings.model,
            "image_ids": batch.embeddings.image_ids.tolist(),
            "fingerprints": batch.fingerprints,
            "stats": batch.stats,
            "failures": [asdict(one) for one in batch.failures],
            "remarks": [asdict(one) for one in batch.remarks],
        }
        text = np.frombuffer(json.dumps(told).encode(), np.uint8)
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=_DRAFT, delete=False) as draft:
            try:
                np.savez(draft, vectors=batch.embeddings.vectors, told=text, allow_pickle=False)
                draft.flush()
                os.fsync(draft.fileno())
                Path(draft.name).replace(self.folder / partition.name)
            except BaseException:
                Path(draft.name).unlink(missing_ok=True)
                raise

    def holds(self, partition: Partition) -> bool:
        """Whether a partition is done."""
        return (self.folder / partition.name).is_file()

    def count_try(self, partition: Partition) -> None:
        """Note that a worker begins with a partition, so that photos that kill their worker do not do so for ever.

        Raises:
            StoreError: when this run began with it four times before.
            OSError: when the disk refuses.
        """
        with (self.folder / (partition.name + _TRIES)).open("ab") as notes:
            n_tries = notes.tell()
            notes.write(b".")
        if n_tries >= _MOST_TRIES:
            raise StoreError(
                f"a worker was killed each of {n_tries} times that it embedded the photos '{partition.rows[0][1]}' to "
                f"'{partition.rows[-1][1]}' in {partition.root}: give workers more memory, or take these photos away"
            )

    def read(self, partition: Partition) -> EmbeddedBatch:
        """What became of a partition.

        Raises:
            StoreError: when its file is absent or damaged.
        """
        path = self.folder / partition.name
        try:
            return _read(path)[1]
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise StoreError(
                f"expected the vectors of a partition in {path}, found: {str(error) or type(error).__name__}; run the "
                "same command again, and let all workers reach this folder"
            ) from error

    def remove(self, partition: Partition) -> None:
        """Let the files of a partition go."""
        for name in (partition.name, partition.name + _TRIES):
            with suppress(OSError):
                (self.folder / name).unlink(missing_ok=True)

    def plan(self, photos: Catalogue, n_photos: int) -> list[Partition]:
        """All photos in partitions, in their order: those that an earlier run finished, and the rest anew.

        A file of which any photo is not asked for any more, or has changed, goes, and so does what is half done.

        Args:
            photos: to embed.
            n_photos: in a new partition, at most.
        """
        everything = Partition.of(photos).rows if len(photos) else ()
        root = str(photos.root.resolve())
        kept = self._sound(Partition(root, everything))
        owner = {row[0]: partition for partition in kept for row in partition.rows}
        planned: dict[Partition, None] = {}  # a kept one stands where its first photo does
        for partition, run in groupby(everything, key=lambda row: owner.get(row[0])):
            rows = tuple(run)
            cut = (Partition(root, rows[start : start + n_photos]) for start in range(0, len(rows), n_photos))
            planned.update(dict.fromkeys(cut if partition is None else [partition]))
        return list(planned)

    def _sound(self, asked: Partition) -> Iterator[Partition]:
        """The partitions that are done and whose photos are asked for as they are."""
        wanted, seen = set(asked.rows), set[Any]()
        for path in sorted(self.folder.iterdir()):
            if path.name.startswith(_DRAFT) or path.suffix == _TRIES:
                path.unlink(missing_ok=True)
            elif path.suffix == _SUFFIX:
                partition = _finished(path)
                rows = set() if partition is None else set(partition.rows)
                if partition is None or partition.root != asked.root or not rows <= wanted - seen:
                    path.unlink(missing_ok=True)
                else:
                    seen |= rows
                    yield partition


def _finished(path: Path) -> Partition | None:
    """The partition of a file; None when it is damaged, or a photo is not the one that was read."""
    try:
        partition, batch = _read(path)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
    is_as_read = all(
        (stat_of(full_path(partition.root, row[1])) or _NO_STAT) == (batch.stats.get(row[0]) or _NO_STAT)
        for row in partition.rows
    )
    return partition if path.name == partition.name and is_as_read else None


def _read(path: Path) -> tuple[Partition, EmbeddedBatch]:
    with np.load(path, allow_pickle=False) as file:
        vectors, told = file["vectors"], json.loads(file["told"].tobytes())
    ids = np.array(told["image_ids"], np.str_)
    batch = EmbeddedBatch(
        Embeddings(ids, vectors, told["model"]),
        fingerprints=told["fingerprints"],
        stats={image_id: FileStat(*stat) for image_id, stat in told["stats"].items()},
        failures=tuple(Failure(**one) for one in told["failures"]),
        remarks=tuple(Remark(**one) for one in told["remarks"]),
    )
    return Partition.from_text(json.dumps(told["partition"])), batch
