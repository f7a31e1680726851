from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from resight.errors import StoreError
from resight.store import CatalogueStore, schema
from resight.store.vectors import VectorFile, checksums
from store.fake_indexing import DIMENSION, embed_pending, vector_of

FIRST_TABLES = Path(__file__).with_name("schema_0001.sql")


@pytest.fixture
def of_version_1(tmp_path) -> Path:
    """A catalogue as the first version wrote it, made by hand: never to be changed."""
    folder = tmp_path / "old"
    (folder / "vectors").mkdir(parents=True)
    vectors = vector_of("c1", DIMENSION).reshape(1, -1)
    VectorFile(folder / "vectors" / "toy.1.npy", DIMENSION).append(0, vectors)
    with sqlite3.connect(folder / "catalogue.db") as connection:
        connection.executescript(FIRST_TABLES.read_text(encoding="utf-8"))
        connection.execute("INSERT INTO migrations VALUES ('0001-first-tables', '2026-01-01T00:00:00+00:00')")
        connection.execute("INSERT INTO roots VALUES (1, '/photos')")
        connection.execute("INSERT INTO extra_columns VALUES ('body_part', 0, 'text')")
        connection.execute(
            "INSERT INTO photos (photo_id, image_id, root_id, path, status, identity, source_identity, first_identity, "
            "box_x, box_y, box_width, box_height, extra, content, size, mtime_ns) VALUES "
            "(1, 'a', 1, 'a.jpg', 'present', 'Nala', 'w_1', 'w_1', 0, 0, 5, 5, "
            "'{\"body_part\": \"flank\"}', 'c1', 3, 4),"
            "(2, 'b', 1, 'b.jpg', 'removed', 'w_2', 'w_2', 'w_2', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
        )
        before, after = ({"a": {"identity": name}} for name in ("w_1", "Nala"))
        detail = {"identity": "w_1", "new_name": "Nala"}
        row = ("2026-01-01T00:00:00+00:00", "anna", "rename", *map(json.dumps, (detail, before, after)))
        connection.execute("INSERT INTO journal VALUES (1, ?, ?, ?, ?, ?, ?, NULL)", row)
        connection.execute("INSERT INTO rejections VALUES ('a', 'w_2')")
        connection.execute("INSERT INTO models VALUES (1, 'toy.1', ?, 'toy.1.npy', 1)", (DIMENSION,))
        connection.execute("INSERT INTO vectors VALUES (1, 1, 0, 'c1', ?)", checksums(vectors))
        connection.execute("INSERT INTO failures VALUES (1, 2, 'no such file', NULL, NULL)")
    connection.close()
    return folder


def test_a_catalogue_of_version_1_opens(of_version_1):
    store = CatalogueStore.open(of_version_1)
    row = next(iter(store.catalogue()))
    assert (row["image_id"], row["identity"], row["body_part"]) == ("a", "Nala", "flank")
    assert store.embeddings("toy.1").vectors[0].tolist() == vector_of("c1", DIMENSION).tolist()
    assert store.rejections() == {"a": ("w_2",)}
    assert store.versions(["a", "b"]) == {"a": 1, "b": 0}
    assert store.undo(who="anna").undoes == 1
    assert store.catalogue().column("identity").tolist() == ["w_1"]


def test_an_old_catalogue_has_the_tables_of_a_new_one_once_opened(of_version_1, tmp_path):
    CatalogueStore.open(of_version_1)
    CatalogueStore.create(tmp_path / "new")
    assert shape(of_version_1) == shape(tmp_path / "new")


def shape(folder: Path) -> dict[str, object]:
    found = sa.inspect(engine := sa.create_engine(f"sqlite:///{folder}/catalogue.db", poolclass=sa.NullPool))
    tables = {}
    for name in found.get_table_names():
        columns = {c["name"]: (str(c["type"]), c["nullable"], c["primary_key"]) for c in found.get_columns(name)}
        keys = sorted((k["constrained_columns"], k["referred_table"]) for k in found.get_foreign_keys(name))
        unique = sorted(u["column_names"] for u in found.get_unique_constraints(name))
        tables[name] = columns, keys, unique, sorted(i["column_names"] for i in found.get_indexes(name))
    engine.dispose()
    return tables


