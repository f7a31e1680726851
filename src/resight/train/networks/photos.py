"""The photos of a training: read once, kept small, and looked at as often as need be.

A torch module through and through: imported only inside functions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from resight.config import PhotoOptions
from resight.core import Catalogue
from resight.embed import face_aligner
from resight.errors import ImageError, InputError, UnknownNameError
from resight.faces import FaceAligner
from resight.images import Failure, ResizeMode, read_photo, scaled
from resight.machine import in_order, usable_cores
from resight.progress import progress
from resight.train.networks.augmentation import Augmentation

__all__ = ["Look", "Looks", "PhotoShelf"]

Pixels = npt.NDArray[np.uint8]

_SPARE = 1.2
"""How much larger than what the network sees photos are kept, so that a crop still has its pixels."""


class Look(NamedTuple):
    """One look at a photo: which one, how it is changed, and whether it is mirrored."""

    row: int
    seed: int
    mirrored: bool


class PhotoShelf:
    """Photos cut and made small, in memory as far as they fit.

    Args:
        catalogue: the photos.
        options: which columns hold boxes, what turns faces upright, and how much memory is used.
        side_px: of the largest square that will be made of them.

    Raises:
        UnknownNameError: when there is no such column of boxes, or no such bundle of faces.
        InputError: when the column holds something else, or the bundle is not of faces.
    """

    def __init__(self, catalogue: Catalogue, options: PhotoOptions, side_px: int) -> None:
        self.catalogue = catalogue
        self._side_px = round(side_px * _SPARE)
        self._max_bytes = options.cache_mb * 1_000_000
        self._paths = catalogue.frame["path"].to_list()
        self._boxes = _boxes(catalogue, options.boxes)
        self._faces = None if options.faces is None else _Upright(options.faces, options.resize)
        self._kept: dict[tuple[int, int], Pixels] = {}
        self._n_bytes = 0

    def read_all(self) -> list[Failure]:
        """Read every photo once and keep what fits; those that cannot be read are listed."""
        failures = []
        rows = range(len(self.catalogue))
        with progress("reading", len(rows)) as done:
            for failure in in_order(self._tried, rows, usable_cores(), n_ahead=64, name="read"):
                if failure is not None:
                    failures.append(failure)
                done(1)
        return failures

    def photo(self, row: int, draw: int = 0) -> Pixels:
        """(H, W, 3) uint8 RGB, cut to a box of the photo: the first, or by `draw` one of them.

        Raises:
            ImageError: when it cannot be read any more.
        """
        boxes = self._boxes[row]
        key = row, draw % len(boxes)
        if key in self._kept:
            return self._kept[key]
        try:
            return self._read(*key)
        except ImageError as error:
            again = "it could be read before; bring it back, and the same command goes on"
            raise ImageError(error.path, f"{error.reason}: {again}") from error

    def _tried(self, row: int) -> Failure | None:
        try:
            for number in range(len(self._boxes[row])):
                pixels = self._read(row, number)
                if self._n_bytes + pixels.nbytes <= self._max_bytes:
                    self._kept[row, number] = pixels
                    self._n_bytes += pixels.nbytes
        except ImageError as error:
            return Failure(str(self.catalogue.image_ids[row]), self._paths[row], error.reason)
        return None

    def _read(self, row: int, number: int) -> Pixels:
        path = self.catalogue.root / self._paths[row]
        box = self._boxes[row][number]
        if self._faces is not None:
            return self._faces(path, box, self._side_px)
        photo = read_photo(path, box=box, min_side_px=self._side_px)
        scale = self._side_px / min(photo.shape[:2])
        if scale >= 1:
            return photo
        return scaled(photo, max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))


class _Upright:
    """The face that counts on a photo; every process starts what finds it for itself."""

    def __init__(self, bundle: str, resize: ResizeMode) -> None:
        self._bundle, self._resize = bundle, resize
        self._started: tuple[int, FaceAligner] = os.getpid(), face_aligner(bundle, resize)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Upright, (self._bundle, self._resize)

    def __call__(self, path: Path, box: Any, side_px: int) -> Pixels:
        process, aligner = self._started
        if process != os.getpid():
            aligner = face_aligner(self._bundle, self._resize)
            self._started = os.getpid(), aligner
        photo = read_photo(path, box=box, min_side_px=max(side_px, aligner.info.photo_side_px))
        try:
            return aligner.prepare(photo, side_px).pixels
        except ImageError as error:
            raise ImageError(path, error.reason) from error


@dataclass(frozen=True)
class Looks(Dataset[Tensor]):
    """What the network sees, look by look; a look depends on nothing but itself.

    Args:
        shelf: the photos.
        augmentation: how they are changed.
    """

    shelf: PhotoShelf
    augmentation: Augmentation

    def __getitem__(self, look: Look) -> Tensor:
        """(3, S, S) uint8."""
        return self.augmentation(self.shelf.photo(look.row, look.seed), look.seed, look.mirrored)

    def __getitems__(self, looks: Sequence[Look]) -> Tensor | ImageError:
        """(B, 3, S, S) uint8, or why there is none: an error that a process raised would come as a trace."""
        try:
            return torch.stack([self[look] for look in looks])
        except ImageError as error:
            return error

    def batches(self, batches: Sequence[Sequence[Look]], n_workers: int) -> Iterator[Tensor]:
        """(B, 3, S, S) uint8 for each batch, read by processes of their own where there are some.

        Raises:
            ImageError: when a photo cannot be read any more.
        """
        has_gpu = torch.cuda.is_available()
        loader: DataLoader[Any] = DataLoader(
            self, batch_sampler=batches, num_workers=n_workers, pin_memory=has_gpu, collate_fn=_as_it_is
        )
        for found in loader:
            if isinstance(found, ImageError):
                raise found
            yield found

    def plain(self, rows: npt.NDArray[np.int64], n_together: int = 32) -> Iterator[Tensor]:
        """(B, 3, S, S) uint8 of photos as they are, batch by batch."""
        for some in np.array_split(rows, -(-len(rows) // n_together)) if len(rows) else []:
            yield torch.stack([self.augmentation.plain(self.shelf.photo(int(row))) for row in some])


def _as_it_is(batch: Tensor | ImageError) -> Tensor | ImageError:
    return batch


def _boxes(catalogue: Catalogue, columns: Sequence[str]) -> list[list[Any]]:
    """Of each photo the boxes that are known, at least one: None stands for the whole photo."""
    for name in columns:
        if name not in catalogue.frame.columns:
            raise UnknownNameError("column", name, catalogue.frame.columns)
    odd = [name for name in columns if catalogue.frame[name].dtype != pl.Array(pl.Float64, 4)]
    if odd:
        try:
            frame = catalogue.frame.with_columns(_as_boxes(catalogue.frame[name]) for name in odd)
        except (pl.exceptions.PolarsError, ValueError) as error:
            raise InputError(f"expected boxes as x, y, width, height in column '{odd[0]}', found others") from error
    else:
        frame = catalogue.frame
    rows = frame.select(columns).rows() if columns else [()] * len(catalogue)
    return [[box for box in row if box is not None] or [None] for row in rows]


def _as_boxes(column: pl.Series) -> pl.Series:
    """Lists or texts of four numbers as boxes."""
    if column.dtype == pl.String:
        column = column.str.extract_all(r"-?\d+(?:\.\d+)?").cast(pl.List(pl.Float64))
    return column.cast(pl.List(pl.Float64)).list.to_array(4)
