"""Versions: the last journal row of each photo, so that nobody decides on what another has changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from resight.errors import ConflictError
from resight.store import journal
from resight.store.labels import parts
from resight.store.schema import journal_photos


def versions(connection: sa.Connection, image_ids: Iterable[str]) -> dict[str, int]:
    """The number of the last journal row that speaks of each photo, 0 when none does."""
    found = dict.fromkeys(image_ids, 0)
    last = sa.select(journal_photos.c.image_id, sa.func.max(journal_photos.c.number))
    for part in parts(list(found)):
        rows = connection.execute(last.where(journal_photos.c.image_id.in_(part)).group_by(journal_photos.c.image_id))
        found |= {image_id: int(number) for image_id, number in rows}
    return found


def require_seen(connection: sa.Connection, seen: Mapping[str, int] | None, yours: Mapping[str, Any]) -> None:
    """Refuse a change of photos that are not as its author saw them.

    Args:
        connection: a transaction that writes.
        seen: by image id, the number of the last journal row that was seen, 0 for none; None for no check.
        yours: what was asked for, as JSON.

    Raises:
        ConflictError: when another row is the last one of such a photo.
    """
    for image_id, last in versions(connection, seen or ()).items():
        if seen is not None and last != seen[image_id]:
            refuse(connection, image_id, last, f"as entry {seen[image_id]} left it", yours)


def refuse(connection: sa.Connection, image_id: str, last: int, expected: str, yours: Mapping[str, Any]) -> None:
    """Refuse a change because of the last journal row of a photo.

    Raises:
        ConflictError: with that row.
    """
    theirs = journal.entry(connection, last) if last else None
    found = f"changed by entry {last} ({theirs.sentence}; {theirs.who})" if theirs else "that no entry speaks of it"
    raise ConflictError(
        f"expected photo '{image_id}' {expected}, found {found}: look at it again, then decide",
        theirs=None if theirs is None else _of_one(theirs.to_json(), image_id),
        yours=yours,
    )


def _of_one(entry: dict[str, Any], image_id: str) -> dict[str, Any]:
    """The row with the labels of one photo only: a merge may speak of thousands."""
    return entry | {side: {image_id: entry[side][image_id]} for side in ("before", "after")}
