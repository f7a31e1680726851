"""Storing what was just embedded: the vectors go to their file first, then the database says that they count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import sqlalchemy as sa

from resight.core import Embeddings
from resight.errors import InputError, MismatchError, UnknownNameError
from resight.store.labels import parts
from resight.store.photos import Stat, full_path, stat_of
from resight.store.schema import failures, models, photo_hashes, photos, roots, vectors
from resight.store.vectors import VectorFile, checksums, file_name


class Failed(Protocol):
    """A photo that could not be embedded, as a batch names it."""

    @property
    def image_id(self) -> str:
        """The photo."""

    @property
    def reason(self) -> str:
        """Why, in words a user understands."""


class Batch(Protocol):
    """Photos that were just embedded, or could not be.

    `fingerprints` and `stats` have an entry for each photo with a vector; `stats` may have one for
    a photo that failed.
    """

    @property
    def embeddings(self) -> Embeddings:
        """The vectors that were made."""

    @property
    def fingerprints(self) -> Mapping[str, str]:
        """A hash of each file's bytes, by image id."""

    @property
    def stats(self) -> Mapping[str, Stat]:
        """Size in bytes and time of change in ns of each file before it was read, by image id."""

    @property
    def failures(self) -> Iterable[Failed]:
        """The photos of which no vector could be made."""


def add(connection: sa.Connection, batch: Batch, folder: Path) -> int:
    """Store a batch in one transaction; a photo that another process stored meanwhile is not stored twice.

    Args:
        connection: a transaction that writes; nobody else writes to the vector file meanwhile.
        batch: what to store.
        folder: of the vector files.

    Returns:
        How many vectors were new.

    Raises:
        UnknownNameError: when a photo is not in the catalogue.
        InputError: when a fingerprint or a stat is missing.
        MismatchError: when the vectors have another dimension than the model's others.
        StoreError: when the vector file is not the one that the catalogue wrote.
    """
    image_ids = batch.embeddings.image_ids.tolist()
    reasons = {one.image_id: one.reason for one in batch.failures}
    known = _photos(connection, [*image_ids, *reasons])
    read = {image_id: _read(batch, image_id) for image_id in image_ids}
    model = _model(connection, batch.embeddings)
    have = _contents(connection, model.model_id, [row.photo_id for row in known.values()])
    new = [n for n, i in enumerate(image_ids) if have.get(known[i].photo_id) != read[i]["content"]]

    contents = {known[image_ids[n]].photo_id: str(read[image_ids[n]]["content"]) for n in new}
    _append(connection, model, contents, batch.embeddings.vectors[new], folder)
    _note_contents(connection, [{"of": known[i].photo_id, **read[i]} for i in image_ids])
    _forget_in(connection, failures, model.model_id, [known[i].photo_id for i in image_ids])
    _note_failures(connection, model.model_id, reasons, known, have, batch.stats)
    return len(new)


def add_derived(connection: sa.Connection, embeddings: Embeddings, base: str, folder: Path) -> int:
    """Store vectors that were made from those of another model: each stands for the content that the other does.

    Args:
        connection: a transaction that writes; nobody else writes to the vector file meanwhile.
        embeddings: the new vectors.
        base: fingerprint of the other model.
        folder: of the vector files.

    Returns:
        How many vectors were new.

    Raises:
        UnknownNameError: when a photo is not in the catalogue.
        InputError: when a photo has no vector of the other model.
        MismatchError: when the vectors have another dimension than the model's others.
        StoreError: when the vector file is not the one that the catalogue wrote.
    """
    known = _photos(connection, embeddings.image_ids.tolist())
    photo_ids = [known[image_id].photo_id for image_id in embeddings.image_ids.tolist()]
    base_id = connection.scalar(sa.select(models.c.model_id).where(models.c.name == base))
    theirs = {} if base_id is None else _contents(connection, base_id, photo_ids)
    without = next((n for n, photo_id in enumerate(photo_ids) if photo_id not in theirs), None)
    if without is not None:
        raise InputError(f"expected a vector of {base} for '{embeddings.image_ids[without]}', found none")
    model = _model(connection, embeddings)
    have = _contents(connection, model.model_id, photo_ids)
    new = [n for n, photo_id in enumerate(photo_ids) if have.get(photo_id) != theirs[photo_id]]
    _append(connection, model, {photo_ids[n]: theirs[photo_ids[n]] for n in new}, embeddings.vectors[new], folder)
    return len(new)


def forget(connection: sa.Connection, photo_ids: Sequence[int]) -> None:
    """Let no vector, no failure and no hash of some photos count any more."""
    for part in parts(photo_ids):
        for table in (vectors, failures, photo_hashes):
            connection.execute(table.delete().where(table.c.photo_id.in_(part)))


def drop(connection: sa.Connection, model: str, folder: Path) -> None:
    """Forget a model with all its vectors and failures; nothing happens when it is not known.

    Raises:
        StoreError: when its file cannot be removed.
    """
    known = connection.execute(sa.select(models).where(models.c.name == model)).one_or_none()
    if known is None:
        return
    for table in (vectors, failures, models):
        connection.execute(table.delete().where(table.c.model_id == known.model_id))
    VectorFile.of(folder, model, known.dimension).remove()


