"""Out of a catalogue and into another; vectors that were made elsewhere, from the command line."""

import csv
import json

import numpy as np
import polars as pl
import pytest

from resight import Identifier, calibrate_catalogue, export_catalogue, index_embeddings, read_catalogue
from resight.core import Catalogue, Judgement
from resight.errors import InputError, MismatchError
from resight.pipeline import identify_vectors, read_vectors
from resight.store import CatalogueStore

OUT = {"csv": "out.csv", "wildlife": "out.csv", "wildbook": "out.csv", "coco": "out.json", "camtrap": "out"}
N_INDIVIDUALS, N_STRANGERS, DIMENSION = 16, 4, 24


def rows_of(file):
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def refused(run, *words):
    assert run.code == 2, run
    assert len(run.err.strip().splitlines()) == 1, run.err
    for word in words:
        assert word in run.err, run.err


class TestExport:
    @pytest.mark.parametrize("name", OUT)
    def test_what_was_put_in_comes_out_with_the_edits_and_goes_in_again(self, resight, catalogue, tmp_path, name):
        before = CatalogueStore.open(catalogue).catalogue()
        old = before.column("identity")[0]
        resight("catalogue", "rename", old, "Nala", "--catalogue", catalogue)
        out = tmp_path / OUT[name]
        run = resight("export", "--catalogue", catalogue, "--format", name, "--out", out)
        assert run.code == 0, run.err
        assert f"{len(before)} photos of {before.n_identities} individuals as {name}" in run.out
        assert "read it again with  resight index" in run.err

        again = tmp_path / "again"
        run = resight("index", before.root, "--labels", out, "--catalogue", again)
        assert run.code == 0, run.err
        assert run.out.splitlines()[0].startswith(f"layout      {'table' if name == 'csv' else name}: ")
        ours, theirs = (CatalogueStore.open(folder).catalogue().frame.sort("image_id") for folder in (catalogue, again))
        for column in ("image_id", "path", "identity", "encounter", "species", "side", "date", "box", "split"):
            assert ours[column].to_list() == theirs[column].to_list(), column
        assert "Nala" in theirs["identity"].to_list()
        assert old not in theirs["identity"].to_list()

    @pytest.mark.parametrize("name", OUT)
    def test_what_was_judged_comes_out_too(self, catalogue, tmp_path, name):
        store = CatalogueStore.open(catalogue)
        photos = store.catalogue()
        first, second, third = photos.image_ids[:3].tolist()
        others = sorted(set(photos.frame["identity"][3:].drop_nulls()) - set(photos.frame["identity"][:3]))[:2]
        store.rename(others[0], 'Ana, "the old"; grey', who="anna")
        for other in ('Ana, "the old"; grey', others[1]):
            store.judge(Judgement(first, "different", other), who="anna")
        store.judge(Judgement(second, "poor"), who="anna")
        store.judge(Judgement(third, "unsure", others[1]), who="anna")
        out = tmp_path / OUT[name]
        export_catalogue(catalogue, name, out)
        back = read_catalogue(photos.root, out).frame
        told = {row["image_id"]: row for row in back.iter_rows(named=True)}
        assert json.loads(told[first]["rejected"]) == sorted(['Ana, "the old"; grey', others[1]])
        assert told[second]["poor"] in ("true", True)
        assert json.loads(told[third]["unsure"]) == [others[1]]
        assert told[first]["poor"] is None
        assert back["rejected"].null_count() == len(back) - 1

    @pytest.mark.parametrize("name", OUT)
    def test_what_asks_may_be_labelled_that_way_too(self, resight, calibrated, queries, tmp_path, name):
        export_catalogue(read_catalogue(queries), name, tmp_path / OUT[name])
        plain = resight("identify", queries, "--catalogue", calibrated, "--csv")
        run = resight("identify", queries, "--labels", tmp_path / OUT[name], "--catalogue", calibrated, "--csv")
        assert run.code == 0, run.err
        assert sorted(run.out.splitlines()) == sorted(plain.out.splitlines())

    def test_further_columns_come_too_and_the_stores_own_does_not(self, resight, catalogue, tmp_path):
        resight("export", "--catalogue", catalogue, "--out", tmp_path / "out.csv")
        with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file))
        assert "true_identity" in header
        assert "content" not in header

    def test_as_json(self, resight, catalogue, tmp_path):
        run = resight("export", "--catalogue", catalogue, "--out", tmp_path / "out.csv", "--json")
        told = json.loads(run.out)
        assert (told["format"], told["path"]) == ("csv", str(tmp_path / "out.csv"))

    def test_nothing_is_replaced_unasked(self, resight, catalogue, tmp_path):
        (tmp_path / "out.csv").write_text("mine")
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.txt").write_text("mine")
        ask = ("export", "--catalogue", catalogue, "--out")
        refused(resight(*ask, tmp_path / "out.csv"), "expected nothing at", "--overwrite")
        refused(resight(*ask, tmp_path / "out", "--format", "camtrap"), "expected nothing at", "--overwrite")
        assert resight(*ask, tmp_path / "out.csv", "--overwrite").code == 0
        assert (tmp_path / "out.csv").read_text() != "mine"

    def test_bad_input(self, resight, catalogue, tmp_path):
        ask = ("export", "--catalogue", catalogue, "--out")
        refused(resight(*ask, tmp_path / "o.csv", "--format", "coko"), "no export is called 'coko'", "'coco'")
        refused(resight(*ask, tmp_path / "o.csv", "--format", "coco"), "ends in .json")
        refused(resight(*ask, tmp_path), "found the folder")
        refused(resight(*ask, __file__, "--format", "camtrap"), "found the file")
        refused(resight("export", "--catalogue", tmp_path / "no", "--out", tmp_path / "o.csv"), "resight index")

    def test_an_empty_catalogue(self, tmp_path):
        empty = Catalogue(pl.DataFrame(schema={"image_id": pl.String, "path": pl.String}), tmp_path)
        with pytest.raises(InputError, match="expected photos in the catalogue"):
            export_catalogue(empty, "csv", tmp_path / "out.csv")


