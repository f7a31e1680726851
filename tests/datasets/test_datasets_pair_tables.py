"""Pairs of photos from tables, pair folders, and queries against galleries."""

import json

import pytest

from resight.datasets import read_pairs
from resight.errors import CatalogueError, UnknownNameError


@pytest.fixture
def place(tmp_path):
    def make(*names, **files):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        for name, text in files.items():
            (tmp_path / f"{name}.csv").write_text("\n".join([*text, ""]), encoding="utf-8")
        return tmp_path

    return make


PHOTOS = ("ada/1.jpg", "ada/2.jpg", "bo/1.jpg", "bo/2.jpg")
PAIRS = ("path_a,path_b,same", "ada/1.jpg,ada/2.jpg,1", "ada/1.jpg,bo/1.jpg,0", "bo/1.jpg,bo/2.jpg,")


def test_each_photo_stands_once_and_folders_name_persons(place):
    root = place(*PHOTOS, pairs=PAIRS)
    found = read_pairs(root / "pairs.csv")
    assert found.photos.frame["path"].to_list() == ["ada/1.jpg", "bo/1.jpg", "ada/2.jpg", "bo/2.jpg"]
    assert [(found.first[row], found.second[row]) for row in range(3)] == [(0, 2), (0, 1), (1, 3)]
    assert found.pair_ids.tolist() == ["0", "1", "2"]
    assert found.frame["same"].to_list() == [True, False, None]
    assert found.frame["person_b"].to_list() == ["ada", "bo", "bo"]


def test_folders_that_say_otherwise_than_the_table_are_no_persons(place):
    root = place(*PHOTOS, pairs=(PAIRS[0], "ada/1.jpg,bo/1.jpg,1", "ada/1.jpg,ada/2.jpg,0"))
    assert read_pairs(root / "pairs.csv").frame["person_a"].null_count() == 2


def test_labels_that_were_given_must_agree(place):
    who = ("path,identity", *(f"{path},{path.split('/')[0]}" for path in PHOTOS))
    root = place(*PHOTOS, pairs=(PAIRS[0], "ada/1.jpg,bo/1.jpg,1"), who=who)
    with pytest.raises(CatalogueError, match=r"pairs.csv: row 0, column 'same': expected one person"):
        read_pairs(root / "pairs.csv", labels=root / "who.csv")


def test_every_column_that_is_understood(place):
    rows = ("Pair_ID,image_a,image_b,label,kind,fold,light", "007,ada/1.jpg,bo/1.jpg,no,swap,a,dim")
    found = read_pairs(place(*PHOTOS, pairs=rows) / "pairs.csv")
    told = found.frame.select("pair_id", "same", "kind", "fold", "light").row(0)
    assert told == ("007", False, "swap", "a", "dim")


def test_persons_of_the_table_say_what_is_the_same(place):
    rows = ("path_a,path_b,person_a,person_b,kind", "ada/1.jpg,ada/2.jpg,x,x,", "ada/1.jpg,bo/1.jpg,x,x,warp")
    rows += ("ada/1.jpg,bo/2.jpg,x,y,real", "ada/2.jpg,bo/2.jpg,,y,")
    assert read_pairs(place(*PHOTOS, pairs=rows) / "pairs.csv").frame["same"].to_list() == [True, False, False, None]


def test_marks_of_made_photos_are_kinds(place):
    root = place(*PHOTOS, pairs=PAIRS)
    (root / "meta.json").write_text(json.dumps({"bo/1.jpg": "fake", "ada/1.jpg": 0, "ada/2.jpg": 0}), encoding="utf-8")
    assert read_pairs(root / "pairs.csv").frame["kind"].to_list() == ["real", "synthetic", "synthetic"]
    marked = place(pairs=("path_a,path_b,is_synthetic", "ada/1.jpg,bo/1.jpg,yes", "ada/1.jpg,bo/2.jpg,no"))
    assert read_pairs(marked / "pairs.csv").frame["kind"].to_list() == ["synthetic", "real"]


