"""The tables of a catalogue, and the named migrations that lead to them.

`photos` says who is on what, `rejections` who is not, `doubts` of whom nobody can tell, `poor_photos`
what is too poor to tell anything; `journal` how it came to that, `journal_photos` which photos each
row of it speaks of; `pair_verdicts` which photos are not one photo, `derived_sets` where cleaned
copies lie, `splits`, `split_sides` and `split_looks` which photos are kept apart to judge by, and who
looked. `models`, `vectors` and `failures` say what has been embedded, `photo_hashes` what has been
hashed; they can be made again from the photos.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy as sa

from resight.errors import StoreError

METADATA = sa.MetaData()

migrations = sa.Table(
    "migrations",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("applied_at", sa.Text, nullable=False),
)

roots = sa.Table(
    "roots",
    METADATA,
    sa.Column("root_id", sa.Integer, primary_key=True),
    sa.Column("folder", sa.Text, nullable=False, unique=True),
)

extra_columns = sa.Table(
    "extra_columns",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
)

photos = sa.Table(
    "photos",
    METADATA,
    sa.Column("photo_id", sa.Integer, primary_key=True),
    sa.Column("image_id", sa.Text, nullable=False, unique=True),
    sa.Column("root_id", sa.ForeignKey("roots.root_id"), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),  # PRESENT or REMOVED
    sa.Column("identity", sa.Text, index=True),  # with all edits
    sa.Column("source_identity", sa.Text),  # as the label file said last
    sa.Column("first_identity", sa.Text),  # as the label file said first: where the journal starts
    sa.Column("encounter", sa.Text),
    sa.Column("species", sa.Text),
    sa.Column("side", sa.Text),
    sa.Column("date", sa.Text),
    sa.Column("split", sa.Text),
    *(sa.Column(f"box_{part}", sa.Double) for part in ("x", "y", "width", "height")),
    sa.Column("extra", sa.Text),  # further columns, as JSON
    sa.Column("content", sa.Text),  # fingerprint of the file when it was last read
    sa.Column("size", sa.BigInteger),  # bytes, then
    sa.Column("mtime_ns", sa.BigInteger),  # time of change in ns, then
)

rejections = sa.Table(
    "rejections",
    METADATA,
    sa.Column("image_id", sa.ForeignKey("photos.image_id"), primary_key=True),
    sa.Column("identity", sa.Text, primary_key=True, index=True),
)

journal = sa.Table(
    "journal",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),  # UTC
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),  # what was asked for, as JSON
    sa.Column("before", sa.Text, nullable=False),  # {image id: label}, as JSON
    sa.Column("after", sa.Text, nullable=False),
    sa.Column("undoes", sa.ForeignKey("journal.number"), unique=True),
)

doubts = sa.Table(
    "doubts",
    METADATA,
    sa.Column("image_id", sa.ForeignKey("photos.image_id"), primary_key=True),
    sa.Column("identity", sa.Text, primary_key=True, index=True),
)

poor_photos = sa.Table(
    "poor_photos",
    METADATA,
    sa.Column("image_id", sa.ForeignKey("photos.image_id"), primary_key=True),
)

journal_photos = sa.Table(
    "journal_photos",
    METADATA,
    sa.Column("image_id", sa.ForeignKey("photos.image_id"), primary_key=True),
    sa.Column("number", sa.ForeignKey("journal.number"), primary_key=True),
)

models = sa.Table(
    "models",
    METADATA,
    sa.Column("model_id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("dimension", sa.Integer, nullable=False),
    sa.Column("file", sa.Text, nullable=False, unique=True),
    sa.Column("n_rows", sa.BigInteger, nullable=False),  # rows of the file that count
)

vectors = sa.Table(
    "vectors",
    METADATA,
    sa.Column("model_id", sa.ForeignKey("models.model_id"), primary_key=True),
    sa.Column("photo_id", sa.ForeignKey("photos.photo_id"), primary_key=True),
    sa.Column("row", sa.BigInteger, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("checksum", sa.BigInteger, nullable=False),  # CRC-32 of the row's bytes
    sa.UniqueConstraint("model_id", "row"),
)

failures = sa.Table(
    "failures",
    METADATA,
    sa.Column("model_id", sa.ForeignKey("models.model_id"), primary_key=True),
    sa.Column("photo_id", sa.ForeignKey("photos.photo_id"), primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger),
    sa.Column("mtime_ns", sa.BigInteger),
)

photo_hashes = sa.Table(
    "photo_hashes",
    METADATA,
    sa.Column("photo_id", sa.ForeignKey("photos.photo_id"), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),  # eight orientations of 8 bytes, highest byte first
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
)

pair_verdicts = sa.Table(
    "pair_verdicts",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),  # UTC
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("first", sa.ForeignKey("photos.image_id"), nullable=False),
    sa.Column("second", sa.ForeignKey("photos.image_id"), nullable=False),
    sa.Column("apart", sa.Boolean, nullable=False),  # the last word on a pair counts
)

splits = sa.Table(
    "splits",
    METADATA,
    sa.Column("split_id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("at", sa.Text, nullable=False),  # UTC
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("settings", sa.Text, nullable=False),  # what was wished for, as JSON
    sa.Column("reached", sa.Text, nullable=False),  # what came of it, as JSON
    sa.Column("notes", sa.Text, nullable=False),  # sentences, as JSON
)

split_sides = sa.Table(
    "split_sides",
    METADATA,
    sa.Column("split_id", sa.ForeignKey("splits.split_id"), primary_key=True),
    sa.Column("photo_id", sa.ForeignKey("photos.photo_id"), primary_key=True),
    sa.Column("side", sa.Text, nullable=False),  # train, test, or the number of a fold
)

split_looks = sa.Table(
    "split_looks",
    METADATA,
    sa.Column("split_id", sa.ForeignKey("splits.split_id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),  # UTC
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("settings", sa.Text, nullable=False),  # how it was judged, as JSON
    sa.Column("figures", sa.Text, nullable=False),  # what came of it, as JSON
)

derived_sets = sa.Table(
    "derived_sets",
    METADATA,
    sa.Column("folder", sa.Text, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),  # UTC
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("recipe", sa.Text, nullable=False),  # what was done to the photos, as JSON
    sa.Column("n_photos", sa.BigInteger, nullable=False),
)

PRESENT, REMOVED = "present", "removed"


def _add_duplicates(connection: sa.Connection) -> None:
    METADATA.create_all(connection, tables=[photo_hashes, pair_verdicts])


def _add_splits(connection: sa.Connection) -> None:
    METADATA.create_all(connection, tables=[splits, split_sides, split_looks])


def _add_derived_sets(connection: sa.Connection) -> None:
    METADATA.create_all(connection, tables=[derived_sets])


def _add_judgements(connection: sa.Connection) -> None:
    METADATA.create_all(connection, tables=[doubts, poor_photos, journal_photos])
    for number, after in connection.execute(sa.select(journal.c.number, journal.c.after)).all():
        rows = [{"image_id": image_id, "number": number} for image_id in json.loads(after)]
        if rows:
            connection.execute(journal_photos.insert(), rows)


MIGRATIONS: dict[str, Callable[[sa.Connection], None]] = {
    "0001-first-tables": METADATA.create_all,
    "0002-duplicates": _add_duplicates,
    "0003-splits": _add_splits,
    "0004-derived-sets": _add_derived_sets,
    "0005-judgements": _add_judgements,
}
"""Each step from an older schema, in order. A step that was released is never edited: a new
catalogue gets the tables above at once and is marked as having had all steps."""


def missing_migrations(connection: sa.Connection, place: str) -> list[str]:
    """The names of the steps that a database still needs; all of them when it is empty.

    Raises:
        StoreError: when the database is not a catalogue, or was made by a newer version.
    """
    tables = sa.inspect(connection).get_table_names()
    if migrations.name not in tables:
        if tables:
            raise StoreError(
                f"expected a catalogue in {place}, found a database of something else "
                f"(tables {', '.join(tables[:3])}): give another folder"
            )
        return list(MIGRATIONS)
    done = set(connection.scalars(sa.select(migrations.c.name)))
    newer = sorted(done - MIGRATIONS.keys())
    if newer:
        raise StoreError(
            f"expected a catalogue that this version knows in {place}, found a newer one (step '{newer[0]}'): "
            "upgrade with  pip install --upgrade resight"
        )
    return [name for name in MIGRATIONS if name not in done]


def migrate(connection: sa.Connection, place: str) -> None:
    """Bring a database to the tables above, inside the caller's transaction.

    Raises:
        StoreError: as `missing_migrations`.
    """
    missing = missing_migrations(connection, place)
    if len(missing) == len(MIGRATIONS):
        METADATA.create_all(connection)
    else:
        for name in missing:
            MIGRATIONS[name](connection)
    for name in missing:
        connection.execute(migrations.insert(), {"name": name, "applied_at": now()})


def now() -> str:
    """The time in UTC, to the second, as ISO 8601 writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
