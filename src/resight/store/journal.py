"""The journal: who said what of which photos, when, and how it was before.

What the catalogue says now is what the journal amounts to: from the first labels, `replay` gets
to exactly the state of the tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from resight.errors import InputError, UnknownNameError
from resight.store import labels, schema
from resight.store.labels import Label, parts
from resight.store.schema import journal, journal_photos


@dataclass(frozen=True)
class JournalEntry:
    """One change of what the catalogue says of its photos.

    Args:
        number: place in the journal, from 1.
        at: time in UTC, ISO 8601.
        who: whose change it is.
        verb: rename, merge, split, assign, reject, judge, import or undo.
        detail: what was asked for; of judge all fields of the `Judgement`.
        before: the labels of the photos that changed (of judge: that were judged), by image id, as they were.
        after: the same as they became.
        undoes: number of the entry that this one takes back, if it is an undo.
        undone_by: number of the entry that took this one back, if one did and still stands.
    """

    number: int
    at: str
    who: str
    verb: str
    detail: Mapping[str, Any]
    before: Mapping[str, Label]
    after: Mapping[str, Label]
    undoes: int | None = None
    undone_by: int | None = None

    @property
    def sentence(self) -> str:
        """What was done, in words."""
        n_photos = f"{len(self.after)} photo" + ("s" if len(self.after) != 1 else "")
        detail = {name: _quoted(value) for name, value in self.detail.items()}
        verb = f"judge {self.detail['says']}" if self.verb == JUDGE else self.verb
        told = _TOLD[verb].format(**detail, n_photos=n_photos)
        return told + (f" (undone by {self.undone_by})" if self.undone_by else "")

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold."""
        sides = {side: {i: label.to_json() for i, label in getattr(self, side).items()} for side in ("before", "after")}
        plain = ("number", "at", "who", "verb", "sentence", "undoes", "undone_by")
        return {**{name: getattr(self, name) for name in plain}, "detail": dict(self.detail), **sides}


JUDGE = "judge"

_TOLD = {
    "rename": "rename {identity} to {new_name}, {n_photos}",
    "merge": "merge {identities} into {into}, {n_photos}",
    "split": "split {n_photos} of {identity} off as {new_identity}",
    "assign": "assign {identity} to {n_photos}",
    "reject": "say that photo {image_id} does not show {identity}",
    "judge same": "say that photo {image_id} shows {identity}",
    "judge different": "say that photo {image_id} does not show {identity}",
    "judge unsure": "say that nobody can tell whether photo {image_id} shows {identity}",
    "judge new": "say that photo {image_id} shows a new individual, {identity}",
    "judge poor": "say that photo {image_id} is too poor to tell",
    "import": "take over the labels of the table for {n_photos}",
    "undo": "undo {entry}, {n_photos}",
}


def append(
    connection: sa.Connection,
    verb: str,
    who: str,
    detail: Mapping[str, Any],
    before: Mapping[str, Label],
    after: Mapping[str, Label],
    *,
    undoes: int | None = None,
    is_news: bool = False,
) -> JournalEntry:
    """Carry out a change of labels and write its row.

    Args:
        connection: a transaction that writes.
        verb: what is done.
        who: whose change it is.
        detail: what was asked for.
        before: the labels of some photos.
        after: the labels that they get; those that stay are left out of the row.
        undoes: number of the entry that is taken back.
        is_news: write the row with all these photos, although a label stays.

    Raises:
        InputError: when nothing would change, or nobody is named.
    """
    if not who.strip():
        raise InputError("expected the name of who makes the change, found an empty text")
    changed = [image_id for image_id in after if is_news or after[image_id] != before[image_id]]
    if not changed:
        raise InputError(f"expected a change, found that the photos are as this {verb} would make them")
    before, after = ({i: side[i] for i in changed} for side in (before, after))
    labels.write(connection, after)
    at = schema.now()
    told = {"at": at, "who": who, "verb": verb, "detail": json.dumps(detail, ensure_ascii=False), "undoes": undoes}
    row = {**told, "before": _as_text(before), "after": _as_text(after)}
    number = int(connection.scalar(journal.insert().returning(journal.c.number), row) or 0)
    connection.execute(journal_photos.insert(), [{"image_id": image_id, "number": number} for image_id in changed])
    return JournalEntry(number, at, who, verb, detail, before, after, undoes)


