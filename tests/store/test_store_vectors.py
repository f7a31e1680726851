from __future__ import annotations

import logging
import os

import numpy as np
import pytest

from resight.errors import InputError, MismatchError, NotFittedError, StoreError, UnknownNameError
from resight.store import CatalogueStore, KnownModel
from resight.store.vectors import VectorFile, checksums, file_stem
from store.fake_indexing import DIMENSION, MODEL, FakeFailure, embed, embed_pending, table_of, vector_of


@pytest.fixture
def indexed(store, photos) -> CatalogueStore:
    store.register(table_of(photos))
    embed_pending(store, batch_size=4)
    return store


def vector_file(store: CatalogueStore):
    return store.folder / "vectors" / f"{MODEL}.npy"


def rewrite(path, text: str) -> None:
    """Another content, and a later time even where the clock is coarse."""
    time_ns = path.stat().st_mtime_ns + 1_000_000
    path.write_text(text)
    os.utime(path, ns=(time_ns, time_ns))


def lies_in_a_file(array: np.ndarray) -> bool:
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, np.memmap)


def test_each_photo_has_its_own_vector(indexed):
    contents = dict(zip(indexed.catalogue().image_ids.tolist(), indexed.catalogue().column("content"), strict=True))
    embeddings = indexed.embeddings(MODEL)
    assert sorted(embeddings.image_ids.tolist()) == sorted(contents)
    for image_id, vector in zip(embeddings.image_ids.tolist(), embeddings.vectors, strict=True):
        assert vector.tolist() == vector_of(contents[image_id]).tolist()
    assert lies_in_a_file(embeddings.vectors)
    assert indexed.models() == [KnownModel(MODEL, DIMENSION, n_photos=6, n_failures=0)]


def test_plain_numpy_reads_the_file(indexed):
    plain = np.load(vector_file(indexed), allow_pickle=False)
    assert plain.dtype == np.float32
    assert plain.tolist() == indexed.embeddings(MODEL).vectors.tolist()
    assert np.load(vector_file(indexed), mmap_mode="r").shape == (6, DIMENSION)


def test_indexing_again_does_only_what_is_new_or_changed(indexed, photos):
    assert len(indexed.pending(MODEL)) == 0
    (photos / "kiara-2.jpg").write_text("a new one")
    rewrite(photos / "nala-1.jpg", "another photo of Nala")
    indexed.register(table_of(photos))
    assert indexed.pending(MODEL).image_ids.tolist() == ["nala-1.jpg", "kiara-2.jpg"]
    assert embed_pending(indexed) == 2
    assert len(indexed.pending(MODEL)) == 0
    embeddings = indexed.embeddings(MODEL)
    assert len(embeddings) == 7
    content = indexed.catalogue().select(["nala-1.jpg"]).column("content")[0]
    assert embeddings.select(["nala-1.jpg"]).vectors[0].tolist() == vector_of(content).tolist()
    assert not lies_in_a_file(embeddings.vectors)  # the old row of nala-1 lies in between
    assert np.load(vector_file(indexed)).shape == (8, DIMENSION)


def test_a_touched_file_is_read_again_and_keeps_its_row(indexed, photos):
    rewrite(photos / "nala-1.jpg", (photos / "nala-1.jpg").read_text())
    assert indexed.pending(MODEL).image_ids.tolist() == ["nala-1.jpg"]
    assert indexed.add(embed(indexed.pending(MODEL))) == 0
    assert len(indexed.pending(MODEL)) == 0
    assert np.load(vector_file(indexed)).shape == (6, DIMENSION)


def test_a_photo_is_never_stored_twice(indexed):
    assert indexed.add(embed(indexed.catalogue())) == 0
    assert np.load(vector_file(indexed)).shape == (6, DIMENSION)


def test_another_box_makes_another_vector(store, table, tmp_path):
    (tmp_path / "a.jpg").write_text("the pixels")
    store.register(table({"a": "A"}, tmp_path, box=[[0.0, 0.0, 1.0, 1.0]]))
    embed_pending(store)
    store.register(table({"a": "A"}, tmp_path, box=[[0.0, 0.0, 2.0, 2.0]]))
    assert len(store.embeddings(MODEL)) == 0
    assert embed_pending(store) == 1
    assert len(store.embeddings(MODEL)) == 1
    assert np.load(vector_file(store)).shape == (2, DIMENSION)


