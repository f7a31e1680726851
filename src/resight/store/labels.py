"""The label of a photo: whom it shows, whom it was said not to show, and what nobody could tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import sqlalchemy as sa

from resight.store.schema import doubts, photos, poor_photos, rejections

_PARAMETERS = 500  # in one statement; databases allow some thousands
_T = TypeVar("_T")


@dataclass(frozen=True)
class Label:
    """Whom a photo shows.

    Args:
        identity: the individual, or None when it is unlabelled.
        rejected: individuals that it was said not to show, sorted; never `identity`.
        unsure: individuals of which nobody could tell whether it shows them, sorted; none of `rejected`. The pair is
            not asked again.
        poor: whether it was said to be too poor to tell.
    """

    identity: str | None
    rejected: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    poor: bool = False

    def named(self, identity: str | None) -> Label:
        """The label of another individual: having been rejected or doubted before does not count any more."""
        if identity == self.identity:
            return self
        return replace(
            self, identity=identity, rejected=_less(self.rejected, identity), unsure=_less(self.unsure, identity)
        )

    def without(self, identity: str) -> Label:
        """The label when the photo is said not to show an individual."""
        keep = None if self.identity == identity else self.identity
        rejected = tuple(sorted({*self.rejected, identity}))
        return replace(self, identity=keep, rejected=rejected, unsure=_less(self.unsure, identity))

    def doubted(self, identity: str) -> Label:
        """The label when nobody can tell whether the photo shows an individual."""
        unsure = tuple(sorted({*self.unsure, identity}))
        return replace(self, rejected=_less(self.rejected, identity), unsure=unsure)

    def translated(self, names: Mapping[str, str]) -> Label:
        """The label when individuals are called otherwise."""
        identity = names.get(self.identity, self.identity) if self.identity is not None else None
        rejected = {names.get(name, name) for name in self.rejected} - {identity}
        unsure = {names.get(name, name) for name in self.unsure} - rejected
        return replace(self, identity=identity, rejected=tuple(sorted(rejected)), unsure=tuple(sorted(unsure)))

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        told = {"rejected": list(self.rejected), "unsure": list(self.unsure), "poor": self.poor}
        return {"identity": self.identity, **{name: value for name, value in told.items() if value}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Label:
        """The label that `to_json` wrote."""
        rejected, unsure = (tuple(data.get(name, ())) for name in ("rejected", "unsure"))
        return cls(data["identity"], rejected, unsure, data.get("poor", False))


def names(connection: sa.Connection) -> set[str]:
    """The individuals that have at least one photo, be it removed."""
    return {str(name) for name in connection.scalars(sa.select(photos.c.identity).distinct()) if name is not None}


def of_photos(connection: sa.Connection, image_ids: Iterable[str]) -> dict[str, Label]:
    """The labels of some photos; an id that no photo has is left out."""
    found: dict[str, Label] = {}
    for part in parts(list(image_ids)):
        found |= _labels(connection, photos.c.image_id.in_(part))
    return found


def of_all(connection: sa.Connection) -> dict[str, Label]:
    """The labels of all photos, be they removed, in the order in which they came."""
    return _labels(connection, sa.true())


def speaking_of(connection: sa.Connection, identities: Sequence[str]) -> dict[str, Label]:
    """The labels of the photos that were said to show, not to show, or perhaps to show one of some individuals."""
    found: dict[str, Label] = {}
    for part in parts(identities):
        said = [sa.select(table.c.image_id).where(table.c.identity.in_(part)) for table in (rejections, doubts)]
        found |= _labels(connection, photos.c.identity.in_(part) | photos.c.image_id.in_(sa.union_all(*said)))
    return found


def all_rejected(connection: sa.Connection) -> dict[str, tuple[str, ...]]:
    """The individuals that each photo was said not to show, for the photos that have any."""
    return _names_in(connection, rejections)


def write(connection: sa.Connection, labels: Mapping[str, Label]) -> None:
    """Give photos these labels."""
    if not labels:
        return
    rename = photos.update().where(photos.c.image_id == sa.bindparam("of")).values(identity=sa.bindparam("name"))
    connection.execute(rename, [{"of": image_id, "name": label.identity} for image_id, label in labels.items()])
    _replace(connection, rejections, [(i, name) for i, label in labels.items() for name in label.rejected], labels)
    _replace(connection, doubts, [(i, name) for i, label in labels.items() for name in label.unsure], labels)
    _replace(connection, poor_photos, [(i,) for i, label in labels.items() if label.poor], labels)


def _replace(
    connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[str, ...]], image_ids: Iterable[str]
) -> None:
    for part in parts(list(image_ids)):
        connection.execute(table.delete().where(table.c.image_id.in_(part)))
    if rows:
        connection.execute(table.insert(), [dict(zip(table.c.keys(), row, strict=True)) for row in rows])


def _labels(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> dict[str, Label]:
    chosen = sa.select(photos.c.image_id, photos.c.identity).where(condition).order_by(photos.c.photo_id)
    identity = {row.image_id: row.identity for row in connection.execute(chosen)}
    ids = sa.select(photos.c.image_id).where(condition)
    rejected, unsure = (_names_in(connection, table, ids) for table in (rejections, doubts))
    poor = set(connection.scalars(sa.select(poor_photos.c.image_id).where(poor_photos.c.image_id.in_(ids))))
    return {i: Label(name, rejected.get(i, ()), unsure.get(i, ()), i in poor) for i, name in identity.items()}


def _names_in(
    connection: sa.Connection, table: sa.Table, image_ids: sa.Select[tuple[str]] | None = None
) -> dict[str, tuple[str, ...]]:
    """The individuals that a table names beside each photo, sorted as Python sorts."""
    query = sa.select(table.c.image_id, table.c.identity)
    found: dict[str, list[str]] = {}
    for image_id, name in connection.execute(
        query if image_ids is None else query.where(table.c.image_id.in_(image_ids))
    ):
        found.setdefault(image_id, []).append(name)
    return {image_id: tuple(sorted(named)) for image_id, named in found.items()}


def _less(names: tuple[str, ...], one: str | None) -> tuple[str, ...]:
    return tuple(name for name in names if name != one)


def parts(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """A long list in parts that fit into one statement."""
    return (values[start : start + _PARAMETERS] for start in range(0, len(values), _PARAMETERS))
