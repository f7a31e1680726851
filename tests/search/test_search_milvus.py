"""A gallery in Milvus answers like the one in memory, and outlives a server that goes away."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import suppress

import numpy as np
import pytest

from resight.core import Eligibility, Embeddings
from resight.errors import ConfigError, InputError, MismatchError, StoreError
from resight.search import ExactSearch, MilvusCollection, MilvusConnection, MilvusSearch

pytest.importorskip("pymilvus", reason="the extra [scale] is not installed")

N_PHOTOS, N_QUERIES, DIMENSION = 300, 20, 16
SIDES = np.array(["left", "right", "", 'a "quoted" \\ one'])


def some(n, prefix, seed, model="toy"):
    vectors = np.random.default_rng(seed).standard_normal((n, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(np.array([f"{prefix}{row}" for row in range(n)], np.str_), vectors, model)


class Door:
    """A TCP door before the server that can be shut: open connections break, new ones are refused."""

    def __init__(self, port):
        self.to, self.shut_after, self.n_shut, self._pairs = port, None, 0, []
        self._listen(0)

    def _listen(self, port):
        self._ear = socket.create_server(("127.0.0.1", port))
        self.port = self._ear.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._ear,), daemon=True).start()

    def _accept(self, ear):
        while True:
            try:
                inside, _ = ear.accept()
            except OSError:
                return
            outside = socket.create_connection(("127.0.0.1", self.to))
            self._pairs.append((inside, outside))
            for pair in ((inside, outside, True), (outside, inside, False)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source, target, counted):
        try:
            while data := source.recv(4096):
                if counted and self.shut_after is not None:
                    self.shut_after -= len(data)
                    if self.shut_after < 0:
                        self.shut_after, self.n_shut = None, self.n_shut + 1
                        self.shut()
                        threading.Timer(0.4, self.open).start()
                        return
                target.sendall(data)
        except OSError:
            return

    def shut(self):
        for one in (self._ear, *(end for pair in self._pairs for end in pair)):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._pairs.clear()

    def open(self):
        self._listen(self.port)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The port of a server of Milvus Lite."""
    from milvus_lite.adapter.grpc.server import start_server_in_thread

    served, database, port = start_server_in_thread(str(tmp_path_factory.mktemp("milvus")))
    yield port
    served.stop(0).wait()
    database.close()


@pytest.fixture
def door(server):
    door = Door(server)
    yield door
    door.shut()


@pytest.fixture
def uri(server):
    return f"http://127.0.0.1:{server}"


@pytest.fixture
def name(request):
    return "".join(c if c.isalnum() else "_" for c in request.node.name)


@pytest.fixture(scope="module")
def gallery():
    return some(N_PHOTOS, "g", 0)


@pytest.fixture(scope="module")
def identities():
    return np.array([f"individual {n}" for n in np.random.default_rng(1).integers(0, 40, N_PHOTOS)])


@pytest.fixture(scope="module")
def queries():
    return some(N_QUERIES, "q", 2)


@pytest.fixture(scope="module")
def sides():
    return np.random.default_rng(3).integers(0, len(SIDES), N_PHOTOS)


def rule_over(sides, seed=4):
    """The side must agree, where '' is unknown; the encounter must differ."""
    rng = np.random.default_rng(seed)
    code = np.array([0, 1, -1, 3])
    side = code[rng.integers(0, len(SIDES), N_QUERIES)], code[sides]
    return Eligibility(((rng.integers(-1, 60, N_QUERIES), rng.integers(-1, 60, N_PHOTOS)),), (side,))


def assert_same(found, wanted):
    assert found.gallery_ids.tolist() == wanted.gallery_ids.tolist()
    assert found.identities.tolist() == wanted.identities.tolist()
    np.testing.assert_array_equal(found.scores, wanted.scores)


def contents(uri, name):
    collection = MilvusCollection(MilvusConnection(uri), name)
    _, dimension, columns = collection.open()
    held = collection.read(columns)
    vectors = collection.vectors(held.keys, dimension)
    rows = zip(held.image_ids.tolist(), held.identities.tolist(), vectors, strict=True)
    return {image_id: (identity, vector.tobytes()) for image_id, identity, vector in rows}, len(held.keys)


def all_of(gallery, identities):
    rows = zip(gallery.image_ids.tolist(), identities.tolist(), gallery.vectors, strict=True)
    return {image_id: (identity, vector.tobytes()) for image_id, identity, vector in rows}


@pytest.fixture
def small_calls(monkeypatch):
    """Thirty photos per write, so that a gallery takes ten."""
    monkeypatch.setattr(sys.modules["resight.search.milvus_collection"], "_BYTES_PER_CALL", 30 * (1024 + 4 * DIMENSION))


