"""The edits of a catalogue: each checks what was asked, works out the new labels, and writes one journal row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

import sqlalchemy as sa

from resight.core import Judgement
from resight.core.names import is_reserved
from resight.errors import InputError, UnknownNameError
from resight.store import journal, labels, schema, versions
from resight.store.journal import JournalEntry
from resight.store.labels import Label
from resight.store.schema import photos


def rename(connection: sa.Connection, identity: str, new_name: str, who: str) -> JournalEntry:
    """Call an individual otherwise.

    Raises:
        UnknownNameError: when there is no such individual.
        InputError: when the new name is empty, reserved or another individual's.
    """
    names = _require_known(connection, [identity])
    _refuse_taken(new_name, names, "merge the two if they are one and the same")
    before = labels.speaking_of(connection, [identity])
    after = {i: label.translated({identity: new_name}) for i, label in before.items()}
    return journal.append(connection, "rename", who, {"identity": identity, "new_name": new_name}, before, after)


def merge(connection: sa.Connection, identities: Sequence[str], into: str, who: str) -> JournalEntry:
    """Make several individuals one, under a name that exists.

    Raises:
        UnknownNameError: when one of them does not exist.
        InputError: when there is nothing but `into` itself to merge, or that name is reserved.
    """
    merged = sorted({identities} if isinstance(identities, str) else set(identities))
    _require_known(connection, [*merged, into])
    _require_name(into)
    merged = [name for name in merged if name != into]
    if not merged:
        raise InputError(f"expected another individual to merge into '{into}', found only '{into}' itself")
    before = labels.speaking_of(connection, merged)
    after = {i: label.translated(dict.fromkeys(merged, into)) for i, label in before.items()}
    return journal.append(connection, "merge", who, {"identities": merged, "into": into}, before, after)


def split(connection: sa.Connection, image_ids: Sequence[str], new_identity: str, who: str) -> JournalEntry:
    """Make some photos of one individual another individual, under a new name.

    Raises:
        UnknownNameError: when there is no such photo.
        InputError: when the photos are of more than one individual or of none, are all that the
            individual has, or the new name is empty, reserved or taken.
    """
    before = _require_photos(connection, image_ids)
    _refuse_taken(new_identity, labels.names(connection), "assign the photos to it instead")
    found = {label.identity for label in before.values()}
    identity = next(iter(found))
    if len(found) > 1 or identity is None:
        told = " and ".join(sorted("none" if name is None else f"'{name}'" for name in found))
        raise InputError(f"expected photos of one individual to split, found {told}: assign the photos instead")
    n_photos = connection.scalar(sa.select(sa.func.count()).where(photos.c.identity == identity))
    if n_photos == len(before):
        raise InputError(f"expected some of the photos of '{identity}', found all {n_photos}: rename it instead")
    after = {i: label.named(new_identity) for i, label in before.items()}
    return journal.append(connection, "split", who, {"identity": identity, "new_identity": new_identity}, before, after)


def assign(connection: sa.Connection, image_ids: Sequence[str], identity: str | None, who: str) -> JournalEntry:
    """Say whom some photos show: a known individual, a new one, or (None) nobody known.

    Raises:
        UnknownNameError: when there is no such photo.
        InputError: when the name is empty or reserved, or all photos have it already.
    """
    before = _require_photos(connection, image_ids)
    if identity is not None:
        _require_name(identity)
    after = {i: label.named(identity) for i, label in before.items()}
    return journal.append(connection, "assign", who, {"identity": identity}, before, after)


def reject(connection: sa.Connection, image_id: str, identity: str, who: str) -> JournalEntry:
    """Say that a photo does not show an individual; if it had that name, it is unlabelled then.

    Raises:
        UnknownNameError: when there is no such photo or individual.
        InputError: when that was said before.
    """
    _require_known(connection, [identity])
    before = _require_photos(connection, [image_id])
    after = {i: label.without(identity) for i, label in before.items()}
    return journal.append(connection, "reject", who, {"image_id": image_id, "identity": identity}, before, after)


def judge(connection: sa.Connection, judgement: Judgement, who: str) -> JournalEntry:
    """Write down what a reviewer says of a photo, and change its label accordingly.

    Raises:
        ConflictError: when the photo, or the one that it was compared with, is not as the reviewer saw it.
        UnknownNameError: when there is no such photo or individual.
        InputError: when that was said before, the name wished for is taken, or the photo that it was compared with
            does not bear the name.
    """
    image_id, candidate_id, identity = judgement.image_id, judgement.candidate_id, judgement.identity
    asked = judgement.to_json()
    versions.require_seen(connection, None if judgement.seen is None else {image_id: judgement.seen}, asked)
    found = _require_photos(connection, [image_id] if candidate_id is None else [image_id, candidate_id])
    names = labels.names(connection)
    if judgement.says == "new":
        identity = _next_free(connection, names) if identity is None else identity
        _refuse_taken(identity, names, "say that it is the same, or wish for another name")
    elif identity is not None:
        _require_candidate(connection, judgement, found)
        _require_known(connection, [identity])
    before, detail = found[image_id], asked | ({} if identity is None else {"identity": identity})
    after = _judged(before, judgement, identity)
    if after == before and any(_same_word(one, detail) for one in journal.judgements_of(connection, image_id)):
        raise InputError(f"expected news of '{image_id}', found that this was said before: undo it, or say otherwise")
    return journal.append(connection, journal.JUDGE, who, detail, {image_id: before}, {image_id: after}, is_news=True)


def import_labels(connection: sa.Connection, names: Mapping[str, str | None], who: str) -> JournalEntry | None:
    """Take over what the label table says now; None when the photos have these names already."""
    before = labels.of_photos(connection, names)
    after: dict[str, Label] = {i: label.named(names[i]) for i, label in before.items()}
    if after == before:
        return None
    return journal.append(connection, "import", who, {}, before, after)


def _judged(label: Label, judgement: Judgement, identity: str | None) -> Label:
    if judgement.says == "poor":
        return replace(label, poor=True)
    if identity is None or judgement.says == "unsure":
        return label if identity is None else label.doubted(identity)
    if judgement.says == "different":
        return label.without(identity)
    named = label.named(identity)  # who can be told from a photo, that photo is not too poor for, and no more in doubt
    return replace(named, unsure=tuple(name for name in named.unsure if name != identity), poor=False)


def _same_word(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    return all(one.get(name) == other.get(name) for name in ("says", "identity", "candidate_id"))


def _require_candidate(connection: sa.Connection, judgement: Judgement, found: Mapping[str, Label]) -> None:
    """Refuse a photo to compare with that does not bear the name."""
    if judgement.candidate_id is None or found[judgement.candidate_id].identity == judgement.identity:
        return
    other = judgement.candidate_id
    last = versions.versions(connection, [other])[other]
    if judgement.seen is not None and last:
        versions.refuse(connection, other, last, f"to show '{judgement.identity}'", judgement.to_json())
    name = found[other].identity
    told = "no name" if name is None else f"'{name}'"
    raise InputError(f"expected photo '{other}' to show '{judgement.identity}', found it with {told}: give its name")


def _next_free(connection: sa.Connection, names: set[str]) -> str:
    """The first of individual-0001, individual-0002 … that nobody has, and that was given to nobody before."""
    journal_rows = schema.journal.c
    given = sa.select(journal_rows.detail).where(
        journal_rows.verb == journal.JUDGE, journal_rows.detail.contains('"says": "new"')
    )
    told = [json.loads(detail) for detail in connection.scalars(given)]  # a filter may hold these words, too
    taken = names | {one["identity"] for one in told if one["says"] == "new"}
    return next(name for n in count(1) if (name := f"individual-{n:04d}") not in taken)


def _require_known(connection: sa.Connection, identities: Sequence[str]) -> set[str]:
    names = labels.names(connection)
    for identity in identities:
        if identity not in names:
            raise UnknownNameError("individual", identity, names)
    return names


def _require_photos(connection: sa.Connection, image_ids: Sequence[str]) -> dict[str, Label]:
    wanted = list(dict.fromkeys([image_ids] if isinstance(image_ids, str) else image_ids))
    if not wanted:
        raise InputError("expected at least one photo, found none")
    found = labels.of_photos(connection, wanted)
    for image_id in wanted:
        if image_id not in found:
            raise UnknownNameError("photo", image_id, connection.scalars(sa.select(photos.c.image_id)))
    return found


def _refuse_taken(name: str, names: set[str], remedy: str) -> None:
    _require_name(name)
    if name in names:
        raise InputError(f"expected a name that no individual has, found that there is a '{name}': {remedy}")


def _require_name(name: str) -> None:
    if not name.strip() or "\x00" in name:
        raise InputError(f"expected the name of an individual, found {name!r}")
    if is_reserved(name):
        raise InputError(
            f"expected the name of an individual, found '{name}', which means that nobody has named it: "
            "take another name, or assign no name"
        )
