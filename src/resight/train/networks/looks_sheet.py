"""The sheet of looks: photos, and what a network sees of them while it learns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resight.config.augmentation import AugmentationOptions
from resight.pages.pictures import data_uri_of

__all__ = ["LooksRow", "Strip", "in_words", "strips"]

Photo = npt.NDArray[np.uint8]

LooksRow = tuple[str, Photo, Sequence[Photo]]
"""Name of a photo, the photo, and looks at it: (H, W, 3) uint8 RGB each."""

_PHOTO_PX, _LOOK_PX = 320, 192


@dataclass(frozen=True)
class Strip:
    """A photo and looks at it, as pictures inside a page.

    Args:
        name: of the photo.
        photo: its address.
        looks: theirs.
    """

    name: str
    photo: str
    looks: tuple[str, ...]


def strips(rows: Sequence[LooksRow]) -> list[Strip]:
    """The rows with their pictures made small.

    Raises:
        InputError: when a photo is no (H, W, 3) uint8 array.
    """
    return [
        Strip(name, data_uri_of(photo, _PHOTO_PX), tuple(data_uri_of(look, _LOOK_PX) for look in looks))
        for name, photo, looks in rows
    ]


def in_words(options: AugmentationOptions) -> list[str]:
    """What is done to photos, a sentence for each change; none when they are seen as they are.

    Example:
        >>> in_words(AugmentationOptions(grey=0.25))[-3]
        'Without colour: 25 % of looks.'
    """
    return [*_of_shape(options), *_of_colour(options), *_of_detail(options)]


def _of_shape(options: AugmentationOptions) -> Iterator[str]:
    if options.least_crop < 1:
        stretched = f", up to {_percent(math.expm1(options.stretch))} wider or higher" if options.stretch else ""
        yield f"Cropped: at least {_percent(options.least_crop)} of the area is seen{stretched}."
    if options.rotate_deg:
        yield f"Turned: by up to {options.rotate_deg:g}° to both sides."
    if options.shift:
        yield f"Shifted: by up to {_percent(options.shift)} of the side in each direction."
    if options.shear_deg:
        yield f"Sheared: by up to {options.shear_deg:g}° to both sides."
    if options.perspective:
        yield f"Seen from aside: corners move inwards by up to {_percent(options.perspective)} of half the side."


def _of_colour(options: AugmentationOptions) -> Iterator[str]:
    if options.brightness:
        yield f"Light: up to {_percent(options.brightness)} lighter or darker."
    if options.contrast:
        yield f"Contrast: up to {_percent(options.contrast)} more or less."
    if options.saturation:
        yield f"Colour: up to {_percent(options.saturation)} stronger or paler."
    if options.hue:
        yield f"Hue: turned by up to {_percent(options.hue)} of the circle of colours, to both sides."
    if options.grey:
        yield f"Without colour: {_percent(options.grey)} of looks."


def _of_detail(options: AugmentationOptions) -> Iterator[str]:
    if options.blur and options.blur_sigma:
        yield f"Blurred: {_percent(options.blur)} of looks, by up to {_percent(options.blur_sigma)} of the side."
    if options.noise:
        yield f"Noise: a standard deviation of up to {_percent(options.noise)} of white."
    if options.occlude and options.occlude_share:
        most = _percent(options.occlude_share)
        yield f"Hidden in part: {_percent(options.occlude)} of looks, up to {most} of the area."


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