def test_without_an_index_it_equals_exact_search(uri, name, gallery, identities, queries, sides, monkeypatch):
    exact, rule, wishes = ExactSearch(gallery, identities), rule_over(sides), []
    encounters = [None if code < 0 else f"dive {code}" for code in rule.differ[0][1]]
    columns = {"side": SIDES[sides], "encounter": encounters}
    searcher = MilvusSearch.of(gallery, identities, uri=uri, collection=name, columns=columns, index="FLAT")
    asked = searcher.collection.proposals

    def spied(vectors, n, wish, breadth):
        wishes.append(wish)
        return asked(vectors, n, wish, breadth)

    monkeypatch.setattr(searcher.collection, "proposals", spied)
    for distinct in (True, False):
        assert_same(
            searcher.search(queries, 6, rule, distinct=distinct), exact.search(queries, 6, rule, distinct=distinct)
        )
    assert 'side in ["", "left"]' in wishes
    assert not any("quoted" in wish for wish in wishes)
    assert not any("encounter" in wish for wish in wishes)
    row = int(np.argmax(rule.differ[0][0] >= 0))
    alone, its_rule = queries.select(np.array([row])), rule.select(np.array([row]))
    assert_same(searcher.search(alone, 6, its_rule), exact.search(alone, 6, its_rule))
    assert wishes[-1].endswith(f'encounter not in ["dive {rule.differ[0][0][row]}"]')
    opened = MilvusSearch.open(uri, collection=name)
    assert_same(opened.search(queries, 6), exact.search(queries, 6))
    row_of = {image_id: row for row, image_id in enumerate(gallery.image_ids.tolist())}
    order = np.array([row_of[image_id] for image_id in opened.gallery.image_ids.tolist()])
    turned = Eligibility(*(tuple((q, g[order]) for q, g in pairs) for pairs in (rule.differ, rule.agree)))
    assert_same(opened.search(queries, 6, turned), exact.search(queries, 6, rule))


def test_a_row_that_proposals_leave_short_is_searched_exactly(uri, name, gallery, identities, queries, monkeypatch):
    module = sys.modules["resight.search.milvus"]
    monkeypatch.setattr(module, "_WIDENINGS", (1,))
    monkeypatch.setattr(module, "_LEAST_ASKED", 1)
    monkeypatch.setattr(module, "_STREAMED_ROWS", 70)
    searcher = MilvusSearch.of(gallery, identities, uri=uri, collection=name)
    codes = np.random.default_rng(5).integers(0, 3, N_PHOTOS)
    rule = Eligibility(differ=((np.arange(N_QUERIES) % 3, codes),))
    for k in (7, 60):
        assert_same(searcher.search(queries, k, rule), ExactSearch(gallery, identities).search(queries, k, rule))


def test_only_what_changed_is_sent(uri, name, gallery, identities):
    collection = MilvusCollection(MilvusConnection(uri), name)
    first = collection.write(gallery, identities)
    assert (first.n_written, first.n_kept, first.n_removed) == (N_PHOTOS, 0, 0)
    again = collection.write(gallery, identities)
    assert (again.n_written, again.n_kept, again.n_removed) == (0, N_PHOTOS, 0)
    vectors, names = gallery.vectors.copy(), identities.astype("<U20")
    vectors[3], names[5] = vectors[4], "somebody else"
    other = Embeddings(gallery.image_ids, vectors, "toy").select(np.arange(N_PHOTOS - 10))
    third = collection.write(other, names[:-10])
    assert (third.n_written, third.n_kept, third.n_removed) == (2, N_PHOTOS - 12, 10)
    assert contents(uri, name) == (all_of(other, names[:-10]), N_PHOTOS - 10)
    added = collection.write(gallery.select(np.arange(N_PHOTOS - 10, N_PHOTOS)), identities[-10:], remove_others=False)
    assert (added.n_written, added.n_removed) == (10, 0)
    with pytest.raises(MismatchError, match=r"found 2 lacking or changed and 0 others: write it again"):
        MilvusSearch.of(gallery, identities, uri=uri, collection=name, write=False)


@pytest.mark.usefixtures("small_calls")
def test_a_server_that_goes_away_in_the_middle_of_a_write(door, uri, name, gallery, identities):
    door.shut_after = 25_000
    collection = MilvusCollection(MilvusConnection(f"http://127.0.0.1:{door.port}"), name)
    assert collection.write(gallery, identities).n_written == N_PHOTOS
    assert door.n_shut == 1
    assert contents(uri, name) == (all_of(gallery, identities), N_PHOTOS)


