"""Coded search: the same scores from codes, in a folder that changes as a whole or not at all."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resight.core import Eligibility, Embeddings
from resight.errors import InputError, MismatchError, StoreError, UnknownNameError
from resight.search import CodedSearch, CodesFolder, ExactSearch
from resight.search.codes import KINDS

DIMENSION = 32
N_PHOTOS, N_LISTS = 3000, 16


def clustered(n, seed, prefix="g", n_identities=500):
    """Individuals strewn over twelve directions, and their photos around them."""
    individuals = np.random.default_rng(0).standard_normal((n_identities, 12))
    basis = np.random.default_rng(1).standard_normal((12, DIMENSION)) / np.sqrt(12)
    rng = np.random.default_rng(seed)
    owners = rng.integers(0, n_identities, n)
    vectors = (individuals[owners] + 0.6 * rng.standard_normal((n, 12))) @ basis
    vectors += 0.1 * rng.standard_normal(vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.array([f"{prefix}{row}" for row in range(n)], np.str_)
    return Embeddings(ids, vectors.astype(np.float32), "toy"), owners.astype(str)


def recall(found, wanted):
    pairs = zip(found.identities, wanted.identities, wanted.present, strict=True)
    return np.mean([np.isin(row[there], other).mean() for other, row, there in pairs if there.any()])


def same_scores(found, wanted):
    """Whether a photo that both name has the same score to the last bit."""
    for one, other in zip(
        zip(found.gallery_ids, found.scores, strict=True),
        zip(wanted.gallery_ids, wanted.scores, strict=True),
        strict=True,
    ):
        known = dict(zip(*(part.tolist() for part in other), strict=True))
        shared = [(name, score) for name, score in zip(*(part.tolist() for part in one), strict=True) if name in known]
        if not shared or any(known[name] != score for name, score in shared):
            return False
    return True


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tests run beside others: threads of a library that wait for each other would take long."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("codes", "exact"):
            patch.setattr(sys.modules[f"resight.search.{module}"], "usable_cores", lambda: 1)
        yield


@pytest.fixture(scope="module")
def gallery():
    return clustered(N_PHOTOS, seed=2)


@pytest.fixture(scope="module")
def exact(gallery):
    return ExactSearch(*gallery)


@pytest.fixture(scope="module")
def queries():
    return clustered(100, seed=3, prefix="q")[0]


@pytest.fixture(scope="module")
def built_once(gallery, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "codes"
    return folder, CodedSearch.build(folder, *gallery, n_lists=N_LISTS)


@pytest.fixture
def built(built_once, tmp_path):
    folder, searcher = built_once
    shutil.copytree(folder, tmp_path / "codes")
    return searcher


@pytest.mark.parametrize("n_lists", [1, N_LISTS])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_finds_nearly_all_with_the_scores_of_exact_search(kind, n_lists, gallery, exact, queries, tmp_path):
    searcher = CodedSearch.build(tmp_path / "codes", *gallery, kind=kind, n_lists=n_lists)
    found, wanted = searcher.search(queries, 5), exact.search(queries, 5)
    assert recall(found, wanted) >= 0.95
    assert same_scores(found, wanted)


def test_codes_are_smaller_in_the_order_of_their_kinds(gallery):
    sizes = [CodedSearch(*gallery, kind=kind).codes.quantiser.code_size for kind in KINDS]
    assert sizes == [2 * DIMENSION, DIMENSION, DIMENSION // 4]


def test_what_is_opened_answers_like_what_was_built(built, gallery, queries, tmp_path):
    again = CodedSearch.open(tmp_path / "codes", *gallery)
    assert again.codes.recall == built.codes.recall
    assert again.codes.recall.value >= 0.95
    assert (again.codes.recall.n_queries, again.codes.recall.k) == (200, 5)
    assert again.n_uncoded == 0
    for side in ("gallery_ids", "scores"):
        assert getattr(again.search(queries, 5), side).tolist() == getattr(built.search(queries, 5), side).tolist()


def test_a_rule_that_must_agree_holds_inside_the_search(built, exact, queries):
    """Four sides, one of them on one photo in fifty."""
    rng = np.random.default_rng(5)
    sides = rng.choice(4, N_PHOTOS, p=[0.5, 0.3, 0.18, 0.02])
    rule = Eligibility(agree=((rng.integers(-1, 4, 100), sides),))
    found, wanted = built.search(queries, 5, rule), exact.search(queries, 5, rule)
    assert found.present.tolist() == wanted.present.tolist()
    assert recall(found, wanted) >= 0.95
    assert same_scores(found, wanted)
    for row, side in enumerate(rule.agree[0][0]):
        photos = [int(name[1:]) for name in found.gallery_ids[row][found.present[row]]]
        assert side < 0 or set(sides[photos].tolist()) == {side}


def test_a_query_without_its_whole_individual_gets_full_rows(built, gallery, exact):
    rows = np.arange(0, N_PHOTOS, 30)
    codes = gallery[1].astype(int)
    rule = Eligibility(differ=((codes[rows], codes),))
    asked = gallery[0].select(rows)
    found, wanted = built.search(asked, 5, rule), exact.search(asked, 5, rule)
    assert found.present.all()
    assert recall(found, wanted) >= 0.95


def test_a_query_answers_alike_in_any_company(built, gallery, queries, tmp_path):
    together = built.search(queries, 5)
    for row in range(0, 100, 9):
        alone = built.search(queries.select(np.array([row])), 5)
        assert alone.gallery_ids.tolist() == together.gallery_ids[[row]].tolist()
    in_threads = CodedSearch.open(tmp_path / "codes", *gallery, n_threads=3).search(queries, 5)
    assert in_threads.gallery_ids.tolist() == together.gallery_ids.tolist()
    assert in_threads.scores.tolist() == together.scores.tolist()


def test_codes_in_segments_propose_what_they_would_in_one(built, gallery, queries):
    """Also where only every third photo may be proposed."""
    plain, third = replace(built.codes, segments=()), np.arange(N_PHOTOS) % 3 == 0
    parts = plain
    for rows in np.split(np.arange(N_PHOTOS), [5, 1200]):
        parts = parts.with_photos(gallery[0], rows, memory_mb=64, n_threads=1)
    whole = plain.with_photos(gallery[0], np.arange(N_PHOTOS), memory_mb=64, n_threads=1)
    for allowed in (np.ones(N_PHOTOS, bool), third):
        found, wanted = (one.propose(queries.vectors, 40, 4, one.bits(allowed)) for one in (parts, whole))
        pairs = [set(zip(*(part.tolist() for part in one), strict=True)) for one in (found, wanted)]
        assert pairs[0] == pairs[1]
        assert allowed[found[1]].all()


def test_new_photos_are_found_at_once_and_coded_without_the_old_ones(built, gallery, tmp_path):
    new, names = clustered(50, seed=9, prefix="new")
    both, identities = gallery[0].merge(new), np.r_[gallery[1], names]
    at_once = CodedSearch.open(tmp_path / "codes", both, identities)
    assert at_once.n_uncoded == 50
    assert at_once.search(new, 1).gallery_ids[:, 0].tolist() == new.image_ids.tolist()
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "codes").glob("*.faiss")}
    assert CodesFolder(tmp_path / "codes").append(both) == 50
    first = built.codes.segments[0].name
    assert before[f"codes-{first}.faiss"] == (tmp_path / "codes" / f"codes-{first}.faiss").stat().st_mtime_ns
    kept = CodedSearch.open(tmp_path / "codes", both, identities)
    assert kept.n_uncoded == 0
    assert kept.search(new, 1).gallery_ids[:, 0].tolist() == new.image_ids.tolist()
    assert CodesFolder(tmp_path / "codes").append(both) == 0


@pytest.mark.usefixtures("built")
def test_many_small_additions_leave_few_segments(gallery, tmp_path):
    folder, grown, names = CodesFolder(tmp_path / "codes"), *gallery
    for turn in range(6):
        new, owners = clustered(20, seed=20 + turn, prefix=f"turn {turn} ")
        grown, names = grown.merge(new), np.r_[names, owners]
        assert folder.append(grown) == 20
    codes = folder.read()
    assert [len(one) for one in codes.segments] == [N_PHOTOS, 100, 20]
    searcher = CodedSearch.open(folder.path, grown, names)
    assert searcher.n_uncoded == 0
    assert searcher.search(grown, 1).gallery_ids[:, 0].tolist() == grown.image_ids.tolist()
    assert len(list(folder.path.glob("*.faiss"))) == 4


@pytest.mark.usefixtures("built")
def test_a_photo_whose_vector_changed_is_found_by_the_new_one(gallery, tmp_path):
    embeddings, names = gallery
    vectors = embeddings.vectors.copy()
    vectors[17] = -vectors[2000]
    changed = replace(embeddings, vectors=vectors)
    for n_more in (1, 0):
        searcher = CodedSearch.open(tmp_path / "codes", changed, names)
        assert searcher.n_uncoded == n_more
        assert searcher.search(changed, 1).gallery_ids[:, 0].tolist() == changed.image_ids.tolist()
        CodesFolder(tmp_path / "codes").append(changed)


@pytest.mark.usefixtures("built")
def test_photos_that_left_the_gallery_and_new_names_need_no_new_codes(gallery, queries, tmp_path):
    rows = np.random.default_rng(7).permutation(N_PHOTOS)[:1500]
    embeddings, names = gallery[0].select(rows), np.char.add("once ", gallery[1][rows])
    searcher = CodedSearch.open(tmp_path / "codes", embeddings, names)
    assert searcher.n_uncoded == 0
    found, wanted = searcher.search(queries, 5), ExactSearch(embeddings, names).search(queries, 5)
    assert recall(found, wanted) >= 0.95
    assert same_scores(found, wanted)


@pytest.mark.usefixtures("built")
def test_codes_that_find_too_few_are_refused_and_the_old_ones_stay(gallery, tmp_path, monkeypatch):
    monkeypatch.setitem(KINDS, "pq", 5)
    vectors = np.random.default_rng(0).standard_normal((3000, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shapeless = Embeddings(np.arange(3000).astype(str), vectors, "toy")
    before = sorted(path.name for path in (tmp_path / "codes").iterdir())
    sentence = r"expected codes that find at least 1 of the best individuals, found 0\.\d+ with codes 'pq' and 200"
    with pytest.raises(InputError, match=sentence):
        CodedSearch.build(tmp_path / "codes", shapeless, shapeless.image_ids, kind="pq", least_recall=1)
    assert sorted(path.name for path in (tmp_path / "codes").iterdir()) == before
    assert CodedSearch.open(tmp_path / "codes", *gallery).n_uncoded == 0


@pytest.mark.parametrize("least", [-0.1, 1.1, float("nan")])
def test_a_floor_out_of_range_is_refused(gallery, tmp_path, least):
    with pytest.raises(InputError, match="expected least_recall from 0 to 1"):
        CodedSearch.build(tmp_path / "codes", *gallery, least_recall=least)
    assert not (tmp_path / "codes").exists()


def test_an_unknown_kind_names_the_known_ones(gallery):
    with pytest.raises(UnknownNameError, match="Did you mean 'int8'"):
        CodedSearch(*gallery, kind="int16")


@pytest.mark.usefixtures("built")
def test_codes_of_another_model_are_refused(gallery, tmp_path):
    other = replace(gallery[0], model="other")
    with pytest.raises(MismatchError, match="expected codes of model other and 32 dimensions, found those of toy"):
        CodedSearch.open(tmp_path / "codes", other, gallery[1])


def test_an_empty_gallery_can_be_built_and_grows(gallery, tmp_path):
    nobody = gallery[0].select(np.arange(0))
    assert CodedSearch.build(tmp_path / "codes", nobody, []).codes.recall.n_queries == 0
    grown, names = gallery[0].select(np.arange(1000)), gallery[1][:1000]
    assert CodesFolder(tmp_path / "codes").append(grown) == 1000
    found = CodedSearch.open(tmp_path / "codes", grown, names).search(grown, 1)
    assert found.gallery_ids[:, 0].tolist() == grown.image_ids.tolist()


def test_a_folder_without_codes_says_so(gallery, tmp_path):
    with pytest.raises(StoreError, match=r"expected codes of a gallery in .*, found none: build them first"):
        CodedSearch.open(tmp_path, *gallery)


@pytest.mark.usefixtures("built")
def test_a_byte_that_changed_is_noticed_before_anything_is_read(gallery, tmp_path):
    for path in sorted((tmp_path / "codes").iterdir()):
        if path.suffix not in {".faiss", ".npy"}:
            continue
        whole = path.read_bytes()
        for wrong in (whole[:-1], whole + b"0", bytes([whole[0] ^ 1]) + whole[1:]):
            path.write_bytes(wrong)
            with pytest.raises(StoreError, match=f"expected the file {path.name} that was written here"):
                CodedSearch.open(tmp_path / "codes", *gallery)
        path.write_bytes(whole)
    CodedSearch.open(tmp_path / "codes", *gallery)


@pytest.mark.parametrize(
    ("key", "value"),
    [("format", 2), ("kind", "int4"), ("n_probes", 0), ("segments", 3), ("dimension", 31), ("recall", {"x": 1})],
)
@pytest.mark.usefixtures("built")
def test_a_table_of_contents_that_says_something_else_is_refused(gallery, tmp_path, key, value):
    place = tmp_path / "codes" / "codes.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {key: value}))
    with pytest.raises(StoreError, match=r"(?s)remove that folder and build them anew"):
        CodedSearch.open(tmp_path / "codes", *gallery)


@pytest.mark.usefixtures("built")
def test_a_file_outside_of_the_folder_is_never_read(gallery, tmp_path):
    place = tmp_path / "codes" / "codes.json"
    told = json.loads(place.read_text())
    (tmp_path / "codes" / told["quantiser"]["file"]).rename(tmp_path / told["quantiser"]["file"])
    told["quantiser"]["file"] = f"../{told['quantiser']['file']}"
    place.write_text(json.dumps(told))
    with pytest.raises(StoreError, match="expected a plain file name"):
        CodedSearch.open(tmp_path / "codes", *gallery)


@pytest.mark.usefixtures("built")
def test_broken_codes_can_be_built_anew(gallery, tmp_path):
    (tmp_path / "codes" / "codes.json").write_text("{")
    with pytest.raises(StoreError, match="remove that folder and build them anew"):
        CodesFolder(tmp_path / "codes").append(gallery[0])
    assert CodedSearch.build(tmp_path / "codes", *gallery).n_uncoded == 0
    assert len(list((tmp_path / "codes").glob("*.faiss"))) == 2


@pytest.mark.usefixtures("built")
def test_only_one_process_writes_at_a_time(gallery, tmp_path):
    pytest.importorskip("fcntl")
    with (
        CodesFolder(tmp_path / "codes").writing(),
        pytest.raises(StoreError, match="found another process that does: wait for it"),
    ):
        CodesFolder(tmp_path / "codes").append(gallery[0])


KILLED = """
    import os, signal, sys
    import numpy as np
    from resight.core import Embeddings
    from resight.search import CodedSearch, CodesFolder
    from resight.search import codes_folder

    moment, folder, vectors = int(sys.argv[1]), sys.argv[2], np.load(sys.argv[3])
    n = 0
    def dies(name):
        whole = getattr(codes_folder, name)
        def counted(*args):
            global n
            if n == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            n += 1
            return whole(*args)
        setattr(codes_folder, name, counted)
    for name in ("_write_index", "_save", "_wait_for_disk", "_hash"):
        dies(name)
    gallery = Embeddings(np.array([f"g{row}" for row in range(len(vectors))]), vectors, "toy")
    if sys.argv[4] == "build":
        CodedSearch.build(folder, gallery, np.arange(len(vectors)).astype(str), kind="fp16")
    else:
        CodesFolder(folder).append(gallery)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing kills at once here")
