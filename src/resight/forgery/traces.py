"""What forging leaves in pixels: the shape of the spectrum, and how noise differs from place to place.

Nothing here knows who is on a photo. The photo is taken to be the crop of a face, with the face in the middle.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from resight.errors import InputError

__all__ = ["LEAST_SIDE_PX", "TRACES", "traces_of"]

LEAST_SIDE_PX = 32
"""Smaller photos hold too few pixels to say anything."""

Photo = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

_N_RINGS = 16  # of the spectrum, from the middle to the highest frequency along an axis
_N_ZONES = 10  # of the photo, from the middle of the face outwards
_REACH = 0.5  # the zones end where an ellipse touches the rim of the photo at this share of its sides
_MIDDLE = 0.76  # the share of the sides that the spectrum is taken of: the inner face
_LEAST = 1e-2  # variance of a residual that counts as none, in squared steps of 256

_KERNELS = {
    "first": np.array([[-1.0, 1.0]]),
    "second": np.array([[1.0, -2.0, 1.0]]) / 2,
    "square": np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4,
    "wide": np.array(
        [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]
    )
    / 12,
}
"""High-pass filters whose output is a photo's noise (J. Fridrich & J. Kodovský, 2012)."""

TRACES = (
    *(f"spectrum {ring}" for ring in range(_N_RINGS)),
    "grid across",
    "grid down",
    "grid both",
    *(f"{name} noise, zone {zone}" for name in _KERNELS for zone in range(_N_ZONES)),
    *(f"{name} noise, {what}" for name in _KERNELS for what in ("tails within", "tails without")),
    *(f"noise of {pair} alike, {where}" for pair in ("red and green", "green and blue") for where in ("in", "out")),
    *(f"noise of {one}, {where}" for one in ("red-yellow", "blue-yellow") for where in ("in", "out")),
    "blocks within",
    "blocks without",
)
"""What each number of `traces_of` tells."""


def traces_of(photo: Photo) -> npt.NDArray[np.float32]:
    """(T,) float32: what forging may have left in a photo; `TRACES` names each number.

    - The power of the inner face by frequency, averaged in rings, as R. Durall, M. Keuper & J. Keuper (2020) do,
      and at the three highest frequencies of a grid of two pixels, where transposed convolutions leave a
      checkerboard (A. Odena, V. Dumoulin & C. Olah, 2016; X. Zhang, S. Karaman & S.-F. Chang, 2019).
    - The strength of noise in zones around the middle, by four high-pass filters, and how heavy its tails are: what
      was pasted or redrawn has another noise than the rest (B. Mahdian & S. Saic, 2009; the filters of J. Fridrich &
      J. Kodovský, 2012).
    - How alike the noise of the colours is, and how strong that of the colour differences: a camera interpolates
      colours, a generator does not (S. McCloskey & M. Albright, 2018).
    - How much of the change between neighbours lies on the grid of JPEG (Z. Wang, A. C. Bovik & B. L. Evans, 2000).

    We differ from all of them in that each is a few numbers, for a linear model or a small one.

    Args:
        photo: (H, W, 3) uint8 RGB at the size at which it was made: resizing wipes traces out.

    Raises:
        InputError: when the array is not of that kind, or a side has less than `LEAST_SIDE_PX` pixels.

    Example:
        >>> traces_of(np.zeros((64, 48, 3), np.uint8)).shape == (len(TRACES),)
        True
    """
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8 or min(photo.shape[:2]) < LEAST_SIDE_PX:
        raise InputError(
            f"expected (H, W, 3) uint8 of at least {LEAST_SIDE_PX} pixels a side, found {photo.shape} {photo.dtype}"
        )
    pixels = photo.astype(np.float64)
    light = pixels @ [0.299, 0.587, 0.114]
    zones = _zones(*photo.shape[:2])
    within = zones < _N_ZONES // 2
    noises = [_noise(light, kernel) for kernel in _KERNELS.values()]
    found = [
        _spectrum(light),
        *(np.log(_by_zone(noise**2, zones) + _LEAST) for noise in noises),
        *(_tails(noise, within) for noise in noises),
        _of_colours(pixels, within),
        _blocks(light, within),
    ]
    return np.concatenate(found).astype(np.float32)