@pytest.mark.usefixtures("small_calls")
def test_an_answer_that_is_lost_doubles_nothing(uri, name, gallery, identities, monkeypatch):
    from pymilvus.exceptions import MilvusUnavailableException

    whole, n_calls = MilvusConnection._attempt, [0]

    def forgetful(self, call, seconds):
        answer = whole(self, call, seconds)
        n_calls[0] += 1
        if n_calls[0] % 3 == 0:
            raise MilvusUnavailableException(message="gone")
        return answer

    monkeypatch.setattr(MilvusConnection, "_attempt", forgetful)
    MilvusCollection(MilvusConnection(uri), name).write(gallery, identities)
    monkeypatch.undo()
    assert contents(uri, name) == (all_of(gallery, identities), N_PHOTOS)


@pytest.mark.usefixtures("small_calls")
def test_a_server_that_stays_away_is_said_and_the_same_call_goes_on(door, uri, name, gallery, identities):
    there = MilvusCollection(MilvusConnection(uri), name)
    there.write(gallery.select(np.arange(90)), identities[:90])
    collection = MilvusCollection(MilvusConnection(f"http://127.0.0.1:{door.port}", patience_s=1, attempt_s=0.5), name)
    door.shut()
    with pytest.raises(
        StoreError, match=rf"an answer from Milvus at http://127.0.0.1:{door.port} within 1 s, found none"
    ):
        collection.write(gallery, identities)
    door.open()
    patient = MilvusCollection(MilvusConnection(f"http://127.0.0.1:{door.port}"), name)
    assert patient.write(gallery, identities).n_kept == 90
    assert contents(uri, name) == (all_of(gallery, identities), N_PHOTOS)


def test_another_model_dimension_or_collection_is_refused(uri, name, gallery, identities):
    collection = MilvusCollection(MilvusConnection(uri), name)
    with pytest.raises(StoreError, match="found none: write the gallery to it first"):
        collection.open()
    collection.write(gallery, identities)
    with pytest.raises(MismatchError, match="of model other, found toy"):
        collection.write(some(3, "g", 0, "other"), identities[:3])
    with pytest.raises(MismatchError, match="of columns side, found none"):
        collection.write(gallery, identities, {"side": [None] * N_PHOTOS})
    collection.connection.ask(lambda milvus, _: milvus.create_collection(f"{name}_x", dimension=4))
    with pytest.raises(StoreError, match="expected a collection that resight made"):
        MilvusCollection(collection.connection, f"{name}_x").write(gallery, identities)


def test_no_password_is_taken_or_told(monkeypatch):
    with pytest.raises(InputError) as refused:
        MilvusConnection("http://me:hunter2@127.0.0.1:19530")
    assert "hunter2" not in str(refused.value)
    assert "RESIGHT_MILVUS_TOKEN" in str(refused.value)
    monkeypatch.setenv("RESIGHT_MILVUS_TOKEN", "me:hunter3")
    module = sys.modules["resight.search.milvus_calls"]
    failed = type("Failed", (Exception,), {"message": "wrong token me:hunter3\n given"})()
    assert module._reason(failed) == "wrong token *** given"


@pytest.mark.parametrize("uri", ["localhost:19530", "gallery", "ftp://host.db", "http://"])
def test_an_address_that_is_none_is_refused(uri):
    with pytest.raises(InputError, match="expected the address of a Milvus server"):
        MilvusConnection(uri)


@pytest.mark.parametrize("options", [{"patience_s": 0}, {"attempt_s": -1}, {"patience_s": float("nan")}])
def test_times_must_be_positive(options):
    with pytest.raises(InputError, match="above 0"):
        MilvusConnection("http://host:1", **options)


def test_names_and_texts_that_milvus_does_not_take_are_refused(uri, name, gallery, identities):
    connection = MilvusConnection(uri)
    with pytest.raises(InputError, match="collection name of letters"):
        MilvusCollection(connection, "a b")
    collection = MilvusCollection(connection, name)
    for column in ("vector", "a b"):
        with pytest.raises(InputError, match="expected a column called by letters"):
            collection.write(gallery, identities, {column: [None] * N_PHOTOS})
    with pytest.raises(InputError, match="expected 300 values in column 'side', found 1"):
        collection.write(gallery, identities, {"side": ["left"]})
    with pytest.raises(InputError, match="at most 4096 bytes for Milvus, found one of 8000"):
        collection.write(gallery, np.full(N_PHOTOS, "é" * 4000))
    with pytest.raises(ConfigError, match="Did you mean 'HNSW'"):
        collection.write(gallery, identities, index="HNWS")


def test_a_folder_that_another_process_holds_is_said(tmp_path):
    from milvus_lite import MilvusLite

    folder = str(tmp_path / "held.db")
    holder = MilvusLite(folder)
    with pytest.raises(
        StoreError, match=r"open the folder of Milvus Lite .*held\.db, found it in use by another process"
    ):
        MilvusConnection(folder).ask(lambda milvus, _: milvus.list_collections())
    holder.close()
    assert MilvusConnection(folder).ask(lambda milvus, _: milvus.list_collections()) == []
    MilvusConnection(folder).end()