def _photos(connection: sa.Connection, image_ids: Sequence[str]) -> dict[str, Any]:
    columns = (photos.c.photo_id, photos.c.image_id, photos.c.path, roots.c.folder)
    query = sa.select(*columns, photos.c.content, photos.c.size, photos.c.mtime_ns).join(roots)
    known: dict[str, Any] = {
        row.image_id: row
        for part in parts(image_ids)
        for row in connection.execute(query.where(photos.c.image_id.in_(part)))
    }
    missing = next((image_id for image_id in image_ids if image_id not in known), None)
    if missing is not None:
        raise UnknownNameError("photo", missing, connection.scalars(sa.select(photos.c.image_id)))
    return known


def _read(batch: Batch, image_id: str) -> dict[str, Any]:
    if not batch.fingerprints.get(image_id) or image_id not in batch.stats:
        raise InputError(f"expected a fingerprint and a stat for each photo with a vector, found none for '{image_id}'")
    size, mtime_ns = batch.stats[image_id]
    return {"content": batch.fingerprints[image_id], "size": size, "mtime_ns": mtime_ns}


def _model(connection: sa.Connection, embeddings: Embeddings) -> sa.Row[Any]:
    query = sa.select(models).where(models.c.name == embeddings.model)
    known = connection.execute(query).one_or_none()
    if known is None:
        row = {"name": embeddings.model, "dimension": embeddings.dimension, "n_rows": 0}
        connection.execute(models.insert(), {**row, "file": file_name(embeddings.model)})
        return connection.execute(query).one()
    if known.dimension != embeddings.dimension:
        raise MismatchError(
            f"expected vectors of {known.dimension} numbers, as model {known.name} made before, found "
            f"{embeddings.dimension}: give the other model another fingerprint"
        )
    return known


def _contents(connection: sa.Connection, model_id: int, photo_ids: Sequence[int]) -> dict[int, str]:
    query = sa.select(vectors.c.photo_id, vectors.c.content).where(vectors.c.model_id == model_id)
    return {
        row.photo_id: row.content
        for part in parts(photo_ids)
        for row in connection.execute(query.where(vectors.c.photo_id.in_(part)))
    }


def _append(
    connection: sa.Connection, model: sa.Row[Any], contents: Mapping[int, str], rows: np.ndarray, folder: Path
) -> None:
    """Vectors to the file, and then the word that they count: for which photo, and for which content of it."""
    if not contents:
        return
    VectorFile.of(folder, model.name, model.dimension).append(model.n_rows, rows)
    _count_rows(connection, model, contents, checksums(rows))


def _count_rows(connection: sa.Connection, model: sa.Row[Any], contents: Mapping[int, str], sums: list[int]) -> None:
    _forget_in(connection, vectors, model.model_id, list(contents))
    rows = [
        {"model_id": model.model_id, "photo_id": photo_id, "row": row, "content": content, "checksum": checksum}
        for row, ((photo_id, content), checksum) in enumerate(
            zip(contents.items(), sums, strict=True), start=model.n_rows
        )
    ]
    connection.execute(vectors.insert(), rows)
    counted = models.update().where(models.c.model_id == model.model_id)
    connection.execute(counted.values(n_rows=model.n_rows + len(rows)))


def _note_contents(connection: sa.Connection, contents: list[dict[str, Any]]) -> None:
    if contents:
        values: dict[str, Any] = {name: sa.bindparam(name) for name in ("content", "size", "mtime_ns")}
        connection.execute(photos.update().where(photos.c.photo_id == sa.bindparam("of")).values(values), contents)


def _note_failures(
    connection: sa.Connection,
    model_id: int,
    reasons: Mapping[str, str],
    known: Mapping[str, Any],
    have: Mapping[int, str],
    stats: Mapping[str, Stat],
) -> None:
    rows, changed = [], []
    for image_id, reason in reasons.items():
        photo = known[image_id]
        stat = stats.get(image_id) or stat_of(full_path(photo.folder, photo.path))
        same_file = stat in (None, (photo.size, photo.mtime_ns))
        if same_file and stat is not None and have.get(photo.photo_id, "") == photo.content:
            continue  # another process read this very file meanwhile
        size, mtime_ns = stat or (None, None)
        rows.append({"photo_id": photo.photo_id, "reason": reason, "size": size, "mtime_ns": mtime_ns})
        if not same_file:
            changed.append({"of": photo.photo_id, "content": None, "size": size, "mtime_ns": mtime_ns})
    _forget_in(connection, failures, model_id, [row["photo_id"] for row in rows])
    if rows:
        connection.execute(failures.insert(), [{"model_id": model_id, **row} for row in rows])
    _note_contents(connection, changed)


def _forget_in(connection: sa.Connection, table: sa.Table, model_id: int, photo_ids: Sequence[int]) -> None:
    for part in parts(photo_ids):
        connection.execute(table.delete().where(table.c.model_id == model_id, table.c.photo_id.in_(part)))