def test_a_migration_runs_once_and_is_noted(of_version_1, monkeypatch):
    def add_note(connection: sa.Connection) -> None:
        connection.execute(sa.text("ALTER TABLE photos ADD COLUMN note TEXT"))

    monkeypatch.setattr(schema, "MIGRATIONS", {**schema.MIGRATIONS, "0002-note": add_note})
    with pytest.raises(StoreError, match="found older ones: open it once for writing"):
        CatalogueStore.open(of_version_1, read_only=True)
    for _ in range(2):
        CatalogueStore.open(of_version_1)
    assert "note" in shape(of_version_1)["photos"][0]
    assert done(of_version_1) == sorted(schema.MIGRATIONS)


def test_a_migration_that_fails_leaves_the_catalogue_as_it_was(of_version_1, monkeypatch):
    def break_down(connection: sa.Connection) -> None:
        connection.execute(sa.text("ALTER TABLE photos ADD COLUMN note TEXT"))
        connection.execute(sa.text("SELECT nonsense"))

    before = shape(of_version_1)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", {**schema.MIGRATIONS, "0002-note": break_down})
        with pytest.raises(StoreError, match="its database refuses: no such column: nonsense"):
            CatalogueStore.open(of_version_1)
    assert shape(of_version_1) == before
    assert len(CatalogueStore.open(of_version_1).catalogue()) == 1


def test_a_newer_catalogue_is_refused(of_version_1, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", {**schema.MIGRATIONS, "0002-future": lambda _: None})
        CatalogueStore.open(of_version_1)
    with pytest.raises(StoreError, match=r"found a newer one \(step '0002-future'\): upgrade with  pip install"):
        CatalogueStore.open(of_version_1)


def done(folder: Path) -> list[str]:
    connection = sqlite3.connect(folder / "catalogue.db")
    names = [row[0] for row in connection.execute("SELECT name FROM migrations ORDER BY name")]
    connection.close()
    return names


@pytest.mark.parametrize(
    "content", [b"this is a text of some length, not a database" * 9, b"SQLite format 3\x00" + b"\xff" * 4096]
)
def test_a_file_that_is_no_database(tmp_path, content):
    (tmp_path / "catalogue.db").write_bytes(content)
    for make in (CatalogueStore.open, CatalogueStore.open_or_create):
        with pytest.raises(StoreError, match=rf"expected a catalogue in {tmp_path}, found a broken catalogue\.db"):
            make(tmp_path)
    assert (tmp_path / "catalogue.db").read_bytes() == content


def test_a_database_of_something_else(tmp_path):
    with sqlite3.connect(tmp_path / "catalogue.db") as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    with pytest.raises(StoreError, match=r"found a database of something else \(tables recipes\): give another folder"):
        CatalogueStore.open(tmp_path)


def test_an_empty_file_is_what_a_run_leaves_that_was_killed_at_its_start(tmp_path):
    (tmp_path / "catalogue.db").touch()
    assert len(CatalogueStore.open(tmp_path).catalogue()) == 0


def test_a_torn_database_is_refused(store):
    path = store.folder / "catalogue.db"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(StoreError, match="broken catalogue"):
        CatalogueStore.open(store.folder).log()


def test_the_tables_can_be_made_by_postgresql():
    for table in schema.METADATA.sorted_tables:
        told = str(CreateTable(table).compile(dialect=postgresql.dialect()))
        assert told.strip().startswith("CREATE TABLE")
    told = str(CreateTable(schema.photos).compile(dialect=postgresql.dialect()))
    assert "photo_id SERIAL" in told
    assert "mtime_ns BIGINT" in told


def test_the_same_code_runs_by_a_url(tmp_path, table):
    url = f"sqlite:///{tmp_path}/elsewhere.db"
    store = CatalogueStore.create(tmp_path / "catalogue", url=url)
    store.register(table({"a": "A", "b": "A"}))
    store.rename("A", "Nala", who="anna")
    assert embed_pending(store) == 2
    again = CatalogueStore.open_or_create(tmp_path / "catalogue", url=url)
    assert again.catalogue().n_identities == 1
    assert not (tmp_path / "catalogue" / "catalogue.db").exists()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite://user:secret@host/x.db", "Invalid SQLite URL"),
        ("postgresql+nosuch://user:secret@host/x", "nosuch"),
        ("nonsense", "Could not parse"),
        ("sqlite:////no/such/folder/x.db", "unable to open database file"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_without_its_password(tmp_path, url, reason):
    with pytest.raises(StoreError, match=reason) as told:
        CatalogueStore.open(tmp_path, url=url)
    assert "secret" not in str(told.value)


def test_importing_the_nouns_does_not_import_the_database():
    code = "import sys, resight.core; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
