"""What a catalogue's columns say of who must be one individual, and who cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from resight.core import Catalogue
from resight.decide.constraints import Constraints
from resight.store import Denials

_CONTENT = "content"
Values = npt.NDArray[Any]


def constraints_of(
    photos: Catalogue,
    *,
    same: Sequence[str] = (),
    one_per_encounter: bool = False,
    denials: Denials | None = None,
) -> Constraints:
    """The constraints that a catalogue's columns make.

    Copies of one file show one individual, unless they have two names. Two boxes of one file show two. Photos of
    two species are two individuals.

    Args:
        photos: N photos; an identity that is null is not known.
        same: columns in which photos must agree to be matched (side).
        one_per_encounter: whether the user says that an encounter shows one individual.
        denials: what the photos were said not to show. Two photos that bear one name in spite of it are no constraint:
            the name is the later word, and `CatalogueStore.contradictions` lists them.
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
        apart=[] if denials is None else _denied(photos, names, denials),
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


def _denied(photos: Catalogue, names: Values, denials: Denials) -> list[tuple[int, int]]:
    """Pairs of rows that show two individuals."""
    row_of = {image_id: row for row, image_id in enumerate(photos.image_ids.tolist())}
    first_of: dict[str, int] = {}
    for row, name in enumerate(names):
        if name is not None:
            first_of.setdefault(name, row)
    rejected = [
        (row_of[image_id], first_of[name])
        for image_id, rejections in denials.rejections.items()
        for name in rejections
        if image_id in row_of and name in first_of
    ]
    pairs = [(row_of[one], row_of[other]) for one, other in denials.pairs if one in row_of and other in row_of]
    return rejected + [(one, other) for one, other in pairs if names[one] is None or names[one] != names[other]]


def _objects(values: Any) -> Values:
    listed = list(values)
    answer = np.empty(len(listed), dtype=object)
    answer[:] = listed
    return answer
