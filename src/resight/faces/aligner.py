"""From a photo to the upright face that a model takes, with a sentence where there was none or a choice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resight import registry
from resight.core import Faces
from resight.errors import ImageError, InputError, MismatchError, ResightError
from resight.faces.alignment import align
from resight.faces.choosing import chosen_face
from resight.faces.info import FaceInfo
from resight.images import ResizeMode, resize
from resight.images.decode import Photo
from resight.protocols import FaceFinder

__all__ = ["FaceAligner", "Prepared"]


class Prepared(NamedTuple):
    """A photo as a model takes it.

    Args:
        pixels: (S, S, 3) uint8 RGB.
        remark: what the user should know of it, in a sentence without a full stop; mostly empty.
    """

    pixels: Photo
    remark: str = ""


class FaceAligner:
    """Finds the face that counts on a photo, and turns it upright; may be used from several threads at once.

    Args:
        info: what the bundle states.
        finder: finds faces.
        resize: how a photo without a face is brought to the square, where the rule takes the whole of it.
    """

    def __init__(self, info: FaceInfo, finder: FaceFinder, resize: ResizeMode = "squash") -> None:
        self.info = info
        self.finder = finder
        self._resize: ResizeMode = resize

    @classmethod
    def start(
        cls, info: FaceInfo, files: Mapping[str, bytes], place: Path, resize: ResizeMode = "squash"
    ) -> FaceAligner:
        """The aligner that a bundle states.

        Args:
            info: what it states.
            files: contents of the further files, by name.
            place: of the bundle, for messages.
            resize: see the class.

        Raises:
            UnknownNameError: when nothing is registered under the finder's name.
            MismatchError: when the finder needs other files than those that are stated.
            InputError: when a file is no graph that the finder can run.
        """
        kind = registry.get("face_finders", info.finder)
        needed = tuple(kind.files)
        if set(needed) != set(files):
            raise MismatchError(
                f"{place}: expected the files {list(needed)} for the face finder '{info.finder}', "
                f"found {sorted(files) or 'none'}"
            )
        try:
            finder = kind(*(files[name] for name in needed), min_score=info.min_score)
        except ResightError:
            raise
        except Exception as error:  # engines raise what they like
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{place}: the face finder '{info.finder}' does not start ({reason})") from error
        return cls(info, finder, resize)

    def find(self, photo: Photo) -> Faces:
        """The faces of a photo, (H, W, 3) uint8 RGB, the surest first."""
        return self.finder.find(photo)

    def points(self, photo: Photo) -> npt.NDArray[np.float32] | None:
        """(5, 2) the points of the face that counts, in pixels; None when none does."""
        faces = self.find(photo)
        row = chosen_face(faces, photo.shape[1], photo.shape[0], self.info.several)
        return None if row is None else faces.points[row]

    def prepare(self, photo: Photo, side_px: int) -> Prepared:
        """The face that counts, upright, (side_px, side_px, 3).

        Args:
            photo: (H, W, 3) uint8 RGB.
            side_px: side of the square.

        Raises:
            ImageError: when no face counts, and the rule refuses such photos.
        """
        try:
            return self._prepared(photo, side_px)
        except ImageError:
            raise
        except InputError as error:  # one odd photo never ends a batch
            raise ImageError(_SOMEWHERE, f"its face cannot be used ({error})") from error

    def _prepared(self, photo: Photo, side_px: int) -> Prepared:
        faces = self.find(photo)
        height, width = photo.shape[:2]
        row = chosen_face(faces, width, height, self.info.several)
        if row is not None:
            remark = f"{len(faces)} faces were found; {_COUNTS[self.info.several]} counts" if len(faces) > 1 else ""
            return Prepared(align(photo, faces.points[row], side_px), remark)
        if len(faces):
            raise ImageError(_SOMEWHERE, f"{len(faces)} faces were found on it, and the rule is that one must be alone")
        if self.info.without_face == "refuse":
            raise ImageError(_SOMEWHERE, "no face was found on it")
        return Prepared(resize(photo, side_px, self._resize), "no face was found; all of the photo was taken for one")


_SOMEWHERE = "(photo)"  # who reads photos from files says which one it was
_COUNTS = {
    "middle": "the largest one in the middle",
    "largest": "the largest one",
    "surest": "the surest one",
    "refuse": "none",
}