def test_two_models_do_not_mix(indexed):
    assert len(indexed.pending("Other/Model")) == 6
    indexed.add(embed(indexed.catalogue(), "Other/Model", dimension=3))
    assert [one.name for one in indexed.models()] == [MODEL, "Other/Model"]
    assert indexed.embeddings("Other/Model").dimension == 3
    assert indexed.embeddings(MODEL).dimension == DIMENSION
    assert sorted(path.name for path in vector_file(indexed).parent.iterdir()) == [
        f"{file_stem('Other/Model')}.npy",
        f"{MODEL}.npy",
    ]


def test_a_changed_photo_is_stale_for_every_model(indexed, photos):
    indexed.add(embed(indexed.catalogue(), "second"))
    rewrite(photos / "nala-1.jpg", "another photo")
    embed_pending(indexed, model="second")
    assert "nala-1.jpg" not in indexed.embeddings(MODEL).image_ids
    assert indexed.pending(MODEL).image_ids.tolist() == ["nala-1.jpg"]


def test_vectors_of_another_model_or_dimension_are_refused(indexed, store, tmp_path, monkeypatch):
    with pytest.raises(MismatchError, match=rf"expected vectors of model other, found those of {MODEL}: run  resight"):
        indexed.embeddings("other")
    with monkeypatch.context() as patch:
        patch.delenv("RESIGHT_DATABASE", raising=False)  # on a server one database is one catalogue
        with pytest.raises(StoreError, match=r"found none of any model: run  resight index  on its photos"):
            CatalogueStore.create(tmp_path / "blank").embeddings(MODEL)
    store.drop_vectors(MODEL)
    assert store.pending(MODEL).image_ids.tolist() == store.catalogue().image_ids.tolist()
    embed_pending(store)
    with pytest.raises(MismatchError, match=rf"vectors of 8 numbers, as model {MODEL} made before, found 3"):
        store.add(embed(store.catalogue(), dimension=3))
    assert len(store.embeddings(MODEL)) == 6


def test_failures_are_listed_with_reason_and_not_tried_again(store, photos):
    rewrite(photos / "nala-1.jpg", "broken")
    store.register(table_of(photos))
    assert embed_pending(store) == 6
    assert store.failures() == [("nala-1.jpg", str(photos / "nala-1.jpg"), "cannot be read")]
    assert store.failures("other") == []
    assert store.models()[0].n_failures == 1
    assert len(store.pending(MODEL)) == 0
    assert store.pending(MODEL, retry_failed=True).image_ids.tolist() == ["nala-1.jpg"]
    rewrite(photos / "nala-1.jpg", "whole again")
    assert embed_pending(store) == 1
    assert store.failures() == []
    assert len(store.embeddings(MODEL)) == 6


def test_a_photo_that_breaks_later_loses_its_vector(indexed, photos):
    rewrite(photos / "nala-1.jpg", "broken")
    assert embed_pending(indexed) == 1
    assert "nala-1.jpg" not in indexed.embeddings(MODEL).image_ids
    assert [one.image_id for one in indexed.failures()] == ["nala-1.jpg"]
    assert embed_pending(indexed) == 0


def test_a_batch_of_failures_only(store, photos):
    for path in photos.iterdir():
        path.write_text("broken")
    store.register(table_of(photos))
    embed_pending(store)
    assert len(store.failures()) == 6
    embeddings = store.embeddings(MODEL)
    assert embeddings.vectors.shape == (0, DIMENSION)
    assert not vector_file(store).exists()


def test_a_failure_does_not_hide_what_another_process_has_read(indexed):
    batch = embed(indexed.catalogue().select([]))
    photo = indexed.catalogue().select(["nala-1.jpg"])
    batch.failures.append(FakeFailure("nala-1.jpg", str(photo.photo(0)), "out of memory"))
    indexed.add(batch)
    assert indexed.failures() == []
    assert len(indexed.embeddings(MODEL)) == 6


def test_what_add_refuses_it_refuses_as_a_whole(indexed, photos):
    rewrite(photos / "nala-1.jpg", "another")
    batch = embed(indexed.catalogue())
    batch.fingerprints.pop("simba-1.jpg")
    with pytest.raises(InputError, match=r"a fingerprint and a stat .* found none for 'simba-1.jpg'"):
        indexed.add(batch)
    (photos / "stranger-1.jpg").touch()
    with pytest.raises(UnknownNameError, match=r"no photo is called 'stranger-1.jpg'"):
        indexed.add(embed(table_of(photos)))
    assert indexed.pending(MODEL).image_ids.tolist() == ["nala-1.jpg"]
    assert np.load(vector_file(indexed)).shape == (6, DIMENSION)


def damage_length(path):
    os.truncate(path, path.stat().st_size - 1)


