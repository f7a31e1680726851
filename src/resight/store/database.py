"""The connection to a catalogue's database: transactions, locks, and errors in plain words.

Everything that only one kind of database understands stands in this file.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from resight.errors import MissingExtraError, StoreError
from resight.store import schema

FILE = "catalogue.db"
_RETRY_S = 0.02
_SERVER_LOCK = 0x7265_7369  # any number that all processes agree on


class Database:
    """One catalogue's database.

    A connection lives as long as its transaction: nothing to close, nothing shared between
    threads or inherited by a forked process, and the folder rests with one whole file in it.

    Args:
        folder: the catalogue; `catalogue.db` inside it, unless there is a `url`.
        url: a database server, such as "postgresql+psycopg://user@host/name".
        timeout_s: how long to wait for another process that writes.
        read_only: whether writing is refused; reads from media that cannot be written.

    Raises:
        StoreError: when it is locked, broken, something else, or made by a newer version.
    """

    def __init__(
        self, folder: Path, url: str | None = None, timeout_s: float = 30.0, *, read_only: bool = False
    ) -> None:
        server = _parsed(url) if url is not None else sa.URL.create("sqlite", database=str(folder / FILE))
        self.place = str(folder) if url is None else server.render_as_string(hide_password=True)
        self.timeout_s = timeout_s
        self.read_only = read_only
        is_file = server.get_backend_name() == "sqlite" and server.database and not server.host
        self._engine = (
            _file(Path(str(server.database)), timeout_s, read_only=read_only) if is_file else _server(server, timeout_s)
        )
        self._bring_up_to_date()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the database throughout.

        Raises:
            StoreError: when the database is locked or broken.
        """
        with self._transaction(writes=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer runs beside; committed at the end, all or nothing.

        Raises:
            StoreError: when the database is read-only, locked for too long, or broken.
        """
        if self.read_only:
            raise StoreError(f"expected to write to {self.place}, found it opened read-only: open it for writing")
        with self._transaction(writes=True) as connection:
            yield connection

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[sa.Connection]:
        options: dict[str, Any] = {"writes": writes}
        if self._engine.dialect.name == "postgresql":
            options["isolation_level"] = "READ COMMITTED" if writes else "REPEATABLE READ"
        with self._in_plain_words(), self._engine.connect() as connection:
            connection.execution_options(**options)
            with connection.begin():
                yield connection

    def _bring_up_to_date(self) -> None:
        if self._engine.dialect.name == "sqlite" and not self.read_only:
            self._keep_a_write_ahead_log()
        with self.reading() as connection:
            missing = schema.missing_migrations(connection, self.place)
        if missing and self.read_only:
            raise StoreError(
                f"expected the tables of this version in {self.place}, found older ones: open it once for writing"
            )
        if missing:
            with self.writing() as connection:
                schema.migrate(connection, self.place)

    def _keep_a_write_ahead_log(self) -> None:
        deadline = time.monotonic() + self.timeout_s
        with self._in_plain_words(), self._engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            while raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                try:
                    mode = raw.execute("PRAGMA journal_mode=WAL").fetchone()[0]
                except sqlite3.OperationalError as error:
                    # SQLite does not wait here when another process is switching too.
                    if "locked" not in str(error) or time.monotonic() > deadline:
                        raise
                    time.sleep(_RETRY_S)
                else:
                    if mode != "wal":  # a file system without shared memory: slower, as safe
                        return

    @contextmanager
    def _in_plain_words(self) -> Iterator[None]:
        try:
            yield
        except (sa.exc.DBAPIError, sqlite3.Error) as error:
            cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            raise StoreError(self._sentence(str(cause))) from error

    def _sentence(self, cause: str) -> str:
        if "locked" in cause or "lock timeout" in cause:
            return (
                f"expected the catalogue {self.place} to be free, found it locked by another process "
                f"for {self.timeout_s:g} s: wait until that one has ended, then run again"
            )
        if any(sign in cause for sign in ("not a database", "malformed", "encrypted")):
            return (
                f"expected a catalogue in {self.place}, found a broken {FILE} ({cause}): "
                "restore it from a copy, or index the photos into another folder"
            )
        return f"expected to use the catalogue {self.place}, found that its database refuses: {cause}"


def _file(path: Path, timeout_s: float, *, read_only: bool) -> sa.Engine:
    uri = path.resolve().as_uri() + ("?mode=ro" if read_only else "?mode=rwc")
    if read_only and _is_at_rest(path):
        uri += "&immutable=1"

    def connect() -> sqlite3.Connection:
        # Autocommit, so that the BEGIN below is ours; FULL makes a commit outlive a power cut too.
        connection = sqlite3.connect(uri, uri=True, timeout=timeout_s, isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_at_rest(path: Path) -> bool:
    log = path.with_name(path.name + "-wal")
    return not os.access(path.parent, os.W_OK) and not (log.exists() and log.stat().st_size)


def _parsed(url: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise StoreError(f"expected the URL of a database, such as postgresql+psycopg://host/name: {error}") from error


def _server(url: sa.URL, timeout_s: float) -> sa.Engine:
    try:
        engine = sa.create_engine(url, poolclass=NullPool)
    except ImportError as error:
        raise MissingExtraError(str(error.name), "serve", f"a catalogue at {url!r}") from error
    except sa.exc.ArgumentError as error:
        raise StoreError(f"expected a database that can be reached at {url!r}, found: {error}") from error
    if engine.dialect.name == "postgresql":

        def lock(connection: sa.Connection) -> None:
            if connection.get_execution_options().get("writes"):
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, round(timeout_s * 1000))}")
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SERVER_LOCK)))

        sa.event.listen(engine, "begin", lock)
    return engine