def test_photos_elsewhere_and_one_that_is_not_there(place, tmp_path):
    place("photos/ada/1.jpg", pairs=(PAIRS[0], "ada/1.jpg,ada/9.jpg,1"))
    found = read_pairs(tmp_path / "pairs.csv", tmp_path / "photos")
    assert found.photos.frame["path"].to_list() == ["ada/1.jpg", "ada/9.jpg"]
    assert found.photos.root == tmp_path / "photos"


class TestPairFolders:
    names = (
        "test/b/0.jpg",
        "test/b/1.jpg",
        "test/a/1.png",
        "test/a/0.jpg",
        "test/c/1.jpg",
        "test/d/0.jpg",
        "test/d/1.jpg",
    )

    def test_a_photo_that_is_lacking_is_named(self, place):
        found = read_pairs(place(*self.names) / "test")
        assert found.pair_ids.tolist() == ["a", "b", "c", "d"]
        paths = found.photos.frame["path"]
        assert [
            (paths[row[0]], paths[row[1]]) for row in zip(found.first.tolist(), found.second.tolist(), strict=True)
        ] == [
            ("a/0.jpg", "a/1.png"),
            ("b/0.jpg", "b/1.jpg"),
            ("c/0.jpg", "c/1.jpg"),
            ("d/0.jpg", "d/1.jpg"),
        ]
        assert found.frame["person_a"].null_count() == 4

    def test_a_table_says_what_is_known_of_them(self, place):
        root = place(*self.names, truth=("pair_id,label,kind", "d,1,", "a,0,swap"))
        found = read_pairs(root / "truth.csv", root / "test")
        assert found.pair_ids.tolist() == ["d", "a"]
        assert found.frame["same"].to_list() == [True, False]
        assert len(found.photos) == 4
        wrong = place(truth=("pair_id,label", "x,1"))
        with pytest.raises(UnknownNameError, match="no pair is called 'x'"):
            read_pairs(wrong / "truth.csv", root / "test")


KRYPTONITE = "label,path,split,is_query,is_gallery"


def test_queries_against_the_gallery_each_two_photos_once(place):
    rows = (KRYPTONITE, "a,ada/1.jpg,val,1,1", "a,ada/2.jpg,val,0,1", "b,bo/1.jpg,val,1,1", "b,bo/2.jpg,val,0,0")
    root = place(*PHOTOS, val=rows)
    (root / "meta.json").write_text(json.dumps({"ada/2.jpg": 1, "ada/1.jpg": 0, "bo/1.jpg": 0}), encoding="utf-8")
    found = read_pairs(root / "val.csv")
    named = dict(zip(found.pair_ids.tolist(), found.frame.select("same", "kind").rows(), strict=True))
    assert named == {
        "ada/1.jpg|ada/2.jpg": (False, "synthetic"),
        "ada/1.jpg|bo/1.jpg": (False, "real"),
        "ada/2.jpg|bo/1.jpg": (False, "synthetic"),
    }
    assert len(found.photos) == 3


def test_test_rows_are_pairs(place):
    rows = (KRYPTONITE, "x,t/x/0.jpg,test,1,0", "x,t/x/1.jpg,test,0,1")
    assert read_pairs(place("t/x/0.jpg", "t/x/1.jpg", test=rows) / "test.csv").pair_ids.tolist() == ["x"]


