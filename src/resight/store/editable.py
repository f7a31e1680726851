"""The part of a catalogue that says who is on the photos: judgements, edits, and the journal of them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from resight.core import Judgement
from resight.store import edits, journal, labels, versions
from resight.store.contradictions import Contradiction, contradictions, last_words
from resight.store.database import Database
from resight.store.journal import JournalEntry
from resight.store.labels import Label

__all__ = ["Denials", "Editable"]

Seen = Mapping[str, int]
"""By image id, the number of the last journal row of a photo that the author of a change saw; 0 for none."""


@dataclass(frozen=True)
class Denials:
    """What photos were said not to show: constraints for grouping and search.

    Args:
        rejections: image id to the individuals that the photo was said not to show.
        pairs: image ids of two photos that were said to show two individuals.
    """

    rejections: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()


class Editable:
    """What `CatalogueStore` says of its photos; each method is one transaction.

    A change that takes `seen` is refused with a `ConflictError`, and nothing is written, when one of these photos has
    another last journal row by now: look at `theirs`, then decide again.

    Args:
        database: the catalogue's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # Changes

    def judge(self, judgement: Judgement, *, who: str) -> JournalEntry:
        """Write down what a reviewer says of a photo; its label follows.

        Same: the photo gets the name. Different: it is said not to show the individual, and loses that name. Unsure:
        the pair is not asked again. New: the photo gets a new name. Poor: the photo is not asked again, until it gets
        a name. A judgement that leaves the label as it is (a name confirmed) has its row too.

        Raises:
            ConflictError: when the photo has another last journal row than `seen`; or, with `seen`, when the photo
                that it was compared with does not bear the name any more.
            UnknownNameError: when there is no such photo or individual.
            InputError: when that was said before, or the name wished for is taken.
        """
        with self._database.writing() as connection:
            return edits.judge(connection, judgement, who)

    def rename(self, identity: str, new_name: str, *, who: str, seen: Seen | None = None) -> JournalEntry:
        """Call an individual otherwise.

        Raises:
            ConflictError: when a photo is not as it was seen.
            UnknownNameError: when there is no such individual.
            InputError: when the new name is empty or another individual's (then merge).
        """
        with self._database.writing() as connection:
            versions.require_seen(connection, seen, {"verb": "rename", "identity": identity, "new_name": new_name})
            return edits.rename(connection, identity, new_name, who)

    def merge(self, identities: Sequence[str], into: str, *, who: str, seen: Seen | None = None) -> JournalEntry:
        """Make several individuals one, under a name that exists.

        Raises:
            ConflictError: when a photo is not as it was seen.
            UnknownNameError: when one of them does not exist.
            InputError: when there is nothing but `into` itself to merge.
        """
        with self._database.writing() as connection:
            yours = {"verb": "merge", "identities": _listed(identities), "into": into}
            versions.require_seen(connection, seen, yours)
            return edits.merge(connection, identities, into, who)

    def split(self, image_ids: Sequence[str], new_identity: str, *, who: str, seen: Seen | None = None) -> JournalEntry:
        """Make some photos of one individual another individual, under a new name.

        Raises:
            ConflictError: when a photo is not as it was seen.
            UnknownNameError: when there is no such photo.
            InputError: when the photos are of several individuals or of none, are all that the
                individual has, or the new name is empty or taken.
        """
        with self._database.writing() as connection:
            yours = {"verb": "split", "image_ids": _listed(image_ids), "new_identity": new_identity}
            versions.require_seen(connection, seen, yours)
            return edits.split(connection, image_ids, new_identity, who)

    def assign(
        self, image_ids: Sequence[str], identity: str | None, *, who: str, seen: Seen | None = None
    ) -> JournalEntry:
        """Say whom some photos show: a known individual, a new one, or (None) nobody known.

        Raises:
            ConflictError: when a photo is not as it was seen.
            UnknownNameError: when there is no such photo.
            InputError: when the name is empty, or all the photos have it already.
        """
        with self._database.writing() as connection:
            yours = {"verb": "assign", "image_ids": _listed(image_ids), "identity": identity}
            versions.require_seen(connection, seen, yours)
            return edits.assign(connection, image_ids, identity, who)

    def reject(self, image_id: str, identity: str, *, who: str) -> JournalEntry:
        """Say that a photo does not show an individual; if it had that name, it is unlabelled then.

        Raises:
            UnknownNameError: when there is no such photo or individual.
            InputError: when that was said before.
        """
        with self._database.writing() as connection:
            return edits.reject(connection, image_id, identity, who)

    def undo(self, entry: int | None = None, *, who: str, seen: Seen | None = None) -> JournalEntry:
        """Take a change back: exactly its photos get the labels that they had before it.

        An undo is a journal row itself; to undo it brings the change back.

        Args:
            entry: number of the journal row; None takes the last change that is not undone.
            who: name for the journal.
            seen: as for every change.

        Raises:
            ConflictError: when a photo is not as it was seen.
            UnknownNameError: when there is no such entry.
            InputError: when it was undone before, or a later change of the same photos stands.
        """
        with self._database.writing() as connection:
            versions.require_seen(connection, seen, {"verb": "undo", "entry": entry})
            return journal.undo(connection, entry, who)

    # What was said

    def labels(self, image_ids: Iterable[str] | None = None) -> dict[str, Label]:
        """The labels of some photos, or of all, removed ones too; an id that no photo has is left out."""
        with self._database.reading() as connection:
            return labels.of_all(connection) if image_ids is None else labels.of_photos(connection, image_ids)

    def rejections(self) -> dict[str, tuple[str, ...]]:
        """The individuals that a photo was said not to show, by image id, for photos that have any."""
        with self._database.reading() as connection:
            return labels.all_rejected(connection)

    def versions(self, image_ids: Iterable[str]) -> dict[str, int]:
        """The number of the last journal row of each photo, 0 for none: what `seen` is compared with."""
        with self._database.reading() as connection:
            return versions.versions(connection, image_ids)

    def judgements(self) -> list[JournalEntry]:
        """The judgements that stand, oldest first; `Judgement.from_json(entry.detail)` gives each back."""
        with self._database.reading() as connection:
            return [entry for entry in journal.entries(connection, journal.JUDGE) if entry.undone_by is None]

    def contradictions(self) -> list[Contradiction]:
        """Photos said to be different that bear one name now, and photos said to be the same that bear two."""
        with self._database.reading() as connection:
            entries = journal.entries(connection)
            spoken = {one.detail[name] for one in last_words(entries) for name in ("image_id", "candidate_id")}
            found = labels.of_photos(connection, spoken)
            return contradictions(entries, {image_id: label.identity for image_id, label in found.items()})

    def denials(self) -> Denials:
        """The individuals that photos were said not to show, and the pairs of photos said to show two."""
        with self._database.reading() as connection:
            words = last_words(journal.entries(connection, journal.JUDGE))
            apart = [one.detail for one in words if one.detail["says"] == "different"]
            pairs = tuple((str(one["image_id"]), str(one["candidate_id"])) for one in apart)
            return Denials(labels.all_rejected(connection), pairs)

    def log(self, *, after: int = 0, before: int | None = None, last: int | None = None) -> list[JournalEntry]:
        """The journal, oldest first, or some rows of it.

        Args:
            after: only what came after this entry.
            before: only what came before this entry.
            last: only so many rows, the last ones; the others are not read.
        """
        with self._database.reading() as connection:
            return journal.entries(connection, after=after, before=before, last=last)

    def n_entries(self, *, after: int = 0, before: int | None = None) -> int:
        """How many rows the journal has, or has after one entry and before another."""
        with self._database.reading() as connection:
            return journal.count(connection, after=after, before=before)

    def last_entry(self) -> int:
        """The number of the last journal row, 0 for none."""
        with self._database.reading() as connection:
            return journal.last_number(connection)


def _listed(names: Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
