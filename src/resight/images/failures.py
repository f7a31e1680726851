"""Photos that a run could not use: listed with the reason, they never end it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Failure"]


@dataclass(frozen=True)
class Failure:
    """A photo that got no vector or no local features.

    Args:
        image_id: the photo.
        path: its path in the catalogue.
        reason: why, in words a user understands.
    """

    image_id: str
    path: str
    reason: str
