"""SuperPoint and SuperGlue, for users who accept their licence. Never a default.

DeTone et al., CVPRW 2018, and Sarlin et al., CVPR 2020. The weights may be used for academic,
non-commercial research only; they come through `transformers` from its hub, or from a folder where
they were saved. The network looks at both photos of a pair at once, so nothing can be kept per photo.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.errors import ConfigError, InputError, MissingExtraError
from resight.images import scaled

__all__ = ["LICENCE", "PhotoMatches", "Superglue"]

LICENCE = "Magic Leap SuperGlue licence: academic or non-profit research only, no commercial use"
"""Of the weights of SuperPoint and SuperGlue."""

_SIDE_UNIT_PX = 8
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # red, green, blue, after ITU-R BT.601
_WHITE = np.float32(255)


@dataclass(frozen=True, eq=False)
class PhotoMatches:
    """The keypoints that two photos share.

    Args:
        points: (n, 2) float32, x and y in px of the one photo as it was given.
        other_points: (n, 2) float32, where the same lies in the other.
        confidence: (n,) float32, how sure the network is, from 0 to 1.
    """

    points: npt.NDArray[np.float32]
    other_points: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]


class Superglue:
    """Matches two photos by SuperPoint and SuperGlue.

    Args:
        accept_licence: say True to accept `LICENCE`; nothing is loaded before.
        model: name at the hub of `transformers`, or a folder with a saved model.
        max_side_px: the longer side of each photo is brought to this length first.
        min_confidence: from 0 to 1; a match must be surer than this.
        offline: look only at what is on this machine already.

    Raises:
        ConfigError: when the licence is not accepted, or a number is out of range.
        MissingExtraError: when transformers or torch is not installed.
        InputError: when the weights cannot be had.
    """

    def __init__(
        self,
        *,
        accept_licence: bool = False,
        model: str = "magic-leap-community/superglue_outdoor",
        max_side_px: int = 640,
        min_confidence: float = 0.2,
        offline: bool = False,
    ) -> None:
        if accept_licence is not True:
            raise ConfigError(
                f"expected accept_licence=True, found {accept_licence!r}: these weights are under the {LICENCE}. "
                "Accept it, or take other local features.",
                key="accept_licence",
            )
        if isinstance(max_side_px, bool) or not isinstance(max_side_px, int) or max_side_px < _SIDE_UNIT_PX:
            raise ConfigError(
                f"expected max_side_px as a whole number of at least {_SIDE_UNIT_PX}, found {max_side_px!r}",
                key="max_side_px",
            )
        if not 0 <= min_confidence < 1:
            found = f"found {min_confidence!r}"
            raise ConfigError(f"expected a min_confidence from 0 to below 1, {found}", key="min_confidence")
        self.max_side_px = max_side_px
        self.min_confidence = float(min_confidence)
        self.model = model
        self._torch = _imported("torch")
        self._network = _network(_imported("transformers"), model, offline=offline)

    @property
    def model_id(self) -> str:
        """The name of the weights, with the settings."""
        return f"{self.model}-{self.max_side_px}px-{self.min_confidence!r}"

    def match(self, photo: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> PhotoMatches:
        """What two photos, (H, W, 3) uint8 RGB each, share.

        Raises:
            InputError: when an array is of another kind.
        """
        for pixels in (photo, other):
            if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
                raise InputError(f"expected (H, W, 3) uint8 with pixels, found {pixels.shape} {pixels.dtype}")
        greys = [self._grey(photo), self._grey(other)]
        height, width = (
            -(-max(grey.shape[axis] for grey in greys) // _SIDE_UNIT_PX) * _SIDE_UNIT_PX for axis in (0, 1)
        )
        fills = [((0, height - grey.shape[0]), (0, width - grey.shape[1])) for grey in greys]
        pair = np.stack([np.pad(grey, fill, mode="edge") for grey, fill in zip(greys, fills, strict=True)])
        points, there, sure = self._run(np.repeat(pair[None, :, None], 3, axis=2))
        points = points * np.array([width, height], np.float32)
        rows = np.flatnonzero((there[0] >= 0) & (sure[0] > self.min_confidence))
        ends = points[0, rows], points[1, there[0, rows]]
        inside = _inside(ends[0], greys[0]) & _inside(ends[1], greys[1])  # nothing is found in what was filled up
        ones, others = _unscaled(ends[0][inside], greys[0], photo), _unscaled(ends[1][inside], greys[1], other)
        return PhotoMatches(ones, others, sure[0, rows][inside].astype(np.float32))

    def _grey(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(h, w) float32 from 0 to 1, at working size."""
        height, width = pixels.shape[:2]
        scale = self.max_side_px / max(height, width)
        small = scaled(pixels, max(1, round(width * scale)), max(1, round(height * scale)))
        grey: npt.NDArray[np.float32] = (small.astype(np.float32) @ _GREY) / _WHITE
        return grey

    def _run(self, pair: npt.NDArray[np.float32]) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        """(1, 2, 3, H, W) → points (2, M, 2) as shares of the sides, partners (2, M) or -1, confidence (2, M)."""
        with self._torch.inference_mode():
            found = self._network(pixel_values=self._torch.from_numpy(np.ascontiguousarray(pair)))
        points, there, sure = (getattr(found, key)[0].numpy() for key in ("keypoints", "matches", "matching_scores"))
        return points, there.astype(np.int64), sure


def _imported(name: str) -> Any:
    """A package of the extra, imported only now: resight itself never needs it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(name, "superglue", "SuperGlue") from error


def _network(transformers: Any, model: str, *, offline: bool) -> Any:
    try:
        network = transformers.SuperGlueForKeypointMatching.from_pretrained(model, local_files_only=offline)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{model}: the weights cannot be had ({str(error).splitlines()[0] if str(error) else 'no reason given'}): "
            "go online once, or give as model a folder where they were saved by save_pretrained"
        ) from error
    return network.eval()


def _inside(points: npt.NDArray[np.float32], grey: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    height, width = grey.shape
    inside: npt.NDArray[np.bool_] = (points[:, 0] < width) & (points[:, 1] < height)
    return inside


def _unscaled(
    points: npt.NDArray[np.float32], grey: npt.NDArray[np.float32], photo: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    """Points of the working photo in px of the photo as it was given."""
    factors = photo.shape[1] / grey.shape[1], photo.shape[0] / grey.shape[0]
    return (points * np.array(factors, np.float32)).astype(np.float32)