def entries(
    connection: sa.Connection,
    verb: str | None = None,
    *,
    after: int = 0,
    before: int | None = None,
    last: int | None = None,
) -> list[JournalEntry]:
    """All changes, or some of them, oldest first.

    Args:
        connection: a transaction.
        verb: only those of one verb.
        after: only those that came after this entry.
        before: only those that came before this entry.
        last: only so many, the last ones.
    """
    query = sa.select(journal).where(*_between(after, before)).order_by(journal.c.number.desc()).limit(last)
    rows = connection.execute(query if verb is None else query.where(journal.c.verb == verb)).all()[::-1]
    undone_by = _standing_undos(_undoes(connection, after=rows[0].number)) if rows else {}
    return [_entry(row, undone_by.get(row.number)) for row in rows]


def count(connection: sa.Connection, *, after: int = 0, before: int | None = None) -> int:
    """How many changes there are, or came after one entry and before another."""
    query = sa.select(sa.func.count()).select_from(journal).where(*_between(after, before))
    return int(connection.scalar(query) or 0)


def last_number(connection: sa.Connection) -> int:
    """The number of the last entry, 0 for an empty journal."""
    return int(connection.scalar(sa.select(sa.func.max(journal.c.number))) or 0)


def entry(connection: sa.Connection, number: int) -> JournalEntry:
    """One change; whether it was undone is not looked up."""
    return _entry(connection.execute(sa.select(journal).where(journal.c.number == number)).one(), None)


def judgements_of(connection: sa.Connection, image_id: str) -> list[dict[str, Any]]:
    """The details of the judgements of one photo that stand, oldest first."""
    columns = (journal.c.number, journal.c.undoes, journal.c.verb, journal.c.detail)
    query = sa.select(*columns).join(journal_photos).where(journal_photos.c.image_id == image_id)
    rows = connection.execute(query.order_by(journal.c.number)).all()
    undone = _standing_undos({row.number: row.undoes for row in rows})
    return [json.loads(row.detail) for row in rows if row.verb == JUDGE and row.number not in undone]


def undo(connection: sa.Connection, number: int | None, who: str) -> JournalEntry:
    """Take a change back: its photos get the labels that they had before it.

    An undo is a change like any other: to take it back brings the first change back.

    Args:
        connection: a transaction that writes.
        number: of the entry; None takes the last one that is neither undone nor an undo.
        who: whose change it is.

    Raises:
        UnknownNameError: when there is no such entry.
        InputError: when it was undone before, or a later change of the same photos stands.
    """
    undoes = _undoes(connection)
    number = _last_edit(undoes) if number is None else number
    if number not in undoes:
        raise UnknownNameError("journal entry", str(number), map(str, undoes))
    _refuse_twice(number, undoes)
    back = entry(connection, number)
    _refuse_overtaken(connection, back, undoes)
    return append(connection, "undo", who, {"entry": number}, back.after, back.before, undoes=number, is_news=True)


def names_now(connection: sa.Connection) -> Callable[[str | None], str | None]:
    """What an individual of the label table is called by now: follows the renames and merges that stand."""
    rows = connection.execute(sa.select(journal.c.number, journal.c.undoes, journal.c.verb, journal.c.detail))
    found = {row.number: row for row in rows}
    undone = _standing_undos({number: row.undoes for number, row in found.items()})
    steps = [
        _names_changed(row.verb, json.loads(row.detail))
        for number, row in sorted(found.items())
        if row.verb in ("rename", "merge") and number not in undone
    ]

    def now(name: str | None) -> str | None:
        for step in steps:
            name = step.get(name, name) if name is not None else None
        return name

    return now


