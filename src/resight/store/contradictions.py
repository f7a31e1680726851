"""Contradictions: what reviewers said of two photos against what the photos are called now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resight.store.journal import JUDGE, JournalEntry

__all__ = ["Contradiction", "contradictions", "last_words"]

_SAYS = ("same", "different")
_BY_NAME = ("rename", "merge")


@dataclass(frozen=True)
class Contradiction:
    """Two photos said to be different that bear one name now, or said to be the same that bear two.

    Args:
        judgement: the journal row in which it was said; the last word on the two photos.
        first: image id of the photo that was judged.
        second: image id of the one that it was compared with.
        names: what the two are called now.
        chain: the journal rows that gave them these names, oldest first: judgements, merges, splits and the like.
            Empty when they came with them.
    """

    judgement: JournalEntry
    first: str
    second: str
    names: tuple[str, str]
    chain: tuple[JournalEntry, ...]

    @property
    def sentence(self) -> str:
        """What contradicts what, in words."""
        one, other = self.names
        said = self.judgement.detail["says"]
        called = f"both are called '{one}'" if said == "different" else f"they are called '{one}' and '{other}'"
        return f"photos '{self.first}' and '{self.second}' were said to be {_TOLD[said]}, but {called}"

    def to_json(self) -> dict[str, Any]:
        """A mapping that JSON can hold; the rows without the labels of their photos."""
        rows = [_without_labels(entry) for entry in (self.judgement, *self.chain)]
        told = {"first": self.first, "second": self.second, "names": list(self.names), "sentence": self.sentence}
        return {**told, "says": self.judgement.detail["says"], "judgement": rows[0], "chain": rows[1:]}


_TOLD = {"same": "one individual", "different": "two individuals"}


def contradictions(entries: Sequence[JournalEntry], names: Mapping[str, str | None]) -> list[Contradiction]:
    """What stands in the journal against the names that the photos bear now, by the number of the judgement.

    Args:
        entries: the journal, oldest first.
        names: image id to the name that the photo bears now, or None.
    """
    found = []
    rows_of = _rows_of_judged_photos(entries)
    for said in last_words(entries):
        first, second = said.detail["image_id"], said.detail["candidate_id"]
        one, other = names.get(first), names.get(second)
        if one is None or other is None or (one == other) == (said.detail["says"] == "same"):
            continue
        made_by = (entry for photo in (first, second) for entry in _made_by(photo, rows_of))
        chain = {entry.number: entry for entry in made_by if entry.number != said.number}
        found.append(Contradiction(said, first, second, (one, other), tuple(chain[n] for n in sorted(chain))))
    return found


def last_words(entries: Iterable[JournalEntry]) -> list[JournalEntry]:
    """Of the judgements that stand, the last one on each two photos: that they are the same, or different."""
    found: dict[frozenset[str], JournalEntry] = {}
    for entry in entries:
        if _stands(entry) and entry.verb == JUDGE and entry.detail["says"] in _SAYS and "candidate_id" in entry.detail:
            pair = frozenset((entry.detail["image_id"], entry.detail["candidate_id"]))
            found.pop(pair, None)
            found[pair] = entry
    return list(found.values())


def _stands(entry: JournalEntry) -> bool:
    return entry.undoes is None and entry.undone_by is None


def _rows_of_judged_photos(entries: Sequence[JournalEntry]) -> dict[str, list[JournalEntry]]:
    """For each photo that was judged or compared with, the rows that stand and gave it another name, the last first."""
    details = [entry.detail for entry in entries if entry.verb == JUDGE]
    rows: dict[str, list[JournalEntry]] = {
        one[name]: [] for one in details for name in ("image_id", "candidate_id") if name in one
    }
    for entry in reversed(entries):
        for image_id in entry.after.keys() & rows.keys() if _stands(entry) else ():
            if entry.before[image_id].identity != entry.after[image_id].identity:
                rows[image_id].append(entry)
    return rows


def _made_by(photo: str, rows_of: Mapping[str, Sequence[JournalEntry]]) -> list[JournalEntry]:
    """The rows that gave a photo its name, and those that had given it to the photo that it was compared with."""
    found: dict[int, JournalEntry] = {}
    todo: list[tuple[str, int | None]] = [(photo, None)]
    while todo:
        photo, before = todo.pop()
        for entry in rows_of.get(photo, ()):
            if entry.number in found or (before is not None and entry.number >= before):
                continue
            if entry.verb != "rename":
                found[entry.number] = entry
            if entry.verb not in _BY_NAME:
                if entry.verb == JUDGE and "candidate_id" in entry.detail:
                    todo.append((entry.detail["candidate_id"], entry.number))
                break
    return list(found.values())


def _without_labels(entry: JournalEntry) -> dict[str, Any]:
    return {name: value for name, value in entry.to_json().items() if name not in ("before", "after")}
