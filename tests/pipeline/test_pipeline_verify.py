"""Pairs of photos from files to scores, probabilities, measures and a page."""

import csv
import json
import math
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from oracles.pages import Page, require_self_contained
from resight.core import Catalogue, PhotoPairs
from resight.embed import Bundle, embed_all
from resight.errors import ImageError, InputError, NotFittedError, StoreError, UnknownNameError
from resight.pipeline import verify_pairs

N_PERSONS, N_PHOTOS = 10, 2


def draw(path, rng, base):
    pixels = np.clip(base + rng.normal(0, 12, base.shape), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Ten persons, two photos each, and every pair of them in a table."""
    root = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    paths = []
    for person in range(N_PERSONS):
        base = cv2.resize(rng.uniform(0, 255, (6, 6, 3)), (64, 64), interpolation=cv2.INTER_CUBIC)
        for number in range(N_PHOTOS):
            paths.append(f"p{person}/{'ab'[number]}.png")
            draw(root / paths[-1], rng, base)
    rows = [(a, b, int(a[:2] == b[:2])) for place, a in enumerate(paths) for b in paths[place + 1 :]]
    write(root / "pairs.csv", "path_a,path_b,same", rows)
    return root


def write(path, header, rows):
    lines = [header, *(",".join(map(str, row)) for row in rows), ""]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def bundle():
    return Bundle.load()


@pytest.fixture
def counted(monkeypatch):
    """How many photos went through the model."""
    calls = []
    plain = Bundle.embed
    monkeypatch.setattr(Bundle, "embed", lambda self, pixels: calls.append(len(pixels)) or plain(self, pixels))
    return calls


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Marks:
    """Evidence: each pair by a table; the rest silent."""

    def __init__(self, **said):
        self.said = said

    def columns(self, pairs, embeddings):
        assert set(embeddings.image_ids.tolist()) <= set(pairs.photos.image_ids.tolist())
        return {"mark": np.array([self.said.get(f"p{name}", np.nan) for name in pairs.pair_ids], np.float32)}


def test_every_photo_is_embedded_once_and_scored_by_its_cosine(faces, bundle, counted):
    found = verify_pairs(faces / "pairs.csv", model=bundle, n_resamples=10)
    assert sum(counted) == found.n_embedded == len(found.pairs.photos) == N_PERSONS * N_PHOTOS
    vectors = embed_all(found.pairs.photos, bundle).embeddings
    for row in range(0, len(found), 17):
        names = [str(found.pairs.photos.image_ids[side[row]]) for side in (found.pairs.first, found.pairs.second)]
        one, other = vectors.select(names).vectors
        assert found.scores[row] == pytest.approx(float(one @ other), abs=1e-6)
    assert found.columns["cosine"].dtype == np.float32
    assert found.scale == "cosine"
    assert found.measures.n_genuine == N_PERSONS
    assert found.measures.eer["full"].value < 0.2
    assert found.measures.n_persons == N_PERSONS
    assert found.calibration.stated.probabilities[found.pairs.is_genuine].mean() > 0.5


def test_a_run_goes_on_where_another_stopped(faces, bundle, counted, tmp_path):
    rows = [(row["path_a"], row["path_b"]) for row in read(faces / "pairs.csv")]
    few = write(tmp_path / "few.csv", "path_a,path_b", rows[:3])
    whole = write(tmp_path / "whole.csv", "path_a,path_b", rows)
    options = {"photos": faces, "model": bundle, "out": tmp_path / "out", "n_resamples": 5}
    assert verify_pairs(few, **options).n_embedded == 4
    second = verify_pairs(whole, **options)
    assert second.n_embedded == N_PERSONS * N_PHOTOS - 4
    before = (tmp_path / "out" / "pairs.csv").read_bytes()
    third = verify_pairs(whole, **options)
    assert (third.n_embedded, sum(counted)) == (0, N_PERSONS * N_PHOTOS)
    assert (tmp_path / "out" / "pairs.csv").read_bytes() == before
    assert third.scores.tolist() == verify_pairs(whole, photos=faces, model=bundle, n_resamples=5).scores.tolist()
    again = verify_pairs(few, **options)  # photos that these pairs do not name stay for later
    assert (again.n_embedded, len(again.failures)) == (0, 0)
    assert verify_pairs(whole, **options).n_embedded == 0


def test_what_is_killed_while_storing_loses_only_that(faces, bundle, tmp_path, monkeypatch):
    from resight.pipeline import pair_vectors

    plain = pair_vectors.embed_photos

    def killed(catalogue, model, **options):
        batches = plain(catalogue, model, batch_size=5, **options)
        yield next(batches)
        raise KeyboardInterrupt

    monkeypatch.setattr(pair_vectors, "embed_photos", killed)
    options = {"model": bundle, "out": tmp_path / "out", "n_resamples": 0}
    with pytest.raises(KeyboardInterrupt):
        verify_pairs(faces / "pairs.csv", **options)
    monkeypatch.setattr(pair_vectors, "embed_photos", plain)
    assert verify_pairs(faces / "pairs.csv", **options).n_embedded == N_PERSONS * N_PHOTOS - 5


class TestPhotosThatFail:
    @pytest.fixture
    def broken(self, faces, tmp_path):
        root = tmp_path / "faces"
        for path in faces.glob("p*/*.png"):
            (root / path.parent.name).mkdir(parents=True, exist_ok=True)
            (root / path.parent.name / path.name).write_bytes(path.read_bytes())
        (root / "p1" / "a.png").write_bytes(b"no picture")
        rows = [("p0/a.png", "p0/b.png", 1), ("p0/a.png", "p1/a.png", 0), ("p2/a.png", "q9/a.png", 1)]
        write(root / "pairs.csv", "path_a,path_b,same", [*rows, ("p2/a.png", "p3/a.png", 0)])
        return root

    @pytest.mark.parametrize("kept", [True, False])
    def test_they_are_listed_and_their_pairs_refused(self, broken, bundle, tmp_path, kept):
        options = {"model": bundle, "out": tmp_path / "out" if kept else None, "n_resamples": 5}
        for _ in range(1 + kept):
            found = verify_pairs(broken / "pairs.csv", **options)
            assert [one.path for one in found.failures] == ["p1/a.png", "q9/a.png"]
            assert np.isnan(found.scores).tolist() == [False, True, True, False]
            assert found.measures.n_not_compared == 2
            assert any("2 labelled pairs could not be compared" in note for note in found.notes)
        if kept:
            assert [row["similarity"] for row in read(tmp_path / "out" / "submission.csv")][1:3] == ["-1.0", "-1.0"]
            assert read(tmp_path / "out" / "pairs.csv")[1]["score"] == ""
            assert any("2 pairs unreadable, such as '1'" in note for note in found.notes)
            require_self_contained((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))

    def test_strict_raises(self, broken, bundle, tmp_path):
        for out in (None, tmp_path / "out"):
            with pytest.raises(ImageError, match=r"p1/a\.png|q9/a\.png"):
                verify_pairs(broken / "pairs.csv", model=bundle, out=out, strict=True)

    def test_a_file_that_went_after_it_was_embedded(self, broken, bundle, tmp_path):
        options = {"model": bundle, "out": tmp_path / "out", "n_resamples": 0}
        verify_pairs(broken / "pairs.csv", **options)
        (broken / "p3" / "a.png").unlink()
        found = verify_pairs(broken / "pairs.csv", **options)
        assert found.failures[-1].path == "p3/a.png"
        assert math.isnan(found.scores[3])

    def test_none_can_be_read(self, tmp_path, bundle):
        for name in ("a.png", "b.png"):
            (tmp_path / name).write_bytes(b"")
        write(tmp_path / "pairs.csv", "path_a,path_b,same", [("a.png", "b.png", 1)])
        for out in (None, tmp_path / "out"):
            found = verify_pairs(tmp_path / "pairs.csv", model=bundle, out=out)
            assert (len(found.failures), found.measures, found.calibration) == (2, None, None)


class TestSubmission:
    def test_the_order_of_the_sample_and_what_it_asks_too_much(self, faces, bundle, tmp_path):
        rows = [(f"{number:03d}", f"p{number}/a.png", f"p{number}/b.png") for number in range(4)]
        table = write(tmp_path / "pairs.csv", "pair_id,path_a,path_b", rows)
        sample = write(tmp_path / "sample.csv", "pair_id,similarity", [("003", 0), ("001", 0), ("777", 0)])
        found = verify_pairs(table, photos=faces, model=bundle, out=tmp_path / "out", sample=sample)
        got = read(tmp_path / "out" / "submission.csv")
        assert [row["pair_id"] for row in got] == ["003", "001", "777"]
        assert [float(row["similarity"]) for row in got[:2]] == [found.scores[3], found.scores[1]]
        assert got[2]["similarity"] == "-1.0"
        assert any("sample.csv missing" in note for note in found.notes)
        assert (found.measures, found.calibration) == (None, None)
        assert any(note.startswith("There are no probabilities") for note in found.notes)

    def test_a_wrong_sample_is_told_before_the_work(self, faces, bundle, tmp_path, counted):
        sample = write(tmp_path / "sample.csv", "pair_id,similarity", [("1", 0), ("1", 0)])
        with pytest.raises(InputError, match="expected each id of"):
            verify_pairs(faces / "pairs.csv", model=bundle, sample=sample)
        assert counted == []

    def test_pair_folders(self, faces, bundle, tmp_path):
        for name, sides in {"x": ("p0/a", "p0/b"), "y": ("p0/a", "p1/a")}.items():
            (tmp_path / "test" / name).mkdir(parents=True)
            for number, side in enumerate(sides):
                (tmp_path / "test" / name / f"{number}.png").write_bytes((faces / f"{side}.png").read_bytes())
        found = verify_pairs(tmp_path / "test", model=bundle)
        assert found.pairs.pair_ids.tolist() == ["x", "y"]
        assert found.scores[0] > found.scores[1]


class TestProbabilities:
    @pytest.fixture
    def halves(self, faces, tmp_path):
        rows = [tuple(row.values()) for row in read(faces / "pairs.csv")]
        persons = [f"p{number}" for number in range(N_PERSONS)]
        sides = ([r for r in rows if {r[0][:2], r[1][:2]} <= {*keep}] for keep in (persons[:4], persons[4:]))
        return [write(tmp_path / f"{n}.csv", "path_a,path_b,same", part) for n, part in enumerate(sides)]

    def test_fitted_on_other_pairs_whose_photos_are_embedded_too(self, faces, halves, bundle, tmp_path):
        options = {"photos": faces, "model": bundle, "calibrate_on": halves[1], "n_resamples": 0}
        found = verify_pairs(halves[0], **options, out=tmp_path / "out")
        assert found.n_embedded == N_PERSONS * N_PHOTOS
        assert len(found.pairs.photos) == 8
        assert found.calibration.fitted_on == "other pairs"
        order = np.argsort(found.scores)
        assert (np.diff(found.probabilities[order]) >= 0).all()
        assert not any("persons are among the pairs" in note for note in found.notes)
        assert verify_pairs(halves[0], **options, out=tmp_path / "out").n_embedded == 0

    def test_pairs_of_another_folder(self, faces, bundle, tmp_path):
        other = tmp_path / "elsewhere"
        for path in faces.glob("p*/*.png"):
            (other / path.parent.name).mkdir(parents=True, exist_ok=True)
            (other / path.parent.name / path.name).write_bytes(path.read_bytes())
        table = write(other / "pairs.csv", "path_a,path_b,same", [tuple(r.values()) for r in read(faces / "pairs.csv")])
        found = verify_pairs(faces / "pairs.csv", model=bundle, calibrate_on=table, out=tmp_path / "out", n_resamples=0)
        assert found.n_embedded == 2 * N_PERSONS * N_PHOTOS
        assert any(note.startswith("10 persons are among the pairs") for note in found.notes)

    def test_another_share(self, faces, bundle):
        usual, rare = (
            verify_pairs(faces / "pairs.csv", model=bundle, share_same=share, n_resamples=0) for share in (None, 0.001)
        )
        assert (rare.probabilities < usual.probabilities).all()
        assert rare.calibration.share_same == 0.001
        assert rare.calibration.log_loss == usual.calibration.log_loss
        with pytest.raises(InputError, match="above 0 and below 1"):
            verify_pairs(faces / "pairs.csv", model=bundle, share_same=1.0)


class TestEvidence:
    def test_it_is_weighed_and_the_probability_is_the_score(self, faces, bundle, tmp_path):
        pairs = verify_pairs(faces / "pairs.csv", model=bundle, n_resamples=0).pairs
        said = {f"p{name}": float(same) for name, same in zip(pairs.pair_ids, pairs.is_genuine, strict=True)}
        found = verify_pairs(pairs, model=bundle, evidence=[Marks(**said)], out=tmp_path / "out", n_resamples=5)
        assert found.scale == "probability"
        assert np.array_equal(found.scores, found.probabilities)
        assert set(found.columns) == {"cosine", "mark"}
        assert found.measures.eer["full"].value == 0
        assert "mark" in read(tmp_path / "out" / "pairs.csv")[0]
        told = json.loads((tmp_path / "out" / "verification.json").read_text(encoding="utf-8"))
        assert set(told["calibration"]["stack"]["curves"]) == {"cosine", "mark"}

    def test_it_needs_labelled_pairs(self, faces, bundle, tmp_path):
        table = write(tmp_path / "pairs.csv", "path_a,path_b", [("p0/a.png", "p0/b.png")])
        with pytest.raises(NotFittedError, match="expected labelled pairs of 3 persons at least"):
            verify_pairs(table, photos=faces, model=bundle, evidence=[Marks()])

    @pytest.mark.parametrize("given", [{"cosine": [0.0]}, {"mark": [0.0, 1.0]}, {"mark": [np.inf]}])
    def test_what_is_no_evidence(self, faces, bundle, tmp_path, given):
        table = write(tmp_path / "pairs.csv", "path_a,path_b", [("p0/a.png", "p0/b.png")])
        wrong = type("Wrong", (), {"columns": lambda *_: {name: np.array(v) for name, v in given.items()}})()
        with pytest.raises(InputError, match=r"expected evidence under a name of its own .* from Wrong"):
            verify_pairs(table, photos=faces, model=bundle, evidence=[wrong])


class TestThePage:
    def test_the_hardest_errors_are_shown(self, faces, bundle, tmp_path):
        rows = [tuple(row.values()) for row in read(faces / "pairs.csv")]
        rows[0] = (*rows[0][:2], 0)  # one label is wrong
        table = write(tmp_path / "pairs.csv", "path_a,path_b,same", rows)
        found = verify_pairs(table, photos=faces, model=bundle, n_resamples=5)
        text = found.write_page(tmp_path / "page.html").read_text(encoding="utf-8")
        require_self_contained(text)
        page = Page(text)
        assert "Nobody is named" in page.text
        assert "pair 0 : p0/a.png , p0/b.png" in page.text
        assert "One individual, taken for two" in page.text
        assert found.write_page(tmp_path / "page.html").read_text(encoding="utf-8") == text

    def test_without_anything_known(self, faces, bundle, tmp_path):
        table = write(tmp_path / "pairs.csv", "path_a,path_b", [("p0/a.png", "p0/b.png")])
        found = verify_pairs(table, photos=faces, model=bundle)
        text = found.write_page(tmp_path / "page.html").read_text(encoding="utf-8")
        require_self_contained(text)
        assert "of none it is known" in Page(text).text


class TestWhatLiesThere:
    def test_files_of_others_are_left_alone(self, faces, bundle, tmp_path):
        (tmp_path / "report.html").write_text("mine", encoding="utf-8")
        with pytest.raises(InputError, match=r"found another's report\.html in"):
            verify_pairs(faces / "pairs.csv", model=bundle, out=tmp_path)
        assert (tmp_path / "report.html").read_text(encoding="utf-8") == "mine"
        assert [one.name for one in tmp_path.iterdir()] == ["report.html"]

    def test_what_is_read_is_not_written_over(self, faces, bundle, tmp_path):
        out = tmp_path / "out"
        pairs = pl.read_csv(faces / "pairs.csv").head(30)
        out.mkdir()
        pairs.write_csv(out / "pairs.csv")
        before = (out / "pairs.csv").read_bytes()
        for _ in range(2):
            with pytest.raises(InputError, match=r"pairs\.csv is read from it and would be lost"):
                verify_pairs(out / "pairs.csv", photos=faces, model=bundle, out=out)
            (out / "catalogue").mkdir(exist_ok=True)  # as if an earlier run had been here
        assert (out / "pairs.csv").read_bytes() == before

    def test_a_file_is_no_folder(self, faces, bundle, tmp_path):
        (tmp_path / "out").write_text("mine", encoding="utf-8")
        with pytest.raises(InputError, match="expected a folder for what is written, found a file"):
            verify_pairs(faces / "pairs.csv", model=bundle, out=tmp_path / "out")


def test_figures_that_are_not_known_are_said_so(faces, bundle, tmp_path):
    rows = [("p0/a.png", "p0/b.png", 1), ("p0/a.png", "p1/a.png", 0)]
    found = verify_pairs(write(tmp_path / "pairs.csv", "path_a,path_b,same", rows), photos=faces, model=bundle)
    assert "nan" not in str(found)


def test_a_row_that_stands_twice_takes_no_probability_away(faces, bundle, tmp_path):
    own = [(f"p{who}/a.png", f"p{who}/b.png", 1) for who in range(N_PERSONS)]
    other = [(f"p{who}/a.png", f"p{(who + 1) % N_PERSONS}/b.png", 0) for who in range(N_PERSONS)]
    for more in ([], own[:1], other[:1]):
        table = write(tmp_path / "pairs.csv", "path_a,path_b,same", [*own, *other, *more])
        found = verify_pairs(table, photos=faces, model=bundle, n_resamples=0)
        assert found.calibration is not None, more
        assert np.isfinite(found.probabilities).all()


def test_groups_by_a_column_of_the_pairs_or_of_the_photos(faces, bundle, tmp_path):
    rows = [(*row.values(), "near" if place % 2 else "far") for place, row in enumerate(read(faces / "pairs.csv"))]
    rows = [(*row[:3], row[3] if place else "once") for place, row in enumerate(rows)]
    table = write(tmp_path / "pairs.csv", "path_a,path_b,same,light", rows)
    found = verify_pairs(table, photos=faces, model=bundle, per=["light"], n_resamples=5)
    assert {one.value for one in found.measures.groups} == {"near", "far", "once"}
    assert "light near  EER " in str(found)
    assert "light once  FNMR 0.000" in str(found)
    with pytest.raises(UnknownNameError, match="Did you mean 'light'"):
        verify_pairs(table, photos=faces, model=bundle, per=["lights"])


def test_pairs_that_were_made_in_python(faces, bundle):
    frame = pl.DataFrame({"image_id": ["x", "y", "z"], "path": ["p0/a.png", "p0/b.png", "p1/a.png"]})
    pairs = PhotoPairs(Catalogue(frame, faces), pl.DataFrame({"pair_id": ["1"], "first": [0], "second": [1]}))
    found = verify_pairs(pairs, model=bundle)
    assert (found.n_embedded, found.table()["path_b"][0]) == (2, "p0/b.png")
    with pytest.raises(InputError, match="at least one pair"):
        verify_pairs(pairs.select([]), model=bundle)


def test_a_folder_that_holds_something_else(faces, bundle, tmp_path):
    (tmp_path / "catalogue").mkdir()
    Path(tmp_path, "catalogue", "mine.txt").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="expected an empty folder"):
        verify_pairs(faces / "pairs.csv", model=bundle, out=tmp_path)
