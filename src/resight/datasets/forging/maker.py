"""One photo of a forged set: read, forged or not, and compressed as all others are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resight.core import Catalogue
from resight.datasets.forging.faces import Landmarks, Photo, Points, require_points
from resight.datasets.forging.kinds import KINDS, TwoFaces
from resight.datasets.forging.plan import PARTS, Planned
from resight.errors import ConfigError, ImageError, InputError, UnknownNameError
from resight.images import Failure, as_jpeg, read_photo, scaled

__all__ = ["ForgeOptions", "Maker"]

_PIXELS = 4
_TOLERANCE = 1e-6
_BEST_QUALITY = 95
_LEAST_SIDE_PX = 16


@dataclass(frozen=True)
class ForgeOptions:
    """How a set is made; see `resight.datasets.forging.making.forge_photos`.

    Raises:
        ConfigError: when a number is out of range.
        UnknownNameError: when there is no such kind of forgery.
    """

    kinds: tuple[str, ...]
    shares: tuple[float, ...]
    fake_share: float
    n_pairs_each: int
    quality: tuple[int, int]
    max_side_px: int
    seed: int

    def __post_init__(self) -> None:
        for name in self.kinds:
            if name not in KINDS:
                raise UnknownNameError("kind of forgery", name, list(KINDS))
        low, high = self.quality
        sums_up = min(self.shares, default=-1) >= 0 and abs(sum(self.shares) - 1) < _TOLERANCE
        checks = {
            "kinds": (bool(self.kinds), "one kind of forgery at least"),
            "shares": (len(self.shares) == len(PARTS) and sums_up, "three shares of 0 or more that add up to 1"),
            "fake_share": (0 <= self.fake_share <= 1, "a share from 0 to 1"),
            "n_pairs_each": (self.n_pairs_each >= 1, "a number of at least 1"),
            "quality": (
                1 <= low <= high <= _BEST_QUALITY,
                f"JPEG qualities from 1 to {_BEST_QUALITY}, the lower first",
            ),
            "max_side_px": (self.max_side_px >= _LEAST_SIDE_PX, f"at least {_LEAST_SIDE_PX} pixels"),
            "seed": (self.seed >= 0, "a number of at least 0"),
        }
        for key, (is_fine, expected) in checks.items():
            if not is_fine:
                raise ConfigError(f"expected {expected} for {key}, found {getattr(self, key)}", key=key)


class Maker:
    """Makes the photos of a set one by one, and lists those that cannot be made.

    Args:
        photos: that the set is made from.
        landmarks: says where the face is.
        options: of the set.
    """

    def __init__(self, photos: Catalogue, landmarks: Landmarks, options: ForgeOptions) -> None:
        self._photos = photos
        self._landmarks = landmarks
        self._options = options
        self._failures: dict[int, Failure] = {}

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The photos that could not be read or show no face, each once, by row."""
        return tuple(self._failures[row] for row in sorted(self._failures))

    def make(self, planned: Planned, out: Path) -> bool:
        """Write a photo of the set; False when that cannot be, and its reason is listed."""
        rng = np.random.default_rng([self._options.seed, _PIXELS, planned.number])
        low, high = self._options.quality
        quality = int(rng.integers(low, high + 1))
        pixels = self._real(planned.source) if planned.kind is None else self._forged(planned, rng)
        if pixels is None:
            return False
        out.write_bytes(as_jpeg(np.ascontiguousarray(pixels), quality))
        return True

    def _forged(self, planned: Planned, rng: np.random.Generator) -> Photo | None:
        face, head = self._face(planned.source), self._face(planned.source if planned.head is None else planned.head)
        if face is None or head is None:
            return None
        return KINDS[planned.kind or ""](TwoFaces(*face, *head), rng)

    def _face(self, row: int) -> tuple[Photo, Points] | None:
        photo = self._real(row)
        if photo is None:
            return None
        try:
            points = self._landmarks(photo)
            if points is not None:
                return photo, require_points(points, photo)
            self._fail(row, "no face was seen on it")
        except InputError as error:
            self._fail(row, str(error))
        return None

    def _real(self, row: int) -> Photo | None:
        most = self._options.max_side_px
        try:
            photo = read_photo(self._photos.photo(row), box=self._photos.frame["box"][row], min_side_px=most)
        except ImageError as error:
            self._fail(row, error.reason)
            return None
        height, width = photo.shape[:2]
        scale = min(1.0, most / max(height, width))
        return scaled(photo, max(1, round(width * scale)), max(1, round(height * scale)))

    def _fail(self, row: int, reason: str) -> None:
        frame = self._photos.frame
        self._failures.setdefault(row, Failure(frame["image_id"][row], frame["path"][row], reason))