def _noise(values: Floats, kernel: Floats) -> Floats:
    return np.asarray(cv2.filter2D(values, -1, kernel, borderType=cv2.BORDER_REFLECT), np.float64)


@lru_cache(maxsize=8)
def _zones(height: int, width: int) -> npt.NDArray[np.int64]:
    """(H, W) the zone of each pixel: ellipses around the middle, the last one all that is beyond."""
    down, across = np.mgrid[:height, :width]
    radius = np.hypot((across + 0.5) / width - 0.5, (down + 0.5) / height - 0.5) / _REACH
    return np.asarray(np.minimum((radius * _N_ZONES).astype(np.int64), _N_ZONES - 1))


def _by_zone(values: Floats, zones: npt.NDArray[np.int64]) -> Floats:
    counts = np.bincount(zones.ravel(), minlength=_N_ZONES)
    return np.asarray(np.bincount(zones.ravel(), values.ravel(), _N_ZONES) / np.maximum(counts, 1))


def _spectrum(light: Floats) -> Floats:
    """Logarithm of the power in rings, and at the corners of the grid, over that of the ring around."""
    height, width = light.shape
    y, x = (round(side * (1 - _MIDDLE) / 2) for side in (height, width))
    middle = light[y : height - y, x : width - x]
    middle = middle[: len(middle) // 2 * 2, : middle.shape[1] // 2 * 2]  # so that the highest frequency is there
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in middle.shape))
    power = np.abs(np.fft.fft2((middle - middle.mean()) * window)) ** 2 / (window**2).sum()
    down, across = (np.abs(np.fft.fftfreq(side)) * 2 for side in middle.shape)
    radius = np.hypot(down[:, None], across[None])
    ring = np.minimum((radius * _N_RINGS).astype(np.int64), _N_RINGS)
    sums = np.bincount(ring.ravel(), power.ravel(), _N_RINGS + 1) / np.bincount(ring.ravel(), minlength=_N_RINGS + 1)
    rings = np.log(sums[:_N_RINGS] + _LEAST)
    half = (len(down) // 2, len(across) // 2)
    spots = [power[0:2, half[1]], power[half[0], 0:2], power[half[0], half[1]]]
    grid = np.array([np.log(np.mean(spot) + _LEAST) for spot in spots])
    return np.concatenate([rings, grid - rings[-1]])


def _tails(noise: Floats, within: npt.NDArray[np.bool_]) -> Floats:
    """The fourth moment of the noise over the square of its second, as a logarithm, in the middle and around."""
    squares = noise**2
    parts = (squares[within], squares[~within])
    return np.array([np.log((np.mean(part**2) + _LEAST) / (np.mean(part) + _LEAST) ** 2) for part in parts])


def _of_colours(pixels: Floats, within: npt.NDArray[np.bool_]) -> Floats:
    noise = _noise(pixels, _KERNELS["square"])
    red, green, blue = noise[..., 0], noise[..., 1], noise[..., 2]
    parts = (within, ~within)
    alike = [_correlation(one[part], green[part]) for one in (red, blue) for part in parts]
    strong = [np.log(np.mean((one - green)[part] ** 2) + _LEAST) for one in (red, blue) for part in parts]
    return np.array([*alike, *strong])


def _correlation(one: Floats, other: Floats) -> float:
    return float((np.mean(one * other) + _LEAST) / (np.sqrt(np.mean(one**2) * np.mean(other**2)) + _LEAST))


def _blocks(light: Floats, within: npt.NDArray[np.bool_]) -> Floats:
    """Steps between neighbours on the grid of eight pixels over those elsewhere, as a logarithm."""
    step = np.abs(np.diff(light, axis=1))
    on_grid = np.zeros(step.shape, bool)
    on_grid[:, 7::8] = True
    found = []
    for part in (within[:, 1:], ~within[:, 1:]):
        on, off = step[part & on_grid], step[part & ~on_grid]
        found.append(np.log((on.mean() + _LEAST) / (off.mean() + _LEAST)) if len(on) and len(off) else 0.0)
    return np.array(found)