def damage_byte(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def damage_foreign(path):
    rows = np.load(path)[::-1].copy()
    np.save(path, rows)


def damage_dimension(path):
    np.save(path, np.eye(6, DIMENSION + 1, dtype=np.float32))


def damage_kind(path):
    path.write_text("not vectors at all")


def damage_by_absence(path):
    path.unlink()


DAMAGES = {
    damage_length: "expected 6 vectors in .*, found 5",
    damage_byte: "expected the vectors that this catalogue wrote in .*, found other numbers in row 5",
    damage_foreign: "expected the vectors that this catalogue wrote in .*, found other numbers in row 0",
    damage_dimension: "expected vectors of 8 numbers in .*, found vectors of 9 numbers",
    damage_kind: "expected vectors of 8 numbers in .*, found another file",
    damage_by_absence: "expected vectors of 8 numbers in .*, found no file",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_broken_or_foreign_file_is_refused_and_made_anew(indexed, damage, caplog):
    before = sorted(indexed.embeddings(MODEL).vectors.tolist())
    damage(vector_file(indexed))
    store = CatalogueStore.open(indexed.folder)
    with pytest.raises(StoreError, match=f"{DAMAGES[damage]}: run  resight index  again"):
        store.embeddings(MODEL)
    with caplog.at_level(logging.WARNING):
        assert embed_pending(store) == 6
    assert "made anew" in caplog.text
    assert sorted(store.embeddings(MODEL).vectors.tolist()) == before
    assert sorted(np.load(vector_file(store)).tolist()) == before


def test_nothing_is_added_to_a_file_that_is_too_short(indexed, photos):
    rewrite(photos / "nala-1.jpg", "another")
    batch = embed(indexed.pending(MODEL))
    damage_length(vector_file(indexed))
    with pytest.raises(StoreError, match="expected 6 vectors"):
        indexed.add(batch)


def test_left_over_rows_are_neither_read_nor_kept(indexed, photos):
    before = indexed.embeddings(MODEL).vectors.tolist()
    left_over = np.eye(3, DIMENSION, dtype=np.float32)
    VectorFile(vector_file(indexed), DIMENSION).append(6, left_over)  # and killed before the commit
    assert np.load(vector_file(indexed)).shape == (9, DIMENSION)
    assert indexed.embeddings(MODEL).vectors.tolist() == before
    store = CatalogueStore.open(indexed.folder)
    assert np.load(vector_file(store)).tolist() == before
    (photos / "kiara-2.jpg").write_text("new")
    store.register(table_of(photos))
    embed_pending(store)
    assert np.load(vector_file(store)).shape == (7, DIMENSION)
    assert store.embeddings(MODEL).vectors.tolist() == np.load(vector_file(store)).tolist()


def test_the_header_has_one_size_for_any_number_of_rows(tmp_path):
    file = VectorFile(tmp_path / "v.npy", 2)
    file.append(0, np.zeros((0, 2), np.float32))
    for n_rows in (0, 9, 10**6, 10**12):
        file.fix_header(n_rows)
        assert file.path.stat().st_size == 128
        with file.path.open("rb") as opened:
            assert np.lib.format.read_magic(opened) == (1, 0)
            shape, _, dtype = np.lib.format.read_array_header_1_0(opened)
            assert (shape, dtype, opened.tell()) == ((n_rows, 2), np.float32, 128)


def test_checksums_are_of_the_bytes_whatever_the_layout():
    rows = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert checksums(np.asfortranarray(rows)) == checksums(rows)
    assert len(set(checksums(rows))) == 3


def test_file_names_are_plain_and_never_shared():
    names = ["m", "M", "a/b", "a-b", "../x", "x", ".x", "é", "n" * 300, "n" * 301, "a b", "..", "con:1"]
    stems = [file_stem(name) for name in names]
    assert len(set(stems)) == len(stems)
    assert all(len(stem) <= 100 and not set("/\\: ") & set(stem) and not stem.startswith(".") for stem in stems)


def test_operating_points(store, operating_point):
    with pytest.raises(NotFittedError) as told:
        store.operating_point("a/b")
    assert str(told.value) == (
        f"expected an operating point of model a/b, found none: run  resight calibrate --catalogue {store.folder}"
    )
    path = store.save_operating_point(operating_point)
    assert store.operating_point("a/b") == operating_point
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    path.write_text(path.read_text().replace('"a/b"', '"other"'))
    with pytest.raises(StoreError, match=r"expected an operating point of model a/b in .* found one of other"):
        store.operating_point("a/b")
    for text in ("", "[]", "{}", '{"format": 99}', "\x00"):
        path.write_text(text)
        with pytest.raises(StoreError, match=r"found a broken file .* resight calibrate"):
            store.operating_point("a/b")