def replay(first: Mapping[str, str | None], changes: Iterable[JournalEntry]) -> dict[str, Label]:
    """The labels that a journal amounts to, by image id.

    Args:
        first: the label with which each photo came.
        changes: the journal, oldest first.
    """
    now = {image_id: Label(identity) for image_id, identity in first.items()}
    for entry in changes:
        now.update(entry.after)
    return now


def _quoted(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_quoted, value))
    return f"'{value}'" if isinstance(value, str) else "no name" if value is None else str(value)


def _names_changed(verb: str, detail: Mapping[str, Any]) -> dict[str, str]:
    if verb == "rename":
        return {detail["identity"]: detail["new_name"]}
    return dict.fromkeys(detail["identities"], detail["into"])


def _standing_undos(undoes: Mapping[int, int | None]) -> dict[int, int]:
    """{entry: its undo}, of the undos that were not undone themselves."""
    undone_by: dict[int, int] = {}
    for number, target in sorted(undoes.items(), reverse=True):
        if target is not None and number not in undone_by:
            undone_by[target] = number
    return undone_by


def _last_edit(undoes: Mapping[int, int | None]) -> int:
    undone = _standing_undos(undoes)
    edits = [number for number, target in undoes.items() if target is None and number not in undone]
    if not edits:
        raise InputError("expected a change to undo, found none in the journal that is not undone already")
    return max(edits)


def _refuse_twice(number: int, undoes: Mapping[int, int | None]) -> None:
    undone_by = {target: undo for undo, target in undoes.items() if target is not None}
    last = number
    while last in undone_by:
        last = undone_by[last]
    if last != number:
        raise InputError(
            f"expected an entry that was never undone, found that {number} was undone by {undone_by[number]}: "
            f"to turn that round, undo {last}"
        )


def _refuse_overtaken(connection: sa.Connection, back: JournalEntry, undoes: Mapping[int, int | None]) -> None:
    undone = _standing_undos(undoes)
    for number in _later(connection, back):
        target = undoes[number]
        if number in undone or (target is not None and target > back.number):
            continue  # it does not stand, or it only took back what came after this entry
        later = entry(connection, number)
        both = sorted(back.after.keys() & later.after.keys())
        raise InputError(
            f"expected the photos of entry {back.number} as it left them, found '{both[0]}' changed since by "
            f"entry {number} ({later.sentence}; {later.who}): undo {number} first"
        )


def _later(connection: sa.Connection, than: JournalEntry) -> list[int]:
    """The later entries that speak of some of the same photos, the last one first."""
    numbers = sa.select(journal_photos.c.number).where(journal_photos.c.number > than.number)
    found: set[int] = set()
    for part in parts(list(than.after)):
        found.update(connection.scalars(numbers.where(journal_photos.c.image_id.in_(part))))
    return sorted(found, reverse=True)


def _between(after: int, before: int | None) -> list[sa.ColumnElement[bool]]:
    return [journal.c.number > after, *([] if before is None else [journal.c.number < before])]


def _undoes(connection: sa.Connection, *, after: int = 0) -> dict[int, int | None]:
    """{entry: what it undoes}; an undo comes after what it takes back."""
    rows = connection.execute(sa.select(journal.c.number, journal.c.undoes).where(journal.c.number > after))
    return {row.number: row.undoes for row in rows}


def _entry(row: sa.Row[Any], undone_by: int | None) -> JournalEntry:
    before, after = ({i: Label.from_json(d) for i, d in json.loads(t).items()} for t in (row.before, row.after))
    detail = json.loads(row.detail)
    return JournalEntry(row.number, row.at, row.who, row.verb, detail, before, after, row.undoes, undone_by)


def _as_text(side: Mapping[str, Label]) -> str:
    return json.dumps({image_id: label.to_json() for image_id, label in side.items()}, ensure_ascii=False)