def sightings(rng, individual, name, n_photos=2):
    """Vectors of one individual on one occasion."""
    occasion = individual + 0.15 * rng.standard_normal(DIMENSION)
    return [(f"{name}_{n}.jpg", occasion + 0.15 * rng.standard_normal(DIMENSION)) for n in range(n_photos)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Vectors, names and labels of a gallery, and vectors of queries; no photo anywhere."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    individuals = rng.standard_normal((N_INDIVIDUALS + N_STRANGERS, DIMENSION))
    photos, labels = [], [("image", "individual_id", "encounter")]
    for number in range(N_INDIVIDUALS):
        for meeting in range(3):
            taken = sightings(rng, individuals[number], f"{number:03}_{meeting}")
            photos += taken
            labels += [(name, f"{number:03}", f"{number}/{meeting}") for name, _ in taken]
    np.save(folder / "gallery.npy", np.array([vector for _, vector in photos], np.float32))
    (folder / "gallery.txt").write_text("\n".join(name for name, _ in photos))
    (folder / "train.csv").write_text("\n".join(map(",".join, [labels[0], *reversed(labels[1:])])))
    asked = [sightings(rng, vector, f"q{number:03}", 1)[0] for number, vector in enumerate(individuals)]
    np.savez(
        folder / "queries.npz", vectors=np.array([vector for _, vector in asked]), names=[name for name, _ in asked]
    )
    return folder


def index(resight, made, catalogue, *more):
    given = (
        "--names",
        made / "gallery.txt",
        "--labels",
        made / "train.csv",
        "--model-name",
        "b7",
        "--catalogue",
        catalogue,
    )
    return resight("embeddings", "index", made / "gallery.npy", *given, *more)


@pytest.fixture(scope="module")
def ready(made, tmp_path_factory):
    """A calibrated catalogue of vectors that were made elsewhere; read-only by agreement."""
    folder = tmp_path_factory.mktemp("ready") / "mine"
    index_embeddings(
        made / "gallery.npy", folder, names=made / "gallery.txt", labels=made / "train.csv", model_name="b7"
    )
    calibrate_catalogue(folder, "fpir=0.1")
    return folder


class TestEmbeddings:
    def test_the_whole_job_without_a_photo(self, resight, made, tmp_path):
        mine = tmp_path / "mine"
        run = index(resight, made, mine)
        assert run.code == 0, run.err
        assert f"vectors     {N_INDIVIDUALS * 6} made with b7@external-{DIMENSION}" in run.out
        assert f"individuals {N_INDIVIDUALS} " in run.out
        assert f"next: resight calibrate --catalogue {mine} --model b7 --goal fpir=0.01" in run.err
        assert resight("calibrate", "--catalogue", mine, "--model", "b7", "--goal", "fpir=0.1").code == 0
        run = resight("evaluate", "--catalogue", mine, "--json")
        assert json.loads(run.out)["measures"]["top-1"]["value"] > 0.9
        report = tmp_path / "report.html"
        run = resight("embeddings", "identify", made / "queries.npz", "--catalogue", mine, "--json", "--report", report)
        assert run.code == 0, run.err
        decisions = json.loads(run.out)["decisions"]
        right = [one["query"][1:4] == one["identity"] for one in decisions[:N_INDIVIDUALS]]
        assert sum(right) >= N_INDIVIDUALS - 2
        assert sum(one["verdict"] == "known" for one in decisions[N_INDIVIDUALS:]) <= 1
        assert "made elsewhere" in report.read_text(encoding="utf-8")

    def test_a_submission_of_vectors(self, resight, made, ready, tmp_path):
        ask = ("embeddings", "identify", made / "queries.npz", "--catalogue", ready)
        run = resight(*ask, "--format", "happywhale", "--out", tmp_path / "mine.csv")
        assert run.code == 0, run.err
        rows = rows_of(tmp_path / "mine.csv")
        assert len(rows) == N_INDIVIDUALS + N_STRANGERS
        assert rows[0]["predictions"].split()[0] == "000"
        refused(resight(*ask, "--format", "kryptonite", "--out", tmp_path / "p.csv"), "pairs")

    def test_a_second_run_finds_nothing_to_do_and_a_third_takes_over_what_changed(self, made, tmp_path):
        for name in ("gallery.npy", "gallery.txt", "train.csv"):
            (tmp_path / name).write_bytes((made / name).read_bytes())

        def again():
            given = {"names": tmp_path / "gallery.txt", "labels": tmp_path / "train.csv", "model_name": "b7"}
            return index_embeddings(tmp_path / "gallery.npy", tmp_path / "mine", **given)

        assert again().n_embedded == N_INDIVIDUALS * 6
        assert (again().n_embedded, again().n_added, again().n_removed) == (0, 0, 0)
        matrix = np.load(tmp_path / "gallery.npy")
        matrix[3] = -matrix[3]
        np.save(tmp_path / "gallery.npy", matrix)
        again()
        stored = CatalogueStore.open(tmp_path / "mine").embeddings(f"b7@external-{DIMENSION}")
        names = (tmp_path / "gallery.txt").read_text().splitlines()
        expected = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
        np.testing.assert_allclose(stored.select(names).vectors, expected, atol=1e-6)

    def test_a_vector_of_zeros_is_listed_and_nothing_else_fails(self, resight, made, tmp_path):
        matrix = np.load(made / "gallery.npy")
        matrix[7] = 0
        np.save(tmp_path / "gallery.npy", matrix)
        given = ("--names", made / "gallery.txt", "--model-name", "b7", "--catalogue", tmp_path / "c")
        run = resight("embeddings", "index", tmp_path / "gallery.npy", *given)
        assert run.code == 0
        assert run.err.count("unreadable") == 1
        assert "001_0_1.jpg: its vector holds only zeros: it has no direction" in run.err

    def test_a_query_whose_very_vector_is_in_the_gallery_does_not_answer_for_itself(self, made, ready):
        identifier = Identifier.open(ready)
        found = identify_vectors(
            identifier, made / "gallery.npy", names=made / "gallery.txt", labels=made / "train.csv"
        )
        assert f"{N_INDIVIDUALS * 6} of these photos are in the catalogue as they are" in found.notes[-1]
        assert all(decision.candidates[0].image_id != decision.query for decision in found)
        # nor does its encounter, which the labels name
        told = dict(zip(found.queries.frame["image_id"], found.queries.frame["encounter"], strict=True))
        assert all(told[one.image_id] != told[found.decisions[0].query] for one in found.decisions[0].candidates)

    def test_the_labels_may_stand_in_the_list_of_names(self, made, tmp_path):
        names = (made / "gallery.txt").read_text().split("\n")
        told = {row["image"]: row["individual_id"] for row in rows_of(made / "train.csv")}
        (tmp_path / "names.csv").write_text("image,identity\n" + "\n".join(f"{name},{told[name]}" for name in names))
        given = read_vectors(made / "gallery.npy", names=tmp_path / "names.csv", model_name="b7")
        assert given.photos.column("identity").tolist() == [told[name] for name in names]

    def test_photos_that_are_there_keep_both_models(self, resight, catalogue, tmp_path):
        before = CatalogueStore.open(catalogue).catalogue()
        np.save(tmp_path / "v.npy", np.random.default_rng(0).standard_normal((len(before), 8)))
        (tmp_path / "n.json").write_text(json.dumps([path.removesuffix(".jpg") for path in before.frame["path"]]))
        given = ("--names", tmp_path / "n.json", "--photos", before.root, "--model-name", "other")
        run = resight("embeddings", "index", tmp_path / "v.npy", *given, "--catalogue", catalogue)
        assert run.code == 0, run.err
        assert "(0 new, 0 gone" in run.out
        models = {one.name: one.n_photos for one in CatalogueStore.open(catalogue).models()}
        assert models["other@external-8"] == len(before)
        assert set(models.values()) == {len(before)}
        assert resight("calibrate", "--catalogue", catalogue, "--goal", "fpir=0.5", "--model", "other").code == 0
        run = resight("index", before.root, "--catalogue", catalogue)
        assert "vectors     0 made" in run.out

    def test_bad_input(self, resight, made, ready, calibrated, tmp_path):
        queries = made / "queries.npz"
        refused(
            resight("identify", made, "--catalogue", ready), "expected vectors of model b7@external", "found photos"
        )
        refused(resight("embeddings", "identify", queries, "--catalogue", calibrated), "made elsewhere", "give photos")
        refused(resight("embeddings", "identify", queries, "--catalogue", ready, "--top", 0), "at least 1")
        np.save(tmp_path / "short.npy", np.ones((2, 3)))
        (tmp_path / "n.txt").write_text("a\nb")
        short = ("embeddings", "identify", tmp_path / "short.npy", "--names", tmp_path / "n.txt", "--catalogue", ready)
        refused(resight(*short), f"expected vectors of {DIMENSION} numbers, found 3")
        refused(index(resight, made, tmp_path / "c", "--labels", tmp_path / "n.txt"), "expected a table")

    def test_a_second_model_of_photos_that_are_not_there(self, made, tmp_path):
        given = {"names": made / "gallery.txt", "labels": made / "train.csv"}
        index_embeddings(made / "gallery.npy", tmp_path / "c", model_name="b7", **given)
        with pytest.raises(InputError, match="expected a file for each photo that has vectors of two models"):
            index_embeddings(made / "gallery.npy", tmp_path / "c", model_name="b8", **given)
        np.save(tmp_path / "other.npy", np.load(made / "gallery.npy")[:, :5])
        with pytest.raises(
            MismatchError, match=f"expected vectors of {DIMENSION} numbers, as 'b7' made before, found 5"
        ):
            index_embeddings(tmp_path / "other.npy", tmp_path / "c", model_name="b7", **given)
        assert CatalogueStore.open(tmp_path / "c").models()[0].n_photos == N_INDIVIDUALS * 6

    def test_such_a_catalogue_comes_out_too(self, resight, ready, tmp_path):
        run = resight("export", "--catalogue", ready, "--format", "coco", "--out", tmp_path / "out.json")
        assert run.code == 0
        assert "read it again" not in run.err
        document = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
        assert len(document["annotations"]) == N_INDIVIDUALS * 6
