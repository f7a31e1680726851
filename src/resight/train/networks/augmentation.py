"""How a photo is changed before a network looks at it; the same seed gives the same look, everywhere.

This module is torch through and through: it is imported inside functions only.

Nothing is drawn from a generator that others draw from, so neither threads nor processes nor the order of calls
matter. All numbers of a look are drawn at once, each for its purpose: switching one change on leaves what is drawn for
the others as it was. Turning, shifting, shearing and perspective are one map, so that pixels are resampled once.
Light is not cut off between one change of colour and the next, so that their order loses nothing.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import grid_sample
from torchvision.transforms.v2 import functional

from resight.config.augmentation import AugmentationOptions
from resight.images import BACKGROUND, ResizeMode, resize

__all__ = ["Augmentation"]

Photo = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]

# what each drawn number is for; a new one goes to the end, else the same seed gives other looks than before
_PURPOSES = (
    *("area", "stretch", "left", "top", "turn", "across", "down", "shear"),
    *(f"corner{number}" for number in range(8)),
    *("brightness", "contrast", "saturation", "hue", "grey", "blur", "blur_sigma", "noise"),
    *("occlude", "hole", "hole_shape", "hole_left", "hole_top"),
)
_CORNERS = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
_LIGHT = (0.2989, 0.587, 0.114)  # ITU-R 601
_LEAST_SHARE = 0.1  # of the most that is blurred or hidden, where anything is
_SLIMMEST = 1 / 3  # a hole is at most three times as high as wide, or as wide as high


class _Drawn:
    """The numbers of one look."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._numbers = dict(zip(_PURPOSES, self.rng.random(len(_PURPOSES)).tolist(), strict=True))

    def between(self, low: float, high: float, purpose: str) -> float:
        return low + (high - low) * float(self._numbers[purpose])

    def around(self, centre: float, most: float, purpose: str) -> float:
        return self.between(centre - most, centre + most, purpose)

    def happens(self, share: float, purpose: str) -> bool:
        return float(self._numbers[purpose]) < share