@pytest.mark.parametrize(("what", "moment"), [("build", 0), ("build", 3), ("build", 10), ("append", 7), ("append", 12)])
@pytest.mark.usefixtures("built")
def test_a_killed_writer_leaves_the_old_codes(gallery, tmp_path, what, moment):
    np.save(tmp_path / "vectors.npy", clustered(N_PHOTOS + 100, seed=4)[0].vectors)
    arguments = [str(moment), str(tmp_path / "codes"), str(tmp_path / "vectors.npy"), what]
    before = (tmp_path / "codes" / "codes.json").read_text()
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), *arguments], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "codes" / "codes.json").read_text() == before
    assert CodedSearch.open(tmp_path / "codes", *gallery).n_uncoded == 0
    new = clustered(10, seed=8, prefix="new")[0]
    assert CodesFolder(tmp_path / "codes").append(new) == 10
    assert len(list((tmp_path / "codes").glob("*.faiss"))) == 3


FRUGAL = """
    import sys, threading
    import numpy as np
    from pathlib import Path
    from resight.core import Embeddings
    from resight.search import CodedSearch
    import faiss, polars, threadpoolctl

    def held_mb():
        return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) / 1024

    def gallery(path):
        vectors = np.load(path, mmap_mode="r")
        return Embeddings(np.array([f"g{row}" for row in range(len(vectors))]), vectors, "toy")

    small, large = gallery(sys.argv[1]), gallery(sys.argv[2])
    CodedSearch.build(sys.argv[3], small, small.image_ids, memory_mb=16, n_threads=1)  # what libraries keep for good
    names = np.arange(len(large)).astype(str)
    before, peak, done = held_mb(), 0.0, threading.Event()

    def watch():
        global peak
        while not done.wait(0.002):
            peak = max(peak, held_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    searcher = CodedSearch.build(sys.argv[3], large, names, memory_mb=32, n_threads=1, n_lists=64)
    done.set()
    watcher.join()
    print(peak - before, len(searcher.codes.segments))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_a_build_stays_within_its_memory(tmp_path):
    """100 MB of vectors and 25 MB of codes in 32 MB, and 500 bytes per photo."""
    for name, n in (("small", 3000), ("large", 100_000)):
        vectors = np.random.default_rng(0).standard_normal((n, 256)).astype(np.float32)
        vectors += 3 * np.random.default_rng(1).standard_normal((50, 256)).astype(np.float32)[np.arange(n) % 50]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        np.save(tmp_path / f"{name}.npy", vectors)
    paths = [str(tmp_path / name) for name in ("small.npy", "large.npy", "codes")]
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(FRUGAL), *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    above_mb, n_segments = done.stdout.split()
    assert int(n_segments) >= 2
    assert float(above_mb) <= 32 + 500 * 100_000 / 2**20
