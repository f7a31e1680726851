"""What a catalogue's columns say of who must be one individual, and who cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Catalogue
from resight.decide.constraints import Constraints

_CONTENT = "content"
Values = npt.NDArray[Any]


def constraints_of(
    photos: Catalogue,
    *,
    same: Sequence[str] = (),
    one_per_encounter: bool = False,
    rejections: Mapping[str, Sequence[str]] | None = None,
) -> Constraints:
    """The constraints that a catalogue's columns make.

    Copies of one file show one individual, unless they have two names. Two boxes of one file show two. Photos of
    two species are two individuals.

    Args:
        photos: N photos; an identity that is null is not known.
        same: columns in which photos must agree to be matched (side).
        one_per_encounter: whether the user says that an encounter shows one individual.
        rejections: image id to the individuals that it was said not to show.
    """
    names, parts = photos.column("identity"), _parts(photos)
    one = {"file": _without_disputed(parts, names)}
    if one_per_encounter:
        one["encounter"] = photos.column("encounter")
    sides = {name: photos.column(name) for name in same if name != "species"}
    return Constraints(
        photos.image_ids.tolist(),
        one=one,
        differ={"file": _boxes_of_one_file(parts)},
        agree={"species": photos.column("species")},
        sides=sides,
        apart=_rejected(photos, names, rejections or {}),
    )


def _parts(photos: Catalogue) -> Values:
    """(N,) the file and the box in it that a photo shows."""
    frame = photos.frame
    files = frame["path"].to_list()
    if _CONTENT in frame.columns:
        files = [content or path for content, path in zip(frame[_CONTENT].to_list(), files, strict=True)]
    boxes = [None if box is None else tuple(box) for box in frame["box"].to_list()]
    return _objects(zip(files, boxes, strict=True))


def _without_disputed(parts: Values, names: Values) -> Values:
    """The parts, null where copies of one have two names: then the copies say nothing."""
    found: dict[object, set[object]] = {}
    for part, name in zip(parts, names, strict=True):
        found.setdefault(part, set()).update({name} - {None})
    return _objects(part if len(found[part]) < 2 else None for part in parts)


def _boxes_of_one_file(parts: Values) -> Values:
    """The file of the first photo of each box, null for other photos and for files with fewer than two boxes."""
    boxes: dict[str, set[object]] = {}
    for file, box in parts:
        if box is not None:
            boxes.setdefault(file, set()).add(box)
    seen: set[object] = set()
    answer: list[str | None] = []
    for part in parts:
        file, box = part
        counts = box is not None and len(boxes[file]) > 1 and part not in seen
        seen.add(part)
        answer.append(file if counts else None)
    return _objects(answer)


def _rejected(photos: Catalogue, names: Values, rejections: Mapping[str, Sequence[str]]) -> list[tuple[int, int]]:
    first_of: dict[str, int] = {}
    for row, name in enumerate(names):
        if name is not None:
            first_of.setdefault(name, row)
    return [
        (row, first_of[name])
        for row, image_id in enumerate(photos.image_ids.tolist())
        for name in rejections.get(image_id, ())
        if name in first_of
    ]


def _objects(values: Any) -> Values:
    listed = list(values)
    answer = np.empty(len(listed), dtype=object)
    answer[:] = listed
    return answer
