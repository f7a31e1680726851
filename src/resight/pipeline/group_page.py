"""The page of proposed individuals: the photos of each group side by side, as on a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from resight import __version__
from resight.curate.contact_sheet import Shot
from resight.pages.document import render, write_page
from resight.pages.pictures import Picture, data_uris
from resight.pages.wording import percent, plural

if TYPE_CHECKING:
    from resight.pipeline.proposals import Grouping

_SIDE_PX = 220
_MOST_GROUPS, _MOST_IN_GROUP, _N_LABELLED = 200, 12, 2
_PARTS = (
    ("proposed", "Proposed individuals", "Groups of two photos or more that match nobody known, the largest first."),
    ("known", "Photos of known individuals", "Two labelled photos of the individual stand first, where it has any."),
    (
        "alone",
        "Photos alone",
        "They matched nothing: each may be an individual of its own, or a photo too poor to match.",
    ),
)

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Group:
    title: str
    note: str
    shots: tuple[Shot, ...]
    n_hidden: int


@dataclass(frozen=True)
class _Part:
    key: str
    title: str
    note: str
    groups: tuple[_Group, ...]
    n_groups: int


def write_groups(grouping: Grouping, out: str | Path) -> Path:
    """Write the groups as a page and give its path back; a file that is there is replaced.

    Of each kind the first 200 groups are shown, and of each group the first 12 photos. The file asks for nothing from
    outside and runs no script.

    Raises:
        InputError: when the file cannot be written.
    """
    kinds: dict[str, list[tuple[str, Rows]]] = {key: [] for key, _, _ in _PARTS}
    for name, known, rows in grouping.proposals():
        kinds["known" if known else "proposed" if len(rows) > 1 else "alone"].append((name, rows))
    parts = [_part(grouping, key, title, note, kinds[key]) for key, title, note in _PARTS]
    page = render(
        "resight.pipeline",
        "groups.html.j2",
        title="Who may these be?",
        lead=_lead(grouping),
        parts=parts,
        sections=[*((part.key, part.title) for part in parts), ("about", "About")],
        photos=data_uris(shot.picture for part in parts for group in part.groups for shot in group.shots),
        about=_about(grouping),
        notes=grouping.notes,
    )
    return write_page(Path(out), page)


def _lead(grouping: Grouping) -> str:
    count, n_named = (
        grouping.n_new,
        plural(grouping.photos.n_identities, "individual has a name", "individuals have names"),
    )
    n_photos = plural(int(grouping.unlabelled.sum()), "photo has", "photos have")
    says = f"{n_photos} no name. {n_named}; about {count.value:.0f} more are new ({count.low:.0f} to {count.high:.0f})."
    return f"{says} These are proposals: nothing is named before somebody says so."


def _about(grouping: Grouping) -> dict[str, str]:
    return {
        "Groups joined down to": f"a mean probability of {grouping.min_probability:g}",
        "Checked on labelled photos": "yes" if grouping.calibrated else "no",
        "Model": grouping.model,
        "resight": __version__,
    }


def _part(grouping: Grouping, key: str, title: str, note: str, found: Sequence[tuple[str, Rows]]) -> _Part:
    shown = tuple(_group(grouping, name, rows, key) for name, rows in found[:_MOST_GROUPS])
    return _Part(key, title, note, shown, len(found))


def _group(grouping: Grouping, name: str, rows: Rows, key: str) -> _Group:
    labelled = (
        (grouping.photos.frame["identity"] == name).fill_null(False).arg_true().to_list() if key == "known" else []
    )
    shots = [_shot(grouping, row, "labelled") for row in labelled[:_N_LABELLED]]
    sure = grouping.groups.confidence
    shots += [_shot(grouping, int(row), f"{percent(float(sure[row]))} sure") for row in rows[:_MOST_IN_GROUP]]
    n_hidden = max(0, len(rows) - _MOST_IN_GROUP)
    return _Group(name, plural(len(rows), "unlabelled photo"), tuple(shots), n_hidden)


def _shot(grouping: Grouping, row: int, detail: str) -> Shot:
    photos = grouping.photos
    box = photos.frame["box"][row]
    picture = Picture.of(photos.photo(row), None if box is None else box.to_list(), _SIDE_PX)
    return Shot(picture, photos.frame["image_id"][row], detail)
