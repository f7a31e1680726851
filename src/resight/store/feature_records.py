"""The keypoints of photos as records of a file: their shape, and whether they are still what was written."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from resight.errors import MismatchError

__all__ = ["CODES", "Keypoints", "Place", "as_records", "checksum", "record_of", "whole_ones"]

CODES = ("uint8", "int8", "float16", "float32")
"""The kinds of numbers that descriptors may be kept in."""

_ALL_CHECKED_UP_TO = 2_000


class Keypoints(Protocol):
    """The keypoints of one photo, as a cache keeps them."""

    @property
    def points(self) -> npt.NDArray[np.float32]:
        """(M, 2) where they lie."""

    @property
    def frames(self) -> npt.NDArray[np.float32]:
        """(M, 2) size and angle."""

    @property
    def codes(self) -> npt.NDArray[Any]:
        """(M, D) descriptors; D and the type are those of the method."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in px of the working photo."""


class Place(NamedTuple):
    """Where the records of a photo lie, and what else the index says of it."""

    start: int
    stop: int
    width: int
    height: int
    checksum: int

    def is_inside(self, n_records: int) -> bool:
        """Whether so many records can hold it, and its numbers are such as were written."""
        if not all(isinstance(number, int) for number in self):
            return False
        return 0 <= self.start <= self.stop <= n_records and min(self.width, self.height) > 0

    def is_sound(self, records: npt.NDArray[Any]) -> bool:
        """Whether its records are those that were written."""
        return checksum(records[self.start : self.stop], (self.width, self.height)) == self.checksum


def record_of(codes: np.dtype[Any], dimension: int) -> np.dtype[Any]:
    """One keypoint as it stands in the file."""
    pair = ("<f4", (2,))
    return np.dtype([("points", *pair), ("frames", *pair), ("codes", codes.newbyteorder("<"), (dimension,))])


def as_records(photo: Keypoints, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """The keypoints of a photo as they stand in the file.

    Raises:
        MismatchError: when its codes have another length or type than the file's.
    """
    if photo.codes.dtype != kind["codes"].base or photo.codes.shape[1:] != kind["codes"].shape:
        raise MismatchError(
            f"expected codes of {kind['codes'].shape[0]} {kind['codes'].base}, as this method gave before, found "
            f"{photo.codes.shape[1]} {photo.codes.dtype}: give the other method another model id"
        )
    block = np.zeros(len(photo.points), kind)
    for name in ("points", "frames", "codes"):
        block[name] = getattr(photo, name)
    return block


def checksum(block: npt.NDArray[Any], size: tuple[int, int]) -> int:
    """The CRC-32 of a photo's size and records."""
    return zlib.crc32(block.tobytes(), zlib.crc32(repr(size).encode()))


def whole_ones(records: npt.NDArray[Any], places: Mapping[str, Place]) -> dict[str, Place]:
    """The places whose records are there and are those that were written.

    Of more than 2,000 places so many are compared with their checksums, spread evenly; when one of them
    differs, all are.
    """
    inside = {key: place for key, place in places.items() if place.is_inside(len(records))}
    keys = list(inside)
    some = np.unique(np.linspace(0, len(keys) - 1, min(len(keys), _ALL_CHECKED_UP_TO)).astype(np.int64))
    if len(inside) == len(places) and all(inside[keys[row]].is_sound(records) for row in some):
        return inside
    return {key: place for key, place in inside.items() if place.is_sound(records)}
