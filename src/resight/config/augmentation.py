"""The part of a recipe on how photos are changed before a network looks at them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from resight.config.options import Options

Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]


class AugmentationOptions(Options):
    """How photos are changed, each look anew; 0 leaves a change out.

    Args:
        least_crop: of a photo's area that is seen at least; 1 sees all.
        stretch: how much wider or higher a crop may be, in natural logarithms.
        rotate_deg: to both sides at most.
        shift: of the side, in each direction at most.
        shear_deg: to both sides at most.
        perspective: how far corners move at most, as a share of half the side.
        brightness: how much lighter or darker at most, as a share.
        contrast: as for brightness.
        saturation: as for brightness.
        hue: of the circle of colours, to both sides at most; to 0.5.
        grey: share of looks without colour.
        blur: share of looks that are blurred.
        blur_sigma: of the blur at most, as a share of the side.
        noise: standard deviation at most, of white being 1.
        occlude: share of looks in which a part is hidden.
        occlude_share: of the area that is hidden at most.
    """

    least_crop: Annotated[float, Field(gt=0, le=1)] = 0.7
    stretch: Weight = 0.1
    rotate_deg: Annotated[float, Field(ge=0, le=180)] = 10.0
    shift: Share = 0.05
    shear_deg: Annotated[float, Field(ge=0, le=45)] = 0.0
    perspective: Share = 0.0
    brightness: Share = 0.3
    contrast: Share = 0.3
    saturation: Share = 0.2
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    grey: Share = 0.1
    blur: Share = 0.1
    blur_sigma: Share = 0.01
    noise: Share = 0.0
    occlude: Share = 0.2
    occlude_share: Annotated[float, Field(ge=0, le=0.5)] = 0.1