class TestListsOfLabeledFacesInTheWild:
    photos = ("Ada/Ada_0001.jpg", "Ada/Ada_0004.jpg", "Bo_X./Bo_X._0002.jpg", "Cy/Cy_0001.jpg", "Cy/Cy_0002.jpg")

    def read(self, place, text):
        root = place(*self.photos)
        (root / "pairs.txt").write_text(text, encoding="utf-8", newline="")
        return read_pairs(root / "pairs.txt")

    def test_folds_persons_and_photos(self, place):
        found = self.read(place, "2\t1\nAda\t1\t4\nAda\t1\tBo_X.\t2\nCy\t1\t2\r\nCy\t2\tAda\t4\n")
        assert found.frame["same"].to_list() == [True, False, True, False]
        assert found.frame["fold"].to_list() == ["0", "0", "1", "1"]
        assert found.frame["person_b"].to_list() == ["Ada", "Bo_X.", "Cy", "Ada"]
        assert found.photos.frame["path"].to_list() == [self.photos[place] for place in (0, 3, 4, 1, 2)]

    def test_one_fold(self, place):
        assert self.read(place, "1\nAda 1 4\nAda 1 Cy 2\n").frame["fold"].to_list() == ["0", "0"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("2 1\nAda 1 4\n", "pairs.txt: expected a list of pairs whose first line says .* found 1 pairs below 2 1"),
            ("", "found 0 pairs below nothing"),
            ("Ada 1 4\n", "begins with numbers"),
            ("1\nAda 1 4\nAda 1 Cy 2 3\n", "pairs.txt: row 1: expected a name and two numbers, or twice both"),
            ("1\nAda 1 x\nAda 1 Cy 2\n", "pairs.txt: row 0: expected the number of a photo, found 'x'"),
        ],
    )
    def test_faults(self, place, text, message):
        with pytest.raises(CatalogueError, match=message):
            self.read(place, text)


class TestFaults:
    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ((PAIRS[0], "ada/1.jpg,,1"), "pairs.csv: row 0, column 'path_b': expected a pair of photos"),
            ((PAIRS[0], "ada/1.jpg,bo/1.jpg,perhaps"), "pairs.csv: row 0, column 'same': expected one of 1, true, yes"),
            ((PAIRS[0], "ada/1.jpg,ada/1.jpg,1"), "pairs.csv: row 0, column 'path_b': expected two photos in a pair"),
            ((PAIRS[0],), "pairs.csv: expected at least one row, found none"),
            (
                ("photo,who", "ada/1.jpg,ada"),
                "pairs.csv: expected the columns path_a and path_b, or pair_id, found: photo, who",
            ),
            (
                ("pair_id,path_a,path_b", "1,ada/1.jpg,bo/1.jpg", "1,ada/1.jpg,bo/2.jpg"),
                "pairs.csv: row 0, column 'pair_id': expected each id once, found '1' again",
            ),
            (
                (PAIRS[0], "x/1.jpg,y/2.jpg,1"),
                "pairs.csv: column 'path_a and path_b': expected the table to name",
            ),
            ((PAIRS[0], "ada/1.jpg,../elsewhere.jpg,1"), "pairs.csv: row 0, column 'path_b': expected a photo inside"),
        ],
    )
    def test_of_a_table(self, place, rows, message):
        with pytest.raises(CatalogueError) as error:
            read_pairs(place(*PHOTOS, pairs=rows) / "pairs.csv")
        assert str(error.value).startswith(message)

    def test_nothing_there_no_table_no_pairs(self, place):
        root = place(*PHOTOS)
        with pytest.raises(CatalogueError, match="found nothing there"):
            read_pairs(root / "none.csv")
        with pytest.raises(CatalogueError, match="expected a table of pairs"):
            read_pairs(root / "ada" / "1.jpg")
        with pytest.raises(CatalogueError, match=r"expected pairs of photos in .* found neither"):
            read_pairs(root)
        with pytest.raises(CatalogueError, match="found the folder"):
            read_pairs(root, root)


def test_the_real_table(real_photos):
    found = read_pairs(real_photos / "faces_lfw_dev" / "pairs.csv")
    assert (len(found), len(found.photos), int(found.is_genuine.sum())) == (2931, 3738, 1460)
    assert found.frame["person_a"].null_count() == 0
