"""Photos that a run could not use, or of which there is something to say: listed, they never end it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Failure", "Remark"]


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


@dataclass(frozen=True)
class Remark:
    """A photo that was used, and what the user should know of it.

    Args:
        image_id: the photo.
        path: its path in the catalogue.
        text: a sentence without a full stop, such as that several faces were found.
    """

    image_id: str
    path: str
    text: str
