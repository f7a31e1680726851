"""What a bundle says of its faces: how they are found, which of several counts, and what when there is none."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from resight.bundle_files import FurtherGraph
from resight.faces.choosing import Several

__all__ = ["ALIGNING", "FaceInfo"]

ALIGNING = 1
"""Raised by one whenever the same points give other pixels than before; part of a model's fingerprint."""

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FaceInfo(BaseModel):
    """The part `face` of `model.json`; an unknown key is an error.

    Args:
        finder: what finds faces and their points: a name of the registry's kind "face_finders".
        files: further files of the bundle that the finder runs, each with the hash of its bytes.
        template: where the points come to lie; "arcface" is that of `resight.faces.TEMPLATE`.
        min_score: faces below do not count; what it means is the finder's.
        photo_side_px: the shorter side that a photo has at least when faces are looked for, if it has so many pixels.
        several: which of several faces counts, see `chosen_face`.
        without_face: "refuse" lists a photo without a face as a failure; "whole" takes all of it, for photos
            that are cut to the face already, and says so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    finder: Annotated[str, Field(min_length=1)]
    files: dict[FurtherGraph, Hash] = Field(default_factory=dict)
    template: Literal["arcface"] = "arcface"
    min_score: Annotated[float, Field(ge=0, le=1)] = 0.6
    photo_side_px: Annotated[int, Field(ge=32, le=8192)] = 480
    several: Several = "middle"
    without_face: Literal["refuse", "whole"] = "refuse"