class Augmentation:
    """Makes looks of photos: squares as a network sees them.

    Args:
        options: what is changed and how much; what is 0 is left out. With all of them left out, and `least_crop` of
            1, a look is what `plain` gives.
        side_px: of the squares.
        mode: how a photo is brought to a square, as for `resight.images.resize`.

    Example:
        >>> photo = np.zeros((40, 60, 3), np.uint8)
        >>> tuple(Augmentation(AugmentationOptions(), 32)(photo, seed=0).shape)
        (3, 32, 32)
    """

    def __init__(self, options: AugmentationOptions, side_px: int, mode: ResizeMode = "squash") -> None:
        self.options = options
        self.side_px = side_px
        self.mode = mode
        middles = (2 * torch.arange(side_px) + 1) / side_px - 1  # of the pixels; the square goes from -1 to 1
        self._across, self._down = middles[None, :], middles[:, None]
        self._background = torch.tensor(BACKGROUND, dtype=torch.float32)[:, None, None]
        self._light = torch.tensor(_LIGHT)

    def plain(self, photo: Photo) -> torch.Tensor:
        """(3, side_px, side_px) uint8: the photo unchanged, to the bit as judging and a bundle see it.

        Args:
            photo: (H, W, 3) uint8 RGB, of any size.

        Raises:
            InputError: when the array is not of that kind.
        """
        square = resize(photo, self.side_px, self.mode)
        return torch.from_numpy(np.ascontiguousarray(square.transpose(2, 0, 1)))

    def __call__(self, photo: Photo, seed: int, mirrored: bool = False) -> torch.Tensor:
        """(3, side_px, side_px) uint8: a look at the photo.

        Args:
            photo: (H, W, 3) uint8 RGB, of any size.
            seed: all that is drawn follows from it; at least 0.
            mirrored: left and right are exchanged.

        Raises:
            InputError: when the array is not of that kind.
        """
        drawn = _Drawn(seed)
        square = self.plain(self._cut(photo, drawn))
        look = (square.flip(-1) if mirrored else square).to(torch.float32)  # of its own: changed in place
        look = self._blurred(self._coloured(look, drawn), drawn)
        if self.options.noise:
            spread = drawn.between(0, 255 * self.options.noise, "noise")
            look.add_(torch.from_numpy(drawn.rng.standard_normal(look.shape, np.float32)), alpha=spread)
        look = self._moved(look.clamp_(0, 255), drawn)  # at last, so that what comes from outside keeps its grey
        return self._hidden(look.round_().clamp_(0, 255).to(torch.uint8), drawn)

    def _cut(self, photo: Photo, drawn: _Drawn) -> Photo:
        """A part of at least `least_crop` of the area (Szegedy et al., 2015), stretched as far as it fits in."""
        if self.options.least_crop == 1:
            return photo
        area = drawn.between(self.options.least_crop, 1, "area")
        stretch = drawn.around(0, min(self.options.stretch, -math.log(area)), "stretch")
        shares = math.sqrt(area) * math.exp(-stretch / 2), math.sqrt(area) * math.exp(stretch / 2)
        parts = []
        for n_px, share, purpose in zip(photo.shape, shares, ("top", "left"), strict=False):
            n_kept = min(n_px, math.ceil(n_px * share))
            begin = min(int(drawn.between(0, n_px - n_kept + 1, purpose)), n_px - n_kept)
            parts.append(slice(begin, begin + n_kept))
        return photo[tuple(parts)]

    def _moved(self, look: torch.Tensor, drawn: _Drawn) -> torch.Tensor:
        """Turned, shifted, sheared and seen from aside, in one map; what comes from outside is `BACKGROUND`."""
        options = self.options
        if not (options.rotate_deg or options.shift or options.shear_deg or options.perspective):
            return look
        rows = np.linalg.inv(_map(options, drawn)).tolist()
        x, y, depth = (a * self._across + (b * self._down + c) for a, b, c in rows)
        grid = torch.stack([x, y], dim=-1)
        if options.perspective:  # what a strong one sees behind itself lies outside
            grid = torch.where(depth[..., None] > 0, grid / depth[..., None], 2)
        centred = look.sub_(self._background)[None]  # so that zeros beyond the edge are the background
        moved = grid_sample(centred, grid[None], "bicubic", "zeros", align_corners=False)[0]
        return moved.add_(self._background)

    def _coloured(self, look: torch.Tensor, drawn: _Drawn) -> torch.Tensor:
        """Lighter or darker, with more or less contrast and colour, in other hues, or without colour."""
        options = self.options
        if options.brightness:
            look.mul_(drawn.around(1, options.brightness, "brightness"))
        if options.contrast:
            look = torch.lerp(self._grey(look).mean(), look, drawn.around(1, options.contrast, "contrast"))
        if options.hue:
            look = 255 * functional.adjust_hue((look / 255).clamp(0, 1), drawn.around(0, options.hue, "hue"))
        if drawn.happens(options.grey, "grey"):
            return self._grey(look).repeat(3, 1, 1)
        if options.saturation:
            return torch.lerp(self._grey(look), look, drawn.around(1, options.saturation, "saturation"))
        return look

    def _grey(self, look: torch.Tensor) -> torch.Tensor:
        return torch.tensordot(self._light, look, 1)[None]

    def _blurred(self, look: torch.Tensor, drawn: _Drawn) -> torch.Tensor:
        most = self.options.blur_sigma * self.side_px
        if not most or not drawn.happens(self.options.blur, "blur"):
            return look
        sigma = drawn.between(_LEAST_SHARE * most, most, "blur_sigma")
        n_taps = 2 * min(math.ceil(3 * sigma), self.side_px - 1) + 1
        across = functional.gaussian_blur(look, [n_taps, 1], [sigma, sigma])  # one way after the other: far quicker
        return functional.gaussian_blur(across, [1, n_taps], [sigma, sigma])

    def _hidden(self, look: torch.Tensor, drawn: _Drawn) -> torch.Tensor:
        """With a grey rectangle before it (Zhong et al., 2020)."""
        if not self.options.occlude_share or not drawn.happens(self.options.occlude, "occlude"):
            return look
        area = self.options.occlude_share * drawn.between(_LEAST_SHARE, 1, "hole") * self.side_px**2
        shape = math.exp(drawn.around(0, math.log(_SLIMMEST), "hole_shape"))
        high = min(int(math.sqrt(area * shape)), self.side_px)
        wide = min(int(math.sqrt(area / shape)), self.side_px)
        top = int(drawn.between(0, self.side_px - high + 1, "hole_top"))
        left = int(drawn.between(0, self.side_px - wide + 1, "hole_left"))
        look[:, top : top + high, left : left + wide] = self._background.to(torch.uint8)
        return look


def _map(options: AugmentationOptions, drawn: _Drawn) -> Matrix:
    """Where each place of the square goes; its middle is (0, 0), its corners (±1, ±1)."""
    turn = math.radians(drawn.around(0, options.rotate_deg, "turn"))
    shear = math.tan(math.radians(drawn.around(0, options.shear_deg, "shear")))
    across, down = (2 * drawn.around(0, options.shift, way) for way in ("across", "down"))
    turned = np.array([[math.cos(turn), -math.sin(turn), across], [math.sin(turn), math.cos(turn), down], [0, 0, 1.0]])
    sheared = np.array([[1.0, shear, 0], [0, 1, 0], [0, 0, 1]])
    if not options.perspective:
        return np.asarray(turned @ sheared)
    inwards = [drawn.between(0, options.perspective, f"corner{number}") for number in range(8)]
    return np.asarray(turned @ sheared @ _perspective(_CORNERS * (1 - np.reshape(inwards, (4, 2)))))


def _perspective(moved: Matrix) -> Matrix:
    """The map that brings the corners of the square to other places, (4, 2)."""
    rows = []
    for (x, y), (to_x, to_y) in zip(_CORNERS, moved, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -to_x * x, -to_x * y])
        rows.append([0, 0, 0, x, y, 1, -to_y * x, -to_y * y])
    return np.append(np.linalg.solve(np.array(rows), moved.ravel()), 1).reshape(3, 3)
