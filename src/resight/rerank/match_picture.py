"""Two photos side by side, with a line for each match that follows the model."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resight.pages.colours import BLUE, INK, ORANGE, PALETTE, PURPLE
from resight.pages.pictures import Picture
from resight.rerank.local_scorer import Seen

__all__ = ["ShownPhoto", "match_picture"]

_COLOURS = (BLUE, ORANGE, PURPLE)
_GAP_PX, _TEXT_PX = 16, 13
_LETTER_PX = 7.2
"""About the width of a letter of the text, to cut long names."""


@dataclass(frozen=True)
class ShownPhoto:
    """One of the two photos.

    Args:
        path: of the photo.
        name: stands below it; a long one is cut, and whole for those who point at it.
        size: width and height in px of the working photo, in which the places are given.
        box: the part that was worked on: x, y, width, height in pixels of the upright photo.
    """

    path: Path
    name: str
    size: tuple[int, int]
    box: Sequence[float] | None = None


@dataclass(frozen=True)
class _Frame:
    """Where a photo lies on the picture, and its column, all in px; and how much it is enlarged."""

    left: float
    top: float
    width: float
    height: float
    column: tuple[float, float]
    scale: float

    def place(self, points: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        return np.asarray(points, np.float64) * self.scale + (self.left, self.top)


def match_picture(
    first: ShownPhoto, second: ShownPhoto, seen: Seen, *, id_: str = "match", side_px: int = 420, n_lines: int = 120
) -> str:
    """The picture as a part of a page: SVG that holds small copies of the photos.

    A photo fills a square of `side_px` with its longer side. One that cannot be read leaves an empty
    frame that says so. Places outside the matches' model are not drawn. The same input gives the
    same bytes.

    Args:
        first: the query.
        second: the photo of the gallery.
        seen: what was seen of the pair, as `LocalScorer.matches` or `NaiveBayesScorer.matches` gives it.
        id_: stands before each id, so that two pictures of a page never share one.
        side_px: the longer side of each photo.
        n_lines: draw so many at most, spread over the photo.
    """
    frames = _frames(first.size, second.size, side_px)
    base = max(frame.top + frame.height for frame in frames)
    width, height = sum(frames[1].column), base + 3.5 * _TEXT_PX
    photos = "".join(_photo(shown, frame, base) for shown, frame in zip((first, second), frames, strict=True))
    lines = _lines(seen.places[seen.inliers], frames, n_lines)
    says = html.escape(seen.says or _in_words(seen))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{id_}-title {id_}-desc" '
        f'viewBox="0 0 {width:.1f} {height:.1f}" width="{width:.0f}" height="{height:.0f}" '
        f'font-family="system-ui, sans-serif" font-size="{_TEXT_PX}" fill="{INK}">'
        f'<title id="{id_}-title">{html.escape(f"{first.name} and {second.name}")}</title>'
        f'<desc id="{id_}-desc">{says}</desc>{photos}{lines}'
        f'<text x="0" y="{height - 0.5 * _TEXT_PX:.1f}" fill="{PALETTE["muted"]}">{says}</text></svg>'
    )


def _frames(first: tuple[int, int], second: tuple[int, int], side_px: int) -> tuple[_Frame, _Frame]:
    """Both photos with equal longer sides, their middles at one height; a narrow one has room for its name."""
    scales = [side_px / max(size) for size in (first, second)]
    tallest = max(size[1] * scale for size, scale in zip((first, second), scales, strict=True))
    frames, left = [], 0.0
    for (width, height), scale in zip((first, second), scales, strict=True):
        column = max(width * scale, side_px / 2)
        inside = left + (column - width * scale) / 2, (tallest - height * scale) / 2
        frames.append(_Frame(*inside, width * scale, height * scale, (left, column), scale))
        left += column + _GAP_PX
    return frames[0], frames[1]


def _photo(shown: ShownPhoto, frame: _Frame, base: float) -> str:
    """The photo in its frame, and its name below it."""
    left, room = frame.column
    longer = round(max(frame.width, frame.height))
    address = Picture.of(shown.path, shown.box, longer).data_uri()
    where = f'x="{frame.left:.1f}" y="{frame.top:.1f}" width="{frame.width:.1f}" height="{frame.height:.1f}"'
    if address is None:
        middle = f'x="{frame.left + frame.width / 2:.1f}" y="{frame.top + frame.height / 2:.1f}" text-anchor="middle"'
        inside = (
            f'<rect {where} fill="{PALETTE["ground"]}" stroke="{PALETTE["line"]}"/>'
            f'<text {middle} fill="{PALETTE["muted"]}">cannot be read</text>'
        )
    else:
        inside = f'<image {where} preserveAspectRatio="none" href="{address}"/>'
    n_letters = int(room / _LETTER_PX)
    short = shown.name if len(shown.name) <= n_letters else f"{shown.name[: n_letters - 1]}…"
    name = f'<text x="{left:.1f}" y="{base + 1.3 * _TEXT_PX:.1f}"><title>{html.escape(shown.name)}</title>'
    return f"{inside}{name}{html.escape(short)}</text>"


def _lines(places: npt.NDArray[np.float32], frames: tuple[_Frame, _Frame], n_lines: int) -> str:
    """Lines with a ring at both ends, from the top of the first photo to its foot, on a pale ground."""
    if len(places) > n_lines:
        places = places[np.linspace(0, len(places) - 1, n_lines).round().astype(int)]
    places = places[np.lexsort((places[:, 0, 0], places[:, 0, 1]))]
    drawn = []
    for number, (start, end) in enumerate(
        zip(frames[0].place(places[:, 0]), frames[1].place(places[:, 1]), strict=True)
    ):
        ends = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
        rings = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="none"/>' for x, y in (start, end))
        colour = _COLOURS[number % len(_COLOURS)]
        drawn.append(
            f'<g stroke="{PALETTE["paper"]}" stroke-width="3" stroke-opacity="0.7"><line {ends}/>{rings}</g>'
            f'<g stroke="{colour}" stroke-width="1.4"><line {ends}/>{rings}</g>'
        )
    return "".join(drawn)


def _in_words(seen: Seen) -> str:
    """How many places agree and, of a similarity, on what."""
    n, of = int(seen.inliers.sum()), len(seen.inliers)
    if n < 2:
        return f"{of} matched places, no two of them agree" if of else "no place of the one is found on the other"
    (a, b), (c, d) = seen.model[:2, :2]
    if not np.isfinite(seen.model).all() or a != d or b != -c:
        return f"{n} of {of} matched places agree"
    turn = complex(a, c)
    degrees = round(np.degrees(np.angle(turn)))
    return f"{n} of {of} matched places agree: turned by {degrees}°, {abs(turn):.2f} times as large"
