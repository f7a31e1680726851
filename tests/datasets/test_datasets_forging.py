"""Forged photos of faces: what each kind changes, and that the set is dealt, laid out and told as it says."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from PIL import Image

from oracles.drawn_faces import drawn_face, write_faces
from resight.core import Catalogue
from resight.datasets import detect, forge_photos, read_catalogue, read_pairs
from resight.datasets.forging import KINDS, TwoFaces, points_in_crop
from resight.datasets.forging.faces import inner_face, move_between, require_points
from resight.datasets.forging.plan import pairs_of_set, parts_of, photos_of_set
from resight.datasets.forging.swapping import swap_face
from resight.errors import CatalogueError, ConfigError, InputError, UnknownNameError
from resight.images import read_photo

ANN, BOB = drawn_face(0, 0), drawn_face(1, 0)
POINTS = points_in_crop(ANN)
INSIDE = inner_face(POINTS, ANN.shape)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return write_faces(tmp_path_factory.mktemp("faces"), 12, 4)


@pytest.fixture(scope="module")
def forged(faces, tmp_path_factory):
    return forge_photos(faces, tmp_path_factory.mktemp("forged") / "set", seed=3)


def table(made, name):
    return pl.read_csv(made.out / name, infer_schema=False)


class TestThePlaces:
    def test_points_follow_the_size_of_the_photo(self):
        assert points_in_crop(np.zeros((300, 250, 3), np.uint8)) == pytest.approx(2 * POINTS)

    def test_the_inner_face_holds_the_points_and_never_touches_the_rim(self):
        assert all(INSIDE[round(y), round(x)] for x, y in POINTS)
        for width, height in ((125, 150), (40, 40), (20, 300)):
            photo = np.zeros((height, width, 3), np.uint8)
            mask = inner_face(points_in_crop(photo), photo.shape)
            rim = np.concatenate([mask[[0, -1]].ravel(), mask[:, [0, -1]].ravel()])
            assert not rim.any()

    def test_a_move_is_found_again(self):
        rng = np.random.default_rng(0)
        for _ in range(20):
            angle, scale, shift = rng.uniform(-3, 3), rng.uniform(0.2, 4), rng.normal(size=2)
            turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            assert move_between(POINTS, POINTS @ turn.T + shift) == pytest.approx(np.column_stack([turn, shift]))

    @pytest.mark.parametrize(
        "wrong", [POINTS[:4], POINTS * np.nan, np.zeros((5, 2)), POINTS + 1000, np.repeat(POINTS[:1], 5, axis=0)]
    )
    def test_what_is_no_face_is_refused(self, wrong):
        with pytest.raises(InputError, match="expected"):
            require_points(wrong, ANN)


class TestTheKinds:
    @pytest.mark.parametrize("kind", KINDS)
    def test_only_the_inner_face_changes(self, kind):
        made = KINDS[kind](TwoFaces(ANN, POINTS, BOB, POINTS), np.random.default_rng(0))
        base = BOB if kind == "swap" else ANN
        assert made.shape == base.shape
        assert made.dtype == np.uint8
        assert np.array_equal(made[~INSIDE], base[~INSIDE])
        assert (made[INSIDE] != base[INSIDE]).mean() > 0.2

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_same_seed_gives_the_same_photo(self, kind):
        one, again, other = (
            KINDS[kind](TwoFaces(ANN, POINTS, BOB, POINTS), np.random.default_rng(seed)) for seed in (1, 1, 2)
        )
        assert np.array_equal(one, again)
        assert kind == "swap" or not np.array_equal(one, other)

    def test_a_face_swapped_with_itself_stays(self):
        assert np.array_equal(swap_face(ANN, POINTS, ANN, POINTS), ANN)

    def test_a_swap_has_the_features_of_the_face_and_the_light_of_the_head(self):
        made = swap_face(ANN, POINTS, BOB, POINTS).astype(float)
        middle = INSIDE.copy()
        middle[:40] = middle[125:] = False

        def alike(one, other):
            return np.corrcoef(one.mean(axis=2)[middle], other.astype(float).mean(axis=2)[middle])[0, 1]

        assert alike(made, ANN) > alike(made, BOB)

    def test_a_swap_finds_its_place_in_a_head_of_another_size(self):
        head = drawn_face(1, 0, 250, 300)
        made = swap_face(ANN, POINTS, head, points_in_crop(head))
        assert made.shape == head.shape
        mask = inner_face(points_in_crop(head), head.shape)
        assert np.array_equal(made[~mask], head[~mask])

    def test_a_warp_is_softer_and_a_grid_has_more_at_the_highest_frequency(self):
        def power(photo, kernel):
            light = photo[40:110, 25:99].astype(float).mean(axis=2)
            return float((kernel(light) ** 2).mean())

        def checker(light):
            return light[::2, ::2] - light[1::2, ::2] - light[::2, 1::2] + light[1::2, 1::2]

        made = {kind: KINDS[kind](TwoFaces(ANN, POINTS, BOB, POINTS), np.random.default_rng(0)) for kind in KINDS}
        assert power(made["warp"], checker) < 0.5 * power(ANN, checker)
        flat = np.full_like(ANN, 128)
        grid = KINDS["upsample"](TwoFaces(flat, POINTS, flat, POINTS), np.random.default_rng(0))
        assert power(grid, checker) > 0
        assert power(KINDS["warp"](TwoFaces(flat, POINTS, flat, POINTS), np.random.default_rng(0)), checker) == 0


class TestThePlan:
    def test_parts_follow_the_shares(self):
        parts = parts_of(100, (0.5, 0.2, 0.3), np.random.default_rng(0))
        assert [parts.count(name) for name in ("train", "validation", "test")] == [50, 20, 30]
        assert parts_of(3, (0, 0, 1), np.random.default_rng(0)) == ["test"] * 3
        assert parts_of(0, (1, 0, 0), np.random.default_rng(0)) == []

    def test_heads_come_from_others_of_the_same_part(self):
        persons = np.repeat(np.arange(10), 3)
        parts = parts_of(10, (0.4, 0.3, 0.3), np.random.default_rng(1))
        photos = photos_of_set(persons, parts, ["swap", "warp"], 0.5, np.random.default_rng(2))
        fakes = [photo for photo in photos if photo.kind]
        assert [photo.number for photo in photos] == list(range(len(photos)))
        assert len(fakes) == 20
        for fake in fakes:
            assert persons[fake.source] == fake.person != persons[fake.head]
            assert parts[persons[fake.head]] == fake.part == parts[fake.person]

    def test_a_person_alone_in_a_part_has_no_forgery(self):
        photos = photos_of_set(np.zeros(3, np.int64), ["test"], ["swap"], 1.0, np.random.default_rng(0))
        assert [photo.kind for photo in photos] == [None] * 3

    def test_pairs_are_what_they_say_and_no_forgery_meets_its_own_source(self):
        persons = np.repeat(np.arange(8), [1, 2, 3, 4, 5, 6, 1, 2])
        parts = ["test"] * 8
        photos = photos_of_set(persons, parts, list(KINDS), 0.5, np.random.default_rng(0))
        pairs = pairs_of_set(photos, ("test",), 4, np.random.default_rng(1))
        genuine = defaultdict(int)
        seen = set()
        for pair in pairs:
            a, b = photos[pair.a], photos[pair.b]
            assert frozenset((pair.a, pair.b)) not in seen
            seen.add(frozenset((pair.a, pair.b)))
            assert a.source != b.source
            assert pair.same == (a.person == b.person and a.kind is None and b.kind is None)
            if pair.kind != "real":
                assert {a.kind, b.kind} == {None, pair.kind}
                assert a.person == b.person
            genuine[a.person] += pair.same
        assert max(genuine.values()) == 4
        told = [pair.told for pair in pairs]
        assert told.count("genuine") == told.count("impostor") == 1 + 3 + 4 + 4 + 4 + 1
        first = {photos[pair.a].kind is None for pair in pairs if pair.kind != "real"}
        assert first == {True, False}  # the place in a pair says nothing


class TestTheSet:
    def test_it_is_read_as_kryptonite_with_its_marks(self, forged):
        assert detect(forged.out)[0] == "kryptonite"
        photos = read_catalogue(forged.out)
        origins = table(forged, "origins.csv")
        kind = dict(origins.select("path", "kind").iter_rows())
        for row in photos:
            assert (photos.root / row["path"]).is_file()
            if row["split"] == "test":
                assert row["identity"] is None
            else:
                assert row["is_synthetic"] == (kind[row["path"]] is not None)
        counts = photos.frame.group_by("split").agg(pl.col("is_synthetic").sum()).sort("split")
        told = [sum(forged.n_forged[part].values()) for part in ("train", "validation")]
        assert counts.filter(pl.col("split") != "test")["is_synthetic"].to_list() == told

    def test_no_file_is_without_its_row(self, forged):
        on_disk = {path.relative_to(forged.out).as_posix() for path in forged.out.rglob("*.jpg")}
        assert on_disk == set(read_catalogue(forged.out).frame["path"]) == set(table(forged, "origins.csv")["path"])

    def test_nobody_is_in_two_parts_not_even_as_a_head(self, forged):
        persons = table(forged, "persons.csv")
        assert not persons["label"].is_duplicated().any()
        part_of = dict(persons.select("name", "split").iter_rows())
        name_of = dict(persons.select("label", "name").iter_rows())
        for row in table(forged, "origins.csv").iter_rows(named=True):
            part = {"train": "train", "val": "validation", "test_public": "test"}[row["path"].split("/")[0]]
            assert part_of[name_of[row["person"]]] == part
            assert row["source"].split("/")[0] == name_of[row["person"]]
            assert (row["head"] is None) == (row["kind"] is None)
            if row["head"]:
                assert part_of[row["head"].split("/")[0]] == part

    @pytest.mark.parametrize("part", ["val", "test"])
    def test_the_truth_about_pairs_is_read_by_verification(self, forged, part):
        pairs = read_pairs(forged.out / f"{part}_pairs.csv")
        told = forged.n_pairs["validation" if part == "val" else part]
        assert len(pairs) == sum(told.values())
        assert int(pairs.is_genuine.sum()) == told["genuine"]
        assert set(pairs.kinds) == {"real", *KINDS} & ({"real"} | set(told))
        one = pairs.frame["person_a"].to_numpy() == pairs.frame["person_b"].to_numpy()
        assert np.array_equal(one, pairs.is_genuine | (pairs.kinds != "real"))

    def test_the_sample_names_the_pairs_of_the_test(self, forged):
        names = table(forged, "sample_submission.csv")["pair_id"].to_list()
        assert sorted(names) == sorted(table(forged, "test_pairs.csv")["pair_id"])
        assert sorted(names) == sorted(path.name for path in (forged.out / "test_public").iterdir())

    def test_real_photos_are_compressed_anew_like_forged_ones(self, faces, forged):
        tables = defaultdict(set)
        for path, kind, source in table(forged, "origins.csv").select("path", "kind", "source").iter_rows():
            with Image.open(forged.out / path) as photo:
                tables[kind is None].add(tuple(photo.quantization[0]))
            assert (forged.out / path).read_bytes() != (faces / source).read_bytes()
        assert tables[True] & tables[False]

    def test_the_same_seed_gives_the_same_bytes(self, faces, forged, tmp_path):
        again = forge_photos(faces, tmp_path / "again", seed=3)
        files = sorted(path.relative_to(again.out) for path in again.out.rglob("*") if path.is_file())
        assert all((again.out / file).read_bytes() == (forged.out / file).read_bytes() for file in files)
        assert len(files) == sum(path.is_file() for path in forged.out.rglob("*"))
        other = forge_photos(faces, tmp_path / "other", seed=4)
        assert (other.out / "train.csv").read_bytes() != (forged.out / "train.csv").read_bytes()

    def test_it_can_be_said_as_json(self, forged):
        said = json.loads(json.dumps(forged.to_json()))
        assert said["n_pairs"]["test"] == forged.n_pairs["test"]
        assert str(forged).splitlines()[1].startswith("train ")


class TestWhatIsRefused:
    def test_a_photo_that_cannot_be_read_or_shows_no_face_is_listed(self, faces, tmp_path):
        mine = shutil.copytree(faces, tmp_path / "faces")
        (mine / "p00" / "photo0.jpg").write_bytes(b"no photo")
        blind = mine / "p01" / "photo1.jpg"
        unseen = read_photo(blind).tobytes()
        made = forge_photos(
            mine,
            tmp_path / "set",
            landmarks=lambda photo: None if photo.tobytes() == unseen else points_in_crop(photo),
            fake_share=1,
            shares=(1, 0, 0),
        )
        assert [failure.path for failure in made.failures] == ["p00/photo0.jpg", "p01/photo1.jpg"]
        assert made.failures[1].reason == "no face was seen on it"
        sources = table(made, "origins.csv")
        assert "p00/photo0.jpg" not in sources["source"].to_list()
        assert sources.filter(pl.col("source") == "p01/photo1.jpg")["kind"].to_list() == [None]
        assert made.n_real["train"] == 47
        assert len(read_catalogue(made.out)) == sources.height

    @pytest.mark.parametrize(
        ("wrong", "error", "message"),
        [
            ({"kinds": ["swop"]}, UnknownNameError, "swap"),
            ({"kinds": []}, ConfigError, "one kind of forgery"),
            ({"shares": (0.5, 0.5)}, ConfigError, "three shares"),
            ({"shares": (0.5, 0.5, 0.5)}, ConfigError, "three shares"),
            ({"fake_share": 1.5}, ConfigError, "from 0 to 1"),
            ({"quality": (95, 75)}, ConfigError, "the lower first"),
            ({"n_pairs_each": 0}, ConfigError, "at least 1"),
            ({"max_side_px": 4}, ConfigError, "16 pixels"),
            ({"seed": -1}, ConfigError, "at least 0"),
        ],
    )
    def test_a_wrong_setting_is_told_before_the_work(self, faces, tmp_path, wrong, error, message):
        with pytest.raises(error, match=message):
            forge_photos(faces, tmp_path / "set", **wrong)
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_holds_something_is_left_alone(self, faces, tmp_path):
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(InputError, match="absent or empty folder"):
            forge_photos(faces, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]

    def test_photos_without_names_or_without_anything_readable_leave_nothing(self, faces, tmp_path):
        frame = pl.DataFrame({"image_id": ["a", "b"], "path": ["p00/photo0.jpg", "gone.jpg"]})
        with pytest.raises(InputError, match="photos with names"):
            forge_photos(Catalogue(frame, faces), tmp_path / "set")
        named = frame.with_columns(pl.lit("ann").alias("identity")).filter(pl.col("path") == "gone.jpg")
        with pytest.raises(InputError, match="found 0 that can be used"):
            forge_photos(Catalogue(named, faces), tmp_path / "set")
        with pytest.raises(CatalogueError):
            forge_photos(tmp_path / "nowhere", tmp_path / "set")
        assert list(tmp_path.iterdir()) == []

    def test_a_set_without_forgeries_has_none(self, faces, tmp_path):
        made = forge_photos(faces, tmp_path / "set", fake_share=0)
        assert sum(sum(kinds.values()) for kinds in made.n_forged.values()) == 0
        assert set(made.n_pairs["test"]) == {"genuine", "impostor"}
